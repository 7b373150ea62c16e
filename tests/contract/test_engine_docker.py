"""What only a real engine can show: processes, locks, connections, builds, isolation, and Compose's own habits."""

from __future__ import annotations

import http.server
import os
import re
import secrets
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from envmgr import naming
from envmgr.engine.context import Endpoint
from envmgr.engine.docker import DockerEngine
from envmgr.engine.protocol import BuildRequest, Opening, Recreate
from envmgr.errors import EngineError
from envmgr.model.observed import State
from tests.contract.busybox import IMAGE, ensure_image
from tests.contract.engine_lab import SLEEPS, Lab, Program, until

pytestmark = pytest.mark.docker

STUBBORN = Program({"command": ["sh", "-c", "trap '' TERM; while :; do sleep 1; done"], "stop_grace_period": "30s"})


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    engine = DockerEngine()
    ensure_image(engine, tmp_path)
    made = Lab(engine, tmp_path)
    try:
        yield made
    finally:
        made.clean()
        engine.close()


# ---- events


def test_two_subscriptions_close_promptly(lab: Lab):
    before = threading.active_count()
    with lab.engine.events(lab.project) as first, lab.engine.events(lab.project) as second:
        waiting = threading.Thread(target=lambda: list(second))
        waiting.start()
        began = time.monotonic()
        first.close()
        second.close()
        waiting.join(5)
        assert time.monotonic() - began < 0.5
        assert not waiting.is_alive()
    assert threading.active_count() <= before
    assert lab.engine.snapshot(lab.project).containers == ()


def test_a_subscription_sees_what_starts_right_after_it(lab: Lab):
    lab.has("app")
    lab.up()
    app = lab.get("app")
    for _ in range(3):
        lab.engine.stop(app.id, 0)
        with lab.engine.events(lab.project) as events:
            lab.engine.start(app.id)
            actions = [event.action for event in iter(lambda: events.get(0.5), None)]
            assert actions[-1] == "start"


def test_a_restart_by_policy_is_a_die_and_a_start(lab: Lab):
    lab.has("app", Program({"command": ["sh", "-c", "sleep 0.3; exit 1"], "restart": "on-failure:1"}))
    with lab.engine.events(lab.project) as events:
        lab.up()
        assert [events.get(20).action for _ in range(4)] == ["start", "die", "start", "die"]
    assert lab.get("app", state=State.EXITED).restart_count == 1


# ---- over TCP


def forward(listener: socket.socket, path: str) -> None:
    """Pass connections on to a unix socket until the listener is closed."""

    def copy(source: socket.socket, target: socket.socket) -> None:
        while data := source.recv(65536):
            target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    with suppress(OSError):
        while True:
            near, _ = listener.accept()
            far = socket.socket(socket.AF_UNIX)
            far.connect(path)
            for pair in ((near, far), (far, near)):
                threading.Thread(target=copy, args=pair, daemon=True).start()


def test_an_engine_over_tcp(lab: Lab):
    unix = lab.engine.endpoint
    if not unix.startswith("unix://"):
        pytest.skip("the engine of this run is on TCP already")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=forward, args=(listener, unix.removeprefix("unix://")), daemon=True).start()
        engine = DockerEngine(Endpoint(f"tcp://127.0.0.1:{listener.getsockname()[1]}"))
        lab.has("app")
        with engine.events(lab.project) as events:
            engine.compose_up(lab.write(), lab.compose_project, deadline=60)
            assert events.get(20).action == "start"
        (app,) = engine.snapshot(lab.project).containers
        assert engine.exec(app.id, ("echo", "over"), {}, 20).output == "over\n"
        assert engine.exec(app.id, ("sleep", "9"), {}, 0.3).exit_code == 124
        engine.close()


# ---- snapshot


def test_a_snapshot_while_containers_come_and_go(lab: Lab):
    lab.has("app", Program({**SLEEPS.service, "stop_grace_period": "0s"}))
    lab.write()
    over = threading.Event()

    def churn() -> None:
        for count in (6, 1, 6, 0):
            lab.engine.compose_up((lab.file,), lab.compose_project, deadline=60, scales={"app": count})
        over.set()

    moving = threading.Thread(target=churn)
    moving.start()
    seen = set()
    while not over.is_set():
        seen.add(len(lab.snapshot().containers))
    moving.join()
    assert len(seen) > 1
    assert lab.snapshot().containers == ()


