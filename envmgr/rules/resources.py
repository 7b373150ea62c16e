"""Rules about what a container may take: memory, processors, processes, and room for its log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from envmgr.rules.document import Service, number, size, table
from envmgr.rules.rule import LOW, MEDIUM, Rule, Said, of_service, refs

_ROTATES = ("json-file", "")
"""Drivers that keep everything unless they are told; `local` rotates by itself, others send it away."""


def _is_limit(value: Any) -> bool:
    """Tell whether a value limits anything: zero and less do not."""
    amount = size(value)
    return value is not None and (amount is None or amount > 0) and not str(value).startswith("-")


def _memory(service: Service) -> Iterator[Said]:
    if not any(_is_limit(one) for one in (service.limits.get("memory"), service.body.get("mem_limit"))):
        yield ("deploy", "resources", "limits"), "it may take all memory of the host"


def _cpus(service: Service) -> Iterator[Said]:
    given = (service.limits.get("cpus"), service.body.get("cpus"), service.body.get("cpu_quota"))
    if not any(_is_limit(one) for one in given):
        yield ("deploy", "resources", "limits"), "it may take all processors of the host"


def _pids(service: Service) -> Iterator[Said]:
    if not any(_is_limit(one) for one in (service.limits.get("pids"), service.body.get("pids_limit"))):
        yield ("pids_limit",), "it may start processes until the host has none left"


def _differ(service: Service) -> Iterator[Said]:
    for key, limit in (("pids_limit", "pids"), ("mem_limit", "memory"), ("cpus", "cpus")):
        one, other = service.body.get(key), service.limits.get(limit)
        amounts = size(one), size(other)
        if one is not None and other is not None and None not in amounts and amounts[0] != amounts[1]:
            yield (key,), f"{key} and deploy.resources.limits.{limit} say two things"


def _reserved(service: Service) -> Iterator[Said]:
    reserved = table(table(table(service.body.get("deploy")).get("resources")).get("reservations"))
    for key, read in (("memory", size), ("cpus", number)):
        wanted, limit = read(reserved.get(key)), read(service.limits.get(key))
        if wanted is not None and limit is not None and wanted > limit:
            yield ("deploy", "resources", "reservations", key), f"it reserves more {key} than it may have"


def _no_log(service: Service) -> Iterator[Said]:
    if table(service.body.get("logging")).get("driver") == "none":
        yield ("logging", "driver"), "what it says is lost"


def _endless_log(service: Service) -> Iterator[Said]:
    logging = table(service.body.get("logging"))
    options = table(logging.get("options"))
    if str(logging.get("driver") or "") in _ROTATES and not {"max-size", "max-file"} <= options.keys():
        yield ("logging",), "its log grows until the disk is full"


RULES = (
    Rule(
        "EM-S10-memory",
        MEDIUM,
        "Memory is limited",
        'deploy: { resources: { limits: { memory: "512M" } } }',
        of_service(_memory, only_whole=True),
        refs("Memory Not Limited", "5.11", "7"),
    ),
    Rule(
        "EM-S10-cpus",
        MEDIUM,
        "Processors are limited",
        'deploy: { resources: { limits: { cpus: "1.0" } } }',
        of_service(_cpus, only_whole=True),
        refs("Cpus Not Limited", "5.12", "7"),
    ),
    Rule(
        "EM-S10-pids",
        MEDIUM,
        "The number of processes is limited",
        "pids_limit: 128, and the same as deploy.resources.limits.pids",
        of_service(_pids, only_whole=True),
        refs("Pids Limit Not Set", "5.29", "7"),
    ),
    Rule(
        "EM-S10-limits-differ",
        LOW,
        "One limit has one value",
        "the same value in both places, or one place",
        of_service(_differ),
    ),
    Rule(
        "EM-S10-reservation",
        LOW,
        "Nothing reserves more than it may have",
        "a reservation below the limit",
        of_service(_reserved),
    ),
    Rule(
        "EM-S12-no-log",
        MEDIUM,
        "A log is kept",
        'logging: { driver: "json-file", options: { max-size: "10m", max-file: "3" } }',
        of_service(_no_log),
    ),
    Rule(
        "EM-S12-log-rotation",
        MEDIUM,
        "A log has an end",
        'logging: { driver: "json-file", options: { max-size: "10m", max-file: "3" } }',
        of_service(_endless_log, only_whole=True),
    ),
)
