"""What the stand-in for Elasticsearch speaks: documents, roles that end at their indices, snapshots, and refusals."""

import json
from collections.abc import Iterator

import httpx
import pytest

from tests.contract.image_bench import mounted
from tests.contract.stand_in_bench import HARDENED, Served, of_one_module, serve

pytestmark = pytest.mark.docker

ELASTIC = ("elastic", "elastic-secret")
DEV = ("dev_app", "dev-secret")
SHIPPER = ("shipper", "shipper-secret")
CONFIG = "/usr/share/elasticsearch/config/elasticsearch.yml"
SETTINGS = "cluster.name: own\ndiscovery.type: single-node\npath.repo: [/usr/share/elasticsearch/logs]\n"
DATA = "/usr/share/elasticsearch/data"
USER = ("--user=1000:1000", "--env=ELASTIC_PASSWORD=elastic-secret")
INDICES = "dev_notes,prod_notes,dev_restored,dev-new"


@pytest.fixture(scope="module")
def server(images, tmp_path_factory) -> Iterator[Served]:
    with of_one_module() as bench:
        logs = f"--volume={bench.volume()}:/usr/share/elasticsearch/logs"
        config = mounted(tmp_path_factory.mktemp("elasticsearch"), CONFIG, SETTINGS)
        data = f"--volume={bench.volume()}:{DATA}"
        served = serve(bench, images["elasticsearch"], 9200, "/", *USER, config, logs, data, status=401)
        put_user(served, DEV, ["dev_*", "dev-*"], ["all"])
        put_user(served, SHIPPER, ["dev_*"], ["create_index", "create_doc"], ["monitor"])
        yield served


@pytest.fixture
def filled(server) -> Served:
    for index in INDICES.split(","):
        ask(server, "DELETE", f"/{index}")
    for index in ("dev_notes", "prod_notes"):
        for number, text in enumerate(("Red fox", "red Hen", "blue hen")):
            document = {"text": text, "number": number, "tags": ["a", text.split()[0]]}
            assert ask(server, "PUT", f"/{index}/_doc/{number}", json=document).status_code == 201
    return server


def put_user(served: Served, user: tuple[str, str], names: list[str], privileges: list[str], cluster=()) -> None:
    name, password = user
    role = {"cluster": list(cluster), "indices": [{"names": names, "privileges": privileges}]}
    assert ask(served, "PUT", f"/_security/role/{name}", json=role).json() == {"role": {"created": True}}
    body = {"password": password, "roles": [name]}
    assert ask(served, "PUT", f"/_security/user/{name}", json=body).json() == {"created": True}


def ask(served: Served, method: str, path: str, auth=ELASTIC, **options) -> httpx.Response:
    return served.ask(method, path, auth=auth, **options)


def found(served: Served, query: dict, index: str = "dev_notes", **body) -> list[str]:
    answer = ask(served, "POST", f"/{index}/_search", json={"query": query, **body})
    assert answer.status_code == 200, answer.text
    return [hit["_id"] for hit in answer.json()["hits"]["hits"]]


def bulk(served: Served, lines: list[dict], auth=ELASTIC) -> dict:
    content = "".join(json.dumps(line) + "\n" for line in lines)
    headers = {"content-type": "application/x-ndjson"}
    return ask(served, "POST", "/_bulk", auth, content=content, headers=headers).json()


# ---- documents


