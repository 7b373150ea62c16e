"""What the processes of a container see of their own confinement, asked from inside."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.docker.conftest import docker

_LIMITS = {
    "memory": "cat /sys/fs/cgroup/memory.max 2>/dev/null || cat /sys/fs/cgroup/memory/memory.limit_in_bytes",
    "pids": "cat /sys/fs/cgroup/pids.max 2>/dev/null || cat /sys/fs/cgroup/pids/pids.max",
    "cpus": "cat /sys/fs/cgroup/cpu.max 2>/dev/null"
    " || echo $(cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us) $(cat /sys/fs/cgroup/cpu/cpu.cfs_period_us)",
}
"""Control groups of version 2, or else of version 1."""
_WRITE = "for place in / /etc /usr/bin; do (: > $place/envmgr-proof) 2>/dev/null && echo $place; done; true"


@dataclass(frozen=True)
class Inside:
    """A container, as it is from inside."""

    processes: frozenset[tuple[str, ...]]
    """Of each process: real uid, effective and reachable capabilities, no-new-privileges."""
    memory: int
    pids: int
    cpus: float
    writable: tuple[str, ...]
    """Folders of its root in which a file could be made."""


def inside(container: str) -> Inside:
    """Ask a container's own shell."""
    text = shell(container, "cat /proc/[0-9]*/status")
    fields = ("Uid", "CapEff", "CapBnd", "NoNewPrivs")
    columns = (re.findall(rf"^{field}:\t(\w+)", text, re.MULTILINE) for field in fields)
    quota, period = shell(container, _LIMITS["cpus"]).split()
    return Inside(
        frozenset(zip(*columns, strict=True)),
        int(shell(container, _LIMITS["memory"])),
        int(shell(container, _LIMITS["pids"])),
        int(quota) / int(period),
        tuple(shell(container, _WRITE).split()),
    )


def shell(container: str, line: str) -> str:
    """Run a line in a container; a process that ends meanwhile is no error."""
    return docker("exec", container, "sh", "-c", f"({line}) 2>/dev/null", check=False)
