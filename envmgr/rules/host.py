"""Rules about the host: its namespaces, its devices, its files, and volumes that services share."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from envmgr.rules.document import Document, Mount, Service, is_on, is_open, mounts, sequence, table
from envmgr.rules.rule import HIGH, INFO, LOW, MEDIUM, Rule, Said, of_document, of_service, refs

_SENSITIVE = (
    *("/etc", "/root", "/proc", "/sys", "/dev", "/boot", "/bin", "/sbin", "/lib", "/lib64", "/usr", "/run"),
    *("/var/run", "/var/lib/docker", "/var/lib/containerd", "/var/log", "/var/spool"),
)
"""Whoever reads or writes these is near the host's root."""
_SYSTEM = ("/cdrom", "/home", "/media", "/srv", "/var", "/seLinux")
"""The rest of what KICS counts as the system's."""
_NAMESPACES = {
    "network_mode": ("network", "Shared Host Network Namespace", "5.10"),
    "pid": ("process", "Host Namespace is Shared", "5.16"),
    "ipc": ("IPC", "Shared Host IPC Namespace", "5.17"),
    "userns_mode": ("user", "Shared Host User Namespace", "5.31"),
    "uts": ("UTS", "", "5.21"),
    "cgroup": ("cgroup", "", "5.25"),
}
_PROPAGATES = ("shared", "rshared", "slave", "rslave")
_DEVICE = ("device", "mountpoint")


def _privileged(service: Service) -> Iterator[Said]:
    if is_on(service.body.get("privileged")):
        yield ("privileged",), "it may do on the host what root may"


def _namespace(key: str, what: str) -> Rule:
    kind, kics, cis = _NAMESPACES[key]

    def check(service: Service) -> Iterator[Said]:
        if service.body.get(key) == "host":
            yield (key,), f"it shares the host's {kind} namespace"

    title = f"No container shares the host's {kind} namespace"
    references = refs(kics or (), cis, "3" if key == "userns_mode" else "")
    return Rule(f"EM-S07-host-{what}", HIGH, title, f"nothing: leave {key} out", of_service(check), references)


def _cgroup_parent(service: Service) -> Iterator[Said]:
    if "cgroup_parent" in service.body:
        yield ("cgroup_parent",), "it leaves the control group in which Docker limits it"


def _devices(service: Service) -> Iterator[Said]:
    for key in ("devices", "device_cgroup_rules"):
        for index, _ in enumerate(sequence(service.body.get(key))):
            yield (key, index), "it reaches a device of the host"


def _is_socket(mount: Mount) -> bool:
    names = ("docker.sock", "containerd.sock", "podman.sock", "crio.sock")
    return any(name in mount.source for name in names)


def _socket(service: Service) -> Iterator[Said]:
    for mount in mounts(service):
        if _is_socket(mount):
            yield ("volumes", mount.index), "whoever reaches the engine's socket is root on the host"


def _inside(path: str, folders: tuple[str, ...]) -> bool:
    path = posixpath.normpath(path) if path.startswith("/") else ""
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)


def _is_sensitive(path: str) -> bool:
    return (path.startswith("/") and posixpath.normpath(path).strip("/") == "") or _inside(path, _SENSITIVE)


def _host_paths(document: Document) -> Iterator[tuple[Said, str]]:
    """Yield every folder of the host that a document names, except an engine's socket."""
    for service in document.services:
        for mount in mounts(service):
            if mount.kind == "bind" or mount.source.startswith("/"):
                keys = (*service.keys, "volumes", mount.index)
                if not _is_socket(mount):
                    yield (keys, f"{service.name}: it reaches {mount.source} of the host"), mount.source
    for name, volume in document.section("volumes"):
        for key in _DEVICE:
            path = str(table(volume.get("driver_opts")).get(key) or "")
            yield (("volumes", name, "driver_opts", key), f"volume {name}: it is {path} of the host"), path


def _sensitive(document: Document) -> Iterator[Said]:
    return (said for said, path in _host_paths(document) if _is_sensitive(path))


def _system(document: Document) -> Iterator[Said]:
    found = _host_paths(document)
    return (said for said, path in found if _inside(path, _SYSTEM) and not _is_sensitive(path))