def test_a_document_is_written_read_changed_and_deleted(filled):
    path = "/dev_notes/_doc/1"
    read = ask(filled, "GET", path).json()
    assert (read["found"], read["_version"], read["_source"]["text"]) == (True, 1, "red Hen")
    changed = ask(filled, "PUT", path, json={"text": "changed"})
    assert (changed.status_code, changed.json()["result"], changed.json()["_version"]) == (200, "updated", 2)
    assert ask(filled, "DELETE", path).json()["result"] == "deleted"
    assert (ask(filled, "GET", path).status_code, ask(filled, "DELETE", path).status_code) == (404, 404)
    made = ask(filled, "POST", "/dev_notes/_doc", json={"text": "new"}).json()
    assert ask(filled, "GET", f"/dev_notes/_doc/{made['_id']}").json()["_source"] == {"text": "new"}


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ({"match_all": {}}, ["0", "1", "2"]),
        ({"term": {"text": "red"}}, ["0", "1"]),
        ({"term": {"text": "Red fox"}}, []),
        ({"term": {"text.keyword": {"value": "Red fox"}}}, ["0"]),
        ({"term": {"number": 2}}, ["2"]),
        ({"terms": {"tags": ["red", "blue"]}}, ["0", "1", "2"]),
        ({"match": {"text": "RED hen"}}, ["0", "1", "2"]),
        ({"match": {"text": {"query": "RED hen", "operator": "and"}}}, ["1"]),
        ({"range": {"number": {"gte": 1, "lt": 2}}}, ["1"]),
        ({"exists": {"field": "none"}}, []),
        ({"ids": {"values": ["2", "7"]}}, ["2"]),
        ({"bool": {"must": [{"match": {"text": "hen"}}], "must_not": {"term": {"number": 1}}}}, ["2"]),
        ({"bool": {"should": [{"term": {"number": 0}}, {"term": {"number": 2}}]}}, ["0", "2"]),
    ],
)
def test_a_query_finds_what_it_says(filled, query, ids):
    assert found(filled, query) == ids
    assert ask(filled, "POST", "/dev_notes/_count", json={"query": query}).json()["count"] == len(ids)


def test_hits_are_sorted_and_cut(filled):
    assert found(filled, {"match_all": {}}, sort=[{"number": "desc"}], size=2) == ["2", "1"]
    assert found(filled, {"match_all": {}}, sort=["number"], size=2, **{"from": 2}) == ["2"]
    assert len(found(filled, {"match_all": {}}, "*_notes")) == 6
    assert ask(filled, "GET", "/none*/_count").json()["count"] == 0


def test_a_bulk_fails_where_it_fails(filled):
    lines = [
        {"index": {"_index": "dev_notes", "_id": "9"}},
        {"number": 9},
        {"delete": {"_index": "dev_notes", "_id": "0"}},
    ]
    lines += [{"create": {"_index": "dev_notes", "_id": "1"}}, {"number": 1}]
    answer = bulk(filled, lines)
    assert [next(iter(item.values()))["status"] for item in answer["items"]] == [201, 200, 409]
    assert answer["errors"] is True
    assert found(filled, {"match_all": {}}) == ["1", "2", "9"]
    deleted = ask(filled, "POST", "/dev_notes/_delete_by_query", json={"query": {"term": {"number": 9}}}).json()
    assert (deleted["deleted"], found(filled, {"match_all": {}})) == (1, ["1", "2"])


def test_indices_are_made_listed_and_deleted(filled):
    assert ask(filled, "PUT", "/dev-new", json={"settings": {"number_of_shards": 1}}).json()["index"] == "dev-new"
    assert ask(filled, "GET", "/_cat/indices/dev*?h=index").text == "dev-new\ndev_notes\n"
    assert "dev-new" in ask(filled, "GET", "/dev-new").json()
    assert ask(filled, "DELETE", "/dev-new").json() == {"acknowledged": True}
    assert ask(filled, "HEAD", "/dev-new").status_code == 404


def test_everything_survives_a_restart(filled):
    filled.restart("/", status=401)
    assert found(filled, {"match_all": {}}) == ["0", "1", "2"]
    assert ask(filled, "GET", "/_security/_authenticate", DEV).json()["roles"] == ["dev_app"]


# ---- who may do what


@pytest.mark.parametrize("auth", [None, ("elastic", "guessed"), ("nobody", "guessed"), ("kibana_system", "")])
def test_nothing_answers_without_a_password(server, auth):
    answer = server.ask("GET", "/", auth=auth)
    assert (answer.status_code, answer.json()["error"]["type"]) == (401, "security_exception")
    assert answer.headers["www-authenticate"].startswith("Basic")


