"""How a container ended, and why the engine could not start it."""

from __future__ import annotations

from envmgr.diagnosis.evidence import Witness
from envmgr.diagnosis.history import exit_code, last_life, signals
from envmgr.diagnosis.scene import Scene
from envmgr.diagnosis.signature import Explanation, Fact, Hit, Words
from envmgr.model.observed import State

_MEGABYTE = 1024**2
_KILL, _KILLED = 9, 137
_NOT_FOUND = (126, 127, -1)
"""Exit codes of a healthcheck whose program is not there: a shell's, and the engine's own."""


def _out_of_memory(scene: Scene) -> Explanation | None:
    if not _was_out_of_memory(scene.witness):
        return None
    return _too_little_memory(scene, "was killed for using more than its")


def _too_little_memory(scene: Scene, what: str) -> Explanation:
    limit = f"{scene.service.resources.memory // _MEGABYTE}M"
    return Explanation(
        f"{scene.name} {what} {limit} of memory",
        scene.edit_here("memory", f"above {limit}"),
    )


def _heap(scene: Scene, _hit: Hit) -> Explanation:
    return _too_little_memory(scene, "ran out of memory, at a limit of")


def _was_out_of_memory(witness: Witness) -> bool:
    container = witness.container
    if container is None:
        return False
    ran_out = any(one.action == "oom" for one in last_life(witness.history))
    return container.is_oom_killed or (ran_out and exit_code(witness) == _KILLED)


def _killed_while_stopping(scene: Scene) -> Explanation | None:
    sent = signals(scene.witness)
    if exit_code(scene.witness) != _KILLED or len(sent) < 2 or sent[-1] != _KILL or sent[-2] == _KILL:
        return None
    seconds = f"{scene.service.stop_seconds:g} s"
    return Explanation(
        f"{scene.name} was stopped, did not end within its {seconds} (stop_seconds), and was killed",
        scene.up,
    )


def _killed_for_good(scene: Scene) -> Explanation | None:
    """Tell what was ended through the engine: what kills itself, or is killed, would have been started again."""
    container = scene.witness.container
    is_ended = container is not None and container.state is State.EXITED and not scene.service.is_job
    return _killed(scene) if is_ended else None


def _killed(scene: Scene) -> Explanation | None:
    witness = scene.witness
    if exit_code(witness) != _KILLED or (scene.service.is_job and witness.runs):
        return None
    sent = signals(witness)
    if sent and sent[-1] != _KILL:
        return None
    if sent:
        who = "by hand (docker kill, or another program that has the engine's socket)"
    elif any(one.action == "die" for one in witness.history):
        who = "by a SIGKILL that did not come from Docker, and not for its memory"
    else:
        who = "at the end of a stop or by hand (exit code 137), and not for its memory"
    return Explanation(f"{scene.name} was killed {who}", scene.up)


def _paused(scene: Scene) -> Explanation | None:
    container = scene.witness.container
    if container is None or container.state is not State.PAUSED:
        return None
    return Explanation(f"{scene.name} is paused", f"envmgr restart {scene.target} {scene.service.name}")


def _stopped(scene: Scene) -> Explanation | None:
    container = scene.witness.container
    if container is None or scene.service.is_job or container.error or container.state is not State.EXITED:
        return None
    if container.exit_code not in (0, 143):
        return None
    return Explanation(f"{scene.name} was stopped (exit code {container.exit_code})", scene.up)


def _healthcheck_program(scene: Scene) -> Explanation | None:
    failed = [run for run in scene.witness.checks if run.exit_code != 0]
    if not scene.witness.runs or not failed or failed[-1].exit_code not in _NOT_FOUND:
        return None
    return HEALTHCHECK_PROGRAM.explain(scene, " ".join(failed[-1].output.split()))


def _no_healthcheck_program(scene: Scene, hit: Hit) -> Explanation:
    program = hit.get("program")
    source = "build" if scene.is_built else "image"
    return Explanation(
        f"{scene.name} runs, but its healthcheck needs {program}, which its image {scene.service.image.reference} "
        "does not have",
        scene.edit(source, f"needs {program} in the image") if not scene.is_built else scene.rebuild,
    )


HEALTHCHECK_PROGRAM = Words(
    "healthcheck-program",
    _no_healthcheck_program,
    r'exec: "(?P<program>[^"]+)": (?:executable file not found|stat .*no such file|permission denied)',
    r"(?:sh|bash|ash): (?:\d+: |line \d+: )?(?:exec: )?(?:\d+: )?(?P<program>[^\s:]+): (?:command )?not found",
)


