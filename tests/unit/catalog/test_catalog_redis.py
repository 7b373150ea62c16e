"""Redis: a broker that never evicts, and one user per environment that reaches its own prefix only."""

from __future__ import annotations

import hashlib
import re

import pytest

from envmgr.catalog.kind import Binding, Client, Server
from envmgr.catalog.redis import Options, Redis
from envmgr.model.secret import SecretRef
from envmgr.model.stack import Command, CommandProbe, ConfigMount, Image, Needed, Origin, Resources, SecretMount
from envmgr.secrets.vault import Vault
from tests.making import MEGABYTE

ADMIN = SecretRef("REDIS_ADMIN_PASSWORD", "infra")
PASSWORD = SecretRef("REDIS_PASSWORD", "dev")
CLI = "redis-cli --no-auth-warning"
VAULT = Vault().with_target("dev", {"REDIS_PASSWORD": "p w"}).with_target("infra", {"REDIS_ADMIN_PASSWORD": "admin"})


def server(memory: int = 256 * MEGABYTE, name: str = "redis", image: str | None = None, **options: str) -> Server:
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
            "config/infra/redis/redis.conf", "/etc/redis/redis.conf", "redis/redis.conf.j2", {"maxmemory": 192}
        ),
        ConfigMount("config/infra/redis/start.sh", "/etc/redis/start.sh", "redis/start.sh.j2"),
    )


@pytest.mark.parametrize(("memory", "maxmemory"), [(256, 192), (100, 75), (7, 5), (8192, 6144)])
def test_a_quarter_of_its_memory_is_left_for_saving_in_the_background(memory: int, maxmemory: int):
    assert Redis().draft(server(memory * MEGABYTE)).configs[0].context == {"maxmemory": maxmemory}


def test_its_probes_compare_the_answer_because_redis_cli_exits_with_0_on_an_error():
    draft = Redis().draft(server())
    assert draft.healthcheck.test == ("CMD-SHELL", f"{CLI} --user health --pass x ping | grep -qx PONG")
    command = Command("infra", "redis", ("sh", "-c", f"{CLI} ping | grep -qx PONG"), {"REDISCLI_AUTH": (ADMIN,)})
    assert draft.probe == CommandProbe(command)


def test_the_access_of_an_environment():
    (grant,) = binding().grants
    digest = hashlib.sha256(b"p w").hexdigest()
    # The line that was tried with Celery and Flower (verified.md), with a login's name and the password's digest.
    assert VAULT.fill(grant.ensure.variables["ACL"]) == (
        f"ACL SETUSER dev_app reset on #{digest} resetchannels &dev_* &dev_/0.celery.pidbox &dev_/0.celeryev/* "
        "&dev_/0.celeryev/worker.* ~dev_* +@all -@admin -@dangerous -scan -randomkey -dbsize -pubsub -function "
        "-script|flush -script|kill -memory|stats -memory|malloc-stats -memory|purge -memory|doctor"
    )


def test_the_rest_of_a_grant():
    (grant,) = binding().grants
    assert (grant.server, grant.title) == ("redis", "Redis user dev_app with its keys dev_*")
    admin = {"REDISCLI_AUTH": (ADMIN,)}
    found = {name: (getattr(grant, name).argv[-1], dict(getattr(grant, name).variables)) for name in COMMANDS}
    assert found == {
        "exists": (
            f"users=$({CLI} ACL USERS) && printf '%s\\n' \"$users\" | sed -n 's/^dev_app$/yes/p'",
            admin,
        ),
        "ensure": (
            f"replies=$(printf '%s\\nACL SAVE\\n' \"$ACL\" | {CLI})\n"
            "[ \"$(printf '%s' \"$replies\" | tr -d '\\r\\n')\" = OKOK ] || { printf '%s\\n' \"$replies\"; exit 1; }",
            admin | {"ACL": grant.ensure.variables["ACL"]},
        ),
        "measure": (f"{CLI} --scan --pattern 'dev_*' | wc -l | sed 's/$/ keys/'", admin),
        "revoke": (
            f"""\
set -e
cursor=0
while :; do
  cursor=$({CLI} EVAL "$SCRIPT" 0 "$cursor" "$PATTERN")
  case "$cursor" in 0) break;; *[!0-9]*|'') printf '%s\\n' "$cursor"; exit 1;; esac
done
{CLI} ACL DELUSER "$LOGIN" >/dev/null
[ "$({CLI} ACL SAVE)" = OK ]""",
            admin | {"SCRIPT": grant.revoke.variables["SCRIPT"], "PATTERN": ("dev_*",), "LOGIN": ("dev_app",)},
        ),
        "probe": (f"{CLI} --user dev_app ping | grep -qx PONG", {"REDISCLI_AUTH": (PASSWORD,)}),
    }


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
    assert bound.secrets == (SecretMount("REDIS_URL", ("redis://dev_app:", url, "@redis:6379/0")),)
    assert bound.variables == {"REDIS_KEY_PREFIX": "dev_"}
    assert bound.needed == (Needed("REDIS_PASSWORD", "dev", True, Origin.GENERATED, place="infra.redis"),)


def test_a_second_server_has_names_of_its_own():
    draft, bound = Redis().draft(server(name="job-queue")), binding("job-queue")
    assert [need.name for need in (*draft.needed, *bound.needed)] == [
        "JOB_QUEUE_ADMIN_PASSWORD",
        "JOB_QUEUE_PASSWORD",
    ]
    # The script that reads it has one name for it.
    assert draft.variables == {"REDIS_ADMIN_PASSWORD_FILE": "/run/secrets/JOB_QUEUE_ADMIN_PASSWORD"}
    assert bound.secrets[0].content[-1] == "@job-queue:6379/0"


# ---- the shipped configuration


def test_the_configuration_never_evicts_and_keeps_its_data(repository):
    text = (repository / "templates/redis/redis.conf.j2").read_text()
    settings = dict(line.split(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
    assert settings == {
        "port": "6379",
        "bind": "* -::*",
        "protected-mode": "no",
        "dir": "/data",
        "aclfile": "/data/users.acl",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "maxmemory": "{{ maxmemory }}mb",
        "maxmemory-policy": "noeviction",
        "tcp-keepalive": "60",
    }


def test_the_only_user_without_a_password_may_ping_and_nothing_else(repository):
    script = (repository / "templates/redis/start.sh.j2").read_text()
    users = re.findall(r"printf '(user .*)\\n'", script)
    assert users == [
        "user default on #%s ~* &* +@all",
        "user health on nopass resetkeys resetchannels -@all +ping",
    ]
