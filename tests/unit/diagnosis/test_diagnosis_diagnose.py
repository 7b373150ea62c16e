"""Causes, consequences, and what has to be mended first; diagnoses are compared whole."""

from __future__ import annotations

from dataclasses import replace

import pytest

from envmgr.diagnosis.diagnose import diagnose
from envmgr.diagnosis.evidence import BrokenGrant, Evidence, Witness
from envmgr.diagnosis.proof import MOST
from envmgr.model.diagnosis import Consequence, Diagnosis, Fault
from envmgr.model.health import ServiceHealth, Verdict
from envmgr.model.observed import HealthRun, Incident, Observed, State
from envmgr.model.secret import SecretValue
from tests.evidences import MIGRATE, dev, evidence, grant, ill, infra, missing
from tests.making import NOW, service

NO_REDIS = "redis.exceptions.ConnectionError: Error 111 connecting to redis:6379. Connection refused."
NO_MODULE = "ModuleNotFoundError: No module named 'httpx'"


def stopped(name: str, target: str = "dev") -> Witness:
    return ill(name, target=target, verdict=Verdict.STOPPED, state=State.EXITED, exit_code=143, restart_count=0)


def unhealthy(name: str, target: str = "dev", *checks: HealthRun) -> Witness:
    return ill(
        name, target=target, verdict=Verdict.UNHEALTHY, state=State.RUNNING, restart_count=0, checks=tuple(checks)
    )


def starting(name: str, *log: str) -> Witness:
    return ill(name, *log, verdict=Verdict.STARTING, state=State.RUNNING, restart_count=0)


def causes(found: Evidence) -> list[tuple[str, str]]:
    """Return service and signature of the causes, the first one first."""
    diagnosis = diagnose(found)
    faults = (*((diagnosis.first,) if diagnosis.first else ()), *diagnosis.others)
    return [(fault.service, fault.signature) for fault in faults]


def followers(found: Evidence) -> list[str]:
    return [one.service for one in diagnose(found).consequences]


def test_nothing_is_wrong():
    assert diagnose(evidence()) == Diagnosis("dev")
    assert diagnose(evidence()).is_healthy
    assert diagnose(evidence(stack=infra(), base=infra())).is_healthy


def test_a_whole_diagnosis():
    found = evidence(
        stopped("redis", "infra"), ill("app", NO_REDIS), ill("worker", NO_MODULE), missing("page"), free_disk=1 << 40
    )
    assert diagnose(found) == Diagnosis(
        target="dev",
        first=Fault(
            "stopped",
            "infra",
            "redis",
            "redis of infra was stopped (exit code 143)",
            ("engine: exited, exit code 143", "log: it wrote nothing"),
            "envmgr up infra redis",
        ),
        others=(
            Fault(
                "missing-module",
                "dev",
                "worker",
                "worker of dev needs the module httpx, which its image (registry.example/app:1.0) does not have",
                ("engine: restarting, exit code 1, restarted 2 times", f"log: {NO_MODULE}"),
                "edit envmgr.toml: services.worker.image needs httpx in the image; then envmgr up dev worker",
            ),
        ),
        consequences=(Consequence("dev", "app"), Consequence("dev", "page")),
    )


def test_what_names_a_failing_server_follows_it():
    assert causes(evidence(ill("redis", "boom: fatal", target="infra"), ill("app", NO_REDIS))) == [("redis", "crash")]


def test_what_says_nothing_follows_what_fails_below_it():
    silent = evidence(ill("redis", "fatal: no", target="infra"), ill("app"), unhealthy("worker"))
    assert causes(silent) == [("redis", "crash")]
    assert followers(silent) == ["app", "worker"]


@pytest.mark.parametrize("words", ["broker is gone", "fatal: upstream unavailable", "cannot connect", "bye"])
def test_what_blames_somebody_follows(words: str):
    assert causes(evidence(ill("redis", "fatal: no", target="infra"), ill("app", words))) == [("redis", "crash")]


@pytest.mark.parametrize("words", ["fatal: the map is missing", "ValueError: many", NO_MODULE])
def test_what_fails_for_a_reason_of_its_own_is_a_second_cause(words: str):
    found = evidence(ill("redis", "fatal: no", target="infra"), ill("app", words))
    assert [one for one, _ in causes(found)] == ["redis", "app"]


def test_what_stands_on_nothing_ill_is_a_cause_although_it_blames():
    assert causes(evidence(ill("app", "cannot connect"))) == [("app", "crash")]
    assert causes(evidence(ill("page", "cannot connect"), stopped("redis", "infra"))) == [
        ("redis", "stopped"),
    ]


def test_what_the_services_need_comes_before_them():
    found = evidence(ill("app", NO_MODULE), ill("migrate", "fatal: no table"), stopped("postgres", "infra"))
    assert causes(found) == [("postgres", "stopped"), ("migrate", "job-failed"), ("app", "missing-module")]


