"""What the stand-in for Qdrant speaks: the real client, keys and tokens, snapshots, and what it refuses."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator

import pytest

from tests.contract.image_bench import docker
from tests.contract.stand_in_bench import Served, of_one_module, serve

pytestmark = pytest.mark.docker

KEY = "the-servers-own-key"
READING = "a-key-that-only-reads"
TABLE = {"vectors": {"size": 4, "distance": "Cosine"}}
POINTS = {"points": [{"id": n, "vector": [1, 0, 0, n], "payload": {"n": n}} for n in range(3)]}
SETTINGS = (
    "--user=1000:1000",
    f"--env=QDRANT__SERVICE__API_KEY={KEY}",
    f"--env=QDRANT__SERVICE__READ_ONLY_API_KEY={READING}",
    "--env=QDRANT__SERVICE__JWT_RBAC=true",
    "--env=QDRANT__STORAGE__SNAPSHOTS_PATH=/qdrant/storage/snapshots",
)

# Run with the client of Qdrant's makers, as an application would.
CLIENT = f"""
import json, warnings
from qdrant_client import QdrantClient, models
warnings.simplefilter("ignore")
client = QdrantClient(url="http://127.0.0.1:6333", api_key="{KEY}")
said = [client.collection_exists("dev_notes")]
said.append(client.create_collection("dev_notes", models.VectorParams(size=4, distance=models.Distance.COSINE)))
points = [models.PointStruct(id=n, vector=[1, 0, 0, n], payload={{"n": n}}) for n in range(3)]
said.append(client.upsert("dev_notes", points).status)
said.append([point.id for point in client.query_points("dev_notes", query=[1, 0, 0, 2], limit=2).points])
said.append([point.payload for point in client.query_points("dev_notes", query=0, limit=1).points])
even = models.Filter(must=[models.FieldCondition(key="n", range=models.Range(gte=1))])
said.append(client.count("dev_notes", count_filter=even).count)
page, following = client.scroll("dev_notes", limit=2)
said.append([[point.id for point in page], following])
said.append([point.payload for point in client.retrieve("dev_notes", [2])])
said.append([one.name for one in client.get_collections().collections])
said.append(client.get_collection("dev_notes").points_count)
said.append(client.delete("dev_notes", [1]).status)
said.append(client.count("dev_notes").count)
said.append(client.delete_collection("dev_notes"))
said.append(client.collection_exists("dev_notes"))
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def server(images) -> Iterator[Served]:
    with of_one_module() as bench:
        yield serve(bench, images["qdrant"], 6333, "/readyz", *SETTINGS, f"--volume={bench.volume()}:/qdrant/storage")


@pytest.fixture
def qdrant(server) -> Served:
    for one in ask(server, "GET", "/collections").json()["result"]["collections"]:
        assert ask(server, "DELETE", f"/collections/{one['name']}").json()["result"] is True
    return server


@pytest.fixture
def filled(qdrant) -> Served:
    for name in ("dev_notes", "prod_notes"):
        assert ask(qdrant, "PUT", f"/collections/{name}", json=TABLE).json()["result"] is True
        assert ask(qdrant, "PUT", f"/collections/{name}/points", json=POINTS).is_success
    return qdrant


def ask(qdrant: Served, method: str, path: str, key: str = KEY, **options):
    return qdrant.ask(method, path, headers={"api-key": key}, **options)


def count(qdrant: Served, name: str = "dev_notes", key: str = KEY) -> int:
    return ask(qdrant, "POST", f"/collections/{name}/points/count", key, json={}).json()["result"]["count"]


