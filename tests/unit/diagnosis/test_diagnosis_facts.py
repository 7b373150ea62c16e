"""What the engine knows of a failure, which of several words count, and who is meant by them."""

from __future__ import annotations

import re

import click
import pytest

from envmgr.diagnosis.evidence import BrokenGrant, Listener, Witness
from envmgr.diagnosis.explain import explain
from envmgr.diagnosis.log import clean
from envmgr.diagnosis.signature import Finding
from envmgr.diagnosis.signatures.network import listeners
from envmgr.diagnosis.signatures.table import FACTS, LATER, WORDS
from envmgr.model.health import Verdict
from envmgr.model.observed import ForeignContainer, HealthRun, Incident, State
from envmgr.model.stack import Image
from tests.evidences import APP, MIGRATE, dev, evidence, grant, ill, infra, missing, scene
from tests.hints import runnable
from tests.making import NOW, container, port, service

TRACEBACK = """\
Traceback (most recent call last):
  File "/usr/local/bin/play.py", line 229, in <module>
    globals()[PLAY]()
    ~~~~~~~~~~~~~~~^^
"""


def find(witness: Witness, *others: Witness, **fields: object) -> Finding:
    found = explain(scene(witness, *others, **fields))
    runnable(found.explanation.command)
    return found


def said(text: str, name: str = "app", **fields: object) -> tuple[str, str, str]:
    """Return signature, sentence and command of what a service said before it died."""
    witness_fields = {key: fields.pop(key) for key in ("target", "secret_files", "is_outdated") if key in fields}
    found = find(ill(name, *clean(text), **witness_fields), **fields)
    return found.signature, found.explanation.sentence, found.explanation.command


# ---- what the engine knows


def life(*incidents: tuple[str, int | None]) -> tuple[Incident, ...]:
    made = []
    for action, number in incidents:
        made.append(Incident(action, NOW, number if action == "kill" else None, number if action == "die" else None))
    return tuple(made)


def test_a_kill_for_memory_is_told_from_others():
    by_flag = find(ill("app", state=State.EXITED, exit_code=137, is_oom_killed=True))
    assert by_flag.signature == "out-of-memory"
    assert by_flag.explanation.sentence == "app of dev was killed for using more than its 512M of memory"
    assert by_flag.explanation.command == (
        "edit envmgr.toml: environments.dev.services.app.memory above 512M; then envmgr up dev app"
    )
    # It runs once more: the flag is gone, the engine's memory is not.
    again = life(("start", None), ("oom", None), ("die", 137), ("start", None))
    assert find(ill("app", state=State.RUNNING, history=again)).signature == "out-of-memory"


def test_an_earlier_kill_for_memory_is_no_reason_for_the_last_end():
    history = life(("start", None), ("oom", None), ("die", 137), ("start", None), ("die", 1))
    assert find(ill("app", "boom", history=history)).signature == "crash"


def test_a_kill_after_the_time_to_stop_is_over():
    history = life(("start", None), ("kill", 15), ("kill", 9), ("stop", None), ("die", 137))
    found = find(ill("app", verdict=Verdict.STOPPED, state=State.EXITED, exit_code=137, history=history))
    assert found.signature == "killed-while-stopping"
    assert found.explanation.sentence == (
        "app of dev was stopped, did not end within its 10 s (stop_seconds), and was killed"
    )


def test_other_kills():
    def killed(*incidents: tuple[str, int | None]) -> tuple[str, str]:
        witness = ill("app", verdict=Verdict.STOPPED, state=State.EXITED, exit_code=137, history=life(*incidents))
        found = find(witness)
        return found.signature, found.explanation.sentence

    assert killed(("start", None), ("kill", 9), ("die", 137)) == (
        "killed",
        "app of dev was killed by hand (docker kill, or another program that has the engine's socket)",
    )
    assert "a SIGKILL that did not come from Docker" in killed(("start", None), ("die", 137))[1]
    assert "at the end of a stop or by hand" in killed()[1]


def test_stopped_and_paused():
    stopped = find(ill("app", verdict=Verdict.STOPPED, state=State.EXITED, exit_code=143))
    assert (stopped.signature, stopped.explanation.command) == ("stopped", "envmgr up dev app")
    paused = find(ill("app", verdict=Verdict.STOPPED, state=State.PAUSED))
    assert (paused.signature, paused.explanation.command) == ("paused", "envmgr restart dev app")


