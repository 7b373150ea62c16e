"""What is written from a proposal: a spec that loads, whatever was found, and the files beside it."""

from __future__ import annotations

import tomllib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envmgr.operations.project import Project
from envmgr.render.files import render
from envmgr.starting import beside
from envmgr.starting.propose import propose
from envmgr.starting.spec_text import spec_text
from tests.unit.starting.test_starting_propose import CELERY, EXAMPLE, FASTAPI, PYTHON

ENVIRONMENTS = ("dev", "stage", "prod")
SHOP = {
    "Dockerfile": PYTHON,
    "requirements.txt": "\n".join(
        [
            *("fastapi", "uvicorn", "sqlalchemy", "asyncpg", "alembic", "celery[redis]", "flower"),
            *("minio", "qdrant-client", "elasticsearch"),
        ]
    ),
    "alembic.ini": "",
    "shop/main.py": FASTAPI,
    "shop/tasks.py": CELERY + "REDIS_KEY_PREFIX\n",
    ".env.example": EXAMPLE,
}


def text_of(files: dict[str, str]) -> str:
    return spec_text(propose(files, "shop", ENVIRONMENTS))


def test_the_spec_of_a_whole_shop_loads_renders_and_says_what_was_found(project_of: Callable[..., Project]):
    text = text_of(SHOP)
    one = project_of(text)
    assert {stack.target: [service.name for service in stack.services] for stack in one.system.stacks} == {
        "infra": ["postgres", "redis", "qdrant", "minio", "elasticsearch"],
        **{name: ["migrate", "app", "worker", "flower"] for name in ENVIRONMENTS},
    }
    assert "docker-compose.app.prod.yml" in render(one.system, one.folder)
    data = tomllib.loads(text)
    assert data["services"]["app"] == {
        "kind": "asgi",
        "build": "app",
        "app": "shop.main:app",
        "health_path": "/healthz",
        "uses": ["postgres", "redis", "qdrant", "minio", "elasticsearch"],
        "after": ["migrate"],
        "secrets_as": "variables",
    }
    assert data["variables"]["SECRET_KEY"] == {"secret": True, "generate": True}
    assert data["environments"]["stage"] == {"ports": {"app": 8001, "flower": 5556}}
    assert data["environments"]["prod"]["protected"] is True


def test_it_can_be_had_on_a_host_without_a_registry(project_of: Callable[..., Project]):
    one = project_of(text_of(SHOP))
    assert one.system.substitutes["postgres:17"] == "envmgr-recipes/postgres:17"
    assert (one.recipes_folder / "debian" / "build.sh").is_file()


def test_the_first_line_is_for_editors_and_values_of_secrets_are_not_taken_over():
    text = text_of(SHOP)
    assert text.startswith("#:schema ./envmgr.schema.json\n")
    assert "change-me" not in text
    assert "abc" not in text


def test_programs_that_read_secret_files_get_files():
    text = text_of({**SHOP, "shop/settings.py": 'os.environ["DATABASE_URL_FILE"]'})
    assert "secrets_as" not in text


def test_nothing_at_all_becomes_a_spec_with_an_example_in_it(project_of: Callable[..., Project]):
    text = text_of({})
    assert all(stack.services == () for stack in project_of(text).system.stacks)
    assert '#   kind = "asgi"' in text


_WORDS = st.sampled_from(
    [
        *(
            "",
            "\x00",
            "\x7f\u0085\u2028",
            "FROM x\nEXPOSE 8080\nUSER 1\n",
            "FROM nginx",
            "[[[",
            "{",
            "[]",
            '{"name": []}',
        ),
        *('{"dependencies": {"express": 1, "pg": []}, "scripts": {"start": "node \\u0000"}, "main": "a b"}',),
        *("fastapi\nredis\n", "celery[redis", "-r x\nflask", "[project]\nname=3\ndependencies=[1,'fastapi']", FASTAPI),
        *(
            CELERY,
            "app = Flask(",
            EXAMPLE,
            "A=\"'\\\\\nKEY=1\nB=\t\x7f\u00a0x",
            "@app.get('/ping{x}')",
            "X=" + "9" * 3000,
        ),
        *("all: ;\n\ndev docker-dev: x\n\tdo\n", "[tool.poetry.dependencies]\nx = 3\nredis = {extras = 5}"),
    ]
)
_PATHS = st.sampled_from(
    [
        *("Dockerfile", "a/Dockerfile", "a/b/Dockerfile.prod", "x.Dockerfile", "docker/Dockerfile", "requirements.txt"),
        *("a/requirements.txt", "requirements/base.txt", "pyproject.toml", "a/b/pyproject.toml", "Pipfile", "setup.py"),
        *("setup.cfg", "package.json", "a/package.json", "manage.py", "alembic.ini", "a/alembic.ini", "main.py"),
        *("a/main.py", "a/b/tasks.py", "src/x/__init__.py", "é/main.py", "1a/wsgi.py", "a-b/package.json", "Makefile"),
        *(".env.example", "example.env", "docker-compose.yml", "index.ts", ".py", "A/Dockerfile", "redis/Dockerfile"),
    ]
)


