"""The example of the guide, run: what it shows is what is made and said."""

from __future__ import annotations

import io
import os
import re
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from envmgr import layout
from envmgr.operations.importing import ImportOptions, import_project
from envmgr.report.importing import write_import

pytestmark = pytest.mark.docker


def block(text: str, language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", text, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_example_is_what_happens(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
):
    guide = repository / "docs" / "import.md"
    text = guide.read_text()
    monkeypatch.chdir(tmp_path)
    Path("docker-compose.yml").write_text(block(text, "yaml"))
    environ = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    result = import_project(ImportOptions((Path("docker-compose.yml"),), Path(layout.SPEC)), environ)
    said = io.StringIO()
    with redirect_stdout(said):
        write_import(result, as_json=False)
    found = {"toml": Path(layout.SPEC).read_text(), "text": said.getvalue()}
    if request.config.getoption("--update-golden"):
        for language, content in found.items():
            text = re.sub(
                rf"```{language}\n.*?```", lambda _, c=content, n=language: f"```{n}\n{c}```", text, flags=re.DOTALL
            )
        guide.write_text(text)
    assert {language: block(text, language) for language in found} == found
