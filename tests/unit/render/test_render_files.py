"""A system as a set of files: same input, same bytes, and nobody's files depend on another environment."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from pathlib import Path

import pytest
import yaml

from envmgr.errors import SpecError
from envmgr.operations.project import Project
from envmgr.render.files import render, service_labels

HEAD = """\
[project]
name = "play"

[infra.postgres]

[infra.redis]

[services.app]
kind = "asgi"
image = "registry.example/app:1.0"
app = "app:app"
uses = ["postgres", "redis"]

[services.flower]
kind = "flower"
image = "registry.example/app:1.0"
app = "app"
uses = ["redis"]
"""
ENVIRONMENTS = {
    "dev": '\n[environments.dev]\nports = { app = 8000 }\n[environments.dev.services.app]\nmemory = "1G"\n',
    "stage": "\n[environments.stage]\nworkers = 2\nports = { app = 8001 }\n",
    "prod": "\n[environments.prod]\nprotected = true\nports = { app = 8002 }\n",
}


def files(project: Project) -> dict[str, str]:
    return render(project.system, project.folder)


def spec(*environments: str) -> str:
    return HEAD + "".join(ENVIRONMENTS[name] for name in environments)


def test_the_same_input_gives_the_same_bytes(project_of: Callable[..., Project], repository: Path):
    text = (repository / "envmgr.toml").read_text()
    first, second = project_of(text), project_of(text)
    assert files(first) == files(first) == files(second)


def test_the_order_of_environments_changes_no_byte(project_of: Callable[..., Project]):
    results = [files(project_of(spec(*order))) for order in permutations(ENVIRONMENTS)]
    assert len(results) == 6
    assert all(result == results[0] for result in results)


@pytest.mark.parametrize("added", list(ENVIRONMENTS))
def test_a_new_environment_changes_no_byte_of_the_others_or_the_base(project_of: Callable[..., Project], added: str):
    others = [name for name in ENVIRONMENTS if name != added]
    before, after = files(project_of(spec(*others))), files(project_of(spec(*others, added)))
    assert {path: after[path] for path in before} == before
    assert all(f".{added}." in path or f"/{added}/" in path for path in after.keys() - before.keys())


def test_files_are_listed_in_order_of_path(project_of: Callable[..., Project]):
    assert list(files(project_of(spec("prod", "dev")))) == [
        "config/dev/flower/flowerconfig.py",
        "config/infra/redis/redis.conf",
        "config/infra/redis/start.sh",
        "config/prod/flower/flowerconfig.py",
        "docker-compose.app.dev.yml",
        "docker-compose.app.prod.yml",
        "docker-compose.base.yml",
    ]


def test_replicas_change_the_document_and_no_hash(project_of: Callable[..., Project]):
    one = project_of(spec("stage").replace("ports = { app = 8001 }", ""))
    other = project_of(spec("stage").replace("ports = { app = 8001 }", "services.app.replicas = 3"))
    path = "docker-compose.app.stage.yml"
    assert files(other)[path] == files(one)[path].replace("    read_only", "    scale: 3\n    read_only", 1)


def test_labels_are_the_hashes_that_containers_should_carry(chatbot: Project):
    for stack in chatbot.system.stacks:
        name = "base" if stack.is_base else f"app.{stack.target}"
        document = yaml.safe_load(files(chatbot)[f"docker-compose.{name}.yml"])
        labels = {name: body["labels"] for name, body in document["services"].items()}
        assert service_labels(stack, chatbot.folder) == labels


def test_a_changed_template_changes_the_hash_of_exactly_its_service(project_of: Callable[..., Project], repository):
    ours = {
        name: (repository / "templates" / name).read_text() for name in ("redis/redis.conf.j2", "redis/start.sh.j2")
    }
    plain = project_of(spec("dev"))
    for name, text in ours.items():
        same = project_of(spec("dev"), {f"templates/{name}": text})
        changed = project_of(spec("dev"), {f"templates/{name}": text + "# more\n"})
        for index, stack in enumerate(plain.system.stacks):
            before = service_labels(stack, plain.folder)
            assert service_labels(same.system.stacks[index], same.folder) == before
            after = service_labels(changed.system.stacks[index], changed.folder)
            assert {one for one in before if before[one] != after[one]} == ({"redis"} if stack.is_base else set())


def test_recipes_make_a_second_document_where_they_replace_something(chatbot: Project):
    found = files(chatbot)
    assert [path for path in found if "recipes" in path] == ["docker-compose.base.recipes.yml"]
    document = yaml.safe_load(found["docker-compose.base.recipes.yml"])
    assert document["name"] == "shia-chatbot-infra"
    assert document["services"].keys() == {service.name for service in chatbot.system.base.services}
    assert document["services"]["postgres"] == {"image": "envmgr-recipes/postgres:17", "pull_policy": "never"}


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("maxmemory {{ maxmemoy }}\n", "template redis/redis.conf.j2: 'maxmemoy' is undefined"),
        (
            "maxmemory {{ maxmemory\n",
            "template redis/redis.conf.j2: unexpected end of template, expected 'end of print",
        ),
    ],
)
def test_a_broken_template_is_named(project_of: Callable[..., Project], template: str, message: str):
    project = project_of(spec("dev"), {"templates/redis/redis.conf.j2": template})
    with pytest.raises(SpecError) as caught:
        files(project)
    assert caught.value.message.startswith(message)


def test_a_template_cannot_leave_its_folders(project_of: Callable[..., Project]):
    project = project_of(spec("dev"), {"templates/redis/redis.conf.j2": "{% include '../envmgr.toml' %}"})
    with pytest.raises(SpecError, match=r"^template redis/redis.conf.j2: \.\./envmgr.toml$"):
        files(project)


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package with a template, as one that brings a kind has."""
    (tmp_path / "acme_kind").mkdir()
    (tmp_path / "acme_kind" / "__init__.py").touch()
    (tmp_path / "acme_kind" / "far.conf.j2").write_text("of the package\n")
    (tmp_path / "outside.j2").write_text("outside\n")
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("acme")
def test_a_package_brings_its_templates_and_a_project_overrides_them(project_of: Callable[..., Project]):
    including = {"templates/redis/redis.conf.j2": "{% include 'acme_kind/far.conf.j2' %}"}
    path = "config/infra/redis/redis.conf"
    assert files(project_of(spec("dev"), including))[path] == "of the package\n"
    mine = {"templates/acme_kind/far.conf.j2": "mine\n"}
    assert files(project_of(spec("dev"), {**including, **mine}))[path] == "mine\n"


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize(
    "name", ["acme_kind/no.j2", "acme_kind/../outside.j2", "no_such/x.j2", "acme_kind", "a-b/x.j2"]
)
def test_a_template_that_no_package_has_is_named(project_of: Callable[..., Project], name: str):
    project = project_of(spec("dev"), {"templates/redis/redis.conf.j2": f"{{% include '{name}' %}}"})
    with pytest.raises(SpecError, match=r"^template redis/redis\.conf\.j2: "):
        files(project)


def test_no_reference_to_a_secret_is_rendered(chatbot: Project):
    assert not [path for path, text in files(chatbot).items() if "SecretRef" in text or "SecretValue" in text]