def _propagation(service: Service) -> Iterator[Said]:
    for mount in mounts(service):
        if mount.propagation in _PROPAGATES:
            yield ("volumes", mount.index), f"what is mounted on one side appears on the other ({mount.propagation})"


def _writable(service: Service) -> Iterator[Said]:
    for mount in mounts(service):
        if mount.kind == "bind" and not mount.is_read_only and not _is_socket(mount):
            yield ("volumes", mount.index), f"it may change {mount.source} of the host"


def _missing_source(service: Service) -> Iterator[Said]:
    for mount in mounts(service):
        if mount.kind == "bind" and mount.makes_folder and not (is_open(mount.source) or _is_socket(mount)):
            yield ("volumes", mount.index), f"if {mount.source} is missing, Docker makes a folder there, owned by root"


def _shared(document: Document) -> Iterator[Said]:
    """Yield mounts of what another service mounts too, unless nobody can write to it."""
    users: dict[str, list[tuple[Service, Mount]]] = {}
    for service in document.services:
        for mount in mounts(service):
            if mount.source and mount.kind in ("volume", "bind"):
                users.setdefault(mount.source, []).append((service, mount))
        for other in sequence(service.body.get("volumes_from")):
            yield (*service.keys, "volumes_from"), f"{service.name}: it shares every volume of {other}"
    for source, found in users.items():
        if len({service.name for service, _ in found}) < 2 or all(mount.is_read_only for _, mount in found):
            continue
        for service, mount in found:
            others = ", ".join(dict.fromkeys(one.name for one, _ in found if one.name != service.name))
            yield (*service.keys, "volumes", mount.index), f"{service.name}: it shares {source} with {others}"


RULES = (
    Rule(
        "EM-S07-privileged",
        HIGH,
        "No container is privileged",
        "nothing: leave privileged out",
        of_service(_privileged),
        refs("Privileged Containers Enabled", "5.5", "3"),
    ),
    _namespace("network_mode", "network"),
    _namespace("pid", "pid"),
    _namespace("ipc", "ipc"),
    _namespace("userns_mode", "users"),
    _namespace("uts", "uts"),
    _namespace("cgroup", "cgroup"),
    Rule(
        "EM-S07-cgroup-parent",
        MEDIUM,
        "No control group of one's own",
        "nothing: leave cgroup_parent out",
        of_service(_cgroup_parent),
        refs("Cgroup Not Default", "5.25"),
    ),
    Rule(
        "EM-S07-devices",
        HIGH,
        "No device of the host",
        "nothing; a GPU is reserved by deploy.resources.reservations.devices",
        of_service(_devices),
        refs(cis="5.18"),
    ),
    Rule(
        "EM-S08-engine-socket",
        HIGH,
        "No container reaches the engine's socket",
        "a proxy of the socket that allows a few questions",
        of_service(_socket),
        refs("Docker Socket Mounted In Container", "5.32", "1"),
    ),
    Rule(
        "EM-S08-sensitive-folder",
        HIGH,
        "No sensitive folder of the host is mounted",
        "a named volume, or a folder of the project, read-only",
        of_document(_sensitive),
        refs("Volume Has Sensitive Host Directory", "5.6", "8"),
    ),
    Rule(
        "EM-S08-system-folder",
        MEDIUM,
        "No folder outside the project is mounted",
        "a named volume, or a folder of the project, read-only",
        of_document(_system),
        refs("Volume Has Sensitive Host Directory", "5.6", "8"),
    ),
    Rule(
        "EM-S08-propagation",
        HIGH,
        "Mounts do not spread between host and container",
        "nothing: leave the propagation out",
        of_service(_propagation),
        refs("Volume Mounted In Multiple Containers", "5.20"),
    ),
    Rule(
        "EM-S08-writable-bind",
        LOW,
        "What is mounted of the host is read-only",
        "read_only: true (short syntax: :ro), or a named volume for what is written",
        of_service(_writable),
        refs(owasp="8"),
    ),
    Rule(
        "EM-S08-missing-source",
        INFO,
        "A source that is missing is an error, and no new folder",
        "the long syntax with bind: { create_host_path: false }",
        of_service(_missing_source),
    ),
    Rule(
        "EM-S08-shared-volume",
        INFO,
        "A volume belongs to one service",
        "a volume for each service, or read_only: true for all",
        of_document(_shared),
        refs("Shared Volumes Between Containers"),
    ),
)
