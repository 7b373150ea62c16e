"""What README and docs say to type exists, what they show of a spec is one, and what they link to is there."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import tomlkit

from envmgr.operations.explain import explain
from envmgr.operations.project import open_project
from envmgr.report.explain import write_explained
from tests.unit.cli.test_cli_words import parse

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = (ROOT / "docs", ROOT / "examples", ROOT / "images")
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(page for folder in FOLDERS for page in folder.rglob("*.md"))]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
EXCERPTS = [
    (name, text)
    for name in ("README.md", "docs/developing.md")
    for text in re.findall(r"```toml\n(.*?)```", (ROOT / name).read_text(), re.DOTALL)
]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def typed(text: str) -> Iterator[str]:
    """Give the commands of a page: whole lines, and words between backticks."""
    for line in re.findall(r"^(?:\$ |    )(envmgr .*)$", text, re.MULTILINE) + re.findall(r"`(envmgr [^`]+)`", text):
        yield re.split(r"\s{2,}|\s[>|]\s|…", line)[0].strip()


def refused(line: str) -> str:
    """Return why a command is none; one that is only named may lack what it needs."""
    first, *others = line.split("|")
    if others:  # `envmgr images list|build|pull`
        head = first.rpartition(" ")[0]
        return " ".join(found for word in (first, *(f"{head} {other}" for other in others)) if (found := refused(word)))
    try:
        parse(line)
    except click.MissingParameter:
        return ""
    except click.exceptions.Exit as ended:
        return "" if ended.exit_code == 0 else line
    except click.UsageError as error:
        return f"{line}: {error.message}"
    return ""


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_what_a_page_says_to_type_exists(page: Path):
    text = page.read_text()
    assert [found for line in typed(text) if (found := refused(line))] == []
    made = re.findall(r"^\$ make ([a-z-]+)|`make ([a-z-]+)", text, re.MULTILINE)
    assert {first or second for first, second in made} <= TARGETS


def test_what_does_not_exist_would_be_seen():
    page = (
        "`envmgr upp dev`\n$ envmgr up dev --bild\n    envmgr images list|lod\n`envmgr up`, `envmgr images list|load`\n"
    )
    assert [line for line in typed(page) if refused(line)] == [
        "envmgr up dev --bild",
        "envmgr images list|lod",
        "envmgr upp dev",
    ]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_what_a_page_links_to_is_there(page: Path):
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not target.startswith(("http://", "https://")):
            path, _, anchor = target.partition("#")
            other = page.parent / path if path else page
            assert other.exists(), target
            assert not anchor or anchor in anchors(other.read_text()), target


def anchors(text: str) -> set[str]:
    """Return what the headings of a page are called by those who link to them."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    both = {key: merged(below[key], above[key]) for key in below if isinstance(above.get(key), dict)}
    return {**below, **above, **both}


@pytest.mark.parametrize(("page", "text"), EXCERPTS, ids=[name for name, _ in EXCERPTS])
def test_what_a_page_shows_of_the_spec_can_stand_in_it(tmp_path: Path, page: str, text: str):
    whole = merged(tomllib.loads((ROOT / "envmgr.toml").read_text()), tomllib.loads(text))
    (tmp_path / "envmgr.toml").write_text(tomlkit.dumps(whole))
    assert open_project(tmp_path / "envmgr.toml").system.environments


def test_what_the_page_of_explain_asks_is_answered(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    text = (ROOT / "docs" / "explain.md").read_text()
    monkeypatch.chdir(ROOT)
    project = open_project(Path("envmgr.toml"))
    commands = [line for line in typed(text) if line.startswith("envmgr explain")]
    assert len(commands) > 8
    for command in commands:
        assert explain(project, tuple(command.split()[2:])).rows
    (shown,) = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    command, _, answer = shown.partition("\n")
    write_explained(explain(project, tuple(command.split()[3:])), as_json=False)
    assert capsys.readouterr().out == answer
    (shown,) = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    write_explained(explain(project, ("environments.prod.workers",)), as_json=True)
    assert json.loads(capsys.readouterr().out) == json.loads(shown)
