"""Each of KICS' queries for Docker Compose has a rule that agrees with its published meaning."""

from __future__ import annotations

import pytest

from envmgr.rules.judge import every_rule
from tests.unit.rules.judging import broken, web

KICS = {
    "Cgroup Not Default": {"EM-S07-cgroup-parent"},
    "Container Capabilities Unrestricted": {"EM-S05-cap-add", "EM-S05-cap-drop", "EM-S05-dangerous-capability"},
    "Container Traffic Not Bound To Host Interface": {"EM-S15-unbound-port"},
    "Cpus Not Limited": {"EM-S10-cpus"},
    "Default Seccomp Profile Disabled": {"EM-S06-unconfined"},
    "Docker Socket Mounted In Container": {"EM-S08-engine-socket"},
    "Healthcheck Not Set": {"EM-S11-healthcheck", "EM-S11-no-healthcheck"},
    "Host Namespace is Shared": {"EM-S07-host-pid"},
    "Memory Not Limited": {"EM-S10-memory"},
    "Networks Not Set": {"EM-S14-network"},
    "No New Privileges Not Set": {"EM-S06-no-new-privileges"},
    "Pids Limit Not Set": {"EM-S10-pids"},
    "Privileged Containers Enabled": {"EM-S07-privileged"},
    "Privileged Ports Mapped In Container": {"EM-S05-privileged-port"},
    "Restart Policy On Failure Not Set To 5": {"EM-S13-on-failure"},
    "Security Opt Not Set": {"EM-S06-no-new-privileges"},
    "Shared Host IPC Namespace": {"EM-S07-host-ipc"},
    "Shared Host Network Namespace": {"EM-S07-host-network"},
    "Shared Host User Namespace": {"EM-S07-host-users"},
    "Shared Volumes Between Containers": {"EM-S08-shared-volume"},
    "Volume Has Sensitive Host Directory": {"EM-S08-sensitive-folder", "EM-S08-system-folder"},
    "Volume Mounted In Multiple Containers": {"EM-S08-propagation"},
}
"""All of them → the rules that stand for each."""

TWO = "services:\n  web:\n    image: a:1\n    volumes: [{one}]\n  api:\n    image: b:1\n    volumes: [{other}]\n"
DEVICE = "services: {{web: {{image: a:1}}}}\nvolumes:\n  v:\n    driver_opts: {{ {key}: {path} }}\n"

