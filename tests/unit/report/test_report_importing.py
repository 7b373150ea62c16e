"""What an import says: differences with their reasons, shared ones once, and nothing that its parent says already."""

from __future__ import annotations

import json

import pytest

from envmgr.model.imported import Became, Difference, Fate, ImportResult
from envmgr.report.importing import write_import

RESULT = ImportResult(
    file="envmgr.toml",
    environment="dev",
    services=(Became("web", "container", "services.web", "a:1"), Became("gone", "", "", "x", "it is no folder")),
    differences=(
        Difference(Fate.ADDED, "web", "read_only", "", "true", "why"),
        Difference(Fate.ADDED, "web", "labels.envmgr.env", "", "dev", "why"),
        Difference(Fate.ADDED, "web", "labels.envmgr.kind", "", "container", "why"),
        Difference(Fate.CHANGED, "web", "restart", "", "unless-stopped", "it comes back"),
        Difference(Fate.CHANGED, "api", "restart", "", "unless-stopped", "it comes back"),
        Difference(Fate.LOST, "web", "ports.:80/tcp", "published", "", "Docker chose it", "a.yml:3"),
        Difference(Fate.LOST, "web", "ports.:80/tcp.host_ip", "any address", "", "Docker chose it", "a.yml:3"),
        Difference(Fate.LOST, "web", "x", "one\ntwo" + "a" * 90, "", "no place"),
    ),
    decisions=("web: write its tag",),
    values={"TOKEN": ".env.dev"},
)


def test_as_text(capsys: pytest.CaptureFixture[str]):
    write_import(RESULT, as_json=False)
    assert capsys.readouterr().out.splitlines() == [
        "envmgr.toml: 2 services imported",
        "",
        "SERVICE  KIND       IN THE SPEC   RUNS",
        "web      container  services.web  a:1",
        "gone     left out                 x     it is no folder",
        "",
        "added",
        "  web: read_only, labels envmgr.*",
        "",
        "changed",
        "  web, api restart: (nothing) → unless-stopped",
        "      it comes back",
        "",
        "not carried over",
        "  a.yml:3 web ports.:80/tcp",
        "      Docker chose it",
        f"  web x: one\\ntwo{'a' * 71}…",
        "      no place",
        "",
        "written",
        "  TOKEN to .env.dev",
        "",
        "to decide",
        "  web: write its tag",
        "",
        "Everything else is the same, as docker compose config reads both.",
        "next: read envmgr.toml, then envmgr up dev",
    ]


def test_as_json_nothing_is_left_out(capsys: pytest.CaptureFixture[str]):
    write_import(RESULT, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert {fate: len(found[fate]) for fate in ("added", "changed", "lost")} == {"added": 3, "changed": 2, "lost": 3}
    assert found["values"] == [{"name": "TOKEN", "file": ".env.dev"}]
    assert found["lost"][0] == {
        "service": "web",
        "key": "ports.:80/tcp",
        "before": "published",
        "after": "",
        "why": "Docker chose it",
        "place": "a.yml:3",
    }


def test_what_could_not_be_compared_says_so(capsys: pytest.CaptureFixture[str]):
    write_import(ImportResult("a.toml", "dev", (), (), ("x",), {}, is_compared=False), as_json=False)
    said = capsys.readouterr().out
    assert "It could not be compared with the project yet" in said
    assert "Everything else is the same" not in said
