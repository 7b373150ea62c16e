"""Redis: a broker that never evicts, and one user per environment that reaches its own prefix only."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Environment, FileSystemLoader

from envmgr.catalog.kind import Address, Binding, Client, Server
from envmgr.catalog.redis import Options, Redis
from envmgr.model.needed import Needed, Origin
from envmgr.model.secret import SecretRef
from envmgr.model.stack import Command, CommandProbe, ConfigMount, Credential, Image, Resources, SecretMount
from envmgr.secrets.vault import Vault
from tests.making import MEGABYTE

ADMIN = SecretRef("REDIS_ADMIN_PASSWORD", "infra")
PASSWORD = SecretRef("REDIS_PASSWORD", "dev")
LOGIN = SecretRef("REDIS_LOGIN", "dev")
CLI = "redis-cli --no-auth-warning"
HERE = f'{CLI} -h "${{AT:-127.0.0.1}}"'
OURS = f"{HERE} --user default"
VAULT = Vault().with_target("infra", {"REDIS_ADMIN_PASSWORD": "admin"})
NEEDED = (
    Needed("REDIS_PASSWORD", "dev", True, Origin.GENERATED, place="infra.redis"),
    Needed("REDIS_LOGIN", "dev", False, Origin.OPERATOR, is_required=False, default="dev_app", place="infra.redis"),
)


def server(memory: int = 256 * MEGABYTE, name: str = "redis", image: str | None = None, **options: Any) -> Server:
    return Server("play", "infra", name, Options(**options), Resources(0.5, memory, 64), image, None)


def binding(name: str = "redis") -> Binding:
    return Redis().bind(server(name=name), Client("dev", "dev_"))


def test_the_server_as_it_is_by_default():
    draft = Redis().draft(server())
    assert draft.image == Image("redis:8.0", major="8")
    assert (draft.user, draft.command, draft.target_port) == ("999:999", ("sh", "/etc/redis/start.sh"), 6379)
    assert draft.variables == {"REDIS_ADMIN_PASSWORD_FILE": "/run/secrets/REDIS_ADMIN_PASSWORD"}
    assert draft.secrets == (SecretMount("REDIS_ADMIN_PASSWORD", (ADMIN,)),)
    assert draft.needed == (Needed(ADMIN.name, "infra", True, Origin.GENERATED, place="infra.redis"),)
    assert draft.volumes == {"data": "/data"}
    assert draft.configs == (
        ConfigMount(
            "config/infra/redis/redis.conf",
            "/etc/redis/redis.conf",
            "redis/redis.conf.j2",
            {"maxmemory": 192, "policy": "noeviction", "appendonly": True, "save": None},
        ),
        ConfigMount(
            "config/infra/redis/start.sh",
            "/etc/redis/start.sh",
            "redis/start.sh.j2",
            {
                "password_file": "REDIS_ADMIN_PASSWORD_FILE",
                "program": "redis-server",
                "configuration": "/etc/redis/redis.conf",
            },
        ),
    )


@pytest.mark.parametrize(("memory", "maxmemory"), [(256, 192), (100, 75), (7, 5), (8192, 6144)])
def test_a_quarter_of_its_memory_is_left_for_saving_in_the_background(memory: int, maxmemory: int):
    assert Redis().draft(server(memory * MEGABYTE)).configs[0].context["maxmemory"] == maxmemory


def test_a_cache_evicts_and_keeps_nothing():
    chosen = {"policy": "allkeys-lru", "appendonly": False, "save": (), "maxmemory": "200M"}
    assert Redis().draft(server(name="cache", **chosen)).configs[0].context == chosen | {"maxmemory": 200}


def test_its_probes_compare_the_answer_because_redis_cli_exits_with_0_on_an_error():
    draft = Redis().draft(server())
    assert draft.healthcheck.test == ("CMD-SHELL", f"{CLI} --user health --pass x ping | grep -qx PONG")
    command = Command("infra", "redis", ("sh", "-c", f"{CLI} ping | grep -qx PONG"), {"REDISCLI_AUTH": (ADMIN,)})
    assert draft.probe == CommandProbe(command)


@pytest.mark.parametrize("login", ["dev_app", "dev_app_2"])
def test_the_access_of_an_environment_is_the_same_for_both_its_logins(login: str):
    (grant,) = binding().grants
    digest = hashlib.sha256(b"p w").hexdigest()
    vault = VAULT.with_target("dev", {"REDIS_PASSWORD": "p w", "REDIS_LOGIN": login})
    # The line that was tried with Celery and Flower (verified.md), with a login's name and the password's digest.
    assert vault.fill(grant.ensure.variables["ACL"]) == (
        f"ACL SETUSER {login} reset on #{digest} resetchannels &dev_* &dev_/0.celery.pidbox &dev_/0.celeryev/* "
        "&dev_/0.celeryev/worker.* ~dev_* +@all -@admin -@dangerous -scan -randomkey -dbsize -pubsub -function "
        "-script|flush -script|kill -memory|stats -memory|malloc-stats -memory|purge -memory|doctor\n"
        # The server's own users, as it was seeded with them.
        f"ACL SETUSER default reset on #{hashlib.sha256(b'admin').hexdigest()} ~* &* +@all\n"
        "ACL SETUSER health reset on nopass resetkeys resetchannels -@all +ping"
    )


def test_the_rest_of_a_grant():
    (grant,) = binding().grants
    assert (grant.server, grant.title) == ("redis", "Redis keys dev_*")
    admin = {"REDISCLI_AUTH": (ADMIN,)}
    found = {name: (getattr(grant, name).argv[-1], dict(getattr(grant, name).variables)) for name in COMMANDS}
    assert found == {
        "exists": (
            f"users=$({HERE} ACL USERS 2>&1)\n"
            "printf '%s\\n' \"$users\" | grep -qx default || { printf '%s\\n' \"$users\"; exit 1; }\n"
            "printf '%s\\n' \"$users\" | grep -qxE 'dev_app|dev_app_2' && echo yes || true",
            admin,
        ),
        "ensure": (
            f"list=$({OURS} ACL LIST 2>&1)\n"
            f"rights() {{ {OURS} ACL LIST 2>&1 | "
            "grep -E \"^user ($LOGIN|default|health) \" | sed 's/ [#][0-9a-f]*//'; }\n"
            "before=$(rights)\n"
            f"replies=$(printf '%s\\nACL SAVE\\n' \"$ACL\" | {OURS} 2>&1)\n"
            "case \"$(printf '%s' \"$replies\" | tr -d '\\r\\n')\" in OKOKOKOK) ;; "
            "*) printf '%s\\n' \"$replies\"; exit 1;; esac\n"
            'case $list in *"user $LOGIN "*)\n'
            '  [ "$before" = "$(rights)" ] || echo "closed: $LOGIN, default or health had other rights";;\n'
            "esac",
            admin | {"ACL": grant.ensure.variables["ACL"], "LOGIN": (LOGIN,)},
        ),
        "measure": (f"{HERE} --scan --pattern 'dev_*' | wc -l | sed 's/$/ keys/'", admin),
        "revoke": (
            f"""\