@given(st.dictionaries(_PATHS, _WORDS, max_size=8))
def test_whatever_lies_there_the_spec_loads(project_of: Callable[..., Project], files: dict[str, str]):
    project_of(text_of(files))


# ---- beside it


def test_the_example_asks_for_what_has_no_value_yet():
    text = beside.env_example(propose(SHOP, "shop", ENVIRONMENTS))
    assert "\nAPI_TOKEN=\n" in text
    assert "\n# Generated when it is not set.\n# SECRET_KEY=\n" in text
    assert "# CURRENCY has a default in envmgr.toml." in text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "# envmgr: values, secrets and generated files\n.env\n.env.*\n!.env.example\n.envmgr/\nsecrets/*/\n"),
        (
            "*.pyc",
            "*.pyc\n\n# envmgr: values, secrets and generated files\n"
            ".env\n.env.*\n!.env.example\n.envmgr/\nsecrets/*/\n",
        ),
        (
            "/.env\n.envmgr\n",
            "/.env\n.envmgr\n\n# envmgr: values, secrets and generated files\n.env.*\n!.env.example\nsecrets/*/\n",
        ),
        (
            ".env\r\n.env.*\r\n!.env.example\r\n.envmgr/\r\nsecrets/*/",
            ".env\r\n.env.*\r\n!.env.example\r\n.envmgr/\r\nsecrets/*/",
        ),
    ],
)
def test_lines_are_added_once_and_nothing_else_changes(before: str, after: str):
    assert beside.ignoring(".gitignore", before) == after
    assert beside.ignoring(".gitignore", after) == after


def test_an_image_holds_none_of_our_files():
    assert beside.ignoring(".dockerignore", "").splitlines()[1:] == [
        *(".env", ".env.*", ".envmgr", "envmgr.*", "secrets/*/"),
        *("compose/docker-compose.*", "compose/config", "compose/.envmgr.json"),
    ]


def test_make_has_a_target_for_each_environment_and_each_program():
    text = beside.make_include(propose(SHOP, "shop", ENVIRONMENTS), frozenset())
    about = "Bring stage up, its images built where the source has changed"
    assert f"\ndocker-stage: ## {about}\n\t@$(ENVMGR) up stage --build\n" in text
    phony = next(line for line in text.splitlines() if line.startswith(".PHONY: ")).split()[1:]
    assert phony == [
        *("docker-dev", "docker-stage", "docker-prod", "docker-up", "docker-down", "docker-health", "docker-status"),
        *("docker-logs", "docker-local", "dev", "celery-worker"),
    ]


def test_the_projects_own_targets_win():
    files = {**SHOP, "Makefile": "X := 1\n.PHONY: dev\ndev test: ## run\n\ttrue\ndocker-up:: x\n"}
    taken = beside.own_targets(files)
    assert taken == {"dev", "test", "docker-up"}
    text = beside.make_include(propose(files, "shop", ENVIRONMENTS), taken)
    assert "\ndev:" not in text
    assert "\ndocker-up:" not in text
    assert "\ncelery-worker:" in text


@pytest.mark.parametrize(("environments", "everyday"), [(("live", "dev"), "dev"), (("live", "test"), "live")])
def test_everyday_targets_are_about_dev(environments: tuple[str, ...], everyday: str):
    text = beside.make_include(propose(SHOP, "shop", environments), frozenset())
    assert f"\t@$(ENVMGR) down {everyday}\n" in text
    assert f"\t@$(ENVMGR) run {everyday} app\n" in text


def test_without_programs_make_runs_none():
    text = beside.make_include(propose({}, "shop", ("dev",)), frozenset())
    assert "celery-worker" not in text
    assert "\ndev:" not in text
