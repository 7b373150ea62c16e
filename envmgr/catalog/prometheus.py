"""Prometheus: reads the metrics of every service that serves some, and knows when one is in trouble."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field

from envmgr.catalog import http
from envmgr.catalog.kind import Binding, Client, Defaults, Draft, Endpoint, Metrics, Server, Site
from envmgr.model.stack import ConfigMount, HttpProbe, Image, Resources
from envmgr.spec.values import Strict

_MEGABYTE = 1024**2
_UID = "65534:65534"
_PORT = 9090
Duration = Annotated[str, Field(pattern=r"^[1-9][0-9]*[smhdwy]$")]
"""As Prometheus writes it."""


_SERVERS = {"postgres-exporter": "pg_up == 0", "redis-exporter": "redis_up == 0", "nginx-exporter": "nginx_up == 0"}
"""Kind of exporter → what it says of a server that it cannot enter."""
_CHECK_CONFIG = ("promtool", "check", "config", "--syntax-only")
"""Without the files that it names: the container that is asked still has the old ones."""


class Options(Strict):
    """What `kind = "prometheus"` adds to a table."""

    version: Annotated[str, Field(pattern=r"^v[0-9]+\.[0-9]+\.[0-9]+$")] = "v2.53.3"
    retention: Duration = "15d"
    """How long samples are kept."""
    retention_size: Annotated[str, Field(pattern=r"^[1-9][0-9]*[MGT]B$")] = "2GB"
    """How much disk they may take; the oldest go first."""
    scrape_interval: Duration = "15s"


class Prometheus:
    """The kind `prometheus`; an Alertmanager that it uses hears of what is wrong."""

    name = "prometheus"
    Options = Options
    defaults = Defaults(
        Resources(cpus=0.5, memory=512 * _MEGABYTE, pids=64, memory_reserved=128 * _MEGABYTE),
        start_seconds=60,
        stop_seconds=60,
    )

    def draft(self, server: Server) -> Draft:
        """Return the server without what it reads; a service that it cannot reach never makes it unhealthy."""
        options: Options = server.options
        return Draft(
            image=Image(server.image or f"prom/prometheus:{options.version}"),
            user=_UID,
            command=(
                "--config.file=/etc/prometheus/prometheus.yml",
                "--storage.tsdb.path=/prometheus",
                f"--storage.tsdb.retention.time={options.retention}",
                f"--storage.tsdb.retention.size={options.retention_size}",
            ),
            # Prometheus's own images are made from busybox (quay.io/prometheus/busybox), whose wget this is.
            healthcheck=http.wget(_PORT, "/-/healthy"),
            probe=HttpProbe(server.port, "/-/ready") if server.port else None,
            target_port=_PORT,
            volumes={"data": "/prometheus"},
            metrics=Metrics(_PORT),
            faces_environments=True,
        )

    def bind(self, _server: Server, _client: Client) -> Binding:
        """Return nothing: an environment owns nothing in a monitor."""
        return Binding()

    def oversee(self, draft: Draft, server: Server, site: Site) -> Draft:
        """Add what it reads, and the alerts that these metrics allow."""
        options: Options = server.options
        folder = f"config/{server.target}/{server.name}"
        blackboxes = [_blackbox(peer) for peer in server.peers.values() if peer.kind == "blackbox-exporter"]
        context = {
            "interval": options.scrape_interval,
            "jobs": _jobs(site.endpoints),
            "alertmanagers": [f"{peer.host}:9093" for peer in server.peers.values() if peer.kind == "alertmanager"],
            "blackboxes": blackboxes,
        }
        kinds = sorted({endpoint.kind for endpoint in site.endpoints if endpoint.metrics})
        rules = {
            "kinds": kinds,
            "servers": [_SERVERS[kind] for kind in kinds if kind in _SERVERS],
            "blackboxes": bool(blackboxes),
        }
        return replace(
            draft,
            configs=(
                ConfigMount(
                    f"{folder}/prometheus.yml",
                    "/etc/prometheus/prometheus.yml",
                    "prometheus/prometheus.yml.j2",
                    context,
                    _CHECK_CONFIG,
                ),
                ConfigMount(
                    f"{folder}/rules.yml",
                    "/etc/prometheus/rules.yml",
                    "prometheus/rules.yml.j2",
                    rules,
                    ("promtool", "check", "rules"),
                ),
            ),
        )


def _jobs(endpoints: Iterable[Endpoint]) -> list[dict[str, Any]]:
    """Return one job for each kind, and one more for each further path that services of that kind answer at."""
    jobs: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for endpoint in endpoints:
        if endpoint.metrics:
            target = {"host": endpoint.host, "port": endpoint.metrics.port}
            labels = {"environment": endpoint.target, "service": endpoint.service}
            jobs.setdefault((endpoint.kind, endpoint.metrics.path), []).append(target | labels)
    paths: dict[str, int] = {}
    found = []
    for (kind, path), targets in jobs.items():
        paths[kind] = paths.get(kind, 0) + 1
        name = kind if paths[kind] == 1 else f"{kind}-{paths[kind]}"
        found.append({"name": name, "kind": kind, "path": path, "targets": targets})
    return found


def _blackbox(peer: Server) -> dict[str, Any]:
    address = f"{peer.host}:9115"
    return {"name": peer.name, "environment": peer.target, "address": address, "targets": list(peer.options.targets)}
