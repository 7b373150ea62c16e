"""No byte of a secret is anywhere but where its container reads it: in all output, all files, all processes."""

from __future__ import annotations

import base64
import json
import stat
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from tests.docker.conftest import Result, Sandbox, docker, free_port, make_sandbox, play_spec

pytestmark = pytest.mark.docker

MORE = """\
[infra.postgres]
memory = "96M"
port = {postgres}

[infra.redis]
memory = "64M"
port = {redis}

[variables.SECRET_KEY]
secret = true
generate = true

[variables.TLS_KEY]
secret = true
services = ["web"]

[services.teller]
kind = "asgi"
build = "play"
app = "play:app"
memory = "64M"
cpus = 0.5
uses = ["redis"]
secrets_as = "variables"
"""
NAMES = {
    "infra": ("POSTGRES_ADMIN_PASSWORD", "REDIS_ADMIN_PASSWORD"),
    "dev": ("POSTGRES_PASSWORD", "REDIS_PASSWORD", "SECRET_KEY"),
}
LINES = ("kQ7-first+line/of=the key", "kQ7-second+line/of=the key")
LOOKING = (
    *("status", "status dev", "ps", "health", "plan", "why dev", "logs dev infra", "open dev", "images list"),
    *("explain", "explain SECRET_KEY", "explain dev web", "secrets list", "secrets check", "render --check"),
)


