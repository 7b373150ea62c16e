"""How files are read: anchors, merge keys, `extends`, overlays; what several say together; what is no file."""

from __future__ import annotations

import itertools

import pytest

from envmgr.errors import UsageError
from envmgr.rules.document import Modes, Port, Service, mounts, ports, size
from envmgr.rules.source import filled, parse
from envmgr.rules.tree import laid_over, plain
from tests.unit.rules.judging import broken, found, judged, places, web


def test_what_is_merged_in_counts_and_stands_where_it_is_written():
    text = "x-d: &d\n  user: root\n  privileged: true\nservices:\n  web:\n    <<: *d\n    image: a:1\n    user: '1'\n"
    assert places(text, "EM-S07-privileged") == [(3, 3, "services.web.privileged")]
    assert "EM-S04-root" not in broken(text)


def test_two_tables_merged_at_once_the_first_wins():
    text = "x-a: &a {user: '1'}\nx-b: &b {user: root, init: true}\nservices: {web: {<<: [*a, *b], image: a:1}}\n"
    assert not {"EM-S04-root", "EM-S13-init"} & broken(text)


def test_an_alias_is_judged_for_each_that_has_it():
    text = "services:\n  a: &s\n    image: a:1\n    privileged: true\n  b: *s\n"
    assert [path for _, _, path in places(text, "EM-S07-privileged")] == [
        "services.a.privileged",
        "services.b.privileged",
    ]


def test_several_documents_in_a_file_are_one():
    assert "EM-S04-user" not in broken(web() + "---\nservices: {web: {user: '1'}}\n")


def test_defaults_take_the_place_of_variables():
    assert filled("${A:-${B:-x}}:${C-y}") == "x:y"
    assert filled("$${A:-x} $A ${A} ${A:?x}") == "$${A:-x} $A ${A} ${A:?x}"
    assert "EM-S04-root" in broken(web("user: '${UID:-0}'"))


# ---- extends, and files over files

BASE = "services:\n  base:\n    image: a:1\n    privileged: true\n    volumes: ['d:/d']\n"


def test_what_is_extended_counts():
    text = BASE + "  web: {extends: {service: base}, user: '1'}\n  api: {extends: base, privileged: false}\n"
    assert [path for _, _, path in places(text, "EM-S07-privileged")] == [
        "services.base.privileged",
        "services.web.privileged",
    ]


def test_what_is_extended_in_another_file_stands_there():
    result = judged(common=BASE, shop="services: {web: {extends: {file: common.yml, service: base}}}")
    inherited = [one for one in result.findings if one.path == "services.web.privileged"]
    assert [(one.file, one.line) for one in inherited] == [("common.yml", 4)]


def test_a_service_that_extends_the_unknown_or_itself_lacks_nothing_that_is_known():
    for text in (
        "services: {web: {image: a:1, extends: {file: gone.yml, service: base}, privileged: true}}",
        "services: {web: {image: a:1, extends: web, privileged: true}}",
    ):
        assert "EM-S07-privileged" in broken(text)
        assert "EM-S04-user" not in broken(text)


def test_an_overlay_is_laid_over_its_base():
    result = judged(
        compose=web("user: root", "ports: ['1:1']"), compose_prod="services: {web: {user: '1', init: true}}"
    )
    by_rule = {one.rule: one for one in result.findings}
    assert result.files == ("compose.yml", "compose.prod.yml")
    assert not {"EM-S04-root", "EM-S13-init"} & by_rule.keys()
    assert by_rule["EM-S15-unbound-port"].file == "compose.yml"


def test_two_overlays_make_two_projects_that_share_ports():
    port = "services: {{web: {{ports: ['127.0.0.1:{}:1']}}}}"
    apart = judged(compose=web(), compose_dev=port.format(1), compose_prod=port.format(2))
    same = judged(compose=web(), compose_dev=port.format(1), compose_prod=port.format(1))
    assert "EM-S15-same-port" not in {one.rule for one in apart.findings}
    (one,) = (one for one in same.findings if one.rule == "EM-S15-same-port")
    assert (one.file, one.message) == ("compose.prod.yml", "web: host port 1 is that of web in compose.yml too")


def test_an_overlay_takes_a_service_away():
    result = judged(compose=web() + "  api: {image: b:1}\n", compose_prod="services: {api: !reset null}")
    assert {one.path.split(".")[1] for one in result.findings if one.path.startswith("services.")} == {"web"}


