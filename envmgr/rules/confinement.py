"""Rules about what a container may do: its user, its capabilities, its privileges, its root."""

from __future__ import annotations

import re
from collections.abc import Iterator

from envmgr.rules.document import Service, is_on, is_open, ports, sequence, table
from envmgr.rules.rule import HIGH, LOW, MEDIUM, Rule, Said, of_service, refs

_PRIVILEGED = 1024
"""Below it, a port needs a capability."""
_DANGEROUS = {
    *("ALL", "SYS_ADMIN", "SYS_MODULE", "SYS_PTRACE", "SYS_RAWIO", "SYS_BOOT", "SYS_TIME", "NET_ADMIN", "NET_RAW"),
    *("DAC_READ_SEARCH", "DAC_OVERRIDE", "BPF", "PERFMON", "MAC_ADMIN", "MAC_OVERRIDE", "SYSLOG", "MKNOD"),
}


def _user(service: Service) -> Iterator[Said]:
    if service.body.get("user") in (None, ""):
        yield ("user",), "no user: its image decides, and most images decide for root"


def _root(service: Service) -> Iterator[Said]:
    user = str(service.body.get("user", "")).partition(":")[0]
    if user == "root" or (user.isdecimal() and int(user) == 0):
        yield ("user",), "it runs as root"


def _named_user(service: Service) -> Iterator[Said]:
    user = str(service.body.get("user") or "")
    name = user.partition(":")[0]
    if name and name != "root" and not name.isdecimal() and not is_open(user):
        yield ("user",), f"who {name} is, its image decides"


def _drop(service: Service) -> Iterator[Said]:
    dropped = [str(one).upper() for one in sequence(service.body.get("cap_drop"))]
    if "ALL" not in dropped:
        yield ("cap_drop",), "it keeps capabilities that it does not need"


def _add(service: Service) -> Iterator[Said]:
    names = [str(one).upper().removeprefix("CAP_") for one in sequence(service.body.get("cap_add"))]
    if "cap_add" in service.body and not _DANGEROUS & set(names):
        yield ("cap_add",), f"it has more capabilities than none: {', '.join(names)}"


def _dangerous(service: Service) -> Iterator[Said]:
    for index, one in enumerate(sequence(service.body.get("cap_add"))):
        name = str(one).upper().removeprefix("CAP_")
        if name in _DANGEROUS:
            yield ("cap_add", index), f"{name} leads out of the container, or close to it"


def _low_port(service: Service) -> Iterator[Said]:
    if "NET_BIND_SERVICE" in sequence(service.body.get("cap_drop")):
        return
    for port in ports(service):
        low = [one.start for one in (port.published, port.target) if one and one.start < _PRIVILEGED]
        if low:
            yield ("ports", port.index), f"port {low[0]} is privileged"


def _no_new_privileges(service: Service) -> Iterator[Said]:
    given = [re.sub(r"[:=]", ":", str(one)) for one in sequence(service.body.get("security_opt"))]
    if not {"no-new-privileges", "no-new-privileges:true"} & set(given):
        yield ("security_opt",), "a program in it may become root by a setuid file"


def _unconfined(service: Service) -> Iterator[Said]:
    for index, one in enumerate(sequence(service.body.get("security_opt"))):
        option = str(one).replace("=", ":").replace(" ", "")
        if option.endswith(":unconfined") or option == "label:disable":
            yield ("security_opt", index), f"{option.partition(':')[0]} no longer confines it"


def _read_only(service: Service) -> Iterator[Said]:
    if not is_on(service.body.get("read_only")):
        yield ("read_only",), "its root can be written to"


def _tmpfs(service: Service) -> Iterator[Said]:
    given = service.body.get("tmpfs")
    for index, one in enumerate([given] if isinstance(given, str) else sequence(given)):
        options = set(str(one).partition(":")[2].split(","))
        missing = [name for name in ("noexec", "nosuid", "nodev") if name not in options]
        missing += [] if any(one.startswith("size=") for one in options) else ["size"]
        if missing:
            yield ("tmpfs", index), f"{str(one).partition(':')[0]} lacks {', '.join(missing)}"
    for index, one in enumerate(sequence(service.body.get("volumes"))):
        if table(one).get("type") == "tmpfs" and "size" not in table(table(one).get("tmpfs")):
            yield ("volumes", index), f"{table(one).get('target')} may take half of the host's memory"


RULES = (
    Rule(
        "EM-S04-user",
        MEDIUM,
        "A service says which user it runs as",
        'user: "10001:10001"',
        of_service(_user, only_whole=True),
        refs(cis="4.1", owasp="2"),
    ),
    Rule(
        "EM-S04-root",
        MEDIUM,
        "Nothing runs as root",
        'user: "10001:10001"',
        of_service(_root),
        refs(cis="4.1", owasp="2"),
    ),
    Rule(
        "EM-S04-user-number",
        LOW,
        "A user is a number, which no image can make root",
        'user: "10001:10001"',
        of_service(_named_user),
        refs(cis="4.1", owasp="2"),
    ),
    Rule(
        "EM-S05-cap-drop",
        MEDIUM,
        "All capabilities are dropped",
        'cap_drop: ["ALL"]',
        of_service(_drop, only_whole=True),
        refs("Container Capabilities Unrestricted", "5.4", "3"),
    ),
    Rule(
        "EM-S05-cap-add",
        MEDIUM,
        "No capability is added",
        "a user and a port that need none",
        of_service(_add),
        refs("Container Capabilities Unrestricted", "5.4", "3"),
    ),
    Rule(
        "EM-S05-dangerous-capability",
        HIGH,
        "No capability leads out of the container",
        "nothing: leave it out",
        of_service(_dangerous),
        refs("Container Capabilities Unrestricted", "5.4", "3"),
    ),
    Rule(
        "EM-S05-privileged-port",
        MEDIUM,
        "No port below 1024 without dropping the right to open one",
        'a port from 1024 on, or cap_drop: ["ALL", "NET_BIND_SERVICE"]',
        of_service(_low_port),
        refs("Privileged Ports Mapped In Container", "5.8", "3"),
    ),
    Rule(
        "EM-S06-no-new-privileges",
        MEDIUM,
        "Nothing in a container gains privileges",
        'security_opt: ["no-new-privileges:true"]',
        of_service(_no_new_privileges, only_whole=True),
        refs(("Security Opt Not Set", "No New Privileges Not Set"), "5.26", "4"),
    ),
    Rule(
        "EM-S06-unconfined",
        HIGH,
        "seccomp, AppArmor and SELinux confine every container",
        "nothing: leave it out, or name a profile",
        of_service(_unconfined),
        refs("Default Seccomp Profile Disabled", "5.2 5.3 5.22", "6"),
    ),
    Rule(
        "EM-S09-read-only",
        LOW,
        "A container's root is read-only",
        "read_only: true, and tmpfs for what it writes",
        of_service(_read_only, only_whole=True),
        refs(cis="5.13", owasp="8"),
    ),
    Rule(
        "EM-S09-tmpfs",
        LOW,
        "A tmpfs has a size, and runs nothing",
        'tmpfs: ["/tmp:size=16m,mode=1777,noexec,nosuid,nodev"]',
        of_service(_tmpfs),
        refs(cis="5.13", owasp="8"),
    ),
)
