"""The part of MinIO's client `mc` that provisioning uses, on the stand-in's own data folder, in `mc`'s words.

It asks the server only whether it is there; credentials are checked here, against the same users. In another container,
which has no such folder, it can list buckets, with a signed request.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from stand_in.settings import WrongSetting, same
from state import BUCKET, State, User

_DATA = Path(os.environ.get("STAND_IN_DATA", "/data"))
_SHORTEST_KEY, _SHORTEST_SECRET = 3, 8


class McError(Exception):
    """What went wrong, as `mc` says it: the attempt, then the server's sentence."""


@dataclass(frozen=True, slots=True)
class Target:
    """An alias with what follows it, as in `local/bucket`."""

    alias: str
    rest: str
    url: str
    user: User


Said = tuple[str, dict[str, Any]]
"""One line for people, and the same for `--json`."""
Options = dict[str, str]
"""What began with a dash; all but `--user` have no value."""


def set_alias(state: State, _options: Options, name: str, url: str, key: str = "", secret: str = "") -> Iterator[Said]:
    """Keep an alias after its credentials were accepted."""
    key, secret = _keys(key, secret)
    attempt = "Unable to initialize new alias from the provided credentials."
    _reach(url, attempt)
    _log_in(state, key, secret, attempt)
    aliases = _aliases()
    aliases[name] = {"url": url, "accessKey": key, "secretKey": secret, "api": "S3v4", "path": "auto"}
    path = _config()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_text(json.dumps({"version": "10", "aliases": aliases}))
    path.chmod(0o600)
    yield f"Added `{name}` successfully.", {"alias": name, "URL": url, "accessKey": key, "secretKey": secret}


def ready(_state: State, _options: Options, name: str) -> Iterator[Said]:
    """Say whether the server answers; needs no valid credentials."""
    url = _alias(name, "Unable to initialize anonymous client.")["url"]
    if _status(url, "ready") != 200:
        raise McError("The cluster is not ready")
    yield "The cluster is ready", {"healthy": True, "maintenanceMode": False, "writeQuorum": 1, "healingDrives": 0}


def make_bucket(state: State, options: Options, name: str) -> Iterator[Said]:
    """Make a bucket."""
    attempt = f"Unable to make bucket `{name}`."
    target = _target(state, name, attempt)
    if not BUCKET.fullmatch(target.rest):
        raise McError(f"{attempt} Bucket name contains invalid characters")
    _administrate(target, attempt)
    try:
        (state.buckets / target.rest).mkdir(mode=0o700)
    except FileExistsError:
        if not {"--ignore-existing", "-p"} & set(options):
            sentence = "Your previous request to create the named bucket succeeded and you already own it."
            raise McError(f"{attempt} {sentence}") from None
    yield f"Bucket created successfully `{name}`.", {"bucket": name, "region": ""}


def list_buckets(state: State, _options: Options, name: str) -> Iterator[Said]:
    """List the buckets that the alias's user sees."""
    if not state.buckets.is_dir():
        yield from _asked(_alias(name, "Unable to list folder."))
        return
    target = _target(state, name, "Unable to list folder.")
    if target.rest:
        raise McError("this stand-in for mc lists buckets only")
    for bucket in state.visible(target.user):
        changed = datetime.fromtimestamp((state.buckets / bucket).stat().st_mtime, UTC)
        yield (
            f"[{changed:%Y-%m-%d %H:%M:%S UTC}]     0B {bucket}/",
            {"type": "folder", "lastModified": changed.isoformat(), "size": 0, "key": f"{bucket}/", "url": target.url},
        )


def disk_usage(state: State, _options: Options, name: str) -> Iterator[Said]:
    """Sum up a bucket's objects."""
    bucket = _bucket(state, name, "Unable to fetch disk usage.")
    objects, size = state.usage()[bucket.name]
    document = {"prefix": bucket.name, "size": size, "objects": objects, "isVersions": False}
    yield f"{size}B\t{objects} objects\t{bucket.name}", document


def remove_bucket(state: State, options: Options, name: str) -> Iterator[Said]:
    """Remove a bucket; with `--force`, one with objects in it."""
    attempt = f"Failed to remove `{name}`."
    bucket = _bucket(state, name, attempt, administrating=True)
    if any(bucket.iterdir()) and "--force" not in options:
        raise McError(f"{attempt} The bucket you tried to delete is not empty.")
    shutil.rmtree(bucket)
    yield f"Removed `{name}` successfully.", {"bucket": name}


def add_user(state: State, _options: Options, name: str, key: str = "", secret: str = "") -> Iterator[Said]:
    """Add a user, or give one another secret; both may come on standard input."""
    attempt = "Unable to add new user."
    _administrate(_target(state, name, attempt), attempt)
    key, secret = _keys(key, secret)
    if len(key) < _SHORTEST_KEY:
        raise McError(f"{attempt} The access key is invalid.")
    if len(secret) < _SHORTEST_SECRET:
        raise McError(f"{attempt} The secret key is invalid.")
    with state.change() as document:
        policies = document["users"].get(key, {}).get("policies", [])
        document["users"][key] = {"secret": secret, "policies": policies}
    yield f"Added user `{key}` successfully.", {"accessKey": key, "secretKey": secret, "userStatus": "enabled"}