CASES: list[tuple[str, bool, str]] = [
    ("Cgroup Not Default", True, web("cgroup_parent: m-executor")),
    ("Cgroup Not Default", False, web("user: '1'")),
    ("Container Capabilities Unrestricted", True, web("cap_add: [NET_RAW]", "cap_drop: [ALL]")),
    ("Container Capabilities Unrestricted", True, web("cap_add: [CHOWN]", "cap_drop: [ALL]")),
    ("Container Capabilities Unrestricted", True, web("user: '1'")),
    ("Container Capabilities Unrestricted", False, web("cap_drop: [ALL]")),
    ("Container Traffic Not Bound To Host Interface", True, web("ports: ['3000']")),
    ("Container Traffic Not Bound To Host Interface", True, web("ports: [3000]")),
    ("Container Traffic Not Bound To Host Interface", True, web("ports: ['3000-3005']")),
    ("Container Traffic Not Bound To Host Interface", True, web("ports: ['9090-9091:8080-8081']")),
    ("Container Traffic Not Bound To Host Interface", True, web("ports: [{target: 80, published: 8080}]")),
    ("Container Traffic Not Bound To Host Interface", False, web("ports: ['127.0.0.1:8001:8001']")),
    ("Container Traffic Not Bound To Host Interface", False, web("ports: ['127.0.0.1::5000']")),
    ("Container Traffic Not Bound To Host Interface", False, web("ports: ['[::1]:8001:8001/udp']")),
    ("Cpus Not Limited", True, web("deploy: {resources: {limits: {memory: 50M}}}")),
    ("Cpus Not Limited", True, web("deploy: {resources: {reservations: {cpus: '0.2'}}}")),
    ("Cpus Not Limited", True, web("deploy: {replicas: 2}")),
    ("Cpus Not Limited", True, "version: '2.4'\n" + web("mem_limit: 1g")),
    ("Cpus Not Limited", False, web("deploy: {resources: {limits: {cpus: '0.5'}}}")),
    ("Cpus Not Limited", False, "version: '2.4'\n" + web("cpus: 1.5")),
    ("Default Seccomp Profile Disabled", True, web("security_opt: ['seccomp:unconfined']")),
    ("Default Seccomp Profile Disabled", True, web("security_opt: ['seccomp=unconfined']")),
    ("Default Seccomp Profile Disabled", False, web("security_opt: ['seccomp:profile.json']")),
    ("Docker Socket Mounted In Container", True, web("volumes: ['/var/run/docker.sock:/var/run/docker.sock']")),
    ("Docker Socket Mounted In Container", True, web("volumes: ['/run/docker.sock:/docker.sock:ro']")),
    (
        "Docker Socket Mounted In Container",
        True,
        web("volumes: [{type: bind, source: /var/run/docker.sock, target: /s}]"),
    ),
    ("Docker Socket Mounted In Container", False, web("volumes: ['./docker:/var/run/docker.sock']")),
    ("Healthcheck Not Set", True, web("user: '1'")),
    ("Healthcheck Not Set", True, web("healthcheck: {disable: true}")),
    ("Healthcheck Not Set", True, web("healthcheck: {test: ['NONE']}")),
    ("Healthcheck Not Set", False, web("healthcheck: {test: ['CMD', 'ready']}")),
    ("Host Namespace is Shared", True, web("pid: host")),
    ("Host Namespace is Shared", False, web("pid: 'service:api'")),
    ("Memory Not Limited", True, web("deploy: {resources: {limits: {cpus: '0.5'}}}")),
    ("Memory Not Limited", True, web("deploy: {resources: {reservations: {memory: 20M}}}")),
    ("Memory Not Limited", True, "version: '2.4'\n" + web("cpus: 1")),
    ("Memory Not Limited", False, web("deploy: {resources: {limits: {memory: 50M}}}")),
    ("Memory Not Limited", False, "version: '2.4'\n" + web("mem_limit: 512m")),
    ("Networks Not Set", True, web("user: '1'")),
    ("Networks Not Set", False, web("networks: [front]")),
    ("Networks Not Set", False, web("networks: {front: {aliases: [a]}}")),
    ("No New Privileges Not Set", True, web("security_opt: ['label:user:USER']")),
    ("No New Privileges Not Set", True, web("security_opt: ['no-new-privileges:false']")),
    ("No New Privileges Not Set", False, web("security_opt: ['no-new-privileges:true']")),
    ("No New Privileges Not Set", False, web("security_opt: ['no-new-privileges']")),
    ("Pids Limit Not Set", True, web("user: '1'")),
    ("Pids Limit Not Set", True, web("pids_limit: -1")),
    ("Pids Limit Not Set", False, web("pids_limit: 10")),
    ("Privileged Containers Enabled", True, web("privileged: true")),
    ("Privileged Containers Enabled", False, web("privileged: false")),
    ("Privileged Ports Mapped In Container", True, web("ports: ['80:8080']")),
    ("Privileged Ports Mapped In Container", True, web("ports: ['8080:80']")),
    ("Privileged Ports Mapped In Container", True, web("ports: ['80']")),
    ("Privileged Ports Mapped In Container", True, web("ports: ['6060:60/udp']")),
    ("Privileged Ports Mapped In Container", True, web("ports: ['127.0.0.1:1000-1010:2000-2010']")),
    ("Privileged Ports Mapped In Container", True, web("ports: ['127.0.0.1::80']")),
    ("Privileged Ports Mapped In Container", True, web("ports: ['90-91:8080']")),
    ("Privileged Ports Mapped In Container", True, web("ports: [{target: 80, published: 8080}]")),
    ("Privileged Ports Mapped In Container", True, web("ports: [{target: 8080, published: '80'}]")),
    ("Privileged Ports Mapped In Container", True, web("cap_drop: [ALL]", "ports: ['80:8080']")),
    ("Privileged Ports Mapped In Container", False, web("cap_drop: [NET_BIND_SERVICE]", "ports: ['80:8080']")),
    ("Privileged Ports Mapped In Container", False, web("ports: ['1024:8080', '8001:8001']")),
    ("Restart Policy On Failure Not Set To 5", True, web("restart: 'on-failure:6'")),
    ("Restart Policy On Failure Not Set To 5", True, web("restart: on-failure")),
    (
        "Restart Policy On Failure Not Set To 5",
        True,
        web("deploy: {restart_policy: {condition: on-failure, max_attempts: 3}}"),
    ),
    ("Restart Policy On Failure Not Set To 5", False, web("restart: 'on-failure:5'")),
    ("Restart Policy On Failure Not Set To 5", False, web("restart: unless-stopped")),
    (
        "Restart Policy On Failure Not Set To 5",
        False,
        web("deploy: {restart_policy: {condition: on-failure, max_attempts: 5}}"),
    ),
    ("Security Opt Not Set", True, web("user: '1'")),
    ("Security Opt Not Set", False, web("security_opt: ['no-new-privileges:true']")),
    ("Shared Host IPC Namespace", True, web("ipc: host")),
    ("Shared Host IPC Namespace", False, web("ipc: private")),
    ("Shared Host Network Namespace", True, web("network_mode: host")),
    ("Shared Host Network Namespace", False, web("network_mode: none")),
    ("Shared Host User Namespace", True, web("userns_mode: host")),
    ("Shared Host User Namespace", False, web("user: '1'")),
    ("Shared Volumes Between Containers", True, TWO.format(one="'d:/a'", other="'d:/b'") + "volumes: {d: {}}\n"),
    ("Shared Volumes Between Containers", True, TWO.format(one="'./src:/a'", other="'./src:/a'")),
    ("Shared Volumes Between Containers", False, TWO.format(one="'c:/a'", other="'d:/a'")),
    ("Shared Volumes Between Containers", False, TWO.format(one="'./src:/a:ro'", other="'./src:/b:ro'")),
    ("Volume Has Sensitive Host Directory", True, web("volumes: ['/var/lib/data:/data']")),
    ("Volume Has Sensitive Host Directory", True, web("volumes: ['/:/host:ro']")),
    ("Volume Has Sensitive Host Directory", True, web("volumes: ['/home/me/x:/x']")),
    ("Volume Has Sensitive Host Directory", True, web("volumes: [{type: bind, source: /etc/x, target: /x}]")),
    ("Volume Has Sensitive Host Directory", True, DEVICE.format(key="device", path="/boot/data")),
    ("Volume Has Sensitive Host Directory", True, DEVICE.format(key="mountpoint", path="/srv/data")),
    ("Volume Has Sensitive Host Directory", False, web("volumes: ['./var/lib:/data', '/data']")),
    ("Volume Has Sensitive Host Directory", False, web("volumes: ['data:/var/lib']")),
    ("Volume Has Sensitive Host Directory", False, DEVICE.format(key="device", path="/opt/data")),
    *(
        ("Volume Mounted In Multiple Containers", True, web(f"volumes: [{{type: bind, bind: {{propagation: {how}}}}}]"))
        for how in ("shared", "rshared", "slave", "rslave")
    ),
    ("Volume Mounted In Multiple Containers", True, web("volumes: ['./a:/a:ro,rshared']")),
    ("Volume Mounted In Multiple Containers", False, web("volumes: [{type: bind, bind: {propagation: rprivate}}]")),
]


@pytest.mark.parametrize(("query", "is_found", "text"), CASES)
def test_a_rule_agrees_with_the_query(query: str, is_found: bool, text: str):
    assert bool(broken(text) & KICS[query]) is is_found


def test_every_query_is_met_by_rules_that_name_it():
    named: dict[str, set[str]] = {}
    for rule in every_rule():
        for query in rule.references.kics:
            named.setdefault(query, set()).add(rule.id)
    assert (len(named), named) == (22, KICS)


def test_every_query_has_a_document_that_breaks_it_and_one_that_does_not():
    assert {(query, is_found) for query, is_found, _ in CASES} == {(q, f) for q in KICS for f in (True, False)}