def test_a_role_ends_at_its_indices(filled):
    assert ask(filled, "PUT", "/dev-new/_doc/1", DEV, json={}).status_code == 201
    seen = {hit["_index"] for hit in ask(filled, "GET", "/_search", DEV).json()["hits"]["hits"]}
    assert seen == {"dev-new", "dev_notes"}
    assert ask(filled, "GET", "/_cat/indices?h=index", DEV).text == "dev-new\ndev_notes\n"
    for method, path in (
        ("GET", "/prod_notes/_search"),
        ("GET", "/dev_notes,prod_notes/_count"),
        ("GET", "/prod_notes/_doc/1"),
        ("PUT", "/prod_notes/_doc/1"),
        ("DELETE", "/prod_notes/_doc/1"),
        ("DELETE", "/prod_notes"),
        ("PUT", "/prod_new"),
        ("GET", "/_cluster/health"),
        ("GET", "/_security/user"),
        ("PUT", "/_security/role/dev_app"),
        ("POST", "/_security/user/elastic/_password"),
        ("PUT", "/_snapshot/own"),
    ):
        answer = ask(filled, method, path, DEV, json={})
        assert (path, answer.status_code, answer.json()["error"]["type"]) == (path, 403, "security_exception")
    assert bulk(filled, [{"index": {"_index": "prod_notes"}}, {}], DEV)["items"][0]["index"]["status"] == 403
    assert found(filled, {"match_all": {}}, "prod_notes") == ["0", "1", "2"]


def test_a_user_who_only_adds_reads_and_changes_nothing(filled):
    assert ask(filled, "GET", "/", SHIPPER).status_code == 200
    added = bulk(filled, [{"create": {"_index": "dev_notes"}}, {"number": 4}], SHIPPER)
    assert added["errors"] is False
    assert bulk(filled, [{"create": {"_index": "dev_restored"}}, {}], SHIPPER)["errors"] is False
    assert ask(filled, "PUT", "/dev_notes/_doc/1", SHIPPER, json={}).status_code == 403
    assert ask(filled, "GET", "/dev_notes/_search", SHIPPER).status_code == 403


def test_users_and_roles_are_told_changed_and_removed(server):
    put_user(server, ("temporary", "first-secret"), ["dev_*"], ["read"])
    assert ask(server, "GET", "/_security/user/temporary").json()["temporary"]["roles"] == ["temporary"]
    assert ask(server, "GET", "/_security/role/temporary").json()["temporary"]["indices"][0]["privileges"] == ["read"]
    change = {"password": "second-secret"}
    assert ask(server, "POST", "/_security/user/temporary/_password", json=change).json() == {}
    whoami = "/_security/_authenticate"
    assert ask(server, "GET", whoami, ("temporary", "first-secret")).status_code == 401
    assert ask(server, "GET", whoami, ("temporary", "second-secret")).json()["username"] == "temporary"
    for kind in ("user", "role"):
        assert ask(server, "DELETE", f"/_security/{kind}/temporary").json() == {"found": True}
        assert ask(server, "DELETE", f"/_security/{kind}/temporary").status_code == 404
        assert ask(server, "GET", f"/_security/{kind}/temporary").status_code == 404
    assert ask(server, "GET", whoami, ("temporary", "second-secret")).status_code == 401


# ---- snapshots


def test_a_snapshot_brings_an_index_back(filled):
    place = {"type": "fs", "settings": {"location": "/usr/share/elasticsearch/logs/kept"}}
    assert ask(filled, "PUT", "/_snapshot/own", json=place).json() == {"acknowledged": True}
    assert ask(filled, "POST", "/_snapshot/own/_verify").status_code == 200
    wanted = {"indices": "dev_*", "include_global_state": False}
    made = ask(filled, "PUT", "/_snapshot/own/first?wait_for_completion=true", json=wanted).json()["snapshot"]
    assert (made["state"], made["indices"]) == ("SUCCESS", ["dev_notes"])
    assert ask(filled, "GET", "/_snapshot/own/first/_status").json()["snapshots"][0]["state"] == "SUCCESS"
    assert ask(filled, "PUT", "/_snapshot/own/first").json()["error"]["type"] == "invalid_snapshot_name_exception"
    assert "open index with same name" in ask(filled, "POST", "/_snapshot/own/first/_restore").text
    renamed = {"rename_pattern": "dev_(.+)", "rename_replacement": "dev_restored"}
    assert ask(filled, "POST", "/_snapshot/own/first/_restore", json=renamed).json() == {"accepted": True}
    assert found(filled, {"match_all": {}}, "dev_restored") == ["0", "1", "2"]
    ask(filled, "DELETE", "/dev_notes")
    back = ask(filled, "POST", "/_snapshot/own/first/_restore?wait_for_completion=true").json()
    assert (back["snapshot"]["indices"], found(filled, {"match_all": {}})) == (["dev_notes"], ["0", "1", "2"])
    assert ask(filled, "DELETE", "/_snapshot/own/first").json() == {"acknowledged": True}
    assert ask(filled, "GET", "/_snapshot/own/first").json()["error"]["type"] == "snapshot_missing_exception"