def test_of_one_wave_what_is_certain_comes_first():
    assert causes(evidence(unhealthy("app"), ill("worker", NO_MODULE))) == [
        ("worker", "missing-module"),
        ("app", "unhealthy"),
    ]


def test_what_still_starts_is_not_blamed():
    found = evidence(starting("app"), ill("worker", NO_MODULE), missing("page"))
    assert causes(found) == [("worker", "missing-module")]
    # Below the page nothing has failed: it is not a consequence either.
    assert followers(found) == ["page"]


def test_what_still_starts_is_told_when_nothing_else_is_wrong():
    found = diagnose(evidence(starting("app"), missing("page")))
    assert found.first is not None
    assert (found.first.signature, found.first.command) == ("starting", "envmgr why dev")
    assert found.consequences == (Consequence("dev", "page"),)


def test_an_environment_without_containers_is_down():
    found = diagnose(evidence(*(missing(name) for name in ("migrate", "app", "worker", "page"))))
    assert found == Diagnosis(
        "dev",
        first=Fault("down", "dev", "", "dev is down: no service of it has a container", (), "envmgr up dev"),
    )


def test_a_service_that_was_not_created_is_told():
    assert causes(evidence(missing("page"))) == [("page", "missing")]


def test_one_service_is_judged_with_what_it_stands_on():
    found = evidence(stopped("redis", "infra"), ill("app", NO_MODULE), ill("worker", NO_REDIS), service="worker")
    assert causes(found) == [("redis", "stopped")]
    assert followers(found) == ["worker"]
    assert diagnose(evidence(ill("app", NO_MODULE), service="worker")) == Diagnosis("dev", "worker")
    assert causes(evidence(missing("page"), service="page")) == [("page", "missing")]


def test_a_chain_of_consequences_keeps_its_order():
    found = evidence(stopped("postgres", "infra"), ill("migrate", "cannot connect"), missing("app"), missing("page"))
    assert followers(found) == ["migrate", "app", "page"]


# ---- servers that run and do not serve


def refused(server: str = "postgres", message: str = 'FATAL:  password authentication failed for user "dev_app_1"'):
    return BrokenGrant(grant(server), message)


def test_a_password_that_the_server_does_not_know():
    words = 'FATAL:  password authentication failed for user "dev_app_1"'
    found = diagnose(evidence(ill("app", words), grants=(refused(),)))
    assert found == Diagnosis(
        "dev",
        first=Fault(
            "wrong-password",
            "infra",
            "postgres",
            "postgres of infra refuses dev: POSTGRES_PASSWORD of .env.dev is not the password that it knows",
            (f"probe: {' '.join(words.split())}",),
            "envmgr up dev",
        ),
        consequences=(Consequence("dev", "app"),),
    )


@pytest.mark.parametrize(
    ("message", "signature"),
    [
        ('FATAL:  database "dev_play" does not exist', "missing-database"),
        ("NOPERM this user has no permissions", "not-permitted"),
        ("WRONGPASS invalid username-password pair", "wrong-password"),
        ("something else", "refused-grant"),
    ],
)
def test_other_reasons_why_a_server_does_not_serve(message: str, signature: str):
    assert causes(evidence(grants=(refused("redis", message),))) == [("redis", signature)]


def test_a_server_that_is_ill_itself_has_one_reason():
    assert causes(evidence(stopped("postgres", "infra"), grants=(refused(),))) == [("postgres", "stopped")]


def test_a_managed_server_is_told_the_password_by_the_operator():
    broken = BrokenGrant(grant("postgres", client="postgres:17"), "password authentication failed")
    words = 'FATAL:  password authentication failed for user "dev_app_1"'
    alone = dev(service("app"))
    managed = BrokenGrant(replace(broken.grant, ensure=replace(broken.grant.ensure, target="dev")), broken.message)
    for found in (evidence(grants=(broken,)), evidence(ill("app", words), grants=(managed,), stack=alone)):
        first = diagnose(found).first
        assert first is not None
        assert first.command == "edit .env.dev: POSTGRES_PASSWORD has to be what the server knows; then envmgr up dev"
    assert followers(evidence(ill("app", words), grants=(managed,), stack=alone)) == ["app"]


def test_a_server_outside_the_environment_s_network():
    words = "Error -2 connecting to redis:6379. Name or service not known."
    found = evidence(ill("app", words), connected=("postgres",), grants=(refused("redis", "no"),))
    assert causes(found) == [("redis", "not-connected")]
    assert followers(found) == ["app"]
    first = diagnose(found).first
    assert first is not None
    assert first.sentence == "redis of infra runs, but is not connected to the network of dev"


def test_an_environment_that_is_down_is_connected_to_nothing():
    found = evidence(*(missing(name) for name in ("migrate", "app", "worker", "page")), connected=())
    bare = Observed(tuple(c for c in found.observed.containers if "infra" in c.compose_project), (), (), ())
    whole = Evidence(found.stack, found.base, bare, found.witnesses)
    assert causes(whole) == [("", "down")]


