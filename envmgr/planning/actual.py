"""What a container is made of, from one inspection alone."""

from __future__ import annotations

from collections.abc import Set

from envmgr import naming
from envmgr.model.observed import Container
from envmgr.planning import fields
from envmgr.planning.fields import FILE, NETWORK, SECRETS, Fields


def actual_fields(container: Container, visited: Set[str]) -> Fields:
    """Return the fields; networks that are `visited` besides its own are somebody else's business."""
    made = container.settings
    return fields.present(
        {
            "kind": container.labels.get(naming.LABEL_KIND, ""),
            "image": container.image,
            "user": made.user,
            "command": fields.command(made.command),
            "stop_signal": made.stop_signal or "SIGTERM",
            **fields.healthcheck(made.healthcheck),
            "cpus": f"{made.cpus:g}",
            "memory": fields.size(made.memory),
            "memory_reserved": fields.size(made.memory_reserved) if made.memory_reserved else "",
            "pids": str(made.pids),
            "shm": f"{made.shm / (1 << 20):g}M",
            "gpus": made.gpus,
            **_confinement(container),
            **_attachments(container, visited),
            "restart": made.restart,
            "stop_seconds": fields.seconds(10 if made.stop_seconds is None else made.stop_seconds),
            "logging": " ".join(f"{key}={value}" if key else value for key, value in sorted(made.logging.items())),
        }
    )


def _confinement(container: Container) -> dict[str, str]:
    made = container.settings
    return {
        "read_only": "true" if made.is_read_only else "",
        "init": "true" if made.has_init else "",
        "cap_drop": ", ".join(made.dropped),
        "cap_add": ", ".join(made.added),
        "security_opt": ", ".join(made.security),
        "tmpfs": fields.tmpfs(made.tmpfs),
    }


def _attachments(container: Container, visited: Set[str]) -> dict[str, str]:
    made = container.settings
    files = naming.revised(container.labels.get(naming.LABEL_CONFIGS, ""))
    mounted = {mount.target for mount in made.mounts if not mount.source}
    secrets = sorted(target.removeprefix(SECRETS) for target in mounted if target.startswith(SECRETS))
    return {
        "ports": fields.ports(made.ports),
        "volumes": fields.volumes(made.mounts),
        "secrets": ", ".join(secrets),
        **{f"{FILE}{path}": digest for path, digest in files.items()},
        **{f"{NETWORK}{n}": _aliases(container, a) for n, a in container.networks.items() if n not in visited},
    }


def _aliases(container: Container, aliases: tuple[str, ...]) -> str:
    # Under its own name a container is known everywhere, and a renamed one under its old name.
    numbered = f"{container.compose_project}-{container.service}-{container.number}"
    return ", ".join(sorted(set(aliases) - {container.name, numbered, container.id[:12]})) or "no alias"
