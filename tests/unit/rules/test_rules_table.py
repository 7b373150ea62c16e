"""Each rule sees its breach where it stands, and leaves alone what is right."""

from __future__ import annotations

import pytest

from envmgr.rules.judge import every_rule
from envmgr.rules.table import RULES
from tests.unit.rules.judging import broken, places, web
from tests.unit.rules.test_rules_kics import CASES as KICS_CASES

STORE = "services: {{db: {{image: 'postgres:17', networks: [data]}}}}\nnetworks: {{data: {{{how}}}}}\n"
NETWORK = "services: {{web: {{image: a:1, ports: ['127.0.0.1:1:1'], networks: [n]}}}}\nnetworks: {{n: {{{how}}}}}\n"
VOLUME = "services: {{web: {{image: a:1}}}}\nvolumes: {{v: {{{how}}}}}\n"
HEALTH = "healthcheck: {{test: {test}, start_period: 5s}}"

CASES: list[tuple[str, str, str]] = [
    ("EM-S00-suppression", web("x-envmgr-lint: {EM-S04-user: ''}"), web("x-envmgr-lint: {EM-S04-user: why}")),
    ("EM-S00-suppression", web("x-envmgr-lint: {EM-S99: why}"), web("x-envmgr-lint: {EM-S04: why}")),
    ("EM-S00-suppression", web("x-envmgr-lint: [EM-S04]"), web("x-other: [EM-S04]")),
    ("EM-S01-schema", web("read_onyl: true"), web("read_only: true")),
    ("EM-S01-schema", web("ports: nine"), web("ports: ['9']")),
    ("EM-S01-unset-variable", web("user: '${UID}'"), web("user: '${UID:-1}'")),
    ("EM-S01-unset-variable", web("command: echo $HOME"), web("command: echo $$HOME ${HOME:?} ${A:?B} ${C?D}")),
    ("EM-S02-project-name", web(), "name: shop-prod\n" + web()),
    ("EM-S02-version", "version: '3'\n" + web(), web()),
    ("EM-S02-container-name", web("container_name: web"), web("hostname: web")),
    (
        "EM-S02-names-collide",
        "services: {a: {image: a:1, container_name: x}, b: {image: b:1, container_name: x}}",
        "services: {a: {image: a:1, container_name: x}, b: {image: b:1, container_name: y}}",
    ),
    ("EM-S02-build-and-image", web("build: ."), web("build: .", "pull_policy: build")),
    ("EM-S03-tag", web(image="redis"), web(image="redis:8.0")),
    ("EM-S03-tag", web(image="host:5000/redis"), web(image="host:5000/redis:8")),
    ("EM-S03-tag", web(image="redis:latest"), web(image=f"redis@sha256:{'0' * 64}")),
    ("EM-S03-tag", web(image="redis:${TAG:-latest}"), web(image="redis:${TAG}")),
    ("EM-S04-user", web(), web("user: '10001:10001'")),
    ("EM-S04-root", web("user: root"), web("user: app")),
    ("EM-S04-root", web("user: 0"), web("user: '${UID:?}'")),
    ("EM-S04-root", web("user: '0:1000'"), web("user: 1000:0")),
    ("EM-S04-user-number", web("user: app"), web("user: '1000'")),
    ("EM-S05-cap-add", web("cap_add: [CHOWN]"), web("cap_drop: [ALL]")),
    ("EM-S05-dangerous-capability", web("cap_add: [CAP_SYS_ADMIN]"), web("cap_add: [CHOWN]")),
    ("EM-S06-unconfined", web("security_opt: ['label=disable']"), web("security_opt: ['label=type:x']")),
    ("EM-S06-unconfined", web("security_opt: ['systempaths=unconfined']"), web("security_opt: ['apparmor=x']")),
    ("EM-S07-devices", web("devices: ['/dev/kvm:/dev/kvm']"), web("devices: []")),
    ("EM-S07-privileged", web("privileged: 'yes'"), web("privileged: 'no'")),
    ("EM-S07-host-uts", web("uts: host"), web()),
    ("EM-S07-host-cgroup", web("cgroup: host"), web("cgroup: private")),
    ("EM-S08-sensitive-folder", web("volumes: ['/etc/../etc:/x']"), web("volumes: ['/etcetera:/x']")),
    ("EM-S08-writable-bind", web("volumes: ['./a:/a']"), web("volumes: ['./a:/a:ro']")),
    (
        "EM-S08-missing-source",
        web("volumes: ['./a:/a:ro']"),
        web("volumes: [{type: bind, source: ./a, target: /a, bind: {create_host_path: false}}]"),
    ),
    ("EM-S08-shared-volume", web("volumes_from: [other]"), web("volumes: ['a:/a']")),
    ("EM-S09-read-only", web("read_only: false"), web("read_only: true")),
    ("EM-S09-tmpfs", web("tmpfs: /tmp"), web("tmpfs: '/tmp:size=1m,noexec,nosuid,nodev'")),
    ("EM-S09-tmpfs", web("tmpfs: ['/tmp:size=1m,nosuid']"), web("tmpfs: ['/tmp:noexec,nosuid,nodev,size=1m']")),
    (
        "EM-S09-tmpfs",
        web("volumes: [{type: tmpfs, target: /t}]"),
        web("volumes: [{type: tmpfs, target: /t, tmpfs: {size: 9}}]"),
    ),
    ("EM-S10-memory", web("mem_limit: 0"), web("mem_limit: '${MEMORY:?}'")),
    (
        "EM-S10-limits-differ",
        web("pids_limit: 1", "deploy: {resources: {limits: {pids: 2}}}"),
        web("pids_limit: 2", "mem_limit: 1024k", "deploy: {resources: {limits: {pids: 2, memory: 1M}}}"),
    ),
    (
        "EM-S10-reservation",
        web("deploy: {resources: {limits: {memory: 1M}, reservations: {memory: 1G}}}"),
        web("deploy: {resources: {limits: {memory: 1G}, reservations: {memory: 1024M}}}"),
    ),
    (
        "EM-S11-blind-probe",
        web(HEALTH.format(test="[CMD, redis-cli, ping]")),
        web(HEALTH.format(test="redis-cli ping | grep -qx PONG")),
    ),
    (
        "EM-S11-blind-probe",
        web(HEALTH.format(test="[CMD, pg_isready]")),
        web(HEALTH.format(test="[CMD, pg_isready, -h, 127.0.0.1]")),
    ),
    (
        "EM-S11-localhost",
        web(HEALTH.format(test="curl http://localhost:80/")),
        web(HEALTH.format(test="curl http://127.0.0.1/localhost.html")),
    ),
    ("EM-S11-start-period", web("healthcheck: {test: [CMD, x]}"), web(HEALTH.format(test="[CMD, x]"))),
    ("EM-S11-healthcheck", web("restart: always"), web("restart: 'no'")),
    ("EM-S11-waits", web("depends_on: [db]"), web("depends_on: {db: {condition: service_healthy}}")),
    ("EM-S11-waits", web("depends_on: {db: {condition: service_started}}"), web("depends_on: []")),
    ("EM-S12-no-log", web("logging: {driver: none}"), web("logging: {driver: local}")),
    ("EM-S12-log-rotation", web(), web("logging: {driver: syslog}")),
    ("EM-S12-log-rotation", web("logging: {options: {max-size: 1m}}"), web("logging: {driver: local}")),
    ("EM-S13-restart", web(), web("restart: unless-stopped")),
    ("EM-S13-restart", web("restart: always"), web("deploy: {restart_policy: {condition: any}}")),
    ("EM-S13-stop-grace", web(), web("stop_grace_period: 5s")),
    ("EM-S13-init", web("init: false"), web("init: true")),
    ("EM-S14-network", web("network_mode: bridge"), web("network_mode: none")),
    ("EM-S14-network", web("networks: [default]"), web("networks: [data]")),
    ("EM-S14-open-store", STORE.format(how=""), STORE.format(how="internal: true")),
    ("EM-S14-open-store", STORE.format(how="internal: false"), STORE.format(how="external: true")),
    (
        "EM-S14-gateway",
        NETWORK.format(how="internal: true"),
        NETWORK.format(
            how="internal: true, driver_opts: {com.docker.network.bridge.gateway_mode_ipv4: isolated}",
        ),
    ),
    (
        "EM-S14-neighbours",
        NETWORK.format(how=""),
        NETWORK.format(how="driver_opts: {com.docker.network.bridge.enable_icc: 'false'}"),
    ),
    ("EM-S14-subnet", NETWORK.format(how=""), NETWORK.format(how="ipam: {config: [{subnet: 10.1.2.0/26}]}")),
    (
        "EM-S14-subnet",
        NETWORK.format(how="ipam: {config: [{subnet: 10.0.0.0/8}]}"),
        NETWORK.format(how="external: true"),
    ),
    ("EM-S15-public-port", web("ports: ['0.0.0.0:8000:8000']"), web("ports: ['127.0.0.1:8000:8000']")),
    (
        "EM-S15-public-port",
        web("ports: ['192.0.2.1:80:80']"),
        web("ports: ['0.0.0.0:80:80']", image="nginxinc/nginx-unprivileged:1"),
    ),
    ("EM-S15-same-port", web("ports: ['127.0.0.1:1:1', '1:2']"), web("ports: ['127.0.0.1:1:1', '127.0.0.2:1:2']")),
    ("EM-S15-same-port", web("ports: ['1-3:1-3', '3:9']"), web("ports: ['1-3:1-3', '4:9', '3:3/udp']")),
    ("EM-S16-literal-secret", web("environment: {DB_PASSWORD: x1}"), web("environment: {DB_PASSWORD_FILE: /x}")),
    ("EM-S16-literal-secret", web("environment: ['API_KEY=abc']"), web("environment: ['API_KEY']")),
    ("EM-S16-literal-secret", web("environment: ['A_TOKEN=${A:-abc}']"), web("environment: ['A_TOKEN=${A}']")),
    ("EM-S16-literal-secret", web("labels: {my.secret: abc}"), web("labels: {my.secret: ''}")),
    ("EM-S16-literal-secret", web("build: {args: {NPM_TOKEN: abc}}"), web("build: {args: {NPM_TOKEN: null}}")),
    (
        "EM-S16-literal-secret",
        web("environment: {AWS_SECRET_ACCESS_KEY: abc}"),
        web("environment: {S3_ACCESS_KEY: abc, TOKEN_EXPIRE_MINUTES: 5, PUBLIC_KEY: abc}"),
    ),
    ("EM-S16-login-in-url", web("environment: ['U=redis://:x1@h/0']"), web("environment: ['U=redis://h:6379/0']")),
    ("EM-S16-login-in-url", web("environment: ['U=pg://u:p@h/0']"), web("environment: ['U=pg://u:${P}@h/0']")),
    ("EM-S16-command-line", web("command: redis-server --requirepass abc"), web("command: redis-server --port 1")),
    ("EM-S16-command-line", web("command: [x, '--password=abc']"), web("command: [x, '--password-file=/run/x']")),
    ("EM-S16-command-line", web("command: [x, --token, abc]"), web("command: [x, --token, '${TOKEN}']")),
    ("EM-S16-command-line", web("entrypoint: x pg://u:abc@h/d"), web("entrypoint: x pg://u@h/d")),
    ("EM-S16-secret-variable", web("environment: ['A_TOKEN=${A}']"), web("environment: ['A=${A_TOKEN}']")),
    ("EM-S17-open-server", web("environment: {POSTGRES_HOST_AUTH_METHOD: trust}"), web("environment: {A: trust}")),
    (
        "EM-S17-open-server",
        web("environment: ['xpack.security.enabled=false']"),
        web("environment: ['xpack.security.enabled=true']"),
    ),
    ("EM-S17-no-login", web(image="redis:8"), web("command: x --requirepass abc", image="redis:8")),
    (
        "EM-S17-no-login",
        web("environment: [ALLOW_EMPTY_PASSWORD=yes]", image="valkey:8"),
        web("secrets: [REDIS_PASSWORD]", image="valkey:8"),
    ),
    ("EM-S18-volume-name", VOLUME.format(how=""), VOLUME.format(how="name: shop-prod-v")),
    ("EM-S18-anonymous-volume", web("volumes: [/data]"), web("volumes: ['d:/data']")),
    ("EM-S18-no-volume", web(image="postgres:17"), web("volumes: ['d:/data']", image="postgres:17")),
    (
        "EM-S18-unprotected",
        VOLUME.format(how="labels: {envmgr.env: prod}"),
        VOLUME.format(how="labels: {envmgr.env: prod, envmgr.protect: 'true'}"),
    ),
]
ELSEWHERE = {"EM-S14-shared-network", "EM-S18-shared-data", "EM-S16-secret-mode"}
"""They need more than one file."""


