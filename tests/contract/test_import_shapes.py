"""Compose projects of many shapes become specs; Compose reads both, and only what was listed is different."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from envmgr import layout
from envmgr.catalog.registry import INFRA
from envmgr.model.imported import Fate, ImportResult
from envmgr.operations.importing import ImportOptions, import_project
from envmgr.operations.project import Project, open_project
from envmgr.render.files import render
from envmgr.report.importing import write_import
from envmgr.secrets.deliver import deliver
from envmgr.secrets.generate import generate
from envmgr.secrets.vault import Vault
from envmgr.spec.dotenv import collect, read_env_files
from tests.imports.equivalence import flat, known_as, reached, unlisted

pytestmark = pytest.mark.docker

CASES = Path(__file__).parents[1] / "imports"
MAIN = "docker-compose.yml"
FILES = {"overrides": (MAIN, "docker-compose.override.yml", "docker-compose.local.yml")}
PROFILES = {"profiles": ("debug",)}
UNSET = {"env-file": {"SESSION_KEY": "unset-SESSION_KEY"}}
"""What the importer stands in for variables that must be set; here they are, so that both sides can be resolved."""
NAMES = sorted(path.parent.name for path in CASES.glob(f"*/{MAIN}"))


@dataclass(frozen=True)
class Done:
    folder: Path
    result: ImportResult
    project: Project
    before: dict[str, Any]
    after: dict[str, Any]
    """The documents of the base and of the environment, their services in one table under their old names."""


def resolved(folder: Path, *arguments: str, **variables: str) -> dict[str, Any]:
    command = ["docker", "compose", *arguments, "config", "--format", "json"]
    environ = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | variables
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False, env=environ)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def environ() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}


def imported(folder: Path, case: str, **more: Any) -> ImportResult:
    before = Path.cwd()
    os.chdir(folder)
    try:
        files = tuple(Path(name) for name in FILES.get(case, (MAIN,)))
        options = ImportOptions(files, Path(layout.SPEC), profiles=PROFILES.get(case, ()), **more)
        return import_project(options, environ())
    finally:
        os.chdir(before)


def tagged(folder: Path) -> None:
    """Decide what only the operator can: the versions of images that name none."""
    spec = folder / layout.SPEC
    lines = spec.read_text().splitlines(keepends=True)
    plain = [i for i, line in enumerate(lines) if line.startswith("image = ") and ":" not in line]
    for number in plain:
        lines[number] = lines[number].rstrip().removesuffix('"') + ':1"\n'
    spec.write_text("".join(lines))


def delivered(project: Project, case: str) -> dict[str, dict[str, Any]]:
    """Write what `up` would write, and have Compose read the rendered documents with it."""
    vault, found = Vault(), {}
    for path, text in render(project.system, project.folder).items():
        (project.folder / layout.COMPOSE / path).parent.mkdir(parents=True, exist_ok=True)
        (project.folder / layout.COMPOSE / path).write_text(text)
    for stack in project.system.stacks:
        values = {
            **UNSET.get(case, {}),
            **collect(stack.needed, read_env_files(project.folder, stack.target), {}).values,
        }
        files = {need.name: (project.folder / need.file).read_text() for need in stack.needed if need.file}
        values = {**generate(need for need in stack.needed if need.name not in values), **values, **files}
        vault = vault.with_target(stack.target, values)
        plain = {need.name for need in stack.needed if not need.is_secret} & values.keys()
        unset = {need.name for need in stack.needed if need.default is None and not need.is_required}
        known = collect(stack.needed, read_env_files(project.folder, stack.target), {}).values
        handed = {name: values[name] for name in plain if name in known or name not in unset}
        secret = {n: ("" if n in unset and n not in known and n not in files else v) for n, v in values.items()}
        vault = vault.with_target(stack.target, secret)
        if stack.services:
            deliver(project.folder, stack, handed, vault)
            found[stack.target] = resolved(project.folder / layout.COMPOSE, "-f", layout.compose_file(stack.target))
    return found


@cache
def case_of(case: str, parent: Path) -> Done:
    folder = Path(shutil.copytree(CASES / case, parent / case, ignore=shutil.ignore_patterns("expected")))
    result = imported(folder, case)
    (folder / "as-written.toml").write_text((folder / layout.SPEC).read_text())
    tagged(folder)
    project = open_project(folder / layout.SPEC)
    flags = [part for name in FILES.get(case, (MAIN,)) for part in ("-f", name)]
    flags += [part for name in PROFILES.get(case, ()) for part in ("--profile", name)]
    before = resolved(folder, *flags, **UNSET.get(case, {}))
    documents = delivered(project, case)
    names = {one.table.partition(".")[2]: one.service for one in result.services if one.kind}
    after: dict[str, Any] = {"services": {}, "configs": {}}
    for document in documents.values():
        for name, body in document["services"].items():
            body["depends_on"] = {names.get(n, n): how for n, how in (body.get("depends_on") or {}).items()}
            after["services"][names[name]] = body
    return Done(folder, result, project, before, after)


@pytest.fixture(scope="session")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("imports")


@pytest.fixture(params=NAMES)
def case(request: pytest.FixtureRequest, parent: Path) -> Done:
    return case_of(request.param, parent)


def listed(done: Done, service: str) -> set[str]:
    return {one.key for one in done.result.differences if one.service == service}


def sides(done: Done, service: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return a service before and after; what envmgr renders as a file counts as its content."""
    before, after = done.before["services"][service], json.loads(json.dumps(done.after["services"][service]))
    old, new = flat(before, done.before), flat(after, done.after)
    for key, value in list(new.items()):
        if key.endswith(".source") and f"/{layout.COMPOSE}/" in value:
            mount = key.removesuffix(".source")
            new = {k: v for k, v in new.items() if not k.startswith(f"{mount}.")}
            content = Path(value).read_text()
            new |= {f"{mount}.content": content.replace("$", "$$"), f"{mount}.read_only": "true"}
    if "build" in before and done.project.system.stack("dev").service(name_of(done, service)).image.build:
        new = {key: value for key, value in new.items() if key != "image"}
    tag = new.get("image", "").rpartition(":")
    if tag[2] == "1" and old.get("image") == tag[0]:
        new["image"] = tag[0]
    new.pop("environment.ENVMGR_REVISION", None)  # a digest of the variables, which are compared themselves
    return old, new