def remove_user(state: State, _options: Options, name: str, key: str) -> Iterator[Said]:
    """Remove a user; its next request is refused."""
    attempt = f"Unable to remove {key}."
    _administrate(_target(state, name, attempt), attempt)
    with state.change() as document:
        if document["users"].pop(key, None) is None:
            raise McError(f"{attempt} The specified user does not exist.")
    yield f"Removed user `{key}` successfully.", {"accessKey": key}


def list_users(state: State, _options: Options, name: str) -> Iterator[Said]:
    """List all users but the root user."""
    attempt = "Unable to list user."
    _administrate(_target(state, name, attempt), attempt)
    for key, user in sorted(state.read()["users"].items()):
        policies = ",".join(user["policies"])
        yield f"enabled    {key:<20}  {policies}", {"accessKey": key, "policyName": policies, "userStatus": "enabled"}


def create_policy(state: State, _options: Options, name: str, policy: str, file: str) -> Iterator[Said]:
    """Keep a policy under a name; one with that name is replaced."""
    attempt = "Unable to create new policy."
    _administrate(_target(state, name, attempt), attempt)
    document = _policy(Path(file), attempt)
    with state.change() as kept:
        kept["policies"][policy] = document
    yield f"Created policy `{policy}` successfully.", {"policy": policy}


def attach_policy(state: State, options: Options, name: str, policy: str) -> Iterator[Said]:
    """Give a user a policy."""
    attempt = "Unable to make user/group policy association."
    _administrate(_target(state, name, attempt), attempt)
    key = options.get("--user", "")
    with state.change() as document:
        if policy not in document["policies"]:
            raise McError(f"{attempt} The canned policy does not exist. (Specified canned policy does not exist).")
        if key not in document["users"]:
            raise McError(f"{attempt} The specified user does not exist. (Specified user does not exist).")
        if policy in document["users"][key]["policies"]:
            sentence = "The specified policy change is already in effect. (Specified policy update has no net effect)."
            raise McError(f"{attempt} {sentence}")
        document["users"][key]["policies"].append(policy)
    yield f"Attached Policies: [{policy}]\nTo User: {key}", {"result": {"policiesAttached": [policy], "user": key}}


def remove_policy(state: State, _options: Options, name: str, policy: str) -> Iterator[Said]:
    """Remove a policy that no user has."""
    attempt = "Unable to remove policy."
    _administrate(_target(state, name, attempt), attempt)
    with state.change() as document:
        if policy not in document["policies"]:
            raise McError(f"{attempt} The canned policy does not exist.")
        if any(policy in user["policies"] for user in document["users"].values()):
            raise McError(f"{attempt} The specified policy is in use and cannot be deleted.")
        del document["policies"][policy]
    yield f"Removed policy `{policy}` successfully.", {"policy": policy}


_COMMANDS: dict[tuple[str, ...], Callable[..., Iterator[Said]]] = {
    ("alias", "set"): set_alias,
    ("ready",): ready,
    ("mb",): make_bucket,
    ("ls",): list_buckets,
    ("du",): disk_usage,
    ("rb",): remove_bucket,
    ("admin", "user", "add"): add_user,
    ("admin", "user", "remove"): remove_user,
    ("admin", "user", "list"): list_users,
    ("admin", "policy", "create"): create_policy,
    ("admin", "policy", "attach"): attach_policy,
    ("admin", "policy", "remove"): remove_policy,
}


def _keys(key: str, secret: str) -> tuple[str, str]:
    """Return an access key and its secret; what is not given is read from standard input, a line each."""
    key = key or sys.stdin.readline().strip()
    return key, secret or sys.stdin.readline().strip()


def _config() -> Path:
    return Path(os.environ.get("MC_CONFIG_DIR") or Path.home() / ".mc") / "config.json"


def _aliases() -> dict[str, dict[str, str]]:
    try:
        aliases: dict[str, dict[str, str]] = json.loads(_config().read_text())["aliases"]
    except FileNotFoundError:
        return {}
    return aliases


def _alias(name: str, attempt: str) -> dict[str, str]:
    address = os.environ.get(f"MC_HOST_{name}", "")
    if address:
        parts = urlsplit(address)
        port = f":{parts.port}" if parts.port else ""
        url = f"{parts.scheme}://{parts.hostname}{port}"
        return {"url": url, "accessKey": unquote(parts.username or ""), "secretKey": unquote(parts.password or "")}
    if name not in _aliases():
        raise McError(f"{attempt} No valid configuration found for '{name}' host alias.")
    return _aliases()[name]