# ---- children


def children(verb: str) -> dict[str, int]:
    """Return the processes that run this Compose command: the docker command and its plugin, by name."""
    found = {}
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if verb in process.cmdline():
                found[process.name()] = process.pid
    return found


def test_compose_and_its_plugin_hold_the_locks_that_they_are_given(lab: Lab):
    with (lab.folder / "lock").open("w") as lock:
        engine = DockerEngine(lock_fds=lambda: (lock.fileno(),))
        lab.has("app", STUBBORN, stop_grace_period="3s")
        lab.up()
        stopping = threading.Thread(target=lambda: engine.compose_stop((lab.file,), lab.compose_project, deadline=30))
        stopping.start()
        pids = until(lambda: len(found := children("stop")) == 2 and found).values()
        assert {Path(f"/proc/{pid}/fd/{lock.fileno()}").readlink() for pid in pids} == {lab.folder / "lock"}
        (session,) = {os.getsid(pid) for pid in pids}
        assert session != os.getsid(0)
        stopping.join()


def test_at_its_deadline_compose_ends_and_says_how_far_it_came(lab: Lab):
    lab.has("app", STUBBORN)
    lab.up()
    began = time.monotonic()
    with pytest.raises(EngineError, match=f"compose stop of {lab.compose_project} did not finish within 1 s") as caught:
        lab.engine.compose_stop((lab.file,), lab.compose_project, deadline=1)
    assert time.monotonic() - began < 7
    assert any("Stopping" in line for line in caught.value.details)
    assert until(lambda: not children("stop"))


def test_the_operators_compose_variables_do_not_reach_compose(lab: Lab):
    leaks = {"COMPOSE_FILE": "/nope.yml", "COMPOSE_PROFILES": "x", "COMPOSE_PROJECT_NAME": "leak", "LEVEL": "leaked"}
    engine = DockerEngine(environ={**os.environ, **leaks})
    (lab.folder / ".env").write_text("COMPOSE_FILE=/nope.yml\nLEVEL=leaked\n")
    lab.has("app", environment={"LEVEL": "${LEVEL:-kept}"})
    engine.compose_up(lab.write(), lab.compose_project, deadline=60)
    app = lab.get("app", state=State.RUNNING)
    assert engine.exec(app.id, ("sh", "-c", "echo $LEVEL"), {}, 20).output == "kept\n"


def test_passthrough_is_the_docker_command(lab: Lab, capfd: pytest.CaptureFixture[str]):
    lab.has("app")
    lab.up()
    assert lab.engine.passthrough(("exec", lab.get("app").id, "sh", "-c", "echo inside; exit 4")) == 4
    assert capfd.readouterr().out == "inside\n"


def test_the_lines_of_a_docker_command_are_handed_on(lab: Lab):
    lab.has("app")
    lab.up()
    lines: list[str] = []
    command = ("exec", lab.get("app").id, "sh", "-c", "echo one; echo two; exit 4")
    assert (lab.engine.follow(command, lines.append), lines) == (4, ["one", "two"])


# ---- networks


def test_an_internal_network_does_not_reach_the_host(lab: Lab):
    data, publish = lab.network("data"), lab.network("publish", is_internal=False)
    for network in (data, publish):
        lab.engine.create_network(network, lab.labels)
        lab.has_network(network)
    lab.has("inside", networks=["data"])
    lab.has("outside", networks=["publish"])
    lab.up()
    with socket.create_server(("0.0.0.0", 0)) as listening:
        port = listening.getsockname()[1]
        for name, network, reaches in (("inside", data, False), ("outside", publish, True)):
            first = network.subnet.rpartition(".")[0] + "." + str(int(network.subnet.split(".")[3].split("/")[0]) + 1)
            found = lab.engine.exec(lab.get(name).id, ("nc", "-w", "2", first, str(port), "-e", "true"), {}, 10)
            assert (found.exit_code == 0) is reaches


