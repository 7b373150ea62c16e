"""Alertmanager: groups what Prometheus finds wrong and tells one receiver."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from envmgr.catalog import http
from envmgr.catalog.kind import Binding, Client, Defaults, Draft, Metrics, Server
from envmgr.model.needed import Needed, Origin
from envmgr.model.secret import SecretRef
from envmgr.model.stack import ConfigMount, HttpProbe, Image, Resources, SecretMount
from envmgr.spec.values import Strict

_MEGABYTE = 1024**2
_UID = "65534:65534"
_PORT = 9093
_SECRET = "ALERTMANAGER_WEBHOOK_URL"  # noqa: S105 - the name of one
Duration = Annotated[str, Field(pattern=r"^[1-9][0-9]*[smhdw]$")]


class Options(Strict):
    """What `kind = "alertmanager"` adds to a table; without a receiver, alerts are only shown on its pages."""

    version: Annotated[str, Field(pattern=r"^v[0-9]+\.[0-9]+\.[0-9]+$")] = "v0.28.1"
    webhook_url: Annotated[str, Field(pattern=r"^https?://[^\s/?#@]+([/?#]\S*)?$")] | None = None
    """Is sent each group of alerts as JSON."""
    webhook_secret: bool = False
    """The webhook's URL is itself a secret: it stands in `.env.infra`, as ALERTMANAGER_WEBHOOK_URL."""
    group_wait: Duration = "30s"
    """How long the first alert of a group waits for others."""
    repeat_interval: Duration = "4h"
    """When what is still wrong is told again."""


class Alertmanager:
    """The kind `alertmanager`."""

    name = "alertmanager"
    Options = Options
    defaults = Defaults(
        Resources(cpus=0.25, memory=128 * _MEGABYTE, pids=64, memory_reserved=32 * _MEGABYTE),
        start_seconds=30,
        stop_seconds=15,
    )

    def draft(self, server: Server) -> Draft:
        """Return the server; silences and what was told survive in its volume."""
        options: Options = server.options
        secret = SecretRef(_SECRET, server.target)
        needed = Needed(secret.name, secret.scope, True, Origin.OPERATOR, place=f"{server.place}.webhook_secret")
        return Draft(
            image=Image(server.image or f"prom/alertmanager:{options.version}"),
            user=_UID,
            command=(
                "--config.file=/etc/alertmanager/alertmanager.yml",
                "--storage.path=/alertmanager",
                # One alone: it looks for no others.
                "--cluster.listen-address=",
            ),
            healthcheck=http.wget(_PORT, "/-/healthy"),
            probe=HttpProbe(server.port, "/-/ready") if server.port else None,
            target_port=_PORT,
            volumes={"data": "/alertmanager"},
            metrics=Metrics(_PORT),
            secrets=(SecretMount(secret.name, (secret,)),) if options.webhook_secret else (),
            needed=(needed,) if options.webhook_secret else (),
            configs=(
                ConfigMount(
                    f"config/{server.target}/{server.name}/alertmanager.yml",
                    "/etc/alertmanager/alertmanager.yml",
                    "alertmanager/alertmanager.yml.j2",
                    _context(options),
                    ("amtool", "check-config"),
                ),
            ),
            egress=options.webhook_secret or options.webhook_url is not None,
        )

    def bind(self, _server: Server, _client: Client) -> Binding:
        """Return nothing: an environment owns nothing in a monitor."""
        return Binding()


def _context(options: Options) -> dict[str, Any]:
    return {
        "url": options.webhook_url,
        "url_file": f"/run/secrets/{_SECRET}" if options.webhook_secret else None,
        "group_wait": options.group_wait,
        "repeat_interval": options.repeat_interval,
    }