def spellings(value: str) -> set[bytes]:
    """Return every way in which a value may be written: as it is, in a URL, in JSON, in base64 at any offset."""
    data = value.encode()
    found = {data, quote(value, safe="").encode(), quote_plus(value).encode(), json.dumps(value)[1:-1].encode()}
    for shift in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            # The first and the last characters depend on what stands beside the value.
            found.add(encode(b"\0" * shift + data)[(shift * 8 + 5) // 6 : -4])
    return found


@dataclass
class Played:
    """A project whose secrets are known, and everything that was said about it."""

    sandbox: Sandbox
    values: dict[str, str]
    said: list[tuple[str, bytes]] = field(default_factory=list)
    seen: set[bytes] = field(default_factory=set)
    """Command lines of all processes while envmgr worked."""

    def run(self, line: str) -> Result:
        """Run a command and keep what it says."""
        result = self.sandbox.run(*line.split())
        self.said.append((line, f"{result.out}\n{result.err}".encode()))
        return result

    def found(self, data: bytes) -> set[str]:
        """Return the names of the secrets that stand in some bytes."""
        return {name for name, value in self.values.items() if any(one in data for one in spellings(value))}


def watching(seen: set[bytes], until: threading.Event) -> None:
    """Note every command line that appears, a few times each, for a process may become another program."""
    looked: Counter[str] = Counter()
    while not until.wait(0.01):
        for pid in (one.name for one in Path("/proc").iterdir() if one.name.isdigit() and looked[one.name] < 5):
            looked[pid] += 1
            with suppress(OSError):
                seen.add(Path("/proc", pid, "cmdline").read_bytes())


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    one = make_sandbox(tmp_path_factory.mktemp("secrets") / "project")
    values = {
        f"{target} {name}": f"kQ7/{name.lower()}+of={target} Zw" for target, names in NAMES.items() for name in names
    }
    values |= {f"dev TLS_KEY {number}": line for number, line in enumerate(LINES)}
    for target, names in NAMES.items():
        path = one.folder / f".env.{target}"
        path.write_text("".join(f"{name}='{values[f'{target} {name}']}'\n" for name in names))
        path.chmod(0o600)
    key = one.folder / "secrets" / "dev" / "TLS_KEY"
    key.parent.mkdir(mode=0o700, parents=True)
    key.write_text("\n".join((*LINES, "")))
    key.chmod(0o600)
    one.write(
        play_spec(
            one.name, extra='uses = ["postgres", "redis"]', more=MORE.format(postgres=free_port(), redis=free_port())
        ).replace("[environments.dev]", "[environments.dev]\ndebug = true")
    )
    system = Played(one, values)
    until = threading.Event()
    watcher = threading.Thread(target=watching, args=(system.seen, until))
    watcher.start()
    try:
        first = system.run("up dev")
        assert first.code == 0, first.out + first.err
        for line in LOOKING:
            for words in (line, f"{line} --json"):
                result = system.run(words)
                assert result.code in (0, 9), f"{words}: {result.out}{result.err}"
        for words in ("env dev web", "env dev web --format json", "up dev --json"):
            assert system.run(words).code == 0
        yield system
    finally:
        until.set()
        watcher.join(timeout=20)
        one.remove()


def test_the_search_finds_what_it_looks_for(played: Played) -> None:
    value = played.values["dev SECRET_KEY"]
    for text in (value, quote(value, safe=""), base64.b64encode(f"user:{value}!".encode()).decode(), json.dumps(value)):
        assert played.found(f"xx{text}yy".encode()) == {"dev SECRET_KEY"}
    assert len(played.values) == 7


def test_the_containers_have_them(played: Played) -> None:
    """What follows would prove nothing if nobody had them."""
    web = f"{played.sandbox.name}-dev-web-1"
    assert docker("exec", web, "cat", "/run/secrets/TLS_KEY") == "\n".join(LINES)
    assert docker("exec", web, "cat", "/run/secrets/SECRET_KEY") == played.values["dev SECRET_KEY"]
    assert played.found(docker("exec", web, "cat", "/run/secrets/DATABASE_URL").encode()) == {"dev POSTGRES_PASSWORD"}


def test_no_output_shows_one(played: Played) -> None:
    assert {line: found for line, data in played.said if (found := played.found(data))} == {}


def test_a_failing_start_shows_none_either(played: Played) -> None:
    played.sandbox.edit('PLAY = "serve"', 'PLAY = "fail"')
    try:
        lines = ("up dev", "up dev --json", "why dev", "why dev --json", "health --json", "logs dev")
        assert [played.run(line).code for line in lines] == [5, 5, 5, 5, 5, 0]
    finally:
        played.sandbox.edit('PLAY = "fail"', 'PLAY = "serve"')
        assert played.run("up dev").code == 0
    assert {line: found for line, data in played.said if (found := played.found(data))} == {}


def test_no_command_line_held_one(played: Played) -> None:
    assert any(b"docker" in one and b"compose" in one for one in played.seen), "the watcher has seen nothing"
    assert {one: found for one in set(played.seen) if (found := played.found(one))} == {}


def is_meant(path: str) -> bool:
    """Tell whether a file holds secrets because it has to: the operator's, and what is delivered."""
    return path.startswith((".env.", "secrets/dev/", ".envmgr/dev/secrets/", ".envmgr/infra/secrets/")) or path in (
        ".envmgr/dev/env/teller.env",
    )


def test_no_other_file_holds_one(played: Played) -> None:
    folder = played.sandbox.folder
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    holding = {path.relative_to(folder).as_posix(): played.found(path.read_bytes()) for path in files}
    assert {path: found for path, found in holding.items() if found and not is_meant(path)} == {}
    # A service's own files hold what that service gets, and nothing else.
    for path in (".envmgr/dev/env/teller.env", ".envmgr/dev/secrets/web/SECRET_KEY"):
        assert holding[path] == {"dev SECRET_KEY"} | ({"dev REDIS_PASSWORD"} if "teller" in path else set())


def test_what_is_delivered_is_for_its_containers_user_alone(played: Played) -> None:
    runtime = played.sandbox.folder / ".envmgr"
    folders = [runtime, *(path for path in runtime.rglob("*") if path.is_dir())]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}
    found = {(path.stat().st_uid, stat.S_IMODE(path.stat().st_mode)) for path in (runtime / "dev/secrets").rglob("*/*")}
    assert found == {(10001, 0o400)}
    others = [path for path in runtime.rglob("*") if path.is_file() and "/secrets/" not in path.as_posix()]
    assert [path for path in others if stat.S_IMODE(path.stat().st_mode) & 0o077] == []


def test_the_engine_shows_none(played: Played) -> None:
    """Only a service that the spec gives its secrets as variables shows its own."""
    name = played.sandbox.name
    shown: dict[str, str] = {one: json.dumps(data) for one, data in played.sandbox.containers().items()}
    teller = shown.pop(f"{name}-dev-teller-1")
    assert played.found(teller.encode()) == {"dev SECRET_KEY", "dev REDIS_PASSWORD"}
    mine = ("--filter", f"label=envmgr.project={name}")
    for kind in ("network", "volume"):
        for one in docker(kind, "ls", "-q", *mine).split():
            shown[f"{kind} {one}"] = docker(kind, "inspect", one)
    for image in docker("image", "ls", "-q", "--filter", f"reference={name}-*").split():
        shown[f"image {image}"] = docker("image", "inspect", image) + docker("history", "--no-trunc", image)
    assert {kind.partition(" ")[0] for kind in shown if " " in kind} == {"network", "volume", "image"}
    assert {one: found for one, text in shown.items() if (found := played.found(text.encode()))} == {}


def test_a_changed_file_of_a_secret_recreates_exactly_its_services(played: Played) -> None:
    sandbox = played.sandbox
    before = sandbox.identity("infra", "dev")
    age = status_age(sandbox)
    key = sandbox.folder / "secrets" / "dev" / "TLS_KEY"
    key.write_text("\n".join((LINES[1], LINES[0], "")))
    assert played.run("up dev").code == 0
    after = sandbox.identity("infra", "dev")
    assert {name for name in before if before[name] != after.get(name)} == {f"{sandbox.name}-dev-web-1"}
    assert docker("exec", f"{sandbox.name}-dev-web-1", "head", "-1", "/run/secrets/TLS_KEY") == LINES[1]
    rows = {row["name"]: row for row in sandbox.ok("secrets", "list", "dev", "--json").json["secrets"]}
    assert rows["TLS_KEY"]["age"] < rows["SECRET_KEY"]["age"]
    assert status_age(sandbox) > age


def status_age(sandbox: Sandbox) -> float:
    (row,) = sandbox.ok("status", "dev", "--json").json["stacks"]
    return float(row["secret_age"])


def test_rubbish_as_input_is_not_repeated(played: Played) -> None:
    """What is refused of a file of values is told by its place."""
    path = played.sandbox.folder / ".env.dev"
    kept = path.read_bytes()
    try:
        for spoil in (lambda data: data + b"no line " + LINES[0].encode() + b"\n", lambda data: data + b"\xff\n"):
            path.write_bytes(spoil(kept))
            for line in ("up dev", "plan --json", "secrets check", "secrets list --json"):
                assert played.run(line).code == 3, line
    finally:
        path.write_bytes(kept)
    assert {line: found for line, data in played.said if (found := played.found(data))} == {}