@pytest.mark.parametrize(
    "run",
    [
        HealthRun(127, "/bin/sh: 1: curl: not found\n"),
        HealthRun(
            -1,
            "OCI runtime exec failed: exec failed: unable to start container process: "
            'exec: "curl": executable file not found in $PATH',
        ),
    ],
)
def test_a_healthcheck_whose_program_is_missing(run: HealthRun):
    witness = ill("worker", "ready", verdict=Verdict.UNHEALTHY, state=State.RUNNING, checks=(run,))
    found = find(witness)
    assert found.signature == "healthcheck-program"
    assert found.explanation.sentence == (
        "worker of dev runs, but its healthcheck needs curl, which its image registry.example/app:1.0 does not have"
    )


def refused(name: str, error: str, **fields: object) -> tuple[str, str, str]:
    witness = ill(name, verdict=Verdict.FAILED, state=State.CREATED, error=error, restart_count=0)
    found = find(witness, **fields)
    return found.signature, found.explanation.sentence, found.explanation.command


BIND = "driver failed programming external connectivity on endpoint play-dev-app-1: Bind for 127.0.0.1:18000 failed: "
LISTEN = "failed to bind host port 127.0.0.1:18000/tcp: address already in use"


def test_a_port_in_use_names_its_holder():
    found = evidence()
    foreign = (ForeignContainer("shop-web-1", "shop", (port(18000),)),)
    there = type(found.observed)(found.observed.containers, foreign, found.observed.networks, ())
    signature, sentence, command = refused("app", BIND + "port is already allocated", observed=there)
    assert signature == "port-in-use"
    assert sentence == "app of dev needs port 18000 of the host, which container shop-web-1 of project shop holds"
    assert command == "edit envmgr.toml: environments.dev.ports.app to a free port; then envmgr up dev"
    assert refused("app", LISTEN, holders={18000: "nginx (pid 7)"})[1].endswith("which nginx (pid 7) holds")
    assert refused("app", LISTEN)[1].endswith("which another program holds")


def test_a_port_in_use_of_our_own():
    found = evidence()
    other = container("web", "stage", ports=(port(18000),))
    there = type(found.observed)((*found.observed.containers, other), (), found.observed.networks, ())
    assert refused("app", LISTEN, observed=there)[1].endswith("which container play-stage-web-1 holds")


OCI = (
    "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: "
    "unable to start container process: "
)


@pytest.mark.parametrize(
    ("error", "signature", "sentence"),
    [
        (f'{OCI}exec: "nosuch": executable file not found in $PATH', "program-missing", "cannot run nosuch:"),
        (f'{OCI}exec: "/b/x": permission denied', "not-executable", "may not run /b/x:"),
        ("Error response from daemon: No such image: play:env-dev", "image-missing", "play:env-dev is not built"),
        (
            f'{OCI}error during container init: error mounting "/p/.envmgr/dev/secrets/app/K" to rootfs at '
            '"/run/secrets/K": mount src=…: no such file or directory',
            "mount-failed",
            "cannot be given /p/.envmgr/dev/secrets/app/K",
        ),
        ("network play-dev-data not found", "network-gone", "needs the network play-dev-data, which is gone"),
        ("write /var/lib/docker/x: no space left on device", "disk-full", "cannot write /var/lib/docker/x"),
    ],
)
def test_what_the_engine_refuses(error: str, signature: str, sentence: str):
    found = refused("app", error)
    assert found[0] == signature
    assert sentence in found[1]


def test_a_pull_that_is_denied():
    error = "Error response from daemon: pull access denied for nobody/nothing, repository does not exist"
    image = Image("nobody/nothing:1")
    found = refused("app", error, stack=dev(MIGRATE, service("app", image=image)))
    assert found[1] == "app of dev has no image: nobody/nothing is not on this host, and was not pulled"
    assert found[2].startswith("edit envmgr.toml: services.app.image ")


def test_a_service_without_a_container_whose_image_is_gone():
    gone = missing("app")
    witness = Witness(gone.health, is_image_missing=True)
    assert find(witness).signature == "image-missing"
    assert find(gone).signature == "missing"


# ---- where a program listens

TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0B00007F:8A25 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0
   1: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000 10001        0 2 1 0
   2: 00000000:2328 00000000:0000 0A 00000000:00000000 00:00000000 00000000 10001        0 3 1 0
   3: 020011AC:1F40 030011AC:C1D2 01 00000000:00000000 00:00000000 00000000 10001        0 4 1 0
  sl  local_address                         remote_address                        st
   0: 00000000000000000000000000000000:1F91 00000000000000000000000000000000:0000 0A 00000000:00000000
   1: 00000000000000000000000001000000:1F92 00000000000000000000000000000000:0000 0A 00000000:00000000
   2: 0000000000000000FFFF00000100007F:1F93 00000000000000000000000000000000:0000 0A 00000000:00000000
   3: 000080FE00000000FF424502060011FE:1F94 00000000000000000000000000000000:0000 0A 00000000:00000000