def token(secret: str = KEY, algorithm: str = "HS256", **claims) -> str:
    def encoded(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    signed = f"{encoded(json.dumps({'alg': algorithm}).encode())}.{encoded(json.dumps(claims).encode())}"
    return f"{signed}.{encoded(hmac.digest(secret.encode(), signed.encode(), hashlib.sha256))}"


def to(collection: str, access: str, **more: object) -> list[dict[str, object]]:
    return [{"collection": collection, "access": access, **more}]


def test_qdrants_own_client_works(qdrant):
    said = json.loads(docker("exec", "-i", qdrant.container, "python", "-", stdin=CLIENT).stdout)
    assert said == [
        *(False, True, "completed", [2, 1], [{"n": 1}], 2, [[0, 1], 2], [{"n": 2}], ["dev_notes"], 3),
        *("completed", 2, True, False),
    ]


def test_collections_survive_a_restart(filled):
    filled.restart("/readyz")
    assert [count(filled, name) for name in ("dev_notes", "prod_notes")] == [3, 3]
    found = ask(filled, "POST", "/collections/dev_notes/points/query", json={"query": [1, 0, 0, 0], "limit": 1})
    assert [point["id"] for point in found.json()["result"]["points"]] == [0]


def test_plain_requests_are_answered_as_by_the_server(filled):
    searched = {"vector": [1, 0, 0, 2], "limit": 1, "with_payload": True}
    (best,) = ask(filled, "POST", "/collections/dev_notes/points/search", json=searched).json()["result"]
    assert (best["id"], best["payload"], best["version"]) == (2, {"n": 2}, 0)
    assert best["score"] == pytest.approx(1)
    assert ask(filled, "GET", "/collections/dev_notes/points/1").json()["result"]["payload"] == {"n": 1}
    described = ask(filled, "GET", "/collections/dev_notes").json()
    assert (described["status"], described["result"]["status"], described["result"]["points_count"]) == (
        "ok",
        "green",
        3,
    )
    assert filled.ask("GET", "/").json()["version"] == "1.19.1"
    assert 'collection_points{id="dev_notes"} 3' in ask(filled, "GET", "/metrics").text


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz", "/"])
def test_health_needs_no_key(qdrant, path):
    assert qdrant.ask("GET", path).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"api-key": "guessed"}, 401),
        ({"authorization": "Bearer guessed"}, 401),
        ({"api-key": KEY}, 200),
        ({"authorization": f"Bearer {KEY}"}, 200),
        ({"api-key": READING}, 200),
    ],
)
def test_everything_else_needs_one(qdrant, headers, status):
    assert qdrant.ask("GET", "/collections", headers=headers).status_code == status


def test_a_reading_key_changes_nothing(filled):
    assert ask(filled, "PUT", "/collections/new", READING, json=TABLE).status_code == 403
    assert ask(filled, "PUT", "/collections/dev_notes/points", READING, json=POINTS).status_code == 403
    assert count(filled, key=READING) == 3


def test_a_token_reaches_its_own_collections_only(filled):
    dev = token(access=to("dev_notes", "rw"))
    assert ask(filled, "GET", "/collections", dev).json()["result"]["collections"] == [{"name": "dev_notes"}]
    assert ask(filled, "PUT", "/collections/dev_notes/points", dev, json=POINTS).is_success
    assert count(filled, key=dev) == 3
    for method, path in (
        ("POST", "/collections/prod_notes/points/count"),
        ("GET", "/collections/prod_notes"),
        ("GET", "/collections/prod_notes/exists"),
        ("GET", "/collections/prod_notes/snapshots"),
        ("PUT", "/collections/prod_notes/points"),
        ("DELETE", "/collections/dev_notes"),
        ("PUT", "/collections/dev_more"),
        ("POST", "/collections/dev_notes/snapshots/upload"),
        ("GET", "/metrics"),
    ):
        answer = ask(filled, method, path, dev, json={})
        assert (path, answer.status_code, answer.text[:10]) == (path, 403, "Forbidden:")


@pytest.mark.parametrize(
    ("claims", "reading", "writing"),
    [
        ({"access": "m"}, 200, 200),
        ({}, 200, 200),
        ({"access": "r"}, 200, 403),
        ({"access": to("dev_notes", "r")}, 200, 403),
        ({"access": "r", "exp": int(time.time()) + 600}, 200, 403),
        ({"access": "m", "exp": 1_600_000_000}, 403, 403),
        ({"access": "m", "exp": None}, 401, 401),
        ({"access": "m", "secret": "another"}, 403, 403),
        ({"access": "m", "algorithm": "none"}, 401, 401),
        ({"access": "everything"}, 401, 401),
        ({"access": to("dev_notes", "rw", payload={"n": 1})}, 401, 401),
        ({"access": to("dev_notes", "rw") * 2}, 401, 401),
    ],
)
def test_a_token_allows_what_it_says(filled, claims, reading, writing):
    key = token(**claims)
    assert ask(filled, "POST", "/collections/dev_notes/points/scroll", key, json={}).status_code == reading
    assert ask(filled, "PUT", "/collections/dev_notes/points", key, json=POINTS).status_code == writing


def test_a_token_ends_with_the_point_that_vouches_for_it(filled):
    proof = {"collection": "prod_notes", "matches": [{"key": "n", "value": 1}]}
    key = token(access=to("dev_notes", "r"), value_exists=proof)
    assert count(filled, key=key) == 3
    assert ask(filled, "POST", "/collections/prod_notes/points/delete", json={"points": [1]}).is_success
    assert ask(filled, "POST", "/collections/dev_notes/points/count", key, json={}).status_code == 401


