"""What the containers of a service should be made of, from the service alone."""

from __future__ import annotations

from envmgr import naming
from envmgr.model.observed import ImageInfo, Mount, ObservedHealthcheck
from envmgr.model.stack import Service, Stack
from envmgr.planning import fields
from envmgr.planning.fields import FILE, NETWORK, Fields
from envmgr.planning.inputs import Wanted

_LOGGING = "json-file max-file=3 max-size=10m"
_SECURITY = "no-new-privileges:true"
_SHM = 64
"""Megabytes that Docker gives to who asks for nothing (dockerd, --default-shm-size)."""


def desired_fields(stack: Stack, service: Service, wanted: Wanted, image: ImageInfo | None) -> Fields:
    """Return the fields; what the image alone says needs the `image`."""
    return fields.present(
        {
            "kind": service.kind,
            "image": wanted.image,
            "user": service.user,
            **_programs(service, image),
            **_limits(service),
            **_confinement(service),
            **_attachments(stack, service, wanted),
            "restart": "no" if service.is_job else "unless-stopped",
            "stop_seconds": fields.seconds(int(service.stop_seconds)),
            "logging": _LOGGING,
        }
    )


def unknown_fields(service: Service, image: ImageInfo | None) -> frozenset[str]:
    """Return the fields that only an image could tell which is not there yet."""
    if image is not None:
        return frozenset()
    silent = {"command": not service.command, "stop_signal": service.stop_signal is None}
    silent |= dict.fromkeys(("healthcheck", "healthcheck timing", "start_seconds"), service.healthcheck is None)
    return frozenset(name for name, is_silent in silent.items() if is_silent)


def _programs(service: Service, image: ImageInfo | None) -> dict[str, str]:
    check = service.healthcheck
    # Docker lets a container have the image's own where it has none.
    declared = ObservedHealthcheck(check, service.start_seconds) if check else image.healthcheck if image else None
    return {
        "command": fields.command(service.command or (image.command if image else ())),
        "stop_signal": service.stop_signal or (image.stop_signal if image else "") or "SIGTERM",
        **fields.healthcheck(declared),
    }


def _limits(service: Service) -> dict[str, str]:
    limits = service.resources
    return {
        "cpus": f"{limits.cpus:g}",
        "memory": fields.size(limits.memory),
        "memory_reserved": fields.size(limits.memory_reserved) if limits.memory_reserved else "",
        "pids": str(limits.pids),
        "shm": f"{service.shm_megabytes or _SHM}M",
        "gpus": str(service.gpus or ""),
    }


def _confinement(service: Service) -> dict[str, str]:
    uid, gid = service.user.split(":")
    options = {
        mount.target: f"size={mount.megabytes}m,uid={uid},gid={gid},mode={mount.mode},noexec,nosuid,nodev"
        for mount in service.tmpfs
    }
    return {
        "read_only": "true",
        "init": "true",
        "cap_drop": ", ".join(service.dropped),
        "security_opt": _SECURITY,
        "tmpfs": fields.tmpfs(options),
    }


def _attachments(stack: Stack, service: Service, wanted: Wanted) -> dict[str, str]:
    names = {volume.key: volume.name for volume in stack.volumes}
    hashes = naming.revised(wanted.configs)
    return {
        "ports": fields.ports(service.ports),
        "volumes": fields.volumes(Mount(names[mount.volume], mount.target) for mount in service.volumes),
        "secrets": ", ".join(sorted(mount.target for mount in service.secrets)),
        **{f"{FILE}{config.path}": hashes.get(config.path, "") for config in service.configs},
        **{f"{NETWORK}{stack.network(key).name}": _aliases(service, key) for key in service.networks},
    }


def _aliases(service: Service, network: str) -> str:
    return ", ".join(sorted({service.name, *(service.aliases if network == "data" else ())}))
