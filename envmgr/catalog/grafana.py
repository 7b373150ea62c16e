"""Grafana: dashboards over what Prometheus has read, for those who know a password."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Annotated

from pydantic import Field

from envmgr.catalog import http
from envmgr.catalog.exporters import unwatched, watched
from envmgr.catalog.grafana_dashboards import DASHBOARDS
from envmgr.catalog.kind import Binding, Client, Defaults, Draft, Server
from envmgr.errors import Problem
from envmgr.model.needed import Needed, Origin
from envmgr.model.secret import SecretRef
from envmgr.model.stack import ConfigMount, HttpProbe, Image, Resources, SecretMount
from envmgr.spec.values import Strict

_MEGABYTE = 1024**2
_UID = "472:472"
_PORT = 3000
_PROVISIONING = "/etc/grafana/provisioning"
_FOLDER = "/etc/grafana/dashboards"


class Options(Strict):
    """What `kind = "grafana"` adds to a table; it shows the Prometheus that it uses."""

    version: Annotated[str, Field(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+$")] = "12.3.1"
    login: Annotated[str, Field(pattern=r"^[\w.-]+$")] = "admin"
    """Where GRAFANA_ADMIN_USER in `.env.infra` names no other."""


class Grafana:
    """The kind `grafana`."""

    name = "grafana"
    Options = Options
    defaults = Defaults(
        Resources(cpus=0.5, memory=256 * _MEGABYTE, pids=128, memory_reserved=64 * _MEGABYTE),
        start_seconds=90,
        stop_seconds=20,
    )

    def draft(self, server: Server) -> Draft:
        """Return the server: nobody enters without a password (its default), it calls nobody, dashboards are files."""
        options: Options = server.options
        password, user = _password(server), _user(server)
        needed = Needed(password.name, password.scope, True, Origin.GENERATED, place=server.place)
        login = Needed(user.name, user.scope, False, Origin.OPERATOR, is_required=False, default=options.login)
        return Draft(
            image=Image(server.image or f"grafana/grafana:{options.version}"),
            user=_UID,
            command=(),
            # The image has curl (grafana/grafana, Dockerfile).
            healthcheck=http.curl(_PORT, "/api/health"),
            probe=HttpProbe(server.port, "/api/health") if server.port else None,
            target_port=_PORT,
            variables={
                "GF_SECURITY_ADMIN_PASSWORD__FILE": f"/run/secrets/{password.name}",
                "GF_ANALYTICS_REPORTING_ENABLED": "false",
                "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
                "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
                "GF_NEWS_NEWS_FEED_ENABLED": "false",
                "GF_PLUGINS_PREINSTALL_DISABLED": "true",
                "GF_LOG_MODE": "console",
            },
            # No secret, but the operator's choice in `.env.infra`.
            templated={"GF_SECURITY_ADMIN_USER": (user,)},
            secrets=(SecretMount(password.name, (password,)),),
            configs=_configs(server),
            volumes={"data": "/var/lib/grafana"},
            needed=(login, needed),
            login=f"{options.login}, {password.name}",
        )

    def bind(self, _server: Server, _client: Client) -> Binding:
        """Return nothing: an environment owns nothing in a monitor."""
        return Binding()

    def refuse(self, server: Server, _users: Mapping[str, str], /) -> Iterable[Problem]:
        """Yield what is wrong with the Prometheus that it shows."""
        return unwatched(server, "prometheus")


def _password(server: Server) -> SecretRef:
    return SecretRef(server.admin_password, server.target)


def _user(server: Server) -> SecretRef:
    return SecretRef(server.admin_password.removesuffix("PASSWORD") + "USER", server.target)


def _configs(server: Server) -> tuple[ConfigMount, ...]:
    folder = f"config/{server.target}/{server.name}"
    source = {"url": f"http://{watched(server, 'prometheus').host}:9090"}
    return (
        ConfigMount(
            f"{folder}/prometheus.yml",
            f"{_PROVISIONING}/datasources/prometheus.yml",
            "grafana/datasource.yml.j2",
            source,
        ),
        ConfigMount(
            f"{folder}/dashboards.yml",
            f"{_PROVISIONING}/dashboards/envmgr.yml",
            "grafana/dashboards.yml.j2",
            {"folder": _FOLDER},
        ),
        *(
            ConfigMount(
                f"{folder}/{one.name}.json",
                f"{_FOLDER}/{one.name}.json",
                "grafana/dashboard.json.j2",
                {"dashboard": asdict(one)},
            )
            for one in DASHBOARDS
        ),
    )
