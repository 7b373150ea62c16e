"""What is found in a repository: small trees of many kinds, and what is made of them."""

from __future__ import annotations

import json

import pytest

from envmgr.starting.found import Program, Proposal, Server
from envmgr.starting.propose import project_name, propose

ENVIRONMENTS = ("dev", "prod")
FASTAPI = "from fastapi import FastAPI\n\napp = FastAPI()\n\n@app.get('/healthz')\ndef healthz(): ...\n"
PYTHON = "FROM python:3.13-slim-trixie\n"


def of(files: dict[str, str]) -> Proposal:
    return propose(files, "My Shop", ENVIRONMENTS)


def programs(proposal: Proposal) -> dict[str, Program]:
    return {program.name: program for program, _ in proposal.programs}


# ---- Python


def test_fastapi_with_its_application_its_health_and_its_driver():
    one = of(
        {
            "Dockerfile": PYTHON,
            "requirements.txt": "fastapi==0.115 # web\nuvicorn[standard]>=0.30\nasyncpg\nSQLAlchemy[asyncio]\n",
            "shop/main.py": FASTAPI,
        }
    )
    assert programs(one) == {
        "app": Program(
            name="app",
            kind="asgi",
            options={"app": "shop.main:app", "health_path": "/healthz"},
            listens=True,
            uses=(Server.POSTGRES,),
        )
    }
    assert one.servers == {Server.POSTGRES: {"url_scheme": "postgresql+asyncpg"}}
    assert (one.project, one.notes) == ("my-shop", ())


@pytest.mark.parametrize(
    ("path", "code", "app"),
    [
        ("main.py", "app = FastAPI()", "main:app"),
        ("src/shop/__init__.py", "api: FastAPI = fastapi.FastAPI(debug=True)", "shop:api"),
        ("shop/web/asgi.py", "application = Starlette(routes=[])", "shop.web.asgi:application"),
        ("shop/main.py", "app = create_app(settings)", "shop.main:app"),
    ],
)
def test_an_asgi_application_is_found_where_it_is_made(path: str, code: str, app: str):
    one = of({"requirements.txt": "fastapi\nuvicorn", path: f"{code}\n"})
    assert programs(one)["app"].options["app"] == app


def test_tests_and_indented_code_hold_no_application():
    files = {"tests/conftest.py": FASTAPI, "shop/test_main.py": FASTAPI, "shop/x.py": "def f():\n    app = FastAPI()\n"}
    one = of({"requirements.txt": "fastapi\nuvicorn", **files})
    assert programs(one)["app"].options["app"] == "main:app"
    assert 'no application object was found in this folder: correct app = "main:app"' in one.notes


def test_what_serves_it_and_a_dockerfile_are_missed():
    one = of(
        {"pyproject.toml": '[project]\nname = "Tiny_API"\ndependencies = ["fastapi"]', "main.py": "app = FastAPI()\n"}
    )
    assert one.project == "tiny-api"
    assert one.notes == (
        "there is no Dockerfile: write it before the first up",
        "no route for health was found in this folder: /openapi.json has to answer below 400",
        "this folder names no uvicorn, which serves it: add it to the image",
    )


@pytest.mark.parametrize("extra", ["standard", "all"])
def test_an_extra_of_fastapi_brings_uvicorn(extra: str):
    one = of({"requirements.txt": f"fastapi[{extra}]", "main.py": FASTAPI})
    assert not [note for note in one.notes if "uvicorn" in note]


@pytest.mark.parametrize(
    ("files", "app"),
    [
        ({"wsgi.py": "app = Flask(__name__)\n"}, "wsgi:app"),
        ({"shop/__init__.py": "def create_app():\n    return Flask(__name__)\n"}, "shop:create_app()"),
    ],
)
def test_flask_as_an_object_and_as_a_factory(files: dict[str, str], app: str):
    one = of({"requirements.txt": "Flask\ngunicorn", **files})
    assert (programs(one)["app"].kind, programs(one)["app"].options["app"]) == ("wsgi", app)


