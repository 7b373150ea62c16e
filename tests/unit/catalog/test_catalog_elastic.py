"""Elasticsearch, Logstash and Kibana: users that reach their own indices, and what each really asks."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from envmgr.catalog.elasticsearch import Elasticsearch
from envmgr.catalog.http import curl
from envmgr.catalog.kibana import Kibana
from envmgr.catalog.kind import Binding, Client, Server
from envmgr.catalog.logstash import Logstash
from envmgr.catalog.registry import INFRA
from envmgr.model.needed import Needed, Origin
from envmgr.model.secret import SecretRef
from envmgr.model.stack import Command, CommandProbe, ConfigMount, HttpProbe, Image, Resources, SecretMount
from envmgr.secrets.vault import Vault
from tests import asked
from tests.making import GIGABYTE

ADMIN = SecretRef("ELASTICSEARCH_ADMIN_PASSWORD", "infra")
LOGIN, PASSWORD = SecretRef("ELASTICSEARCH_LOGIN", "dev"), SecretRef("ELASTICSEARCH_PASSWORD", "dev")
DEV = Client("dev", "dev_")
VAULT = (
    Vault()
    .with_target("infra", {ADMIN.name: "admin-pw", "LOGSTASH_PASSWORD": "ls-pw", "KIBANA_PASSWORD": "kb-pw"})
    .with_target("dev", {"ELASTICSEARCH_PASSWORD": 'app "pw"', "ELASTICSEARCH_LOGIN": "dev_app"})
)


def server(kind: str = "elasticsearch", **fields: Any) -> Server:
    options = INFRA[kind].Options(**fields.pop("options", {}))
    peers = {} if kind == "elasticsearch" else {"elasticsearch": server()}
    given = {"target": "infra", "port": None, "image": None, "kind": kind, "peers": peers}
    return Server("play", name=kind, options=options, resources=Resources(1.0, 2 * GIGABYTE, 64), **given | fields)


def binding(one: Server | None = None) -> Binding:
    return Elasticsearch().bind(one or server(), DEV)


@pytest.fixture
def http() -> Iterator[asked.Server]:
    with asked.serving() as one:
        yield one


ROTATED = VAULT.with_target("dev", {"ELASTICSEARCH_PASSWORD": "next", "ELASTICSEARCH_LOGIN": "dev_app_2"})


def run(http: asked.Server, command: Command, vault: Vault = VAULT, **others: str) -> tuple[int, str]:
    """Run a command of the catalog, as inside the server's container."""
    script = re.sub(r"(127\.0\.0\.1}?):9200", rf"\1:{http.port}", command.argv[-1])
    done = http.run(script, **{**vault.fill_all(command.variables), **others})
    assert done.stderr == ""
    return done.returncode, done.stdout


