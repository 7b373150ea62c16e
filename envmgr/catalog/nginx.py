"""nginx, the door: leads each host name to its environment and each path to its service, whichever of them are up."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field

from envmgr.catalog import http
from envmgr.catalog.kind import Binding, Client, Defaults, Draft, Endpoint, Server, Site
from envmgr.model.needed import Needed, Origin
from envmgr.model.secret import SecretRef
from envmgr.model.stack import ConfigMount, HttpProbe, Image, Resources, SecretMount
from envmgr.spec.values import ContainerPath, Strict

_MEGABYTE = 1024**2
_UID = "101:101"
_HTTP = 8080
_HTTPS = 8443
STATUS_PORT = 8081
"""Where it tells its exporter about connections; never published."""
_WEB = frozenset({"asgi", "wsgi", "node", "static"})
"""Kinds that can be all there is to see of an environment."""
_CERTIFICATE, _KEY = "NGINX_TLS_CERTIFICATE", "NGINX_TLS_KEY"
_HEADERS = {
    "X-Frame-Options": "SAMEORIGIN",
    "X-Content-Type-Options": "nosniff",
    # The filter that it switched on in old browsers was itself a way in.
    "X-XSS-Protection": "0",
    "Referrer-Policy": "strict-origin-when-cross-origin",
}

HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9-]*$")]
HeaderValue = Annotated[str, Field(pattern=r"^[ -#%-~]*$")]
"""Printable; a `$` would name a variable of nginx."""
FilePath = Annotated[str, Field(pattern=r"^[^\x00-\x1f]+$")]
Addresses = Annotated[str, Field(pattern=r"^[0-9a-f.:]+(/[0-9]{1,3})?$")]


class Options(Strict):
    """What `kind = "nginx"` adds to a table."""

    version: Annotated[str, Field(pattern=r"^1\.[0-9]+(\.[0-9]+)?$")] = "1.26"
    tls: Literal["off", "self-signed", "files"] = "off"
    """`self-signed` makes a new certificate at each start, for trying; the port is published by `ports.https`."""
    certificate: FilePath = "certs/fullchain.pem"
    """With `tls = "files"`: the chain in PEM, relative to the spec."""
    key: FilePath = "certs/privkey.pem"
    """With `tls = "files"`: the private key in PEM, relative to the spec; nobody but the operator need read it."""
    https_only: bool = False
    """Answers plain HTTP with a redirect, `/health` excepted."""
    client_max_body_size: Annotated[str, Field(pattern=r"^[1-9][0-9]*[kKmMgG]$")] = "10M"
    rate_limits: dict[ContainerPath, Annotated[int, Field(ge=1, le=100_000)]] = Field(default_factory=dict)
    """Path prefix → requests a minute for one client address in one environment; a fifth of it may come at once."""
    cache_seconds: dict[ContainerPath, Annotated[int, Field(ge=0, le=31_536_000)]] = Field(default_factory=dict)
    """Path prefix → how long browsers keep what lies there, where the service does not say so itself."""
    headers: dict[HeaderName, HeaderValue] = Field(default_factory=dict)
    """Beside the usual ones for security, or in their place, empty for none; what a service sends itself stays."""
    gzip: bool = True
    timeout_seconds: Annotated[int, Field(ge=1, le=86_400)] = 60
    """Between two reads or writes, of an idle websocket too."""
    worker_connections: Annotated[int, Field(ge=64, le=65_536)] = 1024
    trusted_proxies: tuple[Addresses, ...] = ()
    """Load balancers in front, whose word about the client's address and scheme is taken."""


class Nginx:
    """The kind `nginx`."""

    name = "nginx"
    Options = Options
    defaults = Defaults(
        Resources(cpus=0.5, memory=128 * _MEGABYTE, pids=64, memory_reserved=32 * _MEGABYTE),
        start_seconds=30,
        stop_seconds=20,
    )

    def draft(self, server: Server) -> Draft:
        """Return the door without its routes: unprivileged, with nothing that it could write but a small tmpfs."""
        options: Options = server.options
        makes_certificate = options.tls == "self-signed"
        return Draft(
            image=Image(server.image or f"nginx:{options.version}"),
            user=_UID,
            command=("sh", "/etc/nginx/start.sh") if makes_certificate else ("nginx", "-g", "daemon off;"),
            healthcheck=http.curl(_HTTP, "/health"),
            probe=HttpProbe(server.port, "/health") if server.port else None,
            target_port=_HTTP,
            more_ports={"https": _HTTPS},
            secrets=tuple(SecretMount(need.name, (SecretRef(need.name, need.scope),)) for need in _files(server)),
            needed=_files(server),
            # On SIGQUIT it finishes what it serves; on SIGTERM it would drop it.
            stop_signal="SIGQUIT",
            faces_environments=True,
        )

    def bind(self, _server: Server, _client: Client) -> Binding:
        """Return nothing: an environment owns nothing in a door."""
        return Binding()

    def oversee(self, draft: Draft, server: Server, site: Site) -> Draft:
        """Add the routes."""
        options: Options = server.options
        context = _settings(options, server) | {
            "environments": [
                {"name": name, "hosts": list(hosts), "locations": _locations(site.of(name))}
                for name, hosts in site.hosts.items()
                if hosts
            ]
        }
        folder = f"config/{server.target}/{server.name}"
        test = ("nginx", "-t", "-q", "-c")
        configs = [ConfigMount(f"{folder}/nginx.conf", "/etc/nginx/nginx.conf", "nginx/nginx.conf.j2", context, test)]
        if options.tls == "self-signed":
            hosts = [host for hosts in site.hosts.values() for host in hosts]
            names = {"names": ",".join(f"DNS:{host}" for host in ("localhost", *hosts))}
            configs.append(ConfigMount(f"{folder}/start.sh", "/etc/nginx/start.sh", "nginx/start.sh.j2", names))
        return replace(draft, configs=tuple(configs))


