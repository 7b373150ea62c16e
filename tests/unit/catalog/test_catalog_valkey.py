"""Valkey: Redis's protocol and rules, with the programs, folders and image of its own."""

from __future__ import annotations

from typing import Any

import pytest

from envmgr.catalog import redis, valkey
from envmgr.catalog.kind import Address, Binding, Client, Server
from envmgr.model.needed import Needed, Origin
from envmgr.model.secret import SecretRef
from envmgr.model.stack import Command, CommandProbe, ConfigMount, Image, Resources, SecretMount
from tests.making import MEGABYTE

ADMIN = SecretRef("VALKEY_ADMIN_PASSWORD", "infra")
CLI = "valkey-cli --no-auth-warning"
LIMITS = Resources(0.5, 256 * MEGABYTE, 64)
CLIENT = Client("dev", "dev_")


def server(name: str = "valkey", **options: Any) -> Server:
    return Server("play", "infra", name, valkey.Options(**options), LIMITS, None, None)


def like_redis(name: str) -> Server:
    """The same server as a Redis, of the same name in the spec."""
    return Server("play", "infra", name, redis.Options(), LIMITS, None, None)


def test_the_server_as_it_is_by_default():
    draft = valkey.Valkey().draft(server())
    assert draft.image == Image("valkey/valkey:8.1", major="8")
    assert (draft.user, draft.command, draft.target_port) == ("999:999", ("sh", "/etc/valkey/start.sh"), 6379)
    assert draft.variables == {"VALKEY_ADMIN_PASSWORD_FILE": "/run/secrets/VALKEY_ADMIN_PASSWORD"}
    assert draft.secrets == (SecretMount("VALKEY_ADMIN_PASSWORD", (ADMIN,)),)
    assert draft.needed == (Needed(ADMIN.name, "infra", True, Origin.GENERATED, place="infra.valkey"),)
    assert draft.volumes == {"data": "/data"}
    assert draft.configs == (
        ConfigMount(
            "config/infra/valkey/valkey.conf",
            "/etc/valkey/valkey.conf",
            "redis/redis.conf.j2",
            {"maxmemory": 192, "policy": "noeviction", "appendonly": True, "save": None},
        ),
        ConfigMount(
            "config/infra/valkey/start.sh",
            "/etc/valkey/start.sh",
            "redis/start.sh.j2",
            {
                "password_file": "VALKEY_ADMIN_PASSWORD_FILE",
                "program": "valkey-server",
                "configuration": "/etc/valkey/valkey.conf",
            },
        ),
    )


def test_its_image_is_what_the_spec_says():
    assert valkey.Valkey().draft(server(version="8.0")).image.reference == "valkey/valkey:8.0"
    mirrored = Server("play", "infra", "valkey", valkey.Options(), LIMITS, "mirror.example/valkey:8.1", None)
    assert valkey.Valkey().draft(mirrored).image == Image("mirror.example/valkey:8.1", major="8")


def test_its_probes_enter_with_its_own_program():
    draft = valkey.Valkey().draft(server())
    assert draft.healthcheck.test == ("CMD-SHELL", f"{CLI} --user health --pass x ping | grep -qx PONG")
    command = Command("infra", "valkey", ("sh", "-c", f"{CLI} ping | grep -qx PONG"), {"REDISCLI_AUTH": (ADMIN,)})
    assert draft.probe == CommandProbe(command)


def bound_to(url: str, *, is_provisioned: bool = True) -> Binding:
    address = Address.of(url)
    managed = Server(
        "play",
        "dev",
        "valkey",
        valkey.Options(),
        LIMITS,
        None,
        None,
        address=address,
        is_provisioned=is_provisioned,
        client="valkey/valkey:8.1",
    )
    return valkey.Valkey().bind(managed, CLIENT)


def test_an_environment_owns_what_it_would_own_in_redis():
    (grant,) = valkey.Valkey().bind(server("cache"), CLIENT).grants
    (of_redis,) = redis.Redis().bind(like_redis("cache"), CLIENT).grants
    assert (grant.server, grant.title) == ("cache", "Valkey keys dev_*")
    for command in ("exists", "ensure", "measure", "revoke", "probe"):
        one, other = getattr(grant, command), getattr(of_redis, command)
        assert one.argv == tuple(part.replace("redis-cli", "valkey-cli") for part in other.argv)
        assert one.variables == other.variables
        assert "redis-cli" not in one.argv[-1]
    assert grant.credential.logins == of_redis.credential.logins == ("dev_app", "dev_app_2")
    for command in ("enter", "retire"):
        one, other = getattr(grant.credential, command), getattr(of_redis.credential, command)
        assert one.argv == tuple(part.replace("redis-cli", "valkey-cli") for part in other.argv)
        assert one.variables == other.variables
        assert "valkey-cli" in one.argv[-1]


def test_services_are_told_as_they_are_of_redis():
    bound = valkey.Valkey().bind(server("cache", url_variable="CACHE_URL"), CLIENT)
    url = SecretRef("CACHE_PASSWORD", "dev", "url")
    login = SecretRef("CACHE_LOGIN", "dev", "url")
    assert bound.secrets == (SecretMount("CACHE_URL", ("redis://", login, ":", url, "@cache:6379/0")),)
    assert valkey.Valkey().bind(server(), CLIENT).secrets[0].name == "REDIS_URL"
    assert bound.variables == {"REDIS_KEY_PREFIX": "dev_"}


# ---- a managed one


def test_a_managed_one_is_reached_with_its_own_program():
    (grant,) = bound_to("rediss://boss@cache.example.com:6380").grants
    assert f"$({CLI} -h cache.example.com -p 6380 --tls --user boss ACL USERS 2>&1)" in grant.exists.argv[-1]
    assert grant.exists.client == "valkey/valkey:8.1"
    assert valkey.Valkey.schemes == ("redis", "rediss")


def test_without_an_administrator_nothing_is_made_in_a_managed_one():
    bound = bound_to("redis://me@cache.example.com/3", is_provisioned=False)
    (grant,) = bound.grants
    assert (grant.title, grant.is_given) == ("Valkey user me", True)
    assert [need.origin for need in bound.needed] == [Origin.OPERATOR]


# ---- what it refuses


@pytest.mark.parametrize("kind", ["celery-worker", "celery-beat", "flower"])
def test_an_evicting_policy_is_refused_for_a_broker(kind: str):
    (problem,) = valkey.Valkey().refuse(server(policy="allkeys-lru"), {"app": "asgi", "jobs": kind})
    assert (problem.message, problem.path) == ("evicts queued tasks of jobs when the memory is full", "policy")
    assert problem.hint == 'use "noeviction" here, and a second valkey as the cache'


def test_a_broker_that_does_not_evict_is_fine():
    assert list(valkey.Valkey().refuse(server(), {"jobs": "celery-worker"})) == []


def test_data_must_leave_something_of_the_memory_limit():
    assert [problem.path for problem in valkey.Valkey().refuse(server(maxmemory="256M"), {})] == ["maxmemory"]