def basic(login: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{login}:{password}".encode()).decode()


# ---- Elasticsearch


def test_elasticsearch_as_it_is_by_default():
    draft = Elasticsearch().draft(server())
    assert draft.image == Image("docker.elastic.co/elasticsearch/elasticsearch:9.5.3", major="9")
    assert (draft.user, draft.command, draft.target_port) == ("1000:1000", ("sh", "/etc/envmgr/start.sh"), 9200)
    assert draft.variables == {"ES_JAVA_OPTS": "-Xms1024m -Xmx1024m"}
    assert draft.secrets == (SecretMount(ADMIN.name, (ADMIN,)),)
    assert draft.volumes == {"data": "/usr/share/elasticsearch/data", "logs": "/usr/share/elasticsearch/logs"}
    assert draft.needed == (Needed(ADMIN.name, "infra", True, Origin.GENERATED, place="infra.elasticsearch"),)
    assert [mount.template for mount in draft.configs] == [
        "elasticsearch/start.sh.j2",
        "elasticsearch/elasticsearch.yml.j2",
    ]


def test_its_healthcheck_proves_the_password_without_showing_it():
    test = Elasticsearch().draft(server()).healthcheck.test
    assert test == (
        "CMD-SHELL",
        'printf \'user = "elastic:%s"\' "$(cat /run/secrets/ELASTICSEARCH_ADMIN_PASSWORD)" | '
        "curl -sS --noproxy '*' -f -m 4 -K - "
        "'http://127.0.0.1:9200/_cluster/health?wait_for_status=yellow&timeout=2s'",
    )


def test_nothing_answers_without_a_password(repository):
    text = (repository / "templates/elasticsearch/elasticsearch.yml.j2").read_text()
    assert "xpack.security.enabled: true" in text.splitlines()
    assert "anonymous" not in text


@pytest.mark.spawns
def test_its_probe_asks_as_administrator(http: asked.Server):
    probe = Elasticsearch().draft(server()).probe
    assert isinstance(probe, CommandProbe)
    assert run(http, probe.command) == (0, "")
    assert http.asked == [("GET", "/_cluster/health", "", basic("elastic", "admin-pw"))]


def test_the_application_gets_an_address_a_user_and_a_prefix():
    bound = binding()
    assert bound.variables == {
        "ELASTICSEARCH_URL": "http://elasticsearch:9200",
        "ELASTICSEARCH_INDEX_PREFIX": "dev_",
    }
    assert bound.secrets == (
        SecretMount("ELASTICSEARCH_USERNAME", (LOGIN,)),
        SecretMount("ELASTICSEARCH_PASSWORD", (PASSWORD,)),
    )
    place = "infra.elasticsearch"
    assert bound.needed == (
        Needed(PASSWORD.name, "dev", True, Origin.GENERATED, place=place),
        Needed(LOGIN.name, "dev", False, Origin.OPERATOR, is_required=False, default="dev_app", place=place),
    )


@pytest.mark.spawns
def test_an_environment_gets_a_user_whose_role_reaches_its_own_indices(http: asked.Server):
    (grant,) = binding().grants
    assert run(http, grant.ensure) == (0, "")
    role, user = http.asked
    assert role[:2] == ("PUT", "/_security/role/dev_app")
    assert json.loads(role[2]) == {
        "cluster": [],
        "indices": [{"names": ["dev_*", "dev-*"], "privileges": ["all"]}],
    }
    assert user[:2] == ("PUT", "/_security/user/dev_app")
    assert json.loads(user[2]) == {"password": 'app "pw"', "roles": ["dev_app"]}
    assert {one[3] for one in http.asked} == {basic("elastic", "admin-pw")}


@pytest.mark.spawns
def test_a_refused_grant_says_what_the_server_said(http: asked.Server):
    http.answers["PUT /_security/user/dev_app"] = (400, "passwords must be longer")
    (grant,) = binding().grants
    assert run(http, grant.ensure) == (1, "PUT /_security/user/dev_app: 400 passwords must be longer\n")


@pytest.mark.spawns
@pytest.mark.parametrize(
    ("status", "expected"), [(200, (0, "yes\n")), (404, (0, "")), (401, (1, "{}\n")), (503, (1, "{}\n"))]
)
def test_whether_it_exists_is_never_guessed(http: asked.Server, status: int, expected: tuple[int, str]):
    http.answers["GET /_security/role/dev_app"] = (status, "{}")
    (grant,) = binding().grants
    # The role is there as long as the environment is, whoever has it.
    assert run(http, grant.exists) == run(http, grant.exists, ROTATED) == expected
    assert [one[:2] for one in http.asked] == [("GET", "/_security/role/dev_app")] * 2


@pytest.mark.spawns
def test_what_would_be_lost_is_counted(http: asked.Server):
    http.answers["GET /dev_*,dev-*/_count"] = (200, '{"count":42,"_shards":{"total":1}}')
    (grant,) = binding().grants
    assert run(http, grant.measure) == (0, "42 documents\n")


@pytest.mark.spawns
def test_it_is_deleted_users_first_and_index_by_index(http: asked.Server):
    http.answers["GET /_cat/indices/dev_*,dev-*?h=index"] = (200, "dev_a\ndev-b\n")
    http.answers["DELETE /_security/user/dev_app_2"] = (404, "")
    http.answers["DELETE /_security/role/dev_app"] = (404, "")
    (grant,) = binding().grants
    assert run(http, grant.revoke) == (0, "")
    assert [(method, path) for method, path, _, _ in http.asked] == [
        ("DELETE", "/_security/user/dev_app"),
        ("DELETE", "/_security/user/dev_app_2"),
        ("DELETE", "/_security/role/dev_app"),
        ("GET", "/_cat/indices/dev_*,dev-*?h=index"),
        ("DELETE", "/dev_a"),
        ("DELETE", "/dev-b"),
    ]


@pytest.mark.spawns
def test_the_environment_can_enter(http: asked.Server):
    (grant,) = binding().grants
    assert (grant.probe.variables["LOGIN"], grant.probe.variables["SECRET"]) == ((LOGIN,), (PASSWORD,))
    assert run(http, replace(grant.probe, variables={**grant.probe.variables, "SECRET": ("pw",)})) == (0, "")
    assert http.asked == [("GET", "/_security/_authenticate", "", basic("dev_app", "pw"))]


@pytest.mark.spawns
def test_a_second_user_has_the_same_role_and_stands_beside_the_first(http: asked.Server):
    (grant,) = binding().grants
    assert grant.title == "Elasticsearch indices dev_*, dev-*"
    assert run(http, grant.ensure, ROTATED) == (0, "")
    role, user = http.asked
    assert (role[1], user[1]) == ("/_security/role/dev_app", "/_security/user/dev_app_2")
    assert json.loads(user[2]) == {"password": "next", "roles": ["dev_app"]}
    http.asked.clear()
    assert run(http, grant.probe, ROTATED) == (0, "")
    assert http.asked[0][3] == basic("dev_app_2", "next")


@pytest.mark.spawns
def test_one_of_two_users_is_ended_and_nothing_else(http: asked.Server):
    credential = binding().grants[0].credential
    assert (credential.password, credential.login) == (PASSWORD, LOGIN)
    assert credential.logins == ("dev_app", "dev_app_2")
    assert run(http, credential.retire) == run(http, credential.retire, ROTATED) == (0, "")
    assert [one[:2] for one in http.asked] == [
        ("DELETE", "/_security/user/dev_app"),
        ("DELETE", "/_security/user/dev_app_2"),
    ]
    assert {one[3] for one in http.asked} == {basic("elastic", "admin-pw")}


@pytest.mark.spawns
@pytest.mark.parametrize(
    ("status", "expected"), [(404, (0, "")), (403, (1, "DELETE /_security/user/dev_app: 403 no\n"))]
)
def test_ending_a_user_that_has_gone_is_fine_and_a_refusal_is_told(
    http: asked.Server, status: int, expected: tuple[int, str]
):
    http.answers["DELETE /_security/user/dev_app"] = (status, "no")
    assert run(http, binding().grants[0].credential.retire) == expected


@pytest.mark.spawns
def test_a_consumer_enters_from_its_network_by_the_servers_name(http: asked.Server):
    enter = binding(server(programs="elastic:1")).grants[0].credential.enter
    assert (enter.variables["AT"], enter.client) == (("elasticsearch",), "elastic:1")
    assert run(http, enter, ROTATED, AT="127.0.0.1") == (0, "")
    assert http.asked == [("GET", "/_security/_authenticate", "", basic("dev_app_2", "next"))]


# ---- Logstash


def test_logstash_as_it_is_by_default():
    draft = Logstash().draft(server("logstash"))
    password = SecretRef("LOGSTASH_PASSWORD", "infra")
    assert draft.image == Image("docker.elastic.co/logstash/logstash:9.5.3")
    assert (draft.user, draft.target_port, draft.more_ports) == ("1000:1000", 5000, {"api": 9600})
    assert draft.healthcheck == curl(9600, "/")
    assert draft.variables == {
        "LS_JAVA_OPTS": "-Xms1024m -Xmx1024m -Djava.io.tmpdir=/usr/share/logstash/data",
        "LOGSTASH_USERNAME": "infra_logstash",
    }
    assert draft.secrets == (SecretMount(password.name, (password,)),)
    assert draft.needed == (Needed(password.name, "infra", True, Origin.GENERATED, place="infra.logstash"),)
    assert draft.configs[0].context == {
        "variables": {"LOGSTASH_PASSWORD": "LOGSTASH_PASSWORD"},
        "program": "/usr/share/logstash/bin/logstash",
    }
    assert draft.configs[1] == ConfigMount(
        "config/infra/logstash/logstash.conf",
        "/usr/share/logstash/pipeline/logstash.conf",
        "logstash/logstash.conf.j2",
        {"port": 5000, "elasticsearch": "http://elasticsearch:9200", "prefix": "events"},
    )


@pytest.mark.spawns
def test_logstash_writes_its_own_indices_and_reads_none(http: asked.Server):
    (grant,) = Logstash().draft(server("logstash", options={"index_prefix": "audit"})).grants
    assert (grant.server, grant.ensure.service) == ("elasticsearch", "elasticsearch")
    assert run(http, grant.ensure) == (0, "")
    assert json.loads(http.asked[0][2]) == {
        "cluster": ["monitor"],
        "indices": [{"names": ["audit-*"], "privileges": ["create_index", "create_doc"]}],
    }
    assert json.loads(http.asked[1][2]) == {"password": "ls-pw", "roles": ["infra_logstash"]}


def test_an_environments_own_logstash_has_a_user_of_its_own():
    draft = Logstash().draft(server("logstash", target="load-test"))
    assert draft.variables["LOGSTASH_USERNAME"] == "load_test_logstash"
    assert draft.grants[0].ensure.target == "infra"


def test_the_user_of_a_server_is_made_with_it_and_is_nobodys_to_exchange():
    (grant,) = Logstash().draft(server("logstash")).grants
    assert grant.credential is None
    assert grant.title == "Elasticsearch user infra_logstash with its indices events-*"
    assert grant.revoke.variables["USERNAMES"] == ("infra_logstash",)


def test_services_are_told_where_events_go():
    bound = Logstash().bind(server("logstash"), DEV)
    assert bound == Binding(variables={"LOGSTASH_HOST": "logstash", "LOGSTASH_PORT": "5000"})


def test_the_password_stands_in_no_file_that_is_rendered(repository):
    text = (repository / "templates/logstash/logstash.conf.j2").read_text()
    assert 'password => "${LOGSTASH_PASSWORD}"' in text
    text = (repository / "templates/kibana/kibana.yml.j2").read_text()
    assert 'elasticsearch.password: "${ELASTICSEARCH_PASSWORD}"' in text


# ---- Kibana


def test_kibana_as_it_is_by_default():
    draft = Kibana().draft(server("kibana"))
    password, key = SecretRef("KIBANA_PASSWORD", "infra"), SecretRef("KIBANA_ENCRYPTION_KEY", "infra")
    assert draft.image == Image("docker.elastic.co/kibana/kibana:9.5.3")
    assert (draft.user, draft.target_port) == ("1000:1000", 5601)
    assert draft.healthcheck == curl(5601, "/api/status")
    assert isinstance(draft.probe, CommandProbe)
    assert draft.variables == {
        "ELASTICSEARCH_HOSTS": "http://elasticsearch:9200",
        "ELASTICSEARCH_USERNAME": "kibana_system",
        "NODE_OPTIONS": "--max-old-space-size=1536",
    }
    assert draft.secrets == (SecretMount(password.name, (password,)), SecretMount(key.name, (key,)))
    assert draft.login == "elastic, ELASTICSEARCH_ADMIN_PASSWORD"
    assert draft.configs[0].context == {
        "variables": {"ELASTICSEARCH_PASSWORD": password.name, "ENCRYPTION_KEY": key.name},
        "program": "/usr/share/kibana/bin/kibana --config /etc/envmgr/kibana.yml",
    }
    assert Kibana().bind(server("kibana"), DEV) == Binding()


def test_kibana_that_is_published_is_asked_from_outside():
    assert Kibana().draft(server("kibana", port=5601)).probe == HttpProbe(5601, "/api/status")


@pytest.mark.spawns
def test_kibanas_account_gets_its_password_from_the_administrator(http: asked.Server):
    (grant,) = Kibana().draft(server("kibana")).grants
    assert run(http, grant.ensure) == (0, "")
    (one,) = http.asked
    assert one[:2] == ("POST", "/_security/user/kibana_system/_password")
    assert (json.loads(one[2]), one[3]) == ({"password": "kb-pw"}, basic("elastic", "admin-pw"))


@pytest.mark.spawns
@pytest.mark.parametrize(("status", "expected"), [(200, (0, "yes\n")), (401, (0, "")), (500, (1, "{}\n"))])
def test_kibanas_password_is_there_when_it_opens(http: asked.Server, status: int, expected: tuple[int, str]):
    http.answers["GET /_security/_authenticate"] = (status, "{}")
    (grant,) = Kibana().draft(server("kibana")).grants
    assert run(http, grant.exists) == expected
    assert http.asked[0][3] == basic("kibana_system", "kb-pw")


@pytest.mark.spawns
def test_afterwards_nobody_knows_its_password(http: asked.Server):
    (grant,) = Kibana().draft(server("kibana")).grants
    assert run(http, grant.revoke) == run(http, grant.revoke) == (0, "")
    first, second = (json.loads(one[2])["password"] for one in http.asked)
    assert first != second
    assert len(first) == len(second) == 64


# ---- both work with an Elasticsearch


@pytest.mark.parametrize("kind", ["logstash", "kibana"])
def test_without_an_elasticsearch_they_are_refused(kind: str):
    alone = server(kind, peers={})
    (problem,) = INFRA[kind].refuse(alone, {})
    assert (problem.message, problem.path) == ("it works with an elasticsearch", "uses")
    assert problem.hint == 'set uses = ["elasticsearch"]'
    assert INFRA[kind].draft(alone).image.reference
    assert list(INFRA[kind].refuse(server(kind), {})) == []