@pytest.mark.parametrize("way", ["upload", "recover"])
def test_a_snapshot_brings_a_collection_back(filled, way):
    snapshots = "/collections/dev_notes/snapshots"
    made = ask(filled, "POST", snapshots).json()["result"]
    content = ask(filled, "GET", f"{snapshots}/{made['name']}").content
    assert (len(content), hashlib.sha256(content).hexdigest()) == (made["size"], made["checksum"])
    assert ask(filled, "GET", snapshots).json()["result"] == [made]
    assert ask(filled, "POST", "/collections/dev_notes/points/delete", json={"points": [0, 2]}).is_success
    if way == "upload":
        answer = ask(filled, "POST", f"{snapshots}/upload?priority=snapshot", files={"snapshot": content})
    else:
        location = f"file:///qdrant/storage/snapshots/dev_notes/{made['name']}"
        answer = ask(filled, "PUT", f"{snapshots}/recover", json={"location": location})
    assert answer.json()["result"] is True
    assert count(filled) == 3
    filled.restart("/readyz")
    assert count(filled) == 3
    assert ask(filled, "DELETE", f"{snapshots}/{made['name']}").json()["result"] is True
    assert ask(filled, "GET", f"{snapshots}/{made['name']}").status_code == 404


def test_a_snapshot_can_be_uploaded_under_another_name(filled):
    made = ask(filled, "POST", "/collections/dev_notes/snapshots").json()["result"]
    content = ask(filled, "GET", f"/collections/dev_notes/snapshots/{made['name']}").content
    assert ask(filled, "POST", "/collections/drill/snapshots/upload", files={"snapshot": content}).is_success
    assert count(filled, "drill") == 3


def test_a_broken_snapshot_changes_nothing(filled):
    answer = ask(filled, "POST", "/collections/dev_notes/snapshots/upload", files={"snapshot": b"broken"})
    assert (answer.status_code, "no snapshot" in answer.json()["status"]["error"]) == (400, True)
    assert count(filled) == 3


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "message"),
    [
        ("POST", "none/points/count", {}, 404, "Not found: Collection `none` doesn't exist!"),
        ("PUT", "dev_notes", TABLE, 409, "Wrong input: Collection `dev_notes` already exists!"),
        ("PUT", "a:b", TABLE, 422, "collection name `a:b` is not allowed"),
        ("PUT", "dev_notes/points", {"points": [{"id": 1, "vector": [1]}]}, 400, "expected dim: 4, got 1"),
        ("POST", "dev_notes/points/query", {"query": [1, 2]}, 400, "Wrong input:"),
        ("POST", "dev_notes/points/scroll", {"limits": 1}, 400, "Format error in JSON body: limits"),
        ("GET", "dev_notes/points/9", None, 404, "Not found: Point with id 9"),
        ("POST", "dev_notes/points/recommend", {}, 501, "does not speak POST /collections/dev_notes/points/recommend"),
        ("PUT", "dev_notes/snapshots/recover", {"location": "file:///etc/passwd"}, 404, "does not exist"),
        ("PUT", "dev_notes/snapshots/recover", {"location": "http://other/"}, 501, "file:// locations"),
    ],
)
def test_a_wrong_request_is_refused_with_its_reason(filled, method, path, body, status, message):
    answer = ask(filled, method, f"/collections/{path}", json=body)
    assert answer.status_code == status
    assert message in answer.json()["status"]["error"]


def test_without_a_key_everybody_is_let_in(images, bench):
    qdrant = serve(bench, images["qdrant"], 6333, "/readyz", "--tmpfs=/qdrant/storage:uid=1000", "--user=1000:1000")
    assert qdrant.ask("PUT", "/collections/a", json=TABLE).status_code == 200


def test_a_folder_that_cannot_be_written_is_named(images, bench):
    said = bench.refused(images["qdrant"], "--user=4242:4242", f"--volume={bench.volume()}:/qdrant/storage")
    assert "/qdrant/storage is not writable for uid 4242" in said


def test_bash_can_probe_it_as_in_the_registry_image(qdrant):
    probe = "exec 3<>/dev/tcp/127.0.0.1/6333 && printf 'GET /readyz HTTP/1.0\\r\\n\\r\\n' >&3 && head -n 1 <&3"
    assert "200 OK" in docker("exec", qdrant.container, "bash", "-c", probe).stdout
    assert docker("exec", qdrant.container, "sh", "-c", "command -v curl", check=False).returncode != 0