cat: /proc/net/other: No such file or directory
"""


def test_the_kernel_s_table_of_listeners_is_read():
    assert listeners(TCP) == (
        Listener("127.0.0.1", 8000),
        Listener("0.0.0.0", 9000),
        Listener("::", 8081),
        Listener("::1", 8082),
        Listener("127.0.0.1", 8083),
        Listener("an IPv6 address", 8084),
    )
    assert [one.is_local for one in listeners(TCP)] == [True, False, False, True, True, False]
    assert listeners("") == ()


def listening(*found: Listener, probe: str = "GET http://127.0.0.1:18000/health: refused") -> Finding:
    witness = ill("app", verdict=Verdict.UNHEALTHY, state=State.RUNNING, listeners=found, probe=probe)
    return find(witness)


def test_a_program_that_only_its_own_container_reaches():
    found = listening(Listener("127.0.0.1", 8000))
    assert found.signature == "only-inside"
    assert found.explanation.sentence == "app of dev listens on 127.0.0.1:8000, which only its own container reaches"
    assert listening(Listener("127.0.0.1", 8000), Listener("0.0.0.0", 8000)).signature == "unhealthy"


def test_a_program_on_another_port():
    found = listening(Listener("0.0.0.0", 9000))
    assert (found.signature, found.explanation.sentence) == (
        "other-port",
        "app of dev listens on port 9000, and is expected on 8000",
    )
    assert listening().signature == "unhealthy"


def test_where_a_service_listens_that_publishes_nothing_is_read_from_its_healthcheck():
    inner = service("app", healthcheck=APP.healthcheck)
    witness = ill("app", verdict=Verdict.UNHEALTHY, state=State.RUNNING, listeners=(Listener("0.0.0.0", 9000),))
    assert find(witness, stack=dev(inner)).signature == "other-port"
    assert find(witness, stack=dev(service("app"))).signature == "unhealthy"


# ---- which line counts


def test_what_a_program_got_over_is_no_reason_for_its_end():
    early = "redis.exceptions.ConnectionError: Error 111 connecting to redis:6379. Connection refused."
    assert said(f"{early}\nconnected\n{TRACEBACK}ValueError: many")[0] == "own-code"
    assert said(f"{early}\nconnected\n{TRACEBACK}custom.Boom: no")[0] == "crash"


def test_the_error_below_counts_when_another_is_raised_from_it():
    chain = f"""\
{TRACEBACK}ModuleNotFoundError: No module named 'httpx'

The above exception was the direct cause of the following exception:

{TRACEBACK}custom.StartError: the service cannot start"""
    assert said(chain)[0] == "missing-module"


def test_a_program_that_still_starts_may_get_over_what_it_complains_of():
    words = "redis.exceptions.ConnectionError: Error 111 connecting to redis:6379. Connection refused."
    young = {"verdict": Verdict.STARTING, "state": State.RUNNING, "restart_count": 0}
    assert find(ill("app", words, **young)).signature == "starting"
    assert find(ill("app", words, **young), ill("redis", target="infra")).signature == "connection-refused"
    assert find(ill("app", words, **(young | {"restart_count": 1}))).signature == "connection-refused"


def test_a_healthcheck_that_cannot_connect_to_its_own_program_blames_nobody():
    refused_by_itself = HealthRun(1, "ConnectionRefusedError: [Errno 111] Connection refused\n")
    witness = ill("app", verdict=Verdict.UNHEALTHY, state=State.RUNNING, checks=(refused_by_itself,))
    assert find(witness).signature == "unhealthy"
    told = HealthRun(1, '503 {"redis": "Error 111 connecting to redis:6379. Connection refused."}\n')
    blamed = find(
        ill("app", verdict=Verdict.UNHEALTHY, state=State.RUNNING, checks=(told,)), ill("redis", target="infra")
    )
    assert (blamed.signature, blamed.explanation.points_at) == ("connection-refused", ("infra", "redis"))


# ---- who is meant


def refused_grant() -> BrokenGrant:
    return BrokenGrant(grant("postgres"), 'FATAL:  password authentication failed for user "dev_app_1"')


def test_a_wrong_password_points_at_the_server_when_nobody_gets_in_with_it():
    words = 'FATAL:  password authentication failed for user "dev_app_1"'
    assert find(ill("app", words), grants=(refused_grant(),)).explanation.points_at == ("infra", "postgres")
    assert find(ill("app", words)).explanation.points_at is None


def test_a_container_with_values_of_before_is_started_anew():
    words = 'FATAL:  password authentication failed for user "dev_app_1"'
    _, sentence, command = said(words, is_outdated=True)
    assert sentence.endswith("it still has a password from before .env.dev changed")
    assert command == "envmgr up dev app"


def test_an_address_is_known_by_its_port():
    words = "ConnectionRefusedError: [Errno 111] Connect call failed ('10.0.0.9', 5432)"
    found = find(ill("app", words), ill("postgres", target="infra"))
    assert found.explanation.points_at == ("infra", "postgres")


def test_a_name_that_no_longer_leads_anywhere():
    words = "socket.gaierror: [Errno -2] Name or service not known"
    found = find(ill("app", words), ill("redis", target="infra"))
    assert (found.signature, found.explanation.points_at) == ("name-not-found", ("infra", "redis"))
    assert not find(ill("app", words)).explanation.is_own
    named = "Error -2 connecting to redis:6379. Name or service not known."
    down = ill("redis", target="infra", state=State.EXITED)
    assert find(ill("app", named), down).explanation.sentence.endswith("redis of infra does not run")


def test_a_server_that_the_spec_does_not_name():
    words = "Error -2 connecting to redis:6379. Name or service not known."
    alone = service("app", image=APP.image)
    found = find(ill("app", words), stack=dev(alone))
    assert (
        found.explanation.sentence
        == "app of dev reaches for redis of infra, which it does not use according to the spec"
    )
    assert found.explanation.command == "edit envmgr.toml: services.app.uses has to name redis; then envmgr up dev"


def test_a_poisoned_queue_is_shown():
    words = "[2026-11-24 06:10:00,000: CRITICAL/MainProcess] Unrecoverable error: JSONDecodeError('Expecting value')"
    after = "json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)"
    found = find(ill("worker", words, *TRACEBACK.splitlines(), after))
    assert found.signature == "poisoned-queue"
    assert found.explanation.sentence == (
        "worker of dev dies of a message that it cannot read (JSONDecodeError) in a queue dev_* of redis of infra"
    )
    assert found.explanation.command == (
        'envmgr exec infra redis sh -c \'export REDISCLI_AUTH="$(cat /run/secrets/REDIS_ADMIN_PASSWORD)"; '
        'for key in $(redis-cli --scan --pattern "dev_*"); '
        'do [ "$(redis-cli type "$key")" != list ] || (echo "$key"; redis-cli lrange "$key" 0 9); done\''
    )


@pytest.mark.parametrize(
    ("words", "signature", "part"),
    [
        (
            "Unrecoverable error: JSONDecodeError('Expecting value')",
            "poisoned-queue",
            "in a queue dev_* of cache of infra",
        ),
        (
            "Error 111 connecting to 10.96.0.9:6379. Connection refused.",
            "connection-refused",
            "to cache:6379, although",
        ),
        ("LOADING Valkey is loading the dataset in memory", "connection-refused", "cannot connect to a server"),
    ],
)
def test_a_valkey_is_meant_where_a_redis_would_be(words: str, signature: str, part: str):
    cache = service("cache", kind="valkey", is_server=True)
    worker = service("worker", kind="celery-worker", uses=("cache",))
    found = find(ill("worker", words), stack=dev(worker), base=infra(cache))
    assert found.signature == signature
    assert part in found.explanation.sentence
    assert "redis-cli" not in found.explanation.command
    assert ("valkey-cli --scan" in found.explanation.command) == (signature == "poisoned-queue")


def test_the_place_where_the_spec_says_it_is_named():
    placed = service("app", places={"": "services.app", "memory": "environments.defaults.services.app.memory"})
    found = find(ill("app", state=State.EXITED, exit_code=137, is_oom_killed=True), stack=dev(placed))
    assert found.explanation.command.startswith("edit envmgr.toml: environments.defaults.services.app.memory above ")
    base = find(ill("redis", target="infra", is_oom_killed=True, exit_code=137))
    assert base.explanation.command.startswith("edit envmgr.toml: infra.redis.memory above 512M")


def test_an_environment_s_own_server_is_used_like_the_base_s():
    from envmgr.model.stack import Condition, Dependency

    own = service("redis", kind="redis", is_server=True)
    user = service("app", depends_on=(Dependency("redis", Condition.HEALTHY),))
    words = "Error 111 connecting to redis:6379. Connection refused."
    found = find(ill("app", words), ill("redis"), stack=dev(own, user), base=infra(service("postgres")))
    assert found.explanation.points_at == ("dev", "redis")


def test_every_signature_has_a_name_of_its_own_in_plain_letters():
    names = {one.name for one in (*FACTS, *WORDS, *LATER)}
    assert len(names) >= 30
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", name) for name in names)


def test_a_shell_is_not_needed_to_see_that_hints_are_checked():
    with pytest.raises(AssertionError):
        runnable("docker logs x")
    with pytest.raises(AssertionError):
        runnable("edit envmgr.toml: somewhere; then rm -rf /")
    with pytest.raises(click.UsageError):
        runnable("envmgr up")
