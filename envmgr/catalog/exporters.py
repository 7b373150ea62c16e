"""Exporters that need no login: of the host, of nginx, of pages; and what all exporters have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated

from pydantic import Field

from envmgr.catalog import http
from envmgr.catalog.kind import Binding, Client, Defaults, Draft, Metrics, Server
from envmgr.catalog.nginx import STATUS_PORT
from envmgr.errors import Problem
from envmgr.model.stack import CommandProbe, ConfigMount, HttpProbe, Image, Probe, Resources
from envmgr.spec.values import Strict

_MEGABYTE = 1024**2
NOBODY = "65534:65534"
Version = Annotated[str, Field(pattern=r"^v?[0-9]+\.[0-9]+\.[0-9]+(-[a-z]+)?$")]
"""A tag of its image."""
DEFAULTS = Defaults(
    Resources(cpus=0.25, memory=64 * _MEGABYTE, pids=32, memory_reserved=16 * _MEGABYTE),
    start_seconds=30,
    stop_seconds=10,
)


def watched(server: Server, *kinds: str) -> Server:
    """Return the server that an exporter watches; itself where `uses` names none, which `unwatched` refuses."""
    return next((peer for peer in server.peers.values() if peer.kind in kinds), server)


def unwatched(server: Server, *kinds: str) -> Iterable[Problem]:
    """Yield what is wrong with what an exporter shall watch."""
    found = [peer for peer in server.peers.values() if peer.kind in kinds]
    if len(found) != 1:
        message = f"it watches one {' or '.join(kinds)}, and names {len(found)}"
        yield Problem(message, "uses", hint=f'set uses = ["{kinds[0]}"]')
    elif found[0].address:
        message = f"a managed {found[0].kind} is watched by whoever manages it"
        yield Problem(message, "uses", hint="leave this exporter out")


def asked(server: Server, path: str) -> Probe | None:
    """Return the question from outside; what publishes no port is asked by its healthcheck alone."""
    return HttpProbe(server.port, path) if server.port else None


class NodeOptions(Strict):
    """What `kind = "node-exporter"` adds to a table."""

    version: Version = "v1.9.0"


class NodeExporter:
    """The kind `node-exporter`: processors, memory, load and the disk of the host."""

    name = "node-exporter"
    Options = NodeOptions
    defaults = DEFAULTS

    def draft(self, server: Server) -> Draft:
        """Return the exporter; a container sees the host's processors and memory without any folder of the host."""
        options: NodeOptions = server.options
        collectors = ("cpu", "loadavg", "meminfo", "filesystem", "diskstats", "vmstat", "stat", "uname", "pressure")
        return Draft(
            image=Image(server.image or f"prom/node-exporter:{options.version}"),
            user=NOBODY,
            # Of file systems only its own root counts: it lies on the disk that holds all containers.
            command=(
                "--collector.disable-defaults",
                *(f"--collector.{name}" for name in collectors),
                "--collector.filesystem.mount-points-exclude=^/.+",
                "--collector.filesystem.fs-types-exclude=^$",
            ),
            healthcheck=http.wget(9100, "/"),
            probe=asked(server, "/"),
            target_port=9100,
            metrics=Metrics(9100),
        )

    def bind(self, _server: Server, _client: Client) -> Binding:
        """Return nothing: an environment owns nothing in a monitor."""
        return Binding()


class NginxOptions(Strict):
    """What `kind = "nginx-exporter"` adds to a table; it watches the nginx that it uses."""

    version: Version = "1.4.1"


class NginxExporter:
    """The kind `nginx-exporter`: connections and requests of the door."""

    name = "nginx-exporter"
    Options = NginxOptions
    defaults = DEFAULTS

    def draft(self, server: Server) -> Draft:
        """Return the exporter; its image holds no program but itself, so nginx's container asks it."""
        options: NginxOptions = server.options
        door = watched(server, "nginx")
        ask = f"curl -sS -f -m 4 http://{server.host}:9113/metrics | grep -qx 'nginx_up 1'"
        return Draft(
            image=Image(server.image or f"nginx/nginx-prometheus-exporter:{options.version}"),
            user="1001:1001",
            command=(f"--nginx.scrape-uri=http://{door.host}:{STATUS_PORT}/stub_status",),
            healthcheck=None,
            probe=CommandProbe(door.command("sh", "-c", ask)),
            target_port=9113,
            metrics=Metrics(9113),
        )

    def refuse(self, server: Server, _users: Mapping[str, str], /) -> Iterable[Problem]:
        """Yield what is wrong with the server that it watches."""
        return unwatched(server, "nginx")

    def bind(self, _server: Server, _client: Client) -> Binding:
        """Return nothing: an environment owns nothing in a monitor."""
        return Binding()


class BlackboxOptions(Strict):
    """What `kind = "blackbox-exporter"` adds to a table; the Prometheus that uses it asks for its pages."""

    version: Version = "v0.26.0"
    targets: Annotated[tuple[Annotated[str, Field(pattern=r"^https?://\S+$")], ...], Field(min_length=1)]
    """URLs that have to answer with 2xx, as they are reached from outside."""
    checks_certificates: bool = True


class BlackboxExporter:
    """The kind `blackbox-exporter`: pages, asked for as a visitor does."""

    name = "blackbox-exporter"
    Options = BlackboxOptions
    defaults = DEFAULTS

    def draft(self, server: Server) -> Draft:
        """Return the exporter, with a way out to where its pages are."""
        options: BlackboxOptions = server.options
        return Draft(
            image=Image(server.image or f"prom/blackbox-exporter:{options.version}"),
            user=NOBODY,
            command=("--config.file=/etc/blackbox_exporter/config.yml",),
            healthcheck=http.wget(9115, "/-/healthy"),
            probe=asked(server, "/-/healthy"),
            target_port=9115,
            metrics=Metrics(9115),
            configs=(
                ConfigMount(
                    f"config/{server.target}/{server.name}/config.yml",
                    "/etc/blackbox_exporter/config.yml",
                    "prometheus/blackbox.yml.j2",
                    {"skips_verification": not options.checks_certificates},
                ),
            ),
            egress=True,
        )

    def bind(self, _server: Server, _client: Client) -> Binding:
        """Return nothing: an environment owns nothing in a monitor."""
        return Binding()