def test_django_with_its_migrations():
    one = of(
        {
            "manage.py": "",
            "pyproject.toml": '[tool.poetry.dependencies]\ndjango = "^5"\npsycopg = {extras = ["binary"]}',
            "mysite/wsgi.py": "application = get_wsgi_application()\n",
            "mysite/asgi.py": "application = get_asgi_application()\n",
            "mysite/celery.py": 'app = Celery("mysite")\n',
        }
    )
    found = programs(one)
    assert {name: program.kind for name, program in found.items()} == {
        "migrate": "job",
        "app": "wsgi",
        "worker": "celery-worker",
    }
    assert found["migrate"].options["command"] == ["python", "manage.py", "migrate", "--noinput"]
    assert found["app"].options["app"] == "mysite.wsgi:application"
    assert found["worker"].options["app"] == "mysite.celery:app"


def test_django_on_uvicorn_is_served_asynchronously():
    files = {"manage.py": "", "requirements.txt": "django\nuvicorn", "mysite/asgi.py": "", "mysite/wsgi.py": ""}
    assert programs(of(files))["app"].options["app"] == "mysite.asgi:application"


CELERY = 'queue = Celery("x", broker=os.environ["CELERY_BROKER_URL"])\n'


def test_celery_with_flower_and_beat_under_the_name_that_it_looks_for():
    one = of({"requirements.txt": "celery\nflower\ncelery-redbeat", "shop/tasks.py": CELERY})
    assert {name: program.kind for name, program in programs(one).items()} == {
        "worker": "celery-worker",
        "beat": "celery-beat",
        "flower": "flower",
    }
    assert one.servers == {Server.REDIS: {"url_variable": "CELERY_BROKER_URL"}}
    (note,) = [note for note in one.notes if "key prefix" in note]
    assert "global_keyprefix the value of REDIS_KEY_PREFIX" in note


def test_celery_that_knows_its_prefix_gets_no_advice():
    one = of({"requirements.txt": "celery", "tasks.py": CELERY + 'x = os.environ["REDIS_KEY_PREFIX"]\n'})
    assert not [note for note in one.notes if "prefix" in note]


def test_celery_on_rabbitmq_gets_no_redis():
    one = of({"requirements.txt": "celery", "tasks.py": 'app = Celery("x", broker="amqp://rabbit")\n'})
    assert one.servers == {}
    assert any("RabbitMQ" in note for note in one.notes)


def test_migrations_come_first_and_all_see_the_same_servers():
    one = of({"requirements.txt": "fastapi\npsycopg\nalembic\nredis", "alembic.ini": "", "main.py": FASTAPI})
    found = programs(one)
    assert found["migrate"].is_first
    assert found["migrate"].options == {"command": ["alembic", "upgrade", "head"]}
    assert found["migrate"].uses == found["app"].uses == (Server.POSTGRES, Server.REDIS)


def test_further_servers_are_guessed_and_named_as_guesses():
    one = of({"requirements.txt": "fastapi\nuvicorn\nqdrant-client\nboto3\nelasticsearch", "main.py": FASTAPI})
    assert set(one.servers) == {Server.QDRANT, Server.MINIO, Server.ELASTICSEARCH}
    assert len([note for note in one.notes if "are a guess" in note]) == 2


@pytest.mark.parametrize(
    ("code", "reads"), [("", False), ('os.environ["DATABASE_URL_FILE"]', True), ('open("/run/secrets/x")', True)]
)
def test_programs_that_know_secret_files_get_them(code: str, reads: bool):
    one = of({"requirements.txt": "fastapi", "main.py": FASTAPI, "settings.py": code})
    assert programs(one)["app"].reads_files is reads


@pytest.mark.parametrize("name", ["requirements-dev.txt", "requirements/test.txt", "docs/requirements.txt"])
def test_what_only_development_needs_is_no_part_of_it(name: str):
    assert of({name: "fastapi", "requirements.txt": ""}).programs == ()


