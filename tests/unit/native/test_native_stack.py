"""What remains in Docker when services run on the desk: pure, compared whole."""

import pytest

from envmgr.model.stack import Dependency, Image, Stack
from envmgr.native.stack import DESKTOP, gateway, without_native
from envmgr.render.document import document

SPEC = """\
[project]
name = "play"

[builds.code]
context = "src"

[services.migrate]
kind = "job"
build = "code"
command = ["migrate"]

[services.app]
kind = "asgi"
build = "code"
app = "play:app"
after = ["migrate"]

[services.worker]
kind = "celery-worker"
build = "code"
app = "play.tasks"
after = ["migrate"]

[services.page]
kind = "static"
image = "nginx:1.26"
after = ["app", "worker"]

[environments.dev]
ports = { app = 8000, page = 8080 }

[environments.stage]
ports = { app = 8001 }
"""


@pytest.fixture(scope="module")
def dev(system_of) -> Stack:
    return system_of(SPEC).stack("dev")


def names(stack: Stack) -> list[str]:
    return [service.name for service in stack.services]


def test_nothing_on_the_desk_changes_nothing(dev):
    assert without_native(dev, ()) is dev
    assert without_native(dev, ("no-such-service",)) is dev


def test_a_service_with_a_port_is_replaced_by_a_way_to_the_desk(dev):
    stack = without_native(dev, ("app",))
    assert names(stack) == names(dev)
    assert stack.native == (dev.service("app"),)
    leads = stack.service("app")
    assert (leads.kind, leads.image, leads.ports, leads.secrets) == ("native", Image("nginx:1.26"), (), ())
    assert leads.aliases == dev.service("app").aliases == ("app--dev",)
    assert leads.networks == ("data", "publish")
    assert leads.compose == {"extra_hosts": ["host.docker.internal:host-gateway"]}


def test_it_leads_to_the_bridges_gateway_and_else_to_docker_desktops_name(dev):
    near = gateway(dev.network("publish"))
    said = without_native(dev, ("app",)).service("app").variables["FORWARD"]
    assert f"server {near}:8000 max_fails=0; server {DESKTOP}:8000 max_fails=0 backup;" in said
    assert "listen 8000;" in said
    assert dev.network("publish").subnet.startswith(near.rpartition(".")[0])


def test_a_service_without_a_port_leaves_nothing_behind(dev):
    stack = without_native(dev, ("worker", "migrate"))
    assert names(stack) == ["app", "page"]
    assert [service.name for service in stack.native] == ["migrate", "worker"]
    assert stack.service("app").depends_on == ()
    assert [need.service for need in stack.service("page").depends_on] == ["app"]


def test_others_are_as_they_were_so_that_nothing_restarts_them(dev):
    before = document(dev, dict.fromkeys(("config/dev/page/nginx.conf",), "same"))["services"]
    after = document(without_native(dev, ("worker", "app")), {"config/dev/page/nginx.conf": "same"})["services"]
    assert after["page"]["labels"] == before["page"]["labels"]
    assert "worker" not in after
    assert after["app"]["labels"]["envmgr.kind"] == "native"


def test_what_it_owns_elsewhere_stays(dev):
    stack = without_native(dev, ("app", "worker"))
    assert (stack.grants, stack.needed, stack.networks, stack.volumes) == (
        dev.grants,
        dev.needed,
        dev.networks,
        dev.volumes,
    )


def test_how_each_kind_runs_on_the_desk(dev):
    commands = {service.name: service.native.argv if service.native else None for service in dev.services}
    assert commands == {
        "migrate": ("migrate",),
        "app": ("uvicorn", "play:app", "--host", "127.0.0.1", "--port", "8000", "--log-level", "info"),
        "worker": ("celery", "-A", "play.tasks", "worker", "--loglevel", "INFO", "--concurrency", "1"),
        "page": None,
    }


def test_where_a_service_starts_and_what_restarts_it(system_of):
    text = SPEC.replace(
        'app = "play:app"\n', 'app = "play:app"\nnative = { folder = "desk", watch = ["play", "../lib"] }\n'
    )
    app = system_of(text).stack("dev").service("app").native
    assert (app.folder, app.watch) == ("desk", ("desk/play", "lib"))
    worker = system_of(text).stack("dev").service("worker").native
    assert (worker.folder, worker.watch) == ("src", ("src",))


def test_the_spec_may_name_another_command(system_of):
    text = SPEC.replace(
        'image = "nginx:1.26"\n', 'image = "nginx:1.26"\nnative = { command = ["npm", "run", "dev"] }\n'
    )
    page = system_of(text).stack("dev").service("page").native
    assert (page.argv, page.folder) == (("npm", "run", "dev"), ".")


def test_dependencies_of_what_stays_keep_their_condition(dev):
    stack = without_native(dev, ("worker",))
    assert stack.service("app").depends_on == dev.service("app").depends_on
    assert all(isinstance(need, Dependency) for need in stack.service("page").depends_on)