def _target(state: State, name: str, attempt: str) -> Target:
    alias, _, rest = name.partition("/")
    found = _alias(alias, attempt)
    _reach(found["url"], attempt)
    user = _log_in(state, found["accessKey"], found["secretKey"], attempt)
    return Target(alias, rest.strip("/"), found["url"], user)


def _log_in(state: State, key: str, secret: str, attempt: str) -> User:
    user = state.user(key)
    if user is None:
        raise McError(f"{attempt} The Access Key Id you provided does not exist in our records.")
    if not same(user.secret, secret):
        sentence = "The request signature we calculated does not match the signature you provided."
        raise McError(f"{attempt} {sentence} Check your key and signing method.")
    return user


def _administrate(target: Target, attempt: str) -> None:
    if not target.user.is_root:
        raise McError(f"{attempt} Access Denied.")


def _bucket(state: State, name: str, attempt: str, *, administrating: bool = False) -> Path:
    target = _target(state, name, attempt)
    if administrating:
        _administrate(target, attempt)
    if target.rest not in state.visible(target.user):
        raise McError(f"{attempt} The specified bucket does not exist.")
    return state.buckets / target.rest


def _reach(url: str, attempt: str) -> None:
    if _status(url, "live") != 200:
        raise McError(f'{attempt} Get "{url}/": the server does not answer.')


def _status(url: str, check: str) -> int:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)
    try:
        connection.request("GET", f"/minio/health/{check}")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def _asked(alias: dict[str, str]) -> Iterator[Said]:
    """List buckets as the server does: curl signs the request, and reads the key from its standard input."""
    sign = ("--aws-sigv4", f"aws:amz:{os.environ.get('MINIO_SITE_REGION', 'us-east-1')}:s3")
    quiet = ("curl", "-sS", "--noproxy", "*", "-m", "10", "-K", "-", "-w", "\n%{http_code}")
    user = f"{alias['accessKey']}:{alias['secretKey']}".replace("\\", "\\\\").replace('"', '\\"')
    done = subprocess.run(
        [*quiet, *sign, f"{alias['url']}/"], input=f'user = "{user}"', capture_output=True, text=True, check=False
    )
    body, _, status = done.stdout.rpartition("\n")
    if done.returncode != 0:
        raise McError(f'Unable to list folder. Get "{alias["url"]}/": {done.stderr.strip()}')
    if status != "200":
        raise McError("Unable to list folder. Access Denied.")
    for bucket, changed in re.findall(r"<Name>([^<]+)</Name>\s*<CreationDate>([^<]+)</CreationDate>", body):
        yield (
            f"[{changed[:10]} {changed[11:19]} UTC]     0B {bucket}/",
            {"type": "folder", "lastModified": changed, "size": 0, "key": f"{bucket}/", "url": alias["url"]},
        )


def _policy(file: Path, attempt: str) -> dict[str, Any]:
    try:
        document = json.loads(file.read_bytes() if str(file) != "-" else sys.stdin.buffer.read())
        statements = document["Statement"]
        is_known = all(set(one) <= {"Sid", "Effect", "Action", "Resource"} for one in statements)
        is_complete = all(
            one["Effect"] in ("Allow", "Deny") and one["Action"] and one["Resource"] for one in statements
        )
    except OSError as error:
        raise McError(f"{attempt} open {file}: {(error.strerror or '').lower()}.") from error
    except (ValueError, TypeError, KeyError) as error:
        raise McError(f"{attempt} The policy is malformed.") from error
    if not (statements and is_known and is_complete):
        raise McError(f"{attempt} The policy is malformed, or says more than this stand-in understands.")
    return dict(document)


def _command(words: list[str]) -> tuple[Callable[..., Iterator[Said]], list[str]]:
    for length in (3, 2, 1):
        found = _COMMANDS.get(tuple(words[:length]))
        if found:
            return found, words[length:]
    raise McError(f"this stand-in for mc does not know `mc {' '.join(words[:3])}`")


def _parsed(words: list[str]) -> tuple[list[str], Options]:
    positional, options, rest = [], {}, iter(words)
    for word in rest:
        if word.startswith("-") and word != "-":
            options[word] = next(rest, "") if word == "--user" else ""
        else:
            positional.append(word)
    return positional, options


def main(words: list[str]) -> int:
    """Run one command."""
    positional, options = _parsed(words)
    try:
        command, arguments = _command(positional)
        try:
            lines = command(State(_DATA), options, *arguments)
        except TypeError as error:
            raise McError("Incorrect number of arguments.") from error
        for line, document in lines:
            sys.stdout.write((json.dumps({"status": "success", **document}) if "--json" in options else line) + "\n")
    except (McError, WrongSetting, OSError) as error:
        return _failed(str(error), wants_json="--json" in options)
    return 0


def _failed(message: str, *, wants_json: bool) -> int:
    if wants_json:
        document = {"status": "error", "error": {"message": message, "cause": {"message": message}, "type": "fatal"}}
        sys.stdout.write(json.dumps(document) + "\n")
    else:
        sys.stderr.write(f"mc: <ERROR> {message}\n")
    return 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
