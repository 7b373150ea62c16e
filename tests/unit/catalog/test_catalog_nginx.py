"""nginx: whose name leads where, and that nothing of a spec becomes anything else in its configuration."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envmgr.catalog.kind import Client, Endpoint, Overseer, Server, Site
from envmgr.catalog.nginx import Nginx, Options
from envmgr.errors import SpecError
from envmgr.model.needed import Needed, Origin
from envmgr.model.secret import SecretRef
from envmgr.model.stack import Healthcheck, HttpProbe, Image, Resources, SecretMount, System
from envmgr.render.files import render
from tests.making import MEGABYTE


def server(
    *, port: int | None = 8100, cpus: float = 0.5, ports: dict[str, int] | None = None, **options: Any
) -> Server:
    limits = Resources(cpus, 128 * MEGABYTE, 64)
    return Server("play", "infra", "nginx", Options(**options), limits, None, port, ports or {}, kind="nginx")


def endpoint(service: str, *routes: str, target: str = "dev", kind: str = "asgi", port: int = 8000) -> Endpoint:
    return Endpoint(target, service, kind, f"{service}--{target}", port, None, routes)


def context(one: Server, *endpoints: Endpoint, hosts: dict[str, tuple[str, ...]] | None = None) -> dict[str, Any]:
    site = Site("play", endpoints, {"dev": ("dev.localhost",)} if hosts is None else hosts)
    return dict(Nginx().oversee(Nginx().draft(one), one, site).configs[0].context)


def leads(*endpoints: Endpoint) -> list[tuple[str, str]]:
    """Return (match, upstream) of the one environment."""
    (environment,) = context(server(), *endpoints)["environments"]
    return [(one["match"], one["upstream"]) for one in environment["locations"]]


# ---- the door itself


def test_the_door_as_it_is_by_default():
    draft = Nginx().draft(server())
    assert (draft.image, draft.user) == (Image("nginx:1.26"), "101:101")
    assert draft.command == ("nginx", "-g", "daemon off;")
    assert (draft.target_port, dict(draft.more_ports), draft.stop_signal) == (8080, {"https": 8443}, "SIGQUIT")
    assert draft.probe == HttpProbe(8100, "/health")
    assert draft.faces_environments
    assert (draft.secrets, draft.needed, draft.egress, draft.metrics) == ((), (), False, None)


def test_its_healthcheck_is_a_program_of_the_image():
    check = Nginx().draft(server()).healthcheck
    assert isinstance(check, Healthcheck)
    assert (check.test[:2], check.test[-1]) == (("CMD", "curl"), "http://127.0.0.1:8080/health")


def test_a_door_that_is_not_published_cannot_be_asked_from_outside():
    assert Nginx().draft(server(port=None)).probe is None


def test_an_environment_owns_nothing_in_it():
    bound = Nginx().bind(server(), Client("dev", "dev_"))
    assert (bound.grants, bound.variables, bound.secrets, bound.needed) == ((), {}, (), ())


def test_it_knows_the_others():
    assert isinstance(Nginx(), Overseer)


@pytest.mark.parametrize(("cpus", "workers"), [(0.25, 1), (1.0, 1), (1.5, 2), (4.0, 4)])
def test_it_has_as_many_workers_as_it_may_use_processors(cpus: float, workers: int):
    assert context(server(cpus=cpus))["workers"] == workers


# ---- routes


def test_the_one_service_to_look_at_gets_everything():
    worker = endpoint("flower", kind="flower", port=5555)
    assert leads(endpoint("app"), worker) == [('"/"', '"app--dev:8000"')]


@pytest.mark.parametrize("kind", ["asgi", "wsgi", "node", "static"])
def test_every_kind_that_is_looked_at(kind: str):
    assert leads(endpoint("app", kind=kind)) == [('"/"', '"app--dev:8000"')]


def test_of_two_that_name_no_path_none_is_guessed():
    assert leads(endpoint("app"), endpoint("admin")) == []


def test_who_names_a_path_gets_that_and_nobody_gets_the_rest():
    assert leads(endpoint("app", "/api/"), endpoint("site", kind="static")) == [('"/api/"', '"app--dev:8000"')]


def test_a_path_without_a_slash_at_its_end_is_itself_and_what_lies_below():
    assert leads(endpoint("app", "/api")) == [
        ('= "/api"', '"app--dev:8000"'),
        ('"/api/"', '"app--dev:8000"'),
    ]


def test_the_longest_path_comes_first():
    found = leads(endpoint("app", "/", "/api/"), endpoint("files", "/api/files/", kind="container", port=9000))
    assert found == [
        ('"/api/files/"', '"files--dev:9000"'),
        ('"/api/"', '"app--dev:8000"'),
        ('"/"', '"app--dev:8000"'),
    ]


def test_an_environment_without_a_name_is_not_reached():
    found = context(server(), endpoint("app"), hosts={"dev": (), "stage": ("s.example", "t.example")})["environments"]
    assert [(one["name"], one["hosts"]) for one in found] == [("stage", ["s.example", "t.example"])]


def test_an_environment_sees_its_own_services_alone():
    hosts = {"dev": ("d.example",), "prod": ("p.example",)}
    found = context(server(), endpoint("app"), endpoint("app", target="prod"), hosts=hosts)["environments"]
    assert [[one["upstream"] for one in e["locations"]] for e in found] == [['"app--dev:8000"'], ['"app--prod:8000"']]


# ---- options


def test_a_limit_lets_a_fifth_come_at_once_and_the_longest_path_comes_first():
    assert context(server(rate_limits={"/api/": 100, "/api/login": 3}))["limits"] == [
        {"pattern": '"~^/api/login(?:/|$)"', "rate": 3, "burst": 1},
        {"pattern": '"~^/api/"', "rate": 100, "burst": 20},
    ]


def test_paths_are_taken_literally_in_patterns():
    assert context(server(cache_seconds={"/a.b/": 60}))["caching"] == [{"pattern": r'"~^/a\\.b/"', "seconds": 60}]


def test_headers_are_added_replaced_and_taken_away():
    found = context(server(headers={"x-frame-options": "DENY", "Referrer-Policy": "", "X-A": 'say "no"'}))["headers"]
    assert [(one["name"], one["variable"], one["value"]) for one in found] == [
        ("x-frame-options", "x_frame_options", '"DENY"'),
        ("X-Content-Type-Options", "x_content_type_options", '"nosniff"'),
        ("X-XSS-Protection", "x_xss_protection", '"0"'),
        ("X-A", "x_a", r'"say \"no\""'),
    ]


# ---- TLS


def test_without_tls_there_is_none():
    assert context(server())["tls"] is None


def test_a_certificate_of_ones_own_reaches_it_as_a_secret():
    draft = Nginx().draft(server(tls="files", certificate="certs/x.pem"))
    place = "infra.nginx"
    assert draft.needed == (
        Needed(
            "NGINX_TLS_CERTIFICATE", "infra", True, Origin.OPERATOR, file="certs/x.pem", place=f"{place}.certificate"
        ),
        Needed("NGINX_TLS_KEY", "infra", True, Origin.OPERATOR, file="certs/privkey.pem", place=f"{place}.key"),
    )
    assert draft.secrets == (
        SecretMount("NGINX_TLS_CERTIFICATE", (SecretRef("NGINX_TLS_CERTIFICATE", "infra"),)),
        SecretMount("NGINX_TLS_KEY", (SecretRef("NGINX_TLS_KEY", "infra"),)),
    )


@pytest.mark.parametrize(
    ("options", "ports", "suffix", "strict"),
    [
        ({"tls": "files", "https_only": True}, {"https": 8443}, ":8443", True),
        ({"tls": "files", "https_only": True}, {"https": 443}, "", True),
        ({"tls": "files"}, {}, "", False),
        ({"tls": "self-signed", "https_only": True}, {"https": 8443}, ":8443", False),
    ],
)
def test_where_plain_http_is_sent(options: dict[str, Any], ports: dict[str, int], suffix: str, strict: bool):
    found = context(server(ports=ports, **options))["tls"]
    assert (found["only"], found["suffix"], found["strict"]) == (options.get("https_only", False), suffix, strict)


def test_one_for_trying_is_made_at_the_start_for_every_name():
    one = server(tls="self-signed")
    site = Site("play", (), {"dev": ("dev.localhost",), "prod": ("chat.example",)})
    draft = Nginx().oversee(Nginx().draft(one), one, site)
    assert draft.command == ("sh", "/etc/nginx/start.sh")
    assert draft.configs[1].context == {"names": "DNS:localhost,DNS:dev.localhost,DNS:chat.example"}
    assert draft.configs[0].context["tls"]["key"] == "/tmp/tls.key"
    assert (draft.needed, draft.secrets) == ((), ())


# ---- the file


SPEC = """\
[project]
name = "play"
[infra.nginx]
{door}
[services.web]
kind = "asgi"
image = "registry.example/web:1"
app = "a:b"
{web}
[services.admin]
kind = "asgi"
image = "registry.example/web:1"
app = "a:b"
{admin}
[environments.dev]
hosts = ["dev.localhost"]
"""


def written(system_of: Callable[[str], System], *, door: str = "", web: str = 'routes = ["/"]', admin: str = "") -> str:
    system = system_of(SPEC.format(door=door, web=web, admin=admin))
    return render(system, Path("/nowhere"))["config/infra/nginx/nginx.conf"]


def directives(text: str) -> list[str]:
    """Split a configuration where nginx does: at `;`, `{` and `}` outside quotes and comments."""
    tokens = re.findall(r'"(?:\\.|[^"\\])*"|\'[^\']*\'|#[^\n]*|[;{}]|[^\s;{}"\'#]+', text)
    found, line = [], []
    for token in (one for one in tokens if not one.startswith("#")):
        if token in ("{", "}", ";"):
            found += [" ".join(line), *([token] if token == "}" else [])]
            line = []
        else:
            line.append(token)
    assert line == []
    return [one for one in found if one]


def test_what_holds_for_every_request(system_of: Callable[[str], System]):
    found = directives(written(system_of))
    assert found.count("proxy_next_upstream off") == 1
    assert "resolver 127.0.0.11 valid=1s ipv6=off" in found
    assert "proxy_set_header X-Forwarded-For $remote_addr" in found
    assert not [one for one in found if one.startswith("upstream ")], "a group resolves once, at the start"
    assert [one for one in found if one.startswith("listen ")] == [
        *("listen 8080 default_server", "listen 8080", "listen 8081"),
    ]


def test_an_environment_that_is_down_is_told_apart_from_a_service_that_answers_502(
    system_of: Callable[[str], System],
):
    found = directives(written(system_of))
    assert "error_page 502 = @down" in found
    assert not [one for one in found if "proxy_intercept_errors" in one]


def test_https_alone_listens_once_more_and_redirects(system_of: Callable[[str], System]):
    door = 'tls = "files"\nhttps_only = true\nports = { https = 8443 }\n'
    found = directives(written(system_of, door=door))
    assert "return 308 https://$host:8443$request_uri" in found
    assert [one for one in found if one.startswith("listen 8443")] == [
        "listen 8443 ssl default_server",
        "listen 8443 ssl",
    ]
    assert "ssl_certificate_key /run/secrets/NGINX_TLS_KEY" in found


def test_two_services_on_one_path_are_refused(system_of: Callable[[str], System]):
    with pytest.raises(SpecError) as caught:
        written(system_of, admin='routes = ["/admin", "/"]')
    found = [(one.path, one.line, one.message) for one in caught.value.problems]
    assert found == [("services.admin.routes", 14, "/ leads to web already")]


@given(path=st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=12))
def test_any_path_is_one_word_of_the_configuration(path: str):
    (match, *_) = leads(endpoint("app", f"/{path}"))
    quoted = match[0].removeprefix("= ")
    assert directives(f"location {quoted} {{}}") == [f"location {quoted}", "}"]
    assert re.sub(r"\\(.)", r"\1", quoted[1:-1]) == f"/{path}"