def name_of(done: Done, service: str) -> str:
    return next(one.table.partition(".")[2] for one in done.result.services if one.service == service)


def kinds_of_the_catalog(done: Done) -> set[str]:
    return {one.service for one in done.result.services if one.table.startswith("infra.")}


def test_only_what_was_listed_is_different(case: Done):
    assert case.result.is_compared
    found = {
        service: unlisted(*sides(case, service), listed(case, service) | uses(case, service))
        for service in case.after["services"]
    }
    assert {service: keys for service, keys in found.items() if keys} == {}


def uses(done: Done, service: str) -> set[str]:
    """Servers of the base are proven before any environment starts: no document can say so."""
    return {f"depends_on.{server}.condition" for server in kinds_of_the_catalog(done)} | {
        f"{key}.condition" for key in listed(done, service) if key.startswith("depends_on.")
    }


def test_nothing_could_be_dropped_without_being_seen(case: Done):
    """Take away each thing that was carried over, one after the other."""
    for service in case.after["services"]:
        before, after = sides(case, service)
        allowed = listed(case, service) | uses(case, service)
        for key in before:
            if before[key] == after.get(key) and key not in allowed:
                without = {name: value for name, value in after.items() if name != key}
                assert unlisted(before, without, allowed) == {key}


def test_who_reaches_whom_is_the_same_or_listed(case: Done):
    here = set(case.after["services"]) - kinds_of_the_catalog(case)
    before = {pair for pair in reached(case.before) if set(pair) <= here}
    after = {pair for pair in reached(case.after) if set(pair) <= here}
    told = {
        (s, one.key.removeprefix("reaches."))
        for s in here
        for one in case.result.differences
        if one.service == s and one.key.startswith("reaches.")
    }
    assert before ^ after == {pair for pair in told if set(pair) <= here}
    for service in here:
        names = known_as(case.before["services"][service]) ^ known_as(case.after["services"][service])
        assert names - {service} == {
            k.removeprefix("aliases.") for k in listed(case, service) if k.startswith("aliases.")
        }


def test_every_service_is_in_the_table_and_every_loss_has_a_reason(case: Done):
    assert [one.service for one in case.result.services] == list(case.before["services"])
    assert all(one.why for one in case.result.of(Fate.CHANGED, Fate.LOST))


@pytest.mark.parametrize("name", NAMES)
def test_spec_and_report_are_the_expected_ones(name: str, parent: Path, request: pytest.FixtureRequest):
    done = case_of(name, parent)
    output = io.StringIO()
    with redirect_stdout(output):
        write_import(done.result, as_json=False)
    found = {
        layout.SPEC: (done.folder / "as-written.toml").read_text(),
        "report.txt": output.getvalue(),
        **{one.name: one.read_text() for one in done.folder.glob(".env.dev") if done.result.values},
    }
    found = {path: text.replace(str(done.folder.parent), "/folder") for path, text in found.items()}
    folder = CASES / name / "expected"
    if request.config.getoption("--update-golden"):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for path, text in found.items():
            (folder / path.removeprefix(".")).write_text(text)
    assert found == {path: (folder / path.removeprefix(".")).read_text() for path in found}


def test_values_of_env_files_are_kept_where_nobody_commits_them(parent: Path):
    done = case_of("env-file", parent)
    assert "p#ss" not in (done.folder / layout.SPEC).read_text()
    kept = read_env_files(done.folder, "dev").values
    assert kept["DB_PASSWORD"].value == "p#ss $word"
    assert (done.folder / ".env.dev").stat().st_mode & 0o777 == 0o600


def test_a_server_stays_as_it_is_where_asked(tmp_path: Path):
    folder = Path(shutil.copytree(CASES / "logins", tmp_path / "logins", ignore=shutil.ignore_patterns("expected")))
    result = imported(folder, "logins", containers=("db",))
    assert {one.service: (one.kind, one.why) for one in result.services}["db"] == ("container", "as asked")
    assert [one.key for one in result.of(Fate.LOST) if one.service == "app"] == []


def test_the_catalog_takes_what_it_knows(parent: Path):
    done = case_of("catalog", parent)
    kinds = {one.service: one.kind for one in done.result.services}
    assert {kinds[name] for name in ("db", "cache", "files", "vectors")} <= INFRA.keys() - {"container"}
    assert (kinds["analytics"], kinds["door"]) == ("container", "container")
