from __future__ import annotations

import pytest

from envmgr.engine import images, whales
from envmgr.engine.context import Endpoint
from envmgr.engine.protocol import BuildRequest
from envmgr.errors import EngineError
from tests.fakes.played import Told, api_of, refusal, reply

PRIVATE = "registry.example:5000/team/app:1.0"


def test_an_image():
    answer = reply(200, {"Id": "sha256:1", "Config": {"Labels": {"envmgr.recipe": "redis"}}})
    found = images.find(api_of({"GET /images/registry.example:5000/team/app:1.0/json": answer})[0], PRIVATE)
    assert (found.id, found.labels) == ("sha256:1", {"envmgr.recipe": "redis"})


def test_an_image_that_is_not_there():
    assert images.find(api_of({"GET /images/nope:1/json": refusal(404, "No such image: nope:1")})[0], "nope:1") is None


def test_a_reference_that_is_none():
    with pytest.raises(EngineError, match="invalid reference format"):
        images.find(api_of({"GET /images/not valid/json": refusal(400, "invalid reference format")})[0], "not valid")


def asked(answer: Told | Exception) -> bool:
    api, _ = api_of({"GET /distribution/registry.example:5000/team/app:1.0/json": answer})
    return images.registry_answers(api, PRIVATE, 0.5)


@pytest.mark.parametrize(
    "answer",
    [
        reply(200, {"Descriptor": {}}),
        refusal(401, "unauthorized"),
        refusal(403, "denied"),
        refusal(404, "manifest unknown"),
        refusal(429, "toomanyrequests: rate"),
        # What Engine 28.5 says for a registry that wants a password it was not given.
        refusal(500, 'Head "https://registry.example:5000/v2/team/app/manifests/1.0": no basic auth credentials'),
    ],
)
def test_a_registry_that_refuses_has_answered(answer):
    assert asked(answer)


@pytest.mark.parametrize(
    "answer",
    [
        refusal(500, 'Get "https://registry.example/v2/": dial tcp: lookup registry.example: no such host'),
        refusal(500, 'Get "http://127.0.0.1:5999/v2/": dial tcp 127.0.0.1:5999: connect: connection refused'),
        refusal(500, "received unexpected HTTP status: 503 Service Unavailable"),
        refusal(500, "tls: failed to verify certificate: x509: cannot validate certificate for 10.0.0.1"),
        TimeoutError("timed out"),
    ],
)
def test_a_registry_that_cannot_be_reached(answer):
    assert not asked(answer)


def test_an_engine_that_cannot_be_reached_is_no_answer_about_its_registry():
    with pytest.raises(EngineError, match="broke the connection"):
        asked(ConnectionResetError("reset"))
    with pytest.raises(EngineError, match="invalid reference"):
        asked(refusal(400, "invalid reference format"))


# ---- python-on-whales


class Whales:
    """As much of a `DockerClient` as is used; its commands write lines, then fail or not."""

    def __init__(self, *lines: str, fails: bool = False) -> None:
        self.lines, self.fails = lines, fails
        self.image = self.buildx = self

    def pull(self, reference: str, stream_logs: bool):
        assert stream_logs
        return ((reference, line.encode() + b"\n") for line in self.written())

    def build(self, context, **options):
        self.options = options
        return (line + "\n" for line in self.written())

    def written(self):
        from python_on_whales.exceptions import DockerException

        yield from self.lines
        if self.fails:
            raise DockerException(["docker", "build"], 1, stderr=self.lines[-1].encode())


def test_a_pull_tells_its_lines():
    told = []
    images.pull(Whales("Pulling", "Done \udc80".encode("utf-8", "replace").decode()), "redis:8.0", told.append)
    assert told == ["Pulling", "Done ?"]


def test_a_pull_that_fails_keeps_the_end_of_its_output():
    lines = [f"line {number}" for number in range(30)] + ["manifest for redis:9 not found", ""]
    told = []
    with pytest.raises(EngineError, match="redis:9 could not be pulled: manifest for redis:9 not found") as caught:
        images.pull(Whales(*lines, fails=True), "redis:9", told.append)
    assert told == lines
    assert caught.value.details == tuple(lines[-20:])


def test_a_build_uses_the_engines_own_builder(tmp_path):
    client = Whales("#1 done")
    request = BuildRequest(
        tmp_path, ("app:1",), labels={"l": "1"}, build_args={"A": "b"}, build_contexts={"base": "docker-image://x:1"}
    )
    images.build(client, request, lambda _: None)
    used = client.options
    assert (used["builder"], used["load"], used["tags"], used["file"]) == ("default", True, ["app:1"], None)
    assert (used["labels"], used["build_args"]) == ({"l": "1"}, {"A": "b"})
    assert used["build_contexts"] == {"base": "docker-image://x:1"}


def test_a_build_that_fails(tmp_path):
    client = Whales("#1 RUN make", "ERROR: process did not complete: exit code: 2", fails=True)
    with pytest.raises(EngineError, match="app:1, app:2 could not be built: ERROR: process") as caught:
        images.build(client, BuildRequest(tmp_path, ("app:1", "app:2")), lambda _: None)
    assert caught.value.details == client.lines
    assert caught.value.exit_code == 4


def test_the_operators_variables_are_taken_out_by_name_and_no_value_is_shown():
    names = ["PATH", "COMPOSE_FILE", "DOCKER_HOST", "DOCKER_CONTEXT", "HTTPS_PROXY", "LC_ALL", "SECRET"]
    call = whales.client_call(Endpoint("unix:///run/d.sock"), "/usr/bin/docker", names)
    assert call[0].endswith("/env")
    assert call[1:] == [
        *("-u", "COMPOSE_FILE", "-u", "DOCKER_CONTEXT", "-u", "DOCKER_HOST", "-u", "SECRET"),
        *("DOCKER_HOST=unix:///run/d.sock", "/usr/bin/docker"),
    ]
