"""The project's own rules, for its own files and for every subset of the optional services in three environments."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ruamel.yaml import YAML

from envmgr import layout
from envmgr.operations.lint import lint
from envmgr.operations.project import Project, open_project
from envmgr.render.document import document
from envmgr.rules.document import Document as LintDocument
from envmgr.rules.document import document as document_of
from envmgr.rules.judge import judge
from envmgr.rules.source import parse
from tests.security.rules import RULES, raw_violations, violations
from tests.security.systems import ENVIRONMENTS, Document, documents, subsets, system_of

Every = list[tuple[tuple[str, ...], list[Document]]]


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> Every:
    """Every choice of optional services with the documents of the base and three environments."""
    folder = tmp_path_factory.mktemp("subsets")
    return [(chosen, documents(system_of(chosen, folder), folder)) for chosen in subsets()]


def test_the_subsets_are_all_there(every: Every):
    assert len(every) == 2**6 - 2**2 + 3
    found = [(chosen, [one.stack.target for one in found]) for chosen, found in every]
    for chosen, targets in found:
        base = ["infra"] if {"postgres", "redis"} & set(chosen) else []
        assert targets == [*base, *ENVIRONMENTS]


def test_every_subset_holds_every_rule(every: Every):
    found = [
        (chosen, one.path, violations(one.data) + raw_violations(one.text))
        for chosen, documents in every
        for one in documents
    ]
    assert [wrong for wrong in found if wrong[2]] == []


def test_the_linter_finds_nothing_in_any_subset(every: Every):
    """Each document once; those of the largest choices together, as `envmgr lint` has them."""
    once = {one.text: linted(one) for _, found in every for one in found}
    assert len(once) > 100
    results = [judge([one]) for one in once.values()]
    results += [judge([linted(one) for one in found]) for _, found in every[-3:]]
    assert [one for result in results for one in result.findings] == []
    accepted = {(one.rule, one.path) for result in results for one in result.accepted}
    assert accepted == {("EM-S11-healthcheck", "services.nginx-exporter.healthcheck")}


def linted(one: Document) -> LintDocument:
    return document_of(parse(one.text, one.path), (one.path,))


def test_no_port_is_published_twice_across_environments(every: Every):
    for chosen, found in every:
        ports = [
            port["published"]
            for one in found
            for service in one.data["services"].values()
            for port in service.get("ports", ())
        ]
        assert len(set(ports)) == len(ports), chosen


# ---- the repository's own files


def own(repository: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted((repository / layout.COMPOSE).glob("docker-compose.*.yml"))}


def test_the_committed_documents_hold_every_rule(repository: Path):
    found = {path: text for path, text in own(repository).items() if not path.endswith(".recipes.yml")}
    assert list(found) == [
        "docker-compose.app.dev.yml",
        "docker-compose.app.prod.yml",
        "docker-compose.app.stage.yml",
        "docker-compose.base.yml",
    ]
    wrong = {path: violations(yaml.safe_load(text)) + raw_violations(text) for path, text in found.items()}
    assert {path: problems for path, problems in wrong.items() if problems} == {}


def test_the_linter_finds_nothing_in_the_committed_documents(repository: Path):
    result = lint((), repository / layout.SPEC)
    assert len(result.files) == 5
    assert (result.findings, result.accepted) == ((), ())


EXAMPLES = sorted(
    path.parent.name for path in (Path(__file__).parents[2] / "examples").glob("*/envmgr.toml") if path.is_file()
)
GOLDEN = sorted(path.parent.name for path in (Path(__file__).parents[1] / "golden").glob("*/expected"))


@pytest.mark.parametrize("case", GOLDEN)
def test_the_linter_finds_nothing_in_the_golden_documents(case: str):
    folder = Path(__file__).parents[1] / "golden" / case / "expected"
    assert lint(tuple(sorted(folder.glob("docker-compose.*.yml"))), folder / layout.SPEC).findings == ()


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_linter_finds_nothing_in_what_the_examples_render(repository: Path, example: str):
    folder = repository / "examples" / example
    project = open_project(folder / layout.SPEC)
    found = judge([linted(one) for one in documents(project.declared, folder)])
    assert found.findings == ()


def test_a_port_below_1024_drops_the_right_to_open_one(project_of: Callable[..., Project]):
    project = project_of(SITE.format(port=80))
    (infra, *_) = documents(project.system, project.folder)
    assert infra.data["services"]["nginx"]["cap_drop"] == ["ALL", "NET_BIND_SERVICE"]
    assert judge([linted(infra)]).findings == ()
    project = project_of(SITE.format(port=8080))
    assert documents(project.system, project.folder)[0].data["services"]["nginx"]["cap_drop"] == ["ALL"]


def test_what_raw_keys_weaken_is_found_and_may_be_accepted(project_of: Callable[..., Project]):
    raw = 'compose = {{ cap_add = ["CHOWN"]{more} }}'
    for more, found in (
        ("", {"EM-S05-cap-add"}),
        (', "x-envmgr-lint" = { "EM-S05-cap-add" = "It gives files away." }', set()),
    ):
        project = project_of(f"{SITE.format(port=8080)}[services.app]\n{APP}\n{raw.format(more=more)}\n")
        judged = judge([linted(one) for one in documents(project.system, project.folder)])
        assert {one.rule for one in judged.findings} == found
        assert {one.reason for one in judged.accepted} == (set() if found else {"It gives files away."})


SITE = '[project]\nname = "shop"\n[infra.nginx]\nport = {port}\n[environments.dev]\nhosts = ["dev.localhost"]\n'
APP = 'kind = "container"\nimage = "example/app:1.0"\ncontainer_port = 8000\nhealth_path = "/"\nroutes = ["/"]'


def test_the_committed_substitutes_change_images_alone(repository: Path):
    found = {path: text for path, text in own(repository).items() if path.endswith(".recipes.yml")}
    assert list(found) == ["docker-compose.base.recipes.yml"]
    for text in found.values():
        assert raw_violations(text) == []
        services = yaml.safe_load(text)["services"].values()
        assert all(set(service) == {"image", "pull_policy"} for service in services)


def test_every_scalar_reads_back_as_what_was_meant(chatbot: Project):
    """EM-S20: YAML 1.1, YAML 1.2 and the data that was rendered say the same, types included."""
    for one in documents(chatbot.system, chatbot.folder):
        hashes = {config.path: "" for service in one.stack.services for config in service.configs}
        meant = doubled(document(one.stack, hashes))
        for read in (yaml.load(one.text, yaml.CSafeLoader), YAML(typ="safe", pure=True).load(one.text)):
            for service in (*read["services"].values(), *meant["services"].values()):
                for label in ("envmgr.hash", "envmgr.configs"):  # they follow from content that is not read here
                    service["labels"].pop(label, None)
            assert read == meant


def doubled(value: Any) -> Any:
    """Double every dollar in the values, and write "no options" as a reader of YAML gives it back."""
    if isinstance(value, dict):
        return {key: doubled({} if child is None else child) for key, child in value.items()}
    if isinstance(value, list):
        return [doubled(child) for child in value]
    return value.replace("$", "$$") if isinstance(value, str) else value


# ---- each rule sees its breach


@pytest.fixture(scope="module")
def whole(every: Every) -> dict[str, dict[str, Any]]:
    """The documents of the system with all services."""
    return {one.stack.target: one.data for one in every[-1][1]}


BREACHES: list[tuple[str, str, Callable[[dict[str, Any]], object]]] = [
    ("S02", "prod", lambda d: d.pop("name")),
    ("S02", "prod", lambda d: d.update(version="3")),
    ("S02", "prod", lambda d: app(d).update(container_name="app")),
    ("S02", "prod", lambda d: app(d).update(build=".")),
    ("S02", "prod", lambda d: app(d).update(privileged=True)),
    ("S02", "prod", lambda d: app(d).update(cgroup_parent="/")),
    ("S02", "prod", lambda d: app(d)["labels"].update({"envmgr.env": "dev"})),
    ("S03", "prod", lambda d: app(d).update(image="chat")),
    ("S03", "prod", lambda d: app(d).update(image="chat:latest")),
    ("S03", "prod", lambda d: app(d).update(image=f"chat:1@sha256:{'0' * 64}")),
    ("S03", "prod", lambda d: app(d).update(pull_policy="always")),
    ("S04", "prod", lambda d: app(d).pop("user")),
    ("S04", "prod", lambda d: app(d).update(user="0:0")),
    ("S04", "prod", lambda d: app(d).update(user="app")),
    ("S05", "prod", lambda d: app(d).pop("cap_drop")),
    ("S05", "prod", lambda d: app(d)["ports"][0].update(target=80)),
    ("S06", "prod", lambda d: app(d)["security_opt"].append("seccomp:unconfined")),
    ("S08", "infra", lambda d: d["services"]["redis"]["volumes"][1].pop("read_only")),
    ("S08", "infra", lambda d: d["services"]["redis"]["volumes"][1].update(source="/var/run/docker.sock")),
    ("S08", "infra", lambda d: d["services"]["redis"]["volumes"][1].pop("bind")),
    ("S08", "infra", lambda d: d["services"]["redis"]["volumes"][0].update(source="other")),
    ("S09", "prod", lambda d: app(d).pop("read_only")),
    ("S09", "prod", lambda d: app(d).update(tmpfs=["/tmp:noexec,nosuid,nodev"])),
    ("S09", "prod", lambda d: app(d).update(tmpfs=["/tmp:size=16m,nosuid,nodev"])),
    ("S10", "prod", lambda d: app(d).pop("deploy")),
    ("S10", "prod", lambda d: app(d).update(pids_limit=1)),
    ("S10", "prod", lambda d: app(d)["deploy"]["resources"]["reservations"].update(memory="9999M")),
    ("S10", "prod", lambda d: app(d)["deploy"]["resources"]["reservations"].update(cpus="9")),
    ("S11", "prod", lambda d: app(d).pop("healthcheck")),
    ("S11", "prod", lambda d: app(d)["healthcheck"].update(test=["NONE"])),
    ("S11", "prod", lambda d: app(d)["healthcheck"].pop("start_period")),
    ("S11", "prod", lambda d: app(d)["depends_on"].update(migrate={"condition": "service_started"})),
    ("S11", "prod", lambda d: d["services"]["migrate"].update(healthcheck={"test": ["CMD", "true"]})),
    ("S12", "prod", lambda d: app(d).pop("logging")),
    ("S12", "prod", lambda d: app(d)["logging"]["options"].pop("max-size")),
    ("S13", "prod", lambda d: app(d).update(restart="always")),
    ("S13", "prod", lambda d: d["services"]["migrate"].update(restart="unless-stopped")),
    ("S13", "prod", lambda d: app(d).pop("init")),
    ("S13", "prod", lambda d: app(d).pop("stop_grace_period")),
    ("S14", "prod", lambda d: app(d).pop("networks")),
    ("S14", "prod", lambda d: app(d)["networks"].pop("publish")),
    ("S14", "prod", lambda d: d["services"]["worker"]["networks"].update(publish={})),
    ("S14", "infra", lambda d: d["services"]["redis"].pop("sysctls")),
    ("S14", "prod", lambda d: app(d)["sysctls"].update({"net.ipv4.ip_forward": "1"})),
    ("S14", "prod", lambda d: d["networks"]["publish"].update(driver_opts={})),
    ("S14", "prod", lambda d: d["networks"]["publish"].pop("ipam")),
    ("S14", "prod", lambda d: d["networks"]["data"].update(name="shared")),
    ("S14", "infra", lambda d: d["networks"]["data"].pop("internal")),
    ("S14", "infra", lambda d: d["networks"]["data"].update(driver_opts={})),
    ("S14", "infra", lambda d: d["networks"]["data"]["ipam"]["config"][0].update(subnet="10.0.0.0/8")),
    ("S15", "prod", lambda d: app(d)["ports"][0].update(host_ip="0.0.0.0")),
    ("S15", "prod", lambda d: app(d)["ports"][0].pop("host_ip")),
    ("S15", "prod", lambda d: app(d)["ports"].append(app(d)["ports"][0])),
    ("S16", "prod", lambda d: app(d)["environment"].update(SECRET_KEY="x")),
    ("S16", "prod", lambda d: app(d)["environment"].update(DATABASE_URL="postgresql://u:p@h/d")),
    ("S16", "prod", lambda d: app(d)["environment"].update(SECRET_KEY_FILE="secret")),
    ("S16", "prod", lambda d: app(d)["env_file"].append({"path": "../.env.prod", "format": "raw"})),
    ("S16", "prod", lambda d: app(d)["env_file"][0].pop("format")),
    ("S16", "prod", lambda d: d["secrets"]["app_SECRET_KEY"].update(file="../.env.prod")),
    ("S16", "prod", lambda d: app(d)["secrets"].append(app(d)["secrets"][0])),
    ("S17", "prod", lambda d: d["services"]["flower"].update(secrets=[])),
    ("S17", "infra", lambda d: d["services"]["redis"].update(secrets=[])),
    ("S17", "infra", lambda d: d["services"]["postgres"]["environment"].update(POSTGRES_INITDB_ARGS="")),
    ("S17", "infra", lambda d: d["services"]["grafana"]["environment"].pop("GF_SECURITY_ADMIN_PASSWORD__FILE")),
    ("S17", "infra", lambda d: d["services"]["grafana"]["environment"].update(GF_AUTH_ANONYMOUS_ENABLED="true")),
    ("S17", "infra", lambda d: d["services"]["redis-exporter"].update(secrets=[])),
    ("S18", "infra", lambda d: d["volumes"]["redis-data"].pop("name")),
    ("S18", "infra", lambda d: d["volumes"]["redis-data"]["labels"].pop("envmgr.protect")),
    ("S18", "infra", lambda d: d["volumes"]["redis-data"].pop("labels")),
]


def app(document: dict[str, Any]) -> dict[str, Any]:
    return document["services"]["app"]


@pytest.mark.parametrize(("rule", "target", "breach"), BREACHES)
def test_a_breach_is_seen(whole: dict[str, dict[str, Any]], rule: str, target: str, breach: Callable):
    broken = copy.deepcopy(whole[target])
    assert violations(broken) == []
    breach(broken)
    assert {found[:3] for found in violations_of(broken)} >= {rule}


def violations_of(broken: dict[str, Any]) -> list[str]:
    """Run each rule by itself: a document that lacks its name must not keep the others from looking."""
    found = []
    for rule in RULES:
        try:
            found += [f"{rule.__name__[:3].upper()} {what}" for what in rule(broken)]
        except (KeyError, TypeError):
            continue
    return found


def test_every_rule_has_a_breach():
    assert {rule for rule, _, _ in BREACHES} == {rule.__name__[:3].upper() for rule in RULES}


@pytest.mark.parametrize(
    "line",
    [
        "image: redis:8.0",
        "    published: 8000s",
        "      - no",
        "      - 1e3",
        "      - 08x",
        "    restart: no",
        "      'A': \"1\"",
        '      A: "1"',
        '    image: "a" # why',
        "    user: ~",
        "    list: [1]",
        "    text: |",
        "    value: &anchor",
        "  no:",
        '  on: "x"',
    ],
)
def test_a_value_that_is_not_quoted_is_seen(line: str):
    assert raw_violations(f'name: "x"\n{line}\n') == [f"S20 not quoted: {line}"]


@pytest.mark.parametrize("value", ["$HOME", "${HOME}", "a$", "$$$HOME"])
def test_a_value_that_compose_would_interpolate_is_seen(value: str):
    line = f'    image: "{value}"'
    assert raw_violations(line) == [f"S01 interpolated: {line}"]
    assert raw_violations('    image: "$$HOME"') == []