# ---- images


@pytest.fixture
def tag(lab: Lab) -> Iterator[str]:
    name = f"envmgr-contract-{secrets.token_hex(4)}:1"
    yield name
    subprocess.run(("docker", "image", "rm", "-f", name), capture_output=True, check=False)


def test_a_build_from_an_image_that_only_this_engine_has(lab: Lab, tag: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BUILDX_BUILDER", "nope")
    (lab.folder / "Dockerfile").write_text(
        "FROM registry.invalid/base:9 AS made\nARG RELEASE\nRUN echo building $RELEASE; echo $RELEASE > /release\n"
        "FROM made AS other\nRUN exit 1\n"
    )
    lines: list[str] = []
    request = BuildRequest(
        lab.folder,
        (tag,),
        target="made",
        labels={"envmgr.context": "abc"},
        build_args={"RELEASE": "r 1"},
        build_contexts={"registry.invalid/base:9": f"docker-image://{IMAGE}"},
    )
    lab.engine.build(request, lines.append)
    assert any("building r 1" in line for line in lines)
    assert lab.engine.image(tag).labels["envmgr.context"] == "abc"
    lab.has("app", image=tag)
    lab.up()
    assert lab.engine.exec(lab.get("app").id, ("cat", "/release"), {}, 20).output == "r 1\n"


def test_a_build_that_fails_says_why(lab: Lab, tag: str):
    (lab.folder / "Dockerfile").write_text(f"FROM {IMAGE}\nRUN echo no space left; exit 3\n")
    with pytest.raises(EngineError, match=f"{tag} could not be built") as caught:
        lab.engine.build(BuildRequest(lab.folder, (tag,)), lambda _: None)
    assert any("no space left" in line for line in caught.value.details)
    assert lab.engine.image(tag) is None


class Registry(http.server.BaseHTTPRequestHandler):
    """Answers everything in one way: the server's `status`, or never."""

    def do_GET(self) -> None:
        if self.server.status == 0:
            self.server.over.wait(30)
        self.send_response(self.server.status or 200)
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        if self.server.status == 401:
            self.send_header("Www-Authenticate", 'Basic realm="x"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(("status", "answers"), [(401, True), (503, False), (0, False)])
def test_a_private_registry(lab: Lab, status: int, answers: bool):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    server.status, server.over = status, threading.Event()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        began = time.monotonic()
        assert lab.engine.registry_answers(f"127.0.0.1:{server.server_port}/team/app:1", 1) is answers
        assert time.monotonic() - began < 3
    finally:
        server.over.set()
        server.shutdown()
        server.server_close()


# ---- volumes

FOLDERS = """\
FROM {image}
RUN mkdir -p /empty /full/below /theirs /open \\
 && echo kept > /full/below/file && echo kept > /theirs/file \\
 && chown -R 10007:10007 /theirs && chmod 2750 /theirs && chmod 1777 /open
VOLUME /nameless
"""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An image with folders that belong to root, and to others."""
    context, tag = tmp_path_factory.mktemp("folders"), f"envmgr-test/folders:{secrets.token_hex(4)}"
    engine = DockerEngine()
    ensure_image(engine, context)
    (context / "Dockerfile").write_text(FOLDERS.format(image=IMAGE))
    engine.build(BuildRequest(context, (tag,)), lambda _: None)
    yield tag
    subprocess.run(("docker", "image", "rm", "-f", tag), check=True, capture_output=True)


@pytest.mark.parametrize(
    ("target", "user", "owner", "files"),
    [
        ("/absent/below", "10007:10007", "10007:10007 755", ""),
        ("/empty", "10007:10007", "10007:10007 755", ".envmgr"),
        ("/full", "10007:10007", "10007:10007 755", "below/file"),
        ("/theirs", "10007:10007", "10007:10007 2750", "file"),
        ("/theirs", "10008:10008", "10008:10008 2750", "file"),
        ("/open", "10007:10007", "0:0 1777", ""),
    ],
)
def test_a_user_can_write_wherever_a_new_volume_is_mounted(
    lab: Lab, folders: str, target: str, user: str, owner: str, files: str
):
    name = lab.has_volume("data")
    lab.engine.create_volume(name, lab.labels, Opening(folders, target, user))
    mount = {"type": "volume", "source": "data", "target": target}
    lab.has("db", image=folders, user=user, cap_drop=["ALL"], read_only=True, volumes=[mount])
    lab.up()
    db = lab.get("db", state=State.RUNNING).id
    script = f"cd {target}; stat -c '%u:%g %a' .; find . -type f | cut -c 3-"
    writes = "; for folder in $(find . -type d); do touch $folder/mine || exit 1; done"
    found = lab.engine.exec(db, ("sh", "-c", script + writes), {}, 20)
    assert (found.exit_code, found.output.split("\n")) == (0, [owner, *files.split(), ""])
    # What is made anew finds the volume as it was left.
    lab.up(recreate=Recreate.ALWAYS)
    again = lab.get("db", state=State.RUNNING).id
    assert again != db
    assert lab.engine.exec(again, ("stat", "-c", "%u:%g %a", target), {}, 20).output == f"{owner}\n"


@pytest.mark.parametrize("act", ["open", "remove"])
def test_what_was_cut_while_it_opened_a_volume_is_seen_and_taken_away(lab: Lab, folders: str, act: str):
    name = f"{lab.compose_project}-data"
    left = naming.volume_opener(name)
    subprocess.run(("docker", "create", "--name", left, "-v", f"{name}:/empty", folders), check=True)
    assert left in [it.name for it in lab.snapshot().foreign]
    if act == "open":
        lab.engine.create_volume(name, lab.labels, Opening(folders, "/empty", "10007:10007"))
    else:
        lab.engine.remove_volume(name)
    assert left not in [it.name for it in lab.snapshot().foreign]
    found = subprocess.run(("docker", "volume", "ls", "-q", "--filter", f"name={name}"), capture_output=True, text=True)
    assert found.stdout.split() == ([name] if act == "open" else [])
    lab.engine.remove_volume(name)


def test_a_program_alone_leaves_no_nameless_volume(lab: Lab, folders: str):
    where = ("sh", "-c", "grep ' /nameless ' /proc/self/mountinfo")
    said = lab.engine.run_alone(folders, where, {}, 20).output
    (name,) = re.findall(r"/volumes/([0-9a-f]{64})/", said)
    done = subprocess.run(("docker", "volume", "inspect", name), capture_output=True, text=True)
    assert (done.returncode, "no such volume" in done.stderr) == (1, True)


# ---- Compose's habits that the rest of envmgr builds on


def test_compose_takes_a_volume_with_its_project_label_for_its_own_whatever_the_file_says(lab: Lab):
    name = lab.has_volume("data")
    labels = {**lab.labels, "com.docker.compose.project": lab.compose_project, "envmgr.image.source": "recipes"}
    lab.engine.create_volume(name, labels)
    lab.volumes["data"]["labels"] = {**lab.labels, "envmgr.env": "other", "more": "x"}
    lab.has("db", volumes=[{"type": "volume", "source": "data", "target": "/data"}])
    files = [part for file in lab.write() for part in ("-f", str(file))]
    up = ("docker", "compose", "-p", lab.compose_project, *files, "up", "-d")
    # With -y too: it is what deletes a volume whose hash differs, and there is no hash here.
    for options in ((), ("-y",)):
        said = subprocess.run((*up, *options), capture_output=True, text=True, stdin=subprocess.DEVNULL, check=True)
        assert "warning" not in said.stderr
        assert "Recreate" not in said.stdout
    assert [(it.name, it.labels) for it in lab.snapshot().volumes] == [(name, labels)]


def test_compose_warns_of_a_volume_without_its_project_label(lab: Lab):
    name = lab.has_volume("data")
    lab.engine.create_volume(name, lab.labels)
    lab.has("db", volumes=[{"type": "volume", "source": "data", "target": "/data"}])
    files = [part for file in lab.write() for part in ("-f", str(file))]
    up = ("docker", "compose", "-p", lab.compose_project, *files, "up", "-d")
    said = subprocess.run(up, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=True)
    assert "already exists but was not created by Docker Compose" in said.stderr