def _image_missing(scene: Scene) -> Explanation | None:
    if not scene.witness.is_image_missing:
        return None
    return _no_image(scene, scene.service.image.reference)


def _no_image(scene: Scene, reference: str) -> Explanation:
    if scene.is_built:
        return Explanation(f"{scene.name} has no image: {reference} is not built", scene.rebuild)
    return Explanation(
        f"{scene.name} has no image: {reference} is not on this host, and was not pulled",
        scene.edit("image", "names an image that can be pulled"),
    )


def _image_refused(scene: Scene, hit: Hit) -> Explanation:
    return _no_image(scene, hit.get("image").split("@")[0] or scene.service.image.reference)


def _port_in_use(scene: Scene, hit: Hit) -> Explanation:
    port = int(hit.get("port"))
    holder = _container_on(scene, port) or scene.evidence.holders.get(port) or "another program"
    place = f"infra.{scene.service.name}.port"
    if not scene.stack.is_base:
        place = f"environments.{scene.target}.ports.{scene.service.name}"
    return Explanation(
        f"{scene.name} needs port {port} of the host, which {holder} holds",
        f"edit envmgr.toml: {place} to a free port; then envmgr up {scene.target}",
    )


def _container_on(scene: Scene, port: int) -> str:
    for foreign in scene.evidence.observed.foreign:
        if any(one.port == port for one in foreign.ports):
            project = f" of project {foreign.compose_project}" if foreign.compose_project else ""
            return f"container {foreign.name}{project}"
    for container in scene.evidence.observed.containers:
        is_own = container.compose_project == scene.stack.compose_project and container.service == scene.service.name
        if not is_own and any(one.port == port for one in container.ports):
            return f"container {container.name}"
    return ""


def _mount_failed(scene: Scene, hit: Hit) -> Explanation:
    return Explanation(
        f"{scene.name} cannot be given {hit.get('path')}: it is not there, or is something else than before",
        f"envmgr up {scene.target}",
    )


def _file_gone(scene: Scene) -> Explanation | None:
    """Tell what Docker forgets: a start that it refuses for a missing file leaves no trace on the container."""
    gone = scene.witness.missing_files
    if scene.witness.container is None or scene.witness.runs or not gone:
        return None
    return Explanation(
        f"{scene.name} cannot be started again: {', '.join(gone)} is gone from the host", f"envmgr up {scene.target}"
    )


def _network_gone(scene: Scene, hit: Hit) -> Explanation:
    return Explanation(
        f"{scene.name} needs the network {hit.get('network')}, which is gone", f"envmgr up {scene.target}"
    )


FACTS = (
    Fact("out-of-memory", _out_of_memory),
    Fact("killed-while-stopping", _killed_while_stopping),
    Fact("mount-failed", _file_gone),
    Fact("stopped", _stopped),
    Fact("killed", _killed_for_good),
    Fact("paused", _paused),
    Fact("healthcheck-program", _healthcheck_program),
    Fact("image-missing", _image_missing),
)
LATER = (Fact("killed", _killed),)
"""Looked at after all words: a program may say why it killed itself."""

WORDS = (
    Words(
        "port-in-use",
        _port_in_use,
        r"Bind for [^ ]*?:(?P<port>\d+) failed: port is already allocated",
        r"failed to bind host port (?:for )?[^ ]*?:(?P<port>\d+)[:/].*address already in use",
        r"listen (?:tcp|udp)[46]? [^ ]*?:(?P<port>\d+): bind: address already in use",
    ),
    Words(
        "image-missing",
        _image_refused,
        r"No such image: (?P<image>\S+)",
        r"pull access denied for (?P<image>[^\s,]+)",
        r"manifest for (?P<image>\S+) not found",
        r"manifest unknown",
    ),
    Words(
        "mount-failed",
        _mount_failed,
        r'error mounting "(?P<path>[^"]+)" to rootfs',
        r"bind source path does not exist: (?P<path>\S+)",
    ),
    Words("network-gone", _network_gone, r"network (?P<network>[0-9a-zA-Z_.-]+) not found"),
    Words("out-of-memory", _heap, r"JavaScript heap out of memory", r"^MemoryError\b", r"java\.lang\.OutOfMemoryError"),
)
