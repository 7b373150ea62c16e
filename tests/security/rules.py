"""What every rendered document is held against and no linter sees; each rule yields what is wrong, in words.

The names are the rows of docs/security.md.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from typing import Any

Document = dict[str, Any]
Rule = Callable[[Document], Iterator[str]]

_BRIDGE = "com.docker.network.bridge."
_TOP_LEVEL = {"name", "services", "networks", "volumes", "secrets"}
_KEYS = {
    *("image", "pull_policy", "command", "user", "environment", "env_file", "scale", "read_only", "init", "cap_drop"),
    *(
        "security_opt",
        "tmpfs",
        "shm_size",
        "pids_limit",
        "deploy",
        "secrets",
        "volumes",
        "networks",
        "ports",
        "dns_opt",
        "sysctls",
    ),
    *("dns_opt", "depends_on", "healthcheck", "restart", "stop_signal", "stop_grace_period", "logging", "labels"),
    "x-envmgr-lint",
}
"""Nothing else: no build, container_name, privileged, devices, host namespaces, cgroup_parent, cap_add, links."""
_ASKED_BY_A_NEIGHBOUR = {"nginx-exporter"}
"""Kinds whose image holds no program but their own."""
_ADMINISTERED = {"postgres", "redis", "valkey", "qdrant", "minio", "rustfs", "elasticsearch"}
_CREDENTIAL = re.compile(r"PASSWORD|PASSWD|SECRET|TOKEN|CREDENTIAL|PRIVATE|API_?KEY|_KEY$|_KEY_ID$|AUTH(?!_TYPE$)")
_LOGIN_IN_URL = re.compile(r"://[^/]*@")


def _services(document: Document) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from document.get("services", {}).items()


def _is_job(service: dict[str, Any]) -> bool:
    return service["labels"].get("envmgr.job") == "true"


def s02_shape(document: Document) -> Iterator[str]:
    if not re.fullmatch(r"[a-z][a-z0-9-]*", str(document.get("name", ""))):
        yield "the project has no name"
    yield from (f"{key} at the top" for key in document.keys() - _TOP_LEVEL)
    for name, service in _services(document):
        yield from (f"{name}: {key}" for key in service.keys() - _KEYS)
        labels = service["labels"]
        if document.get("name") != f"{labels['envmgr.project']}-{labels['envmgr.env']}":
            yield f"{name}: its labels name another project"


def s03_images(document: Document) -> Iterator[str]:
    for name, service in _services(document):
        tag = service["image"].rpartition("/")[2].partition(":")[2]
        if tag in ("", "latest") or "@" in tag:
            yield f"{name}: {service['image']}"
        if service["pull_policy"] not in ("never", "missing"):
            yield f"{name}: pulls {service['pull_policy']}"


def s04_user(document: Document) -> Iterator[str]:
    for name, service in _services(document):
        if not re.fullmatch(r"[1-9][0-9]*:[1-9][0-9]*", service.get("user", "")):
            yield f"{name}: runs as {service.get('user')}"


def s05_capabilities(document: Document) -> Iterator[str]:
    for name, service in _services(document):
        if set(service.get("cap_drop", ())) - {"NET_BIND_SERVICE"} != {"ALL"}:
            yield f"{name}: keeps capabilities"
        if any(port["target"] < 1024 for port in service.get("ports", ())):
            yield f"{name}: listens below 1024"
        if any(int(port["published"]) < 1024 for port in service.get("ports", ())) != (
            "NET_BIND_SERVICE" in service.get("cap_drop", ())
        ):
            yield f"{name}: the right to a privileged port"


def s06_privileges(document: Document) -> Iterator[str]:
    for name, service in _services(document):
        if service.get("security_opt") != ["no-new-privileges:true"]:
            yield f"{name}: may gain privileges"


def s08_binds(document: Document) -> Iterator[str]:
    for name, service in _services(document):
        for mount in service.get("volumes", ()):
            if mount["type"] == "volume":
                if mount["source"] not in document["volumes"]:
                    yield f"{name}: {mount['source']} is declared nowhere"
            elif (
                mount["type"] != "bind"
                or not re.fullmatch(r"\./config/[a-z0-9-]+/[a-z0-9-]+/[\w.]+", mount["source"])
                or mount.get("read_only") is not True
                or mount.get("bind") != {"create_host_path": False}
            ):
                yield f"{name}: mounts {mount['source']} of the host"


def s09_read_only(document: Document) -> Iterator[str]:
    for name, service in _services(document):
        if service.get("read_only") is not True:
            yield f"{name}: its root can be written"
        for mount in service.get("tmpfs", ()):
            options = set(mount.partition(":")[2].split(","))
            has_size = any(re.fullmatch(r"size=[0-9]+m", option) for option in options)
            if not has_size or not options >= {"noexec", "nosuid", "nodev"}:
                yield f"{name}: {mount}"


def s10_limits(document: Document) -> Iterator[str]:
    for name, service in _services(document):
        resources = service.get("deploy", {}).get("resources", {})
        limits, reserved = resources.get("limits", {}), resources.get("reservations", {})
        if limits.keys() != {"cpus", "memory", "pids"} or limits["pids"] != service.get("pids_limit"):
            yield f"{name}: limits {limits}"
        elif float(reserved.get("cpus", 0)) > float(limits["cpus"]):
            yield f"{name}: reserves more CPUs than its limit"
        elif _bytes(reserved.get("memory", "0M")) > _bytes(limits["memory"]):
            yield f"{name}: reserves more memory than its limit"


def _bytes(text: str) -> int:
    return int(text[:-1]) * {"b": 1, "M": 1024**2}[text[-1]]


def s11_health(document: Document) -> Iterator[str]:
    for name, service in _services(document):
        check = service.get("healthcheck")
        if _is_job(service):
            if check is not None:
                yield f"{name}: a job with a healthcheck"
        elif check is None and service["labels"]["envmgr.kind"] in _ASKED_BY_A_NEIGHBOUR:
            pass
        elif not check or check["test"][0] not in ("CMD", "CMD-SHELL") or "localhost" in " ".join(check["test"]):
            yield f"{name}: no healthcheck"
        elif not {"interval", "timeout", "retries", "start_period", "start_interval"} <= check.keys():
            yield f"{name}: a healthcheck without all its times"
        for other, condition in service.get("depends_on", {}).items():
            is_job = _is_job(document["services"][other])
            if condition != {"condition": "service_completed_successfully" if is_job else "service_healthy"}:
                yield f"{name}: does not wait for {other}"


def s12_logs(document: Document) -> Iterator[str]:
    for name, service in _services(document):
        options = service.get("logging", {}).get("options", {})
        if not re.fullmatch(r"[1-9][0-9]*m", options.get("max-size", "")) or not int(options.get("max-file", 0)):
            yield f"{name}: its log has no end"


def s13_life(document: Document) -> Iterator[str]:
    for name, service in _services(document):
        if service.get("restart") != ("no" if _is_job(service) else "unless-stopped"):
            yield f"{name}: restart {service.get('restart')}"
        if service.get("init") is not True:
            yield f"{name}: nobody reaps its children"
        if not re.fullmatch(r"[1-9][0-9]*m?s", service.get("stop_grace_period", "")):
            yield f"{name}: no time to stop"


def s14_networks(document: Document) -> Iterator[str]:
    networks = document.get("networks", {})
    for key, network in networks.items():
        if not network.get("name", "").startswith(f"{document['name']}-"):
            yield f"network {key}: no name of its own"
        if not network.get("external"):
            yield from _bridge(key, network)
    for name, service in _services(document):
        joined = set(service.get("networks", {}))
        if not joined or "default" in joined or not joined <= networks.keys():
            yield f"{name}: on {joined or 'the default network'}"
        stands_between = len(joined) > 1 or document["name"].endswith("-infra")
        if service.get("sysctls", {}) != ({"net.ipv4.ip_forward": "0"} if stands_between else {}):
            yield f"{name}: may forward between networks, or has other kernel settings"
        if "ports" in service and "publish" not in joined:
            yield f"{name}: publishes on an internal network, which Docker does not do"
        if "ports" not in service and "publish" in joined:
            yield f"{name}: on the publishing network without a port"


def _bridge(key: str, network: dict[str, Any]) -> Iterator[str]:
    options = network.get("driver_opts", {})
    if key == "data":
        if network.get("internal") is not True or options != {f"{_BRIDGE}gateway_mode_ipv4": "isolated"}:
            yield "network data: not isolated from the host"
    elif options != {
        f"{_BRIDGE}enable_icc": "false",
        f"{_BRIDGE}enable_ip_masquerade": "true" if key == "egress" else "false",
    }:
        yield f"network {key}: {options}"
    subnets = [ipaddress.IPv4Network(one["subnet"]) for one in network.get("ipam", {}).get("config", ())]
    if len(subnets) != 1 or subnets[0].prefixlen < 24 or not subnets[0].is_private:
        yield f"network {key}: no small subnet of its own"


def s15_ports(document: Document) -> Iterator[str]:
    seen = set()
    for name, service in _services(document):
        for port in service.get("ports", ()):
            if port.get("host_ip") != "127.0.0.1" or port["published"] in seen:
                yield f"{name}: publishes {port}"
            seen.add(port["published"])


def s16_secrets(document: Document) -> Iterator[str]:
    for name, service in _services(document):
        target = document["name"].removeprefix(service["labels"]["envmgr.project"] + "-")
        for variable, value in service.get("environment", {}).items():
            is_named_so = _CREDENTIAL.search(variable) and not variable.endswith("_FILE")
            if is_named_so or _LOGIN_IN_URL.search(value):
                yield f"{name}: {variable} in the document"
            if variable.endswith("_FILE") and not re.fullmatch(r"/run/secrets/[A-Z0-9_]+", value):
                yield f"{name}: {variable}={value}"
        for secret in service.get("secrets", ()):
            expected = f"../.envmgr/{target}/secrets/{name}/{secret['target']}"
            if document.get("secrets", {}).get(secret["source"]) != {"file": expected}:
                yield f"{name}: {secret['source']} comes from elsewhere"
        if service.get("env_file") != [{"path": f"../.envmgr/{target}/env/{name}.env", "format": "raw"}]:
            yield f"{name}: env files {service.get('env_file')}"
        targets = [secret["target"] for secret in service.get("secrets", ())]
        if len(set(targets)) != len(targets):
            yield f"{name}: two secrets under one name"


def s17_authentication(document: Document) -> Iterator[str]:
    for name, service in _services(document):
        given = {secret["target"] for secret in service.get("secrets", ())}
        kind = service["labels"]["envmgr.kind"]
        if kind == "flower" and "FLOWER_BASIC_AUTH" not in given:
            yield f"{name}: Flower without a password"
        if kind == "grafana" and not service["environment"].keys() >= {"GF_SECURITY_ADMIN_PASSWORD__FILE"}:
            yield f"{name}: Grafana with the password that everybody knows"
        if kind == "grafana" and service["environment"].get("GF_AUTH_ANONYMOUS_ENABLED", "false") != "false":
            yield f"{name}: Grafana for everybody"
        if kind in ("postgres-exporter", "redis-exporter") and not any("EXPORTER_PASSWORD" in one for one in given):
            yield f"{name}: reads statistics without a login of its own"
        if kind in _ADMINISTERED and not any(target.endswith("_ADMIN_PASSWORD") for target in given):
            yield f"{name}: a server without an administrator's password"
        if kind == "postgres" and "--auth-host=scram-sha-256" not in service["environment"]["POSTGRES_INITDB_ARGS"]:
            yield f"{name}: a server that trusts"


def s18_volumes(document: Document) -> Iterator[str]:
    for key, volume in document.get("volumes", {}).items():
        labels = volume.get("labels", {})
        if volume.get("name") != f"{document['name']}-{key}" or "envmgr.env" not in labels:
            yield f"volume {key}: no name or label of its own"
        if document["name"].endswith(("-infra", "-prod")) and labels.get("envmgr.protect") != "true":
            yield f"volume {key}: not protected"


RULES: tuple[Rule, ...] = (
    *(s02_shape, s03_images, s04_user, s05_capabilities, s06_privileges, s08_binds, s09_read_only, s10_limits),
    *(s11_health, s12_logs, s13_life, s14_networks, s15_ports, s16_secrets, s17_authentication, s18_volumes),
)


def violations(document: Document) -> list[str]:
    """Return everything that is wrong with a document."""
    return [f"{rule.__name__[:3].upper()} {what}" for rule in RULES for what in rule(document)]


# ---- the raw text

_KEY = r'(?!(?:y|n|yes|no|on|off|true|false|null):)[a-z][a-z0-9_.-]*|"(?:[^"\\]|\\.)*"'
_SCALAR = r'"(?:[^"\\]|\\.)*"|true|false|[0-9]+|\{\}'
_LINE = re.compile(rf" *(?:- )?(?:(?:{_KEY}):(?: (?:{_SCALAR}))?|(?:{_SCALAR}))")


def raw_violations(text: str) -> list[str]:
    """Return the lines whose value is not quoted, and those that Compose would interpolate (EM-S20, EM-S01)."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    bare = [f"S20 not quoted: {line}" for line in lines if not _LINE.fullmatch(line)]
    return bare + [f"S01 interpolated: {line}" for line in lines if "$" in line.replace("$$", "")]