def _files(server: Server) -> tuple[Needed, ...]:
    """Return the operator's certificate and key; as secrets they get an owner that can read them."""
    options: Options = server.options
    if options.tls != "files":
        return ()
    files = ((_CERTIFICATE, "certificate", options.certificate), (_KEY, "key", options.key))
    return tuple(
        Needed(name, server.target, True, Origin.OPERATOR, file=file, place=f"{server.place}.{key}")
        for name, key, file in files
    )


def _settings(options: Options, server: Server) -> dict[str, Any]:
    return {
        # `auto` counts the processors of the host, not those that the container may use.
        "workers": math.ceil(server.resources.cpus),
        "connections": options.worker_connections,
        "max_body": options.client_max_body_size,
        "timeout": options.timeout_seconds,
        "gzip": options.gzip,
        "trusted_proxies": list(options.trusted_proxies),
        "limits": [
            {"pattern": _pattern(prefix), "rate": rate, "burst": max(1, rate // 5)}
            for prefix, rate in _longest_first(options.rate_limits)
        ],
        "caching": [
            {"pattern": _pattern(prefix), "seconds": seconds}
            for prefix, seconds in _longest_first(options.cache_seconds)
        ],
        "headers": _headers(options),
        "http": _HTTP,
        "status": STATUS_PORT,
        "tls": _tls(options, server),
    }


def _headers(options: Options) -> list[dict[str, str]]:
    chosen = {name.lower(): (name, value) for name, value in (_HEADERS | options.headers).items()}
    return [
        {"name": name, "variable": lower.replace("-", "_"), "value": _quoted(value)}
        for lower, (name, value) in chosen.items()
        if value
    ]


def _tls(options: Options, server: Server) -> dict[str, Any] | None:
    if options.tls == "off":
        return None
    is_given = options.tls == "files"
    published = server.ports.get("https", 443)
    return {
        "port": _HTTPS,
        "certificate": f"/run/secrets/{_CERTIFICATE}" if is_given else "/tmp/tls.crt",  # noqa: S108 - in the container
        "key": f"/run/secrets/{_KEY}" if is_given else "/tmp/tls.key",  # noqa: S108 - in the container
        "only": options.https_only,
        "suffix": "" if published == 443 else f":{published}",
        # A browser that has seen it refuses plain HTTP for a year: not for a certificate that nobody trusts.
        "strict": options.https_only and is_given,
    }


def _longest_first(table: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return sorted(table.items(), key=lambda item: (-len(item[0]), item[0]))


def _locations(endpoints: tuple[Endpoint, ...]) -> list[dict[str, str]]:
    """Return what leads where, longest path first."""
    return [
        {"match": match, "upstream": _quoted(f"{endpoint.host}:{endpoint.port}")}
        for prefix, endpoint in _longest_first(dict(_routes(endpoints)))
        for match in _matches(prefix)
    ]


def _routes(endpoints: tuple[Endpoint, ...]) -> Iterable[tuple[str, Endpoint]]:
    """Yield path and service; an environment that names no path and has one service to look at shows that."""
    led = [endpoint for endpoint in endpoints if not endpoint.is_watched_only]
    named = [(route, endpoint) for endpoint in led for route in endpoint.routes]
    visible = [endpoint for endpoint in led if endpoint.kind in _WEB]
    return named or ([("/", visible[0])] if len(visible) == 1 else [])


def _matches(prefix: str) -> tuple[str, ...]:
    """Return the locations of a prefix; `/api` is `/api` and what lies below it, and not `/apiary`."""
    if prefix.endswith("/"):
        return (_quoted(prefix),)
    return (f"= {_quoted(prefix)}", _quoted(f"{prefix}/"))


def _pattern(prefix: str) -> str:
    return _quoted(f"~^{re.escape(prefix)}" + ("" if prefix.endswith("/") else "(?:/|$)"))


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