def test_packages_that_a_dockerfile_installs_count():
    one = of(
        {
            "Dockerfile": f"{PYTHON}RUN apt-get update && pip install --no-cache-dir \\\n  'fastapi' uvicorn\n",
            "main.py": FASTAPI,
        }
    )
    assert programs(one)["app"].kind == "asgi"
    assert one.notes == ()


# ---- the Dockerfile


def test_the_last_stage_tells_port_and_user():
    text = f"{PYTHON}EXPOSE 1234\nUSER 5:5\nFROM python:3.13\nEXPOSE 80\nEXPOSE 9000/tcp\nuser 1001\nENV A=1\n"
    one = of(
        {"Dockerfile": text, "requirements.txt": "fastapi\nuvicorn\ncelery", "main.py": FASTAPI, "tasks.py": CELERY}
    )
    assert programs(one)["app"].options == {
        "app": "main:app",
        "container_port": 9000,
        "health_path": "/healthz",
        "user": "1001:1001",
    }
    assert programs(one)["worker"].options == {"app": "tasks:queue", "user": "1001:1001"}


@pytest.mark.parametrize(
    "line", ["USER 0", "USER root", "USER 0:0", "USER ${UID}", "EXPOSE 80", "EXPOSE $PORT", "EXPOSE 99999"]
)
def test_what_no_kind_takes_is_left_out(line: str):
    one = of({"Dockerfile": f"{PYTHON}{line}\n", "requirements.txt": "fastapi", "main.py": FASTAPI})
    assert programs(one)["app"].options == {"app": "main:app", "health_path": "/healthz"}


def test_a_container_of_which_nothing_is_known_is_one():
    one = of({"Dockerfile": "FROM golang\nEXPOSE 8080\nUSER 7:8\n", "main.go": ""})
    assert programs(one) == {
        "app": Program("app", "container", {"container_port": 8080, "health_path": "/", "user": "7:8"}, listens=True),
    }
    assert one.notes == ("nothing is known of the program in this folder: wget in its image has to get / from it",)


def test_a_container_that_says_nothing_is_left_to_its_owner():
    one = of({"Dockerfile": "FROM golang\n", "main.go": ""})
    assert one.programs == ()
    assert one.notes == ("nothing is known of the program in this folder: describe it as a service",)


# ---- Node.js


def test_a_node_server():
    package = {
        "name": "@acme/api",
        "dependencies": {"express": "5", "pg": "8", "ioredis": "5"},
        "scripts": {"start": "node src/index.js"},
    }
    one = of(
        {
            "Dockerfile": "FROM node:22\nEXPOSE 4000\n",
            "package.json": json.dumps(package),
            "src/index.js": "app.get('/health', f)",
        }
    )
    assert programs(one) == {
        "app": Program(
            "app",
            "node",
            {"command": ["node", "src/index.js"], "container_port": 4000},
            listens=True,
            uses=(Server.POSTGRES, Server.REDIS),
        )
    }
    assert one.project == "acme-api"


@pytest.mark.parametrize(
    ("package", "command"),
    [
        ({"scripts": {"start": "next start"}}, ["npm", "start"]),
        ({"main": "dist/main.js", "dependencies": {"express": "5"}}, ["node", "dist/main.js"]),
        ({"dependencies": {"koa": "2"}, "scripts": {"start": "node a.js && rm x"}}, ["npm", "start"]),
        ({"dependencies": {"koa": "2"}, "scripts": 3, "main": ["x"]}, ["node", "server.js"]),
    ],
)
def test_how_a_node_server_starts(package: dict, command: list[str]):
    one = of({"package.json": json.dumps(package)})
    assert programs(one)["app"].options["command"] == command


