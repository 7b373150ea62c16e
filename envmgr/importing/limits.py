"""Limits, reservations, replicas and healthchecks of one service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from envmgr.importing.draft import ServiceDraft, seconds, shortened

_LEAST = 6 * 1024**2
"""Bytes of memory that the engine accepts."""
_UNITS = (("G", 1024**3), ("M", 1024**2), ("K", 1024))
Document = Mapping[str, Any]


def carry(body: Document, draft: ServiceDraft) -> None:
    """Put limits, replicas and the healthcheck into the draft."""
    _resources(body, draft)
    _healthcheck(body.get("healthcheck") or {}, draft)
    if (count := replicas(body)) > 1:
        draft.table["replicas"] = count
    if "stop_grace_period" in body:
        draft.table["stop_seconds"] = shortened(seconds(body["stop_grace_period"]))


def replicas(body: Document) -> int:
    """Return how many containers a service has."""
    return int((body.get("deploy") or {}).get("replicas") or body.get("scale") or 1)


def memory_text(size: int) -> str:
    """Write bytes as the spec does; it knows no smaller unit than K."""
    for unit, bytes_of in _UNITS:
        if size % bytes_of == 0:
            return f"{size // bytes_of}{unit}"
    return f"{-(-size // 1024)}K"


def memory_bytes(text: str) -> int:
    """Convert what Compose prints, bytes, or what it takes, `50m`."""
    scale = {"k": 1024, "m": 1024**2, "g": 1024**3, "b": 1}
    text = str(text).lower().removesuffix("b") or "0"
    return int(float(text[:-1]) * scale[text[-1]]) if text[-1] in scale else int(text)


def limits_of(body: Document) -> dict[str, Any]:
    """Return every limit and reservation under one name, in whichever of the two places it stands."""
    resources = (body.get("deploy") or {}).get("resources") or {}
    limits, reserved = resources.get("limits") or {}, resources.get("reservations") or {}
    memory = limits.get("memory") or body.get("mem_limit")
    least = reserved.get("memory") or body.get("mem_reservation")
    cpus, least_cpus = limits.get("cpus") or body.get("cpus"), reserved.get("cpus")
    found = {
        "cpus": float(cpus) if cpus else None,
        "memory": memory_bytes(memory) if memory else None,
        "pids": limits.get("pids") or body.get("pids_limit"),
        "cpus_reserved": float(least_cpus) if least_cpus else None,
        "memory_reserved": memory_bytes(least) if least else None,
    }
    return {key: value for key, value in found.items() if value is not None}


def devices_of(body: Document) -> tuple[list[Any], int | str | None]:
    """Return the devices that only raw keys can ask for, and how many of NVIDIA's the service wants."""
    resources = (body.get("deploy") or {}).get("resources") or {}
    asked = [*((resources.get("reservations") or {}).get("devices") or ()), *(body.get("gpus") or ())]
    plain = [one for one in asked if _is_plain_gpu(one)]
    if len(plain) != 1 or len(asked) != 1:
        return asked, None
    count = plain[0].get("count", -1)
    return [], "all" if count in (-1, "all") else int(count)


def _is_plain_gpu(device: Document) -> bool:
    capabilities = device.get("capabilities") or ["gpu"]
    is_known = device.get("driver", "nvidia") in ("nvidia", "") and capabilities == ["gpu"]
    return is_known and not device.get("device_ids") and not device.get("options")


def _resources(body: Document, draft: ServiceDraft) -> None:
    found = limits_of(body)
    if found.get("pids", 8) < 8:
        draft.why["limits.pids"] = "with less than 8 nothing starts" if found["pids"] > 0 else "everything has a limit"
        del found["pids"]
    if found.get("memory", _LEAST) < _LEAST:
        draft.why["limits.memory"] = "the engine accepts no less than 6M"
        found["memory"] = _LEAST
    draft.table |= {key: shortened(found[key]) for key in ("cpus", "cpus_reserved", "pids") if key in found}
    draft.table |= {key: memory_text(found[key]) for key in ("memory", "memory_reserved") if key in found}
    devices, gpus = devices_of(body)
    if gpus is not None:
        draft.table["gpus"] = gpus
    elif devices:
        draft.raw.setdefault("deploy", {})["resources"] = {"reservations": {"devices": devices}}


def _healthcheck(check: Document, draft: ServiceDraft) -> None:
    test = list(check.get("test") or ())
    if check.get("disable") or test[:1] == ["NONE"]:
        draft.why["healthcheck.disable"] = "the spec switches no healthcheck off: without one nothing is known"
        return
    rest = {key: value for key, value in check.items() if key not in ("test", "start_period", "disable")}
    if "start_period" in check and seconds(check["start_period"]) > 0:
        draft.table["start_seconds"] = shortened(seconds(check["start_period"]))
    if draft.kind == "job":
        rest |= {"test": test} if test else {}
    elif test:
        draft.table["healthcheck"] = command_of(test)
    if rest:
        draft.raw["healthcheck"] = rest


def command_of(test: list[str]) -> list[str]:
    """Return what a healthcheck runs: CMD-SHELL is `/bin/sh -c`."""
    return ["/bin/sh", "-c", *test[1:]] if test[0] == "CMD-SHELL" else test[1:]
