"""Scripts that speak HTTP with curl: what the server is really asked, and what becomes of its answers."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator

import pytest

from envmgr.catalog.asking import asking
from tests.asked import Server, serving

pytestmark = pytest.mark.spawns


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as one:
        yield one


def run(server: Server, script: str, *flags: str, **variables: str) -> subprocess.CompletedProcess[str]:
    text = asking(f"http://127.0.0.1:{server.port}", *flags) + script
    return server.run(text, LOGIN="dev_app", SECRET="s3cret-_", **variables)


BASIC = "Basic " + base64.b64encode(b"dev_app:s3cret-_").decode()


def test_the_user_a_body_and_a_path_arrive_as_they_are(server: Server):
    body = json.dumps({"password": "a 'b' $c \\ \"d\"", "lines": "1\n2"})
    done = run(server, 'must PUT "/_security/user/$WHO?x=1&y=*" "$BODY"\n', WHO="one", BODY=body)
    assert (done.returncode, done.stderr) == (0, "")
    assert server.asked == [("PUT", "/_security/user/one?x=1&y=*", body, BASIC)]


def test_without_a_body_none_is_sent(server: Server):
    assert run(server, "must GET /a\nmust DELETE /b\n").returncode == 0
    assert [(method, path, body) for method, path, body, _ in server.asked] == [("GET", "/a", ""), ("DELETE", "/b", "")]


def test_status_and_body_are_left_for_the_script(server: Server):
    server.answers["GET /a"] = (404, "not\nhere")
    done = run(server, 'ask GET /a && printf \'%s|%s\' "$status" "$body"\n')
    assert (done.returncode, done.stdout) == (0, "404|not\nhere")


@pytest.mark.parametrize(
    ("verb", "status", "code"),
    [("must", 204, 0), ("must", 302, 1), ("must", 404, 1), ("gone", 200, 0), ("gone", 404, 0), ("gone", 403, 1)],
)
def test_what_counts_as_done(server: Server, verb: str, status: int, code: int):
    server.answers["DELETE /a"] = (status, "says why")
    done = run(server, f"{verb} DELETE /a\necho went on\n")
    assert done.returncode == code
    assert done.stdout == ("went on\n" if code == 0 else f"DELETE /a: {status} says why\n")


@pytest.mark.parametrize("verb", ["ask", "must", "gone"])
def test_a_server_that_does_not_answer_is_an_error(server: Server, verb: str):
    script = asking("http://127.0.0.1:1") + f"{verb} GET / || exit 1\necho went on\n"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (1, "")
    assert "curl" in done.stderr


def test_requests_can_be_signed(server: Server):
    done = run(server, 'must PUT /b "$BODY"\n', "--aws-sigv4 aws:amz:eu-west-1:s3", BODY="{}")
    assert (done.returncode, done.stderr) == (0, "")
    (asked,) = server.asked
    assert asked[3].startswith("AWS4-HMAC-SHA256 Credential=dev_app/")
    assert "/eu-west-1/s3/aws4_request" in asked[3]
    assert "s3cret" not in asked[3]