# ---- refusals


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "kind"),
    [
        ("GET", "/none/_search", {}, 404, "index_not_found_exception"),
        ("DELETE", "/none", {}, 404, "index_not_found_exception"),
        ("DELETE", "/dev_*", {}, 400, "illegal_argument_exception"),
        ("PUT", "/dev_notes", {}, 400, "resource_already_exists_exception"),
        ("PUT", "/Dev_Notes", {}, 400, "invalid_index_name_exception"),
        ("PUT", "/dev_notes/_create/1", {}, 409, "version_conflict_engine_exception"),
        ("POST", "/dev_notes/_search", {"query": {"fuzzy": {}}}, 400, "parsing_exception"),
        ("POST", "/dev_notes/_search", {"query": {"range": {"number": 1}}}, 400, "parsing_exception"),
        ("POST", "/dev_notes/_delete_by_query", {}, 400, "action_request_validation_exception"),
        ("POST", "/_bulk", {}, 400, "illegal_argument_exception"),
        (
            "PUT",
            "/_security/user/short",
            {"password": "short", "roles": []},
            400,
            "action_request_validation_exception",
        ),
        ("PUT", "/_security/user/elastic", {"roles": []}, 400, "action_request_validation_exception"),
        ("PUT", "/_security/role/odd", {"cluster": ["manage_all"]}, 400, "action_request_validation_exception"),
        ("PUT", "/_snapshot/out", {"type": "fs", "settings": {"location": "/tmp"}}, 500, "repository_exception"),
        ("PUT", "/_snapshot/s3", {"type": "s3"}, 500, "repository_exception"),
        ("GET", "/_snapshot/none", {}, 404, "repository_missing_exception"),
        ("GET", "/_nodes/stats", {}, 501, "stand_in"),
    ],
)
def test_a_wrong_request_is_refused_with_its_reason(filled, method, path, body, status, kind):
    answer = ask(filled, method, path, json=body)
    assert (answer.status_code, answer.json()["error"]["type"], answer.json()["status"]) == (status, kind, status)


def test_what_is_no_json_is_refused(filled):
    answer = ask(filled, "PUT", "/dev_notes/_doc/1", content=b"{", headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "parse_exception")


# ---- the container


def test_the_password_comes_from_a_closed_file(images, bench):
    script = "printf filed-secret >/tmp/password; chmod 400 /tmp/password; exec docker-entrypoint.sh eswrapper"
    options = ("--user=1000:1000", "--env=discovery.type=single-node", "--env=ELASTIC_PASSWORD_FILE=/tmp/password")
    own = (*options, f"--tmpfs={DATA}:uid=1000", "--entrypoint=bash")
    served = serve(bench, images["elasticsearch"], 9200, "/", *own, status=401, command=("-c", script))
    assert ask(served, "GET", "/", ("elastic", "filed-secret")).json()["version"]["number"] == "9.5.3"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "discovery.type is not single-node"),
        (("--env=discovery.type=single-node", "--user=4242:4242"), "is not writable for uid 4242"),
        (
            ("--env=discovery.type=single-node", "--env=ELASTIC_PASSWORD_FILE=/etc/hostname"),
            "must have permissions 400 or 600, but has 644",
        ),
    ],
)
def test_a_wrong_configuration_is_refused(images, bench, options, message):
    data = f"--volume={bench.volume()}:{DATA}"
    assert message in bench.refused(images["elasticsearch"], *HARDENED, data, *options)