def test_files_that_name_two_projects_are_not_laid_over_each_other():
    both = judged(compose="name: a\n" + web(), compose_prod="name: b\n" + web("user: '1'"))
    assert [one.file for one in both.findings if one.rule == "EM-S04-user"] == ["compose.yml"]


def test_lists_are_appended_and_marks_of_compose_are_heeded():
    below = parse("services: {web: {ports: ['1'], command: [a], volumes: ['x:/d'], environment: {A: b}}}", "a")
    above = parse("services: {web: {ports: ['2'], command: [b], volumes: ['y:/d'], environment: ['C=d']}}", "b")
    assert plain(laid_over(below, above))["services"]["web"] == {
        "ports": ["1", "2"],
        "command": ["b"],
        "volumes": ["y:/d"],
        "environment": {"A": "b", "C": "d"},
    }
    marked = parse("services: {web: {ports: !override ['2'], command: !reset null}}", "b")
    assert plain(laid_over(below, marked))["services"]["web"] == {
        "ports": ["2"],
        "volumes": ["x:/d"],
        "environment": {"A": "b"},
    }


# ---- what several files say together


def test_projects_may_not_share_names_networks_or_volumes():
    text = "name: {}\n" + web() + "networks: {{n: {{name: shared}}}}\nvolumes: {{v: {{name: shared}}}}\n"
    result = judged(dev=text.format("shop-dev"), prod=text.format("shop-prod"))
    shared = {one.rule: one for one in result.findings if one.file == "prod.yml"}
    assert {"EM-S14-shared-network", "EM-S18-shared-data"} <= shared.keys()
    assert "dev.yml" in shared["EM-S18-shared-data"].message
    same = judged(dev="name: shop\n" + web("container_name: x"), prod="name: shop\n" + web("container_name: x"))
    assert [one.path for one in same.findings if one.rule == "EM-S02-names-collide"] == [
        "name",
        "services.web.container_name",
    ]


def test_what_is_external_may_be_shared():
    text = "name: {}\n" + web() + "networks: {{n: {{name: shared, external: true}}}}\n"
    result = judged(dev=text.format("shop-dev"), prod=text.format("shop-prod"))
    assert "EM-S14-shared-network" not in {one.rule for one in result.findings}


@pytest.mark.parametrize(
    ("file", "folder", "is_found"),
    [(0o644, 0o755, True), (0o640, 0o711, True), (0o444, 0o700, False), (0o400, 0o755, False), (0o620, 0o700, True)],
)
def test_a_secrets_file_is_for_nobody_else(file: int, folder: int, is_found: bool):
    text = web() + "secrets: {s: {file: ./s}}\n"
    result = judged({"./s": Modes(file, folder)}, compose=text)
    assert ("EM-S16-secret-mode" in {one.rule for one in result.findings}) is is_found


# ---- suppressions


def test_a_finding_is_accepted_where_its_reason_stands():
    text = web("x-envmgr-lint: {EM-S04-user: its image\n       has one, EM-S05: too}") + "  api: {image: b:1}\n"
    result = judged(compose=text)
    assert {(one.rule, one.path, one.reason) for one in result.accepted} == {
        ("EM-S04-user", "services.web.user", "its image has one"),
        ("EM-S05-cap-drop", "services.web.cap_drop", "too"),
    }
    assert [one.path for one in result.findings if one.rule == "EM-S04-user"] == ["services.api.user"]


def test_one_at_the_top_holds_for_the_whole_file():
    result = judged(compose="x-envmgr-lint: {EM-S04-user: all images have one}\n" + web())
    assert "EM-S04-user" not in {one.rule for one in result.findings}


def test_without_a_reason_nothing_is_accepted():
    for reason in ("''", "null", "true"):
        assert {"EM-S04-user", "EM-S00-suppression"} <= broken(web(f"x-envmgr-lint: {{EM-S04-user: {reason}}}"))


def test_a_suppression_cannot_accept_itself():
    assert "EM-S00-suppression" in broken(web("x-envmgr-lint: {EM-S99: x, EM-S00-suppression: x}"))