set -e
cursor=0
while :; do
  cursor=$({HERE} EVAL "$SCRIPT" 0 "$cursor" "$PATTERN")
  case "$cursor" in 0) break;; *[!0-9]*|'') printf '%s\\n' "$cursor"; exit 1;; esac
done
{HERE} ACL DELUSER $LOGINS >/dev/null
case "$({HERE} ACL SAVE)" in OK) ;; *) exit 1;; esac""",
            admin
            | {"SCRIPT": grant.revoke.variables["SCRIPT"], "PATTERN": ("dev_*",), "LOGINS": ("dev_app dev_app_2",)},
        ),
        "probe": (f'{HERE} --user "$LOGIN" ping | grep -qx PONG', {"LOGIN": (LOGIN,), "REDISCLI_AUTH": (PASSWORD,)}),
    }


def test_a_login_stands_beside_another_and_is_ended_alone():
    (grant,) = Redis().bind(replace(server(), programs="redis:8.0"), Client("dev", "dev_")).grants
    ping = ("sh", "-c", f'{HERE} --user "$LOGIN" ping | grep -qx PONG')
    enters = {"LOGIN": (LOGIN,), "REDISCLI_AUTH": (PASSWORD,), "AT": ("redis",)}
    retire = f"""\
set -e
{HERE} ACL DELUSER "$LOGIN" >/dev/null
case "$({HERE} ACL SAVE)" in OK) ;; *) exit 1;; esac"""
    assert grant.credential == Credential(
        PASSWORD,
        LOGIN,
        ("dev_app", "dev_app_2"),
        Command("infra", "redis", ping, enters, client="redis:8.0"),
        Command("infra", "redis", ("sh", "-c", retire), {"REDISCLI_AUTH": (ADMIN,), "LOGIN": (LOGIN,)}, 30),
    )


@pytest.mark.spawns
@pytest.mark.parametrize(
    ("users", "expected"),
    [
        ("default\ndev_app\nhealth", (0, "yes\n")),
        ("default\ndev_app_2\nhealth", (0, "yes\n")),
        ("default\ndev_app\ndev_app_2", (0, "yes\n")),
        ("default\nhealth\nprod_app\ndev_app_3\nmydev_app", (0, "")),
        ("NOAUTH Authentication required.", (1, "NOAUTH Authentication required.\n")),
    ],
)
def test_an_environment_is_there_with_either_login_and_nothing_is_guessed(
    users: str, expected: tuple[int, str], tmp_path: Path
):
    program = tmp_path / "redis-cli"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$USERS"\n')
    program.chmod(0o755)
    (grant,) = binding().grants
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(
        grant.exists.argv, env={"PATH": path, "USERS": users}, capture_output=True, text=True, timeout=30
    )
    assert ((done.returncode, done.stdout), done.stderr) == (expected, "")


COMMANDS = ("exists", "ensure", "measure", "revoke", "probe")


def test_every_command_of_a_grant_is_run_by_a_shell_in_the_server():
    (grant,) = binding("broker").grants
    commands = [getattr(grant, name) for name in COMMANDS]
    assert {(command.target, command.service, command.argv[:2]) for command in commands} == {
        ("infra", "broker", ("sh", "-c"))
    }


def test_the_application_gets_one_url_and_its_prefix():
    bound = binding()
    url = SecretRef("REDIS_PASSWORD", "dev", "url")
    login = SecretRef("REDIS_LOGIN", "dev", "url")
    assert bound.secrets == (SecretMount("REDIS_URL", ("redis://", login, ":", url, "@redis:6379/0")),)
    assert bound.variables == {"REDIS_KEY_PREFIX": "dev_"}
    assert bound.needed == NEEDED


def test_the_url_names_the_login_that_is_in_use():
    vault = VAULT.with_target("dev", {"REDIS_LOGIN": "dev_app_2", "REDIS_PASSWORD": "p w"})
    (mount,) = binding().secrets
    assert vault.fill(mount.content) == "redis://dev_app_2:p%20w@redis:6379/0"


def test_a_second_server_has_names_of_its_own():
    draft, bound = Redis().draft(server(name="job-queue")), binding("job-queue")
    assert [need.name for need in (*draft.needed, *bound.needed)] == [
        "JOB_QUEUE_ADMIN_PASSWORD",
        "JOB_QUEUE_PASSWORD",
        "JOB_QUEUE_LOGIN",
    ]
    # The script that reads it has one name for it.
    assert draft.variables == {"REDIS_ADMIN_PASSWORD_FILE": "/run/secrets/JOB_QUEUE_ADMIN_PASSWORD"}
    assert bound.secrets[0].content[-1] == "@job-queue:6379/0"


# ---- the shipped configuration


def configuration(**options: Any) -> list[str]:
    mount = Redis().draft(server(**options)).configs[0]
    text = Environment(loader=FileSystemLoader("templates"), keep_trailing_newline=True).get_template(mount.template)
    return [line for line in text.render(mount.context).splitlines() if not line.startswith("#")]


def test_the_configuration_never_evicts_and_keeps_its_data(repository, monkeypatch):
    monkeypatch.chdir(repository)
    assert configuration() == [
        "port 6379",
        "bind * -::*",
        "protected-mode no",
        "dir /data",
        "aclfile /data/users.acl",
        "appendonly yes",
        "appendfsync everysec",
        "maxmemory 192mb",
        "maxmemory-policy noeviction",
        "tcp-keepalive 60",
    ]


@pytest.mark.parametrize(
    ("save", "expected"),
    [((), ['save ""']), (("900 1",), ["save 900 1"]), (("900 1", "60 5"), ["save 900 1", "save 60 5"])],
)
def test_the_configuration_of_a_cache(save: tuple[str, ...], expected: list[str], repository, monkeypatch):
    monkeypatch.chdir(repository)
    lines = configuration(policy="volatile-ttl", appendonly=False, save=save)
    assert [line for line in lines if line.startswith(("save", "appendonly", "maxmemory-policy"))] == [
        "appendonly no",
        *expected,
        "maxmemory-policy volatile-ttl",
    ]


def test_the_only_user_without_a_password_may_ping_and_nothing_else(repository):
    script = (repository / "templates/redis/start.sh.j2").read_text()
    users = re.findall(r"printf '(user .*)\\n'", script)
    assert users == [
        "user default on #%s ~* &* +@all",
        "user health on nopass resetkeys resetchannels -@all +ping",
    ]


# ---- what it refuses


@pytest.mark.parametrize("kind", ["celery-worker", "celery-beat", "flower"])
def test_an_evicting_policy_is_refused_for_a_broker(kind: str):
    (problem,) = Redis().refuse(server(policy="allkeys-lru"), {"app": "asgi", "jobs": kind})
    assert (problem.message, problem.path) == ("evicts queued tasks of jobs when the memory is full", "policy")
    assert problem.hint == 'use "noeviction" here, and a second redis as the cache'


def test_a_broker_that_does_not_evict_and_a_cache_without_tasks_are_fine():
    assert list(Redis().refuse(server(), {"jobs": "celery-worker"})) == []
    assert list(Redis().refuse(server(policy="allkeys-lru"), {"app": "asgi"})) == []


@pytest.mark.parametrize(("maxmemory", "is_refused"), [("255M", False), ("256M", True), ("1G", True)])
def test_data_must_leave_something_of_the_memory_limit(maxmemory: str, is_refused: bool):
    found = [problem.path for problem in Redis().refuse(server(maxmemory=maxmemory), {})]
    assert found == (["maxmemory"] if is_refused else [])


# ---- a managed server


def managed(url: str, *, is_provisioned: bool) -> Server:
    return replace(server(), target="dev", address=Address.of(url), is_provisioned=is_provisioned, client="redis:8.0")


def bound_to(url: str, *, is_provisioned: bool) -> Binding:
    return Redis().bind(managed(url, is_provisioned=is_provisioned), Client("dev", "dev_"))


def test_a_managed_server_is_reached_with_what_its_address_says():
    (grant,) = bound_to("rediss://boss@cache.example.com:6380", is_provisioned=True).grants
    admin = f"{CLI} -h cache.example.com -p 6380 --tls --user boss"
    scripts = {name: getattr(grant, name).argv[-1] for name in COMMANDS}
    assert all(admin in scripts[name] for name in COMMANDS if name != "probe")
    assert scripts["probe"] == f'{CLI} -h cache.example.com -p 6380 --tls --user "$LOGIN" ping | grep -qx PONG'
    assert grant.probe.variables["LOGIN"] == (LOGIN,)
    # Its own container is no nearer than a consumer's.
    assert grant.credential.enter == grant.probe
    assert admin in grant.credential.retire.argv[-1]
    assert dict(grant.exists.variables) == {"REDISCLI_AUTH": (SecretRef("REDIS_ADMIN_PASSWORD", "dev"),)}
    assert {getattr(grant, name).client for name in COMMANDS} == {"redis:8.0"}


def test_a_managed_server_may_keep_its_users_by_itself():
    (grant,) = bound_to("redis://cache.example.com", is_provisioned=True).grants
    assert "in OKOK|OK*'not configured to use an ACL file'*)" in grant.ensure.argv[-1]
    assert "in OK|*'not configured to use an ACL file'*)" in grant.revoke.argv[-1]
    assert "in OK|*'not configured to use an ACL file'*)" in grant.credential.retire.argv[-1]
    assert f"$({CLI} -h cache.example.com -p 6379 ACL USERS 2>&1)" in grant.exists.argv[-1]


def test_a_login_cannot_leave_the_command():
    (grant,) = bound_to("redis://a%20b%3Breboot@cache.example.com", is_provisioned=True).grants
    assert "--user 'a b;reboot' ACL USERS" in grant.exists.argv[-1]


def test_with_an_administrator_the_operator_gives_one_password_and_envmgr_makes_the_other():
    bound = bound_to("rediss://cache.example.com:6380", is_provisioned=True)
    assert bound.needed == (
        *NEEDED,
        Needed("REDIS_ADMIN_PASSWORD", "dev", True, Origin.OPERATOR, place="infra.redis"),
    )
    encoded = SecretRef("REDIS_PASSWORD", "dev", "url")
    login = SecretRef("REDIS_LOGIN", "dev", "url")
    content = ("rediss://", login, ":", encoded, "@cache.example.com:6380/0")
    assert bound.secrets == (SecretMount("REDIS_URL", content),)


@pytest.mark.parametrize(
    ("url", "before", "after"),
    [
        ("redis://cache.example.com", ("redis://", "", ":"), "@cache.example.com:6379/0"),
        ("rediss://me@cache.example.com:6380/3", ("rediss://", "me", ":"), "@cache.example.com:6380/3"),
    ],
)
def test_without_an_administrator_the_address_names_the_environments_own_part(
    url: str, before: tuple[str, ...], after: str
):
    bound = bound_to(url, is_provisioned=False)
    (grant,) = bound.grants
    assert (grant.is_given, grant.is_external, grant.ensure) == (True, True, grant.probe)
    assert ("--user me" in grant.probe.argv[-1]) is ("me@" in url)
    assert bound.variables == {"REDIS_KEY_PREFIX": "dev_"}
    assert bound.secrets[0].content == (*before, SecretRef("REDIS_PASSWORD", "dev", "url"), after)
    assert grant.credential is None
    assert bound.needed == (Needed("REDIS_PASSWORD", "dev", True, Origin.OPERATOR, place="infra.redis"),)


def test_a_second_servers_url_may_have_a_name_of_its_own():
    bound = Redis().bind(server(name="cache", url_variable="CACHE_URL"), Client("dev", "dev_"))
    assert [mount.name for mount in bound.secrets] == ["CACHE_URL"]