def test_a_frontend_beside_a_backend_is_built_into_files():
    one = of(
        {
            "backend/Dockerfile": PYTHON,
            "backend/requirements.txt": "fastapi\nuvicorn",
            "backend/main.py": FASTAPI,
            "frontend/Dockerfile": "FROM node:22 AS build\nFROM nginx:1.26\n",
            "frontend/package.json": json.dumps({"devDependencies": {"vite": "6"}}),
        }
    )
    assert [(program.name, program.kind, build) for program, build in one.programs] == [
        ("app", "asgi", "backend"),
        ("frontend", "static", "frontend"),
    ]
    assert [(build.name, build.context) for build in one.builds] == [("backend", "backend"), ("frontend", "frontend")]


# ---- several folders


def test_programs_of_the_same_name_are_told_apart_by_their_folders():
    files = {
        f"services/{name}/{path}": text
        for name in ("api", "billing")
        for path, text in {"Dockerfile": PYTHON, "requirements.txt": "fastapi\nuvicorn", "main.py": FASTAPI}.items()
    }
    one = of(files)
    assert [(program.name, build) for program, build in one.programs] == [
        ("api-app", "api"),
        ("billing-app", "billing"),
    ]


def test_a_dockerfile_at_the_top_builds_what_lies_below():
    one = of({"docker/Dockerfile": PYTHON, "server/requirements.txt": "fastapi\nuvicorn", "server/main.py": FASTAPI})
    assert [(build.context, build.dockerfile) for build in one.builds] == [(".", "docker/Dockerfile")]
    assert programs(one)["app"].options["app"] == "main:app"


def test_a_name_that_is_taken_by_a_server_or_an_environment_is_another():
    files = {"Dockerfile": PYTHON, "requirements.txt": "fastapi\nredis", "main.py": FASTAPI}
    one = propose(files, "x", ("app", "redis-x"))
    assert [program.name for program, _ in one.programs] == ["app-2"]


def test_compose_files_are_named_the_plain_one_first():
    one = of({"compose.prod.yaml": "", "docker-compose.yml": "", "deploy/compose.yml": "", "composer.yml": ""})
    assert one.compose_files == ("docker-compose.yml", "compose.prod.yaml")


@pytest.mark.parametrize(
    ("files", "name"),
    [
        ({}, "my-shop"),
        ({"pyproject.toml": '[project]\nname = "Acme.Tools"'}, "acme-tools"),
        ({"pyproject.toml": '[tool.poetry]\nname = "poet"'}, "poet"),
        ({"pyproject.toml": "not toml", "package.json": '{"name": "node-name"}'}, "node-name"),
        ({"pyproject.toml": "[project]\nname = 3", "package.json": '{"name": ""}'}, "my-shop"),
    ],
)
def test_the_projects_name_is_its_own_or_its_folders(files: dict[str, str], name: str):
    assert project_name(files, "My Shop") == name


# ---- variables


EXAMPLE = """\
# how to
export SECRET_KEY=change-me
API_TOKEN='abc'
API_TOKEN_FILE=/x
CURRENCY = EUR   # of the shop
GREETING="Hello, you"
EMPTY=
PLACEHOLDER=<your name>
HOME_URL=https://example.com
DATABASE_URL=postgres://x
POSTGRES_PASSWORD=x
DEBUG=1
lower=1
not a line
"""


def test_variables_of_the_projects_own_example():
    one = of({".env.example": EXAMPLE, "requirements.txt": "fastapi\nasyncpg", "main.py": FASTAPI})
    assert [(v.name, v.default, v.is_secret, v.is_generated) for v in one.variables] == [
        ("SECRET_KEY", None, True, True),
        ("API_TOKEN", None, True, False),
        ("CURRENCY", "EUR", False, False),
        ("GREETING", "Hello, you", False, False),
        ("EMPTY", None, False, False),
        ("PLACEHOLDER", None, False, False),
        ("HOME_URL", None, False, False),
    ]


def test_without_a_program_nobody_needs_variables():
    assert of({".env.example": EXAMPLE}).variables == ()