# ---- what is no Compose file


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a.yml is empty"),
        ("# nothing\n", "a.yml is empty"),
        ("a: [", "a.yml:1:5 is no YAML: "),
        ("a: &x [*x]\nservices: {}", "a.yml has no end"),
        ("just words", "a.yml is no Compose file: it has no services"),
        ("[1, 2]", "a.yml is no Compose file: it has no services"),
        ("kind: Deployment", "a.yml is no Compose file: it has no services"),
        ("services: [web]", "a.yml:1 is no Compose file: services is no table"),
        ("services:\n  web: nginx", "a.yml:2 is no Compose file: services.web is no table"),
        ("\x00", "a.yml is no YAML: "),
        ("[" * 20, "a.yml:1:21 is no YAML: "),
        ("x-a: " + "[" * 150 + "]" * 150, "a.yml is no Compose file: it is nested too deeply"),
        ("x-a: " + "[" * 700 + "]" * 700, "a.yml is no YAML: nested too deeply"),
    ],
)
def test_what_is_no_compose_file_is_said_to_be_none(text: str, said: str):
    with pytest.raises(UsageError) as error:
        parse(text, "a.yml")
    assert str(error.value).startswith(said)


def test_an_alias_within_an_alias_ends():
    names = "abcdefghijklmnopqrst"
    lines = ["x-a: &a [1, 1]", *(f"x-{new}: &{new} [*{old}, *{old}]" for old, new in itertools.pairwise(names))]
    with pytest.raises(UsageError, match="has no end"):
        parse("\n".join([*lines, "services: {}"]), "a.yml")


@pytest.mark.parametrize(
    "text",
    [
        "services: {web: {}}",
        "services: {web: {image: null, ports: null, volumes: null, environment: null, networks: null}}",
        "services: {web: {image: [a], ports: {a: b}, volumes: 5, deploy: [], healthcheck: x, build: 1, user: []}}",
        "services: {web: {image: a, ports: [{}, null, [1], 'x:y:z', 1.5], volumes: [null, {}, '', ':', [1]]}}",
        "services: {web: {image: a, environment: [null, 1, [a]], tmpfs: 5, logging: [], cap_add: x, depends_on: 1}}",
        "services: {1: {image: 1, restart: 5, cpus: {}, mem_limit: [], extends: 5, networks: 7}}",
        "services: {web: {image: a:1}}\nnetworks: {n: null, m: 5}\nvolumes: {v: []}\nsecrets: {s: 1}\nname: [a]",
        "? [a, b]\n: c\nservices: {web: {image: a}}",
        "services:\ninclude: [a.yml]",
    ],
)
def test_rubbish_inside_is_judged_and_breaks_nothing(text: str):
    assert isinstance(found(text), tuple)


# ---- syntaxes


def service_of(text: str) -> Service:
    from envmgr.rules.document import document

    return document(parse(text, "a.yml"), ("a.yml",)).services[0]


@pytest.mark.parametrize(
    ("entry", "port"),
    [
        ("'80'", Port(0, "", None, range(80, 81), "tcp")),
        ("'127.0.0.1:80:81/udp'", Port(0, "127.0.0.1", range(80, 81), range(81, 82), "udp")),
        ("'[::1]:80:81'", Port(0, "::1", range(80, 81), range(81, 82), "tcp")),
        ("'127.0.0.1::81'", Port(0, "127.0.0.1", None, range(81, 82), "tcp")),
        ("'80-82:90-92'", Port(0, "", range(80, 83), range(90, 93), "tcp")),
        ("'${P:?}:81'", Port(0, "", None, range(81, 82), "tcp")),
        ("'${IP:?}:80:81'", Port(0, "$", range(80, 81), range(81, 82), "tcp")),
        ("{target: 81, published: '80', host_ip: '::1'}", Port(0, "::1", range(80, 81), range(81, 82), "tcp")),
    ],
)
def test_a_port_is_what_it_is_in_either_syntax(entry: str, port: Port):
    assert list(ports(service_of(web(f"ports: [{entry}]")))) == [port]


def test_a_mount_is_what_it_is_in_either_syntax():
    short = service_of(web("volumes: ['./a:/a:ro', 'v:/v', '/x', '${PWD}/b:/b', '~/c:/c:rshared']"))
    assert [(one.kind, one.source, one.target, one.is_read_only, one.propagation) for one in mounts(short)] == [
        ("bind", "./a", "/a", True, ""),
        ("volume", "v", "/v", False, ""),
        ("volume", "", "/x", False, ""),
        ("bind", "${PWD}/b", "/b", False, ""),
        ("bind", "~/c", "/c", False, "rshared"),
    ]


def test_sizes():
    assert [size(text) for text in ("1", "1k", "1.5M", "2gb", "1KiB", "x", None)] == [
        *(1, 1024, 1.5 * 1024**2, 2 * 1024**3, 1024),
        *(None, None),
    ]
