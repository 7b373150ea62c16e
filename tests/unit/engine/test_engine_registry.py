"""What a registry says of an image, asked through the engine; recorded answers."""

from __future__ import annotations

import pytest

from envmgr.engine import registry
from envmgr.errors import EngineError
from envmgr.model.observed import RegistryImage
from tests.fakes.played import Told, api_of, refusal, reply

IMAGE = "registry.example:5000/team/app:1.0"
DIGEST = f"sha256:{'a' * 64}"


def asked(answer: Told | Exception) -> RegistryImage:
    api, _ = api_of({"GET /distribution/registry.example:5000/team/app:1.0/json": answer})
    return registry.find(api, "/nowhere/docker", {}, IMAGE, 0.5)


def test_an_image_of_two_platforms():
    platforms = [
        {"os": "linux", "architecture": "arm", "variant": "v7"},
        {"os": "linux", "architecture": "amd64"},
        {"os": "unknown", "architecture": "unknown"},
    ]
    answer = reply(200, {"Descriptor": {"digest": DIGEST, "size": 1}, "Platforms": platforms})
    assert asked(answer) == RegistryImage(DIGEST, ("linux/amd64", "linux/arm/v7"))


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (refusal(404, "manifest unknown"), "could not be asked of its registry: manifest unknown"),
        (refusal(500, "dial tcp: connection refused"), "could not be asked of its registry: dial tcp"),
        (TimeoutError("timed out"), "did not answer within 0.5 s"),
    ],
)
def test_a_registry_that_does_not_give_it(answer: Told | Exception, message: str):
    with pytest.raises(EngineError, match=message):
        asked(answer)


@pytest.mark.spawns
@pytest.mark.parametrize("answer", [refusal(401, "unauthorized"), refusal(500, "no basic auth credentials")])
def test_a_registry_that_wants_a_login_is_asked_by_the_docker_command(answer: Told):
    with pytest.raises(EngineError, match="/nowhere/docker cannot be run"):
        asked(answer)


def test_what_the_docker_command_says_of_one_platform_and_of_several():
    assert registry.described({"digest": DIGEST, "mediaType": "x"}) == RegistryImage(DIGEST, ())
    several = {"digest": DIGEST, "manifests": [{"platform": {"os": "linux", "architecture": "amd64"}}, {}]}
    assert registry.described(several) == RegistryImage(DIGEST, ("linux/amd64",))
