"""Addresses of containers become addresses of the loopback."""

import pytest

from envmgr.model.secret import SecretRef
from envmgr.native.loopback import Loopback

PUBLISHED = {("postgres", 5432): 5433, ("qdrant", 6333): 6333, ("qdrant", 6334): 7334, ("page", 80): 8080}
LOOPBACK = Loopback(PUBLISHED, frozenset({"postgres", "qdrant", "page", "redis"}))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("postgresql://u:p@postgres:5432/chat", "postgresql://u:p@127.0.0.1:5433/chat"),
        ("http://qdrant:6333", "http://127.0.0.1:6333"),
        ("qdrant:6334,qdrant:6333", "127.0.0.1:7334,127.0.0.1:6333"),
        ("http://page/path", "http://127.0.0.1:8080/path"),
        ("http://page", "http://127.0.0.1:8080"),
        # A word that only looks like it.
        ("http://my-qdrant:6333", "http://my-qdrant:6333"),
        ("http://qdrant:63330", "http://qdrant:63330"),
        ("https://qdrant.example.com:6333", "https://qdrant.example.com:6333"),
        ("https://page.example.com/", "https://page.example.com/"),
        ("postgres", "postgres"),
        ("", ""),
    ],
)
def test_a_value(before, after):
    assert LOOPBACK.rewrite(before) == after


def test_a_template_keeps_its_secret():
    secret = SecretRef("POSTGRES_PASSWORD", "dev", "url")
    rewritten = LOOPBACK.rewrite_template(("postgresql://u:", secret, "@postgres:5432/chat"))
    assert rewritten == ("postgresql://u:", secret, "@127.0.0.1:5433/chat")


def test_a_host_and_its_port_in_two_variables():
    given = {"DB_HOST": "postgres", "DB_PORT": "5432", "DB_NAME": "postgres", "CACHE_HOST": "redis", "CACHE_PORT": "x"}
    assert LOOPBACK.rewrite_all(given) == given | {"DB_HOST": "127.0.0.1", "DB_PORT": "5433"}


def test_what_nothing_publishes_is_told():
    assert LOOPBACK.unreachable("redis://:p@redis:6379/0") == ("redis:6379",)
    assert LOOPBACK.unreachable("http://qdrant:6333 and redis.example.com:6379 and other:80") == ()


OWN = """\
[project]
name = "play"

[infra.redis]
port = 6379

[builds.code]
context = "."

[services.app]
kind = "asgi"
build = "code"
app = "play:app"
uses = ["redis"]

[environments.dev]
ports = { app = 8000 }

[environments.dev.infra.redis]
mode = "own"
{port}

[environments.stage]
"""


def test_a_server_of_its_own_hides_the_shared_one(system_of):
    system = system_of(OWN.replace("{port}", "port = 6380"))
    assert Loopback.of((system.base, system.stack("dev"))).rewrite("redis:6379") == "127.0.0.1:6380"
    assert Loopback.of((system.base, system.stack("stage"))).rewrite("redis:6379") == "127.0.0.1:6379"


def test_a_service_is_known_by_its_aliases_too(system_of):
    stack = system_of(OWN.replace("{port}", "port = 6380")).stack("dev")
    assert Loopback.of((stack,)).rewrite("http://app--dev:8000/x") == "http://127.0.0.1:8000/x"
