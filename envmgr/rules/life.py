"""Rules about how a service lives: its health, what it waits for, restarts, and its end."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from envmgr.rules.document import Service, is_on, is_open, sequence, table
from envmgr.rules.rule import INFO, LOW, MEDIUM, Rule, Said, of_service, refs

_ATTEMPTS = 5
"""What the CIS Benchmark recommends, and KICS asks for."""
_LOCALHOST = re.compile(r"(?<![\w.-])localhost(?![\w.-])")


def _health(service: Service) -> Iterator[Said]:
    check = table(service.body.get("healthcheck"))
    if service.is_job:
        return
    if not check:
        yield ("healthcheck",), "nobody knows whether it works"
    elif is_on(check.get("disable")):
        yield ("healthcheck", "disable"), "its healthcheck is switched off"


def _none(service: Service) -> Iterator[Said]:
    if service.words("healthcheck", "test")[:1] == ["NONE"]:
        yield ("healthcheck", "test"), "its healthcheck is switched off"


def _localhost(service: Service) -> Iterator[Said]:
    if _LOCALHOST.search(" ".join(service.words("healthcheck", "test"))):
        yield ("healthcheck", "test"), "localhost may be ::1, where many programs do not listen"


def _blind(service: Service) -> Iterator[Said]:
    text = " ".join(service.words("healthcheck", "test"))
    if re.search(r"\b(redis|valkey)-cli\b.*\bping\b", text, re.IGNORECASE) and "PONG" not in text:
        yield ("healthcheck", "test"), "redis-cli ping succeeds even when the server refuses the login"
    if "pg_isready" in text and not re.search(r"(?:\s|^)(-h|--host)", text):
        yield ("healthcheck", "test"), "by the socket, pg_isready answers while the database is still being made"


def _no_grace(service: Service) -> Iterator[Said]:
    check = table(service.body.get("healthcheck"))
    if check.get("test") and not service.is_job and "start_period" not in check and not is_on(check.get("disable")):
        yield ("healthcheck",), "failures while it starts count against it"


def _waits(service: Service) -> Iterator[Said]:
    asked = service.body.get("depends_on")
    for index, name in enumerate(sequence(asked)):
        yield ("depends_on", index), f"it waits until {name} is started, not until it works"
    for name, how in asked.items() if isinstance(asked, Mapping) else ():
        if table(how).get("condition", "service_started") == "service_started":
            yield ("depends_on", name), f"it waits until {name} is started, not until it works"


def _restart(service: Service) -> Iterator[Said]:
    restart = service.body.get("restart")
    policy = table(table(service.body.get("deploy")).get("restart_policy"))
    if restart is None and not policy and not service.is_job:
        yield ("restart",), "after a crash, or a start of the host, it stays away"
    elif restart == "always":
        yield ("restart",), "it comes back even after it was stopped on purpose"


def _on_failure(service: Service) -> Iterator[Said]:
    restart = str(service.body.get("restart") or "")
    policy = table(table(service.body.get("deploy")).get("restart_policy"))
    wanted = str(_ATTEMPTS)
    if restart.startswith("on-failure") and restart.partition(":")[2] != wanted and not is_open(restart):
        yield ("restart",), f"{restart} does not end after {_ATTEMPTS} attempts"
    attempts = policy.get("max_attempts")
    if policy.get("condition") == "on-failure" and str(attempts) != wanted and not is_open(attempts):
        yield ("deploy", "restart_policy", "max_attempts"), f"it does not end after {_ATTEMPTS} attempts"


def _grace(service: Service) -> Iterator[Said]:
    if "stop_grace_period" not in service.body:
        yield ("stop_grace_period",), "it is killed ten seconds after it was asked to stop"


def _init(service: Service) -> Iterator[Said]:
    if not is_on(service.body.get("init")):
        yield ("init",), "nobody reaps its children or passes signals on"


RULES = (
    Rule(
        "EM-S11-healthcheck",
        MEDIUM,
        "What runs for good has a healthcheck",
        'healthcheck with test and start_period; restart: "no" for what is meant to end',
        of_service(_health, only_whole=True),
        refs("Healthcheck Not Set", "4.6 5.27"),
    ),
    Rule(
        "EM-S11-no-healthcheck",
        MEDIUM,
        "No healthcheck is switched off",
        "a test that uses a program of the image",
        of_service(_none),
        refs("Healthcheck Not Set", "4.6 5.27"),
    ),
    Rule(
        "EM-S11-blind-probe",
        MEDIUM,
        "A healthcheck fails when the service does",
        "redis-cli … ping | grep -qx PONG; pg_isready -h 127.0.0.1",
        of_service(_blind),
    ),
    Rule("EM-S11-localhost", LOW, "A healthcheck names 127.0.0.1", "127.0.0.1", of_service(_localhost)),
    Rule("EM-S11-start-period", LOW, "A start has time", 'start_period: "30s"', of_service(_no_grace)),
    Rule(
        "EM-S11-waits",
        LOW,
        "A service waits until another one works",
        'condition: "service_healthy", or "service_completed_successfully" for what ends',
        of_service(_waits),
    ),
    Rule(
        "EM-S13-restart",
        MEDIUM,
        "What runs for good comes back",
        'restart: "unless-stopped", or "on-failure:5"',
        of_service(_restart, only_whole=True),
        refs(cis="5.15"),
    ),
    Rule(
        "EM-S13-on-failure",
        MEDIUM,
        "Restarts after failures end",
        'restart: "on-failure:5", or max_attempts: 5',
        of_service(_on_failure),
        refs("Restart Policy On Failure Not Set To 5", "5.15"),
    ),
    Rule(
        "EM-S13-stop-grace",
        INFO,
        "It is said how long a stop may take",
        'stop_grace_period: "30s"',
        of_service(_grace, only_whole=True),
    ),
    Rule("EM-S13-init", INFO, "A container has an init", "init: true", of_service(_init, only_whole=True)),
)