# ---- evidence


def test_evidence_shows_every_source_and_never_more_than_its_share():
    checks = (HealthRun(0, "fine"), HealthRun(1, "a\nb\nc\nd\n"))
    log = tuple(f"line {number}" for number in range(30))
    witness = ill(
        "app", *log, verdict=Verdict.UNHEALTHY, state=State.RUNNING, checks=checks, probe="GET /: 503", restart_count=1
    )
    first = diagnose(evidence(witness)).first
    assert first is not None
    assert first.evidence == (
        "engine: running, restarted 1 times",
        *("healthcheck: b", "healthcheck: c", "healthcheck: d"),
        "probe: GET /: 503",
        *(f"log: line {number}" for number in range(23, 30)),
    )
    assert len(first.evidence) == MOST


def test_the_line_that_was_recognised_is_shown_however_old():
    log = (NO_MODULE, *(f"line {number}" for number in range(30)))
    first = diagnose(evidence(ill("app", *log))).first
    assert first is not None
    assert first.evidence[1:3] == (f"log: {NO_MODULE}", "log: line 20")


def test_no_secret_is_shown():
    words = "ValueError: dear-secret is no number"
    first = diagnose(evidence(ill("app", words), secrets=(SecretValue("dear-secret"),))).first
    assert first is not None
    assert first.sentence == "app of dev fails in its own code: ValueError: ******** is no number"
    assert "dear-secret" not in str(first)


def test_long_lines_are_cut_and_unreadable_logs_told():
    first = diagnose(evidence(ill("app", "fatal: " + "x" * 5000))).first
    assert first is not None
    assert max(len(line) for line in first.evidence) == 400
    silent = diagnose(evidence(ill("app", log_error="Docker is busy"))).first
    assert silent is not None
    assert silent.evidence[-1] == "log: it cannot be read: Docker is busy"


def test_what_the_engine_refused_is_said_of_what_it_created():
    container_error = 'exec: "nosuch": executable file not found in $PATH'
    witness = ill("app", verdict=Verdict.STOPPED, state=State.CREATED, restart_count=0)
    found = diagnose(evidence(witness, refusal=("docker compose up of play-dev failed", container_error)))
    assert found.first is not None
    assert found.first.signature == "program-missing"
    assert f"engine: {container_error}" in found.first.evidence


def test_what_the_engine_refused_another_is_said_of_that_one():
    error = "Bind for 127.0.0.1:18000 failed: port is already allocated"
    ill_app = ill("app", verdict=Verdict.FAILED, state=State.CREATED, error=error, restart_count=0)
    beside = ill("worker", verdict=Verdict.STOPPED, state=State.CREATED, restart_count=0)
    assert causes(evidence(ill_app, beside, refusal=(error,)))[0] == ("app", "port-in-use")
    assert ("worker", "port-in-use") not in causes(evidence(ill_app, beside, refusal=(error,)))
    by_name = (f"endpoint {beside.container.name}: {error}" if beside.container else "",)
    assert ("worker", "port-in-use") in causes(evidence(ill_app, beside, refusal=by_name))


def test_a_start_that_was_refused_counts_more_than_the_end_before():
    history = (Incident("kill", NOW, signal=15), Incident("kill", NOW, signal=9), Incident("die", NOW, exit_code=137))
    witness = ill(
        "app",
        verdict=Verdict.FAILED,
        state=State.EXITED,
        exit_code=137,
        error="Bind for 127.0.0.1:18000 failed: port is already allocated",
        history=history,
    )
    assert causes(evidence(witness)) == [("app", "port-in-use")]


def test_a_base_is_diagnosed_by_itself():
    base = infra()
    found = evidence(ill("redis", "fatal: no", target="infra"), stack=base, base=base)
    assert causes(found) == [("redis", "crash")]


def test_a_server_of_the_base_that_nobody_here_uses_is_nobody_s_reason():
    base = infra(*infra().services, service("grafana"))
    found = evidence(ill("grafana", "fatal: no", target="infra"), ill("app", "cannot connect"), base=base)
    assert causes(found) == [("app", "crash")]


def test_without_a_job_below_it_a_missing_table_is_nobody_else_s():
    alone = dev(service("app", uses=("postgres",)))
    words = 'relation "messages" does not exist'
    assert causes(evidence(ill("app", words), stack=alone)) == [("app", "missing-table")]
    both = evidence(ill("app", words), ill("migrate", "fatal: no"))
    assert causes(both) == [("migrate", "job-failed")]
    assert MIGRATE.is_job


def test_a_verdict_of_a_wait_is_kept_as_it_was():
    health = ServiceHealth("dev", "app", Verdict.UNHEALTHY, "not healthy within 3 s: 503")
    found = diagnose(evidence(ill("app", state=State.RUNNING, restart_count=0, health=health)))
    assert found.first is not None
    assert found.first.sentence == "app of dev: unhealthy: not healthy within 3 s: 503"