@pytest.mark.parametrize(("rule", "wrong", "right"), CASES)
def test_a_rule_sees_its_breach_and_no_other(rule: str, wrong: str, right: str):
    assert rule in broken(wrong)
    assert rule not in broken(right)


def test_every_rule_is_broken_here_or_by_a_query():
    by_query = set().union(*(broken(text) for _, is_found, text in KICS_CASES if is_found))
    assert {rule for rule, _, _ in CASES} | by_query | ELSEWHERE >= {rule.id for rule in every_rule()}


def test_ids_are_unique_and_say_their_row():
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert [rule.id for rule in RULES] == sorted(rule.id for rule in RULES)
    assert {rule.family for rule in RULES} == {f"EM-S{number:02}" for number in range(1, 19)}


@pytest.mark.parametrize(
    ("rule", "text", "place"),
    [
        ("EM-S04-root", web("user: root"), (4, 5, "services.web.user")),
        ("EM-S04-user", web(), (2, 3, "services.web.user")),
        ("EM-S15-unbound-port", web("ports:", "  - '127.0.0.1:1:1'", "  - '2:2'"), (6, 9, "services.web.ports.1")),
        ("EM-S16-literal-secret", web("environment:", "  TOKEN: abc"), (5, 7, "services.web.environment.TOKEN")),
        ("EM-S14-subnet", NETWORK.format(how=""), (2, 12, "networks.n")),
        ("EM-S10-memory", web("deploy:", "  resources: {}"), (5, 7, "services.web.deploy.resources.limits")),
        ("EM-S02-project-name", web(), (1, 1, "")),
    ],
)
def test_a_finding_stands_where_the_breach_is(rule: str, text: str, place: tuple[int, int, str]):
    assert places(text, rule) == [place]


def test_no_message_repeats_a_secret():
    from tests.unit.rules.judging import judged

    text = web(
        "environment: {DB_PASSWORD: Zq8x1, URL: 'pg://u:Zq8x1@h/d'}",
        "command: x --password Zq8x1",
        "labels: {a.token: Zq8x1}",
        "ports: {Zq8x1: Zq8x1}",
        "cpus: Zq8x1",
    )
    said = judged(compose=text).findings
    assert {one.rule for one in said} >= {"EM-S16-literal-secret", "EM-S16-login-in-url", "EM-S01-schema"}
    assert [one for one in said if "Zq8x1" in one.message] == []
