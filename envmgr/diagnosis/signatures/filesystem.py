"""What a program cannot read, write or run."""

from __future__ import annotations

from envmgr.diagnosis.scene import Scene, edit
from envmgr.diagnosis.signature import Explanation, Hit, Words
from envmgr.model.stack import Tmpfs

_MEGABYTE = 1024**2
_SECRETS = "/run/secrets/"
_MUCH = 1024 * _MEGABYTE
"""With this much free, the disk of the engine is not what is full."""


def _program_missing(scene: Scene, hit: Hit) -> Explanation:
    program = hit.get("program")
    return Explanation(
        f"{scene.name} cannot run {program}: the image {scene.service.image.reference} has no such program, or not "
        "the interpreter that its first line names",
        scene.rebuild if scene.is_built else scene.edit("image", f"needs {program} in the image"),
    )


def _not_executable(scene: Scene, hit: Hit) -> Explanation:
    program = hit.get("program")
    return Explanation(
        f"{scene.name} may not run {program}: it is not executable for uid {_uid(scene)}",
        scene.rebuild if scene.is_built else scene.edit("image", f"has to let uid {_uid(scene)} run it"),
    )


def _wrong_architecture(scene: Scene, hit: Hit) -> Explanation:
    return Explanation(
        f"{scene.name} cannot run {hit.get('program') or 'its program'}: it was made for another kind of processor",
        scene.rebuild if scene.is_built else scene.edit("image", "has to be one for this host's processor"),
    )


def _disk_full(scene: Scene, hit: Hit) -> Explanation:
    path, free = hit.get("path"), scene.evidence.free_disk
    small = _in_memory(scene, path)
    if small:
        places = " or ".join(f"{one.target} ({one.megabytes} MB in memory)" for one in small)
        what = f"takes a volume for what does not fit into {small[0].target}"
        return Explanation(f"{scene.name} filled {places}", scene.edit(_volumes(scene), what))
    written = f"cannot write {path}" if path else "cannot write"
    left = "" if free is None else f": {free // _MEGABYTE} MiB are free where Docker keeps its data"
    if _has_room(scene):
        return Explanation(f"{scene.name} {written}: its volume is full, or at its quota{left}", scene.logs)
    return Explanation(
        f"{scene.name} {written}, the disk is full{left}; free some space first", f"envmgr up {scene.target}"
    )


def _in_memory(scene: Scene, path: str) -> tuple[Tmpfs, ...]:
    """Return the places in memory that may be full: the one that is named, else all when no disk can be meant."""
    if path.startswith("/"):
        return tuple(one for one in scene.service.tmpfs if _is_below(path, one.target))
    return () if scene.service.volumes or not _has_room(scene) else scene.service.tmpfs


def _has_room(scene: Scene) -> bool:
    free = scene.evidence.free_disk
    return free is not None and free > _MUCH


def _volumes(scene: Scene) -> str:
    """Return the key of the spec that gives a service a volume; servers' own kinds have none but the raw one."""
    return "compose" if scene.service.is_server and scene.service.kind != "container" else "volumes"


def _read_only(scene: Scene, hit: Hit) -> Explanation:
    path = hit.get("path")
    writable = ", ".join([one.target for one in scene.service.tmpfs] + [one.target for one in scene.service.volumes])
    return Explanation(
        f"{scene.name} writes {path or 'to its own image'}, and can write only below {writable or 'no path'}",
        scene.edit(_volumes(scene), f"takes a volume for {_parent(path) or 'that path'}"),
    )


def _denied(scene: Scene, hit: Hit) -> Explanation:
    path = hit.get("path")
    if path.startswith(_SECRETS):
        return _secret_denied(scene, path)
    volume = next((one for one in scene.service.volumes if _is_below(path, one.target)), None)
    if volume is not None:
        return Explanation(
            f"{scene.name} runs as uid {_uid(scene)} and may not use {path}: in volume {volume.volume} it belongs to "
            "another",
            scene.edit(_user(scene), "has to have the uid that the volume's files belong to"),
        )
    return Explanation(
        f"{scene.name} runs as uid {_uid(scene)} and may not use {path}: in its image it belongs to another",
        scene.rebuild if scene.is_built else scene.edit(_user(scene), f"has to have a uid that may use {path}"),
    )


def _secret_denied(scene: Scene, path: str) -> Explanation:
    name = path.removeprefix(_SECRETS)
    found = scene.witness.secret_files.get(name)
    owner = f": on the host it belongs to uid {found.uid}, mode {found.mode:04o}" if found else ""
    return Explanation(f"{scene.name} runs as uid {_uid(scene)} and may not read the secret {name}{owner}", scene.up)


def _file_missing(scene: Scene, hit: Hit) -> Explanation:
    path = hit.get("path")
    if path.startswith(_SECRETS):
        return _secret_missing(scene, path.removeprefix(_SECRETS))
    mounted = next((one for one in scene.service.configs if one.target == path), None)
    if mounted is not None:
        return Explanation(f"{scene.name} misses {path}, which envmgr renders", scene.up)
    return Explanation(
        f"{scene.name} needs the file {path}, which its image does not have",
        scene.rebuild if scene.is_built else scene.edit("image", f"needs {path} in the image"),
    )


def _secret_missing(scene: Scene, name: str) -> Explanation:
    given = sorted(mount.name for mount in scene.service.secrets)
    if name in given:
        return Explanation(f"{scene.name} misses the secret {name}, which envmgr delivers", scene.up)
    return Explanation(
        f"{scene.name} reads the secret {name} and is not given it; it gets {', '.join(given) or 'none'}",
        edit("envmgr.toml", f"variables.{name}.services", f"has to name {scene.service.name}", scene.up),
    )


def _not_permitted(scene: Scene, hit: Hit) -> Explanation:
    what = hit.get("path") or hit.get("what")
    return Explanation(
        f"{scene.name} wants a right that no container here has{f': {what}' if what else ''}",
        scene.logs,
    )


def _pids(scene: Scene, _hit: Hit) -> Explanation:
    limit = scene.service.resources.pids
    return Explanation(
        f"{scene.name} may not have more than its {limit} processes and threads",
        scene.edit_here("pids", f"above {limit}"),
    )


def _user(scene: Scene) -> str:
    """Return the key of the spec that decides as whom a service runs."""
    return "image" if scene.service.is_server and scene.service.kind != "container" else "user"


def _uid(scene: Scene) -> str:
    return scene.service.user.partition(":")[0]


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _parent(path: str) -> str:
    return path.rpartition("/")[0] or path


_COREUTILS = (
    r"cannot (?:create|touch|remove|open|create (?:regular file|directory)) "
    r"['\u2018]?(?P<path>/[^'\u2019:\s]+)['\u2019]?"
)
"""How shells and the small programs of every image put it."""
WORDS = (
    Words(
        "wrong-architecture",
        _wrong_architecture,
        r'exec:? "?(?P<program>[^\s":]+)"?: [Ee]xec format error',
        r"(?P<program>/\S+): (?:\d+: |line \d+: )?\x7fELF",
        r"(?P<program>/\S+): (?:\d+: |line \d+: )?(?:.*ELF.*(?:not found|unexpected)|cannot execute binary file)",
        r"[Ee]xec format error",
    ),
    Words(
        "program-missing",
        _program_missing,
        r"\[FATAL tini \(\d+\)\] exec (?P<program>\S+) failed: No such file or directory",
        r'exec: "(?P<program>[^"]+)": (?:executable file not found|stat .*no such file)',
        r"exec (?P<program>/\S+): no such file or directory",
        r"(?:^|/)(?:sh|bash|ash): (?:\d+: |line \d+: )?(?:exec: )?(?P<program>[\w./-]+): (?:command )?not found",
    ),
    Words(
        "not-executable",
        _not_executable,
        r"\[FATAL tini \(\d+\)\] exec (?P<program>\S+) failed: Permission denied",
        r'exec: "(?P<program>[^"]+)": permission denied',
    ),
    Words(
        "disk-full",
        _disk_full,
        r"No space left on device: '(?P<path>[^']+)'",
        r'could not (?:extend|write to|write) file "(?P<path>[^"]+)".*',
        r"ENOSPC: no space left on device(?:, \w+ '(?P<path>[^']+)')?",
        r"(?:write|open|mkdir) (?P<path>/\S+): no space left on device",
        r"[Nn]o space left on device|\bENOSPC\b|Disk quota exceeded",
    ),
    Words(
        "read-only",
        _read_only,
        r"Read-only file system: '(?P<path>[^']+)'",
        r"EROFS: read-only file system(?:, \w+ '(?P<path>[^']+)')?",
        r"(?:open|mkdir|create|unlink|remove) (?P<path>/\S+): read-only file system",
        rf"{_COREUTILS}: Read-only file system",
        r"[Rr]ead-only file system|\bEROFS\b",
    ),
    Words(
        "permission",
        _denied,
        r"Permission denied: '(?P<path>[^']+)'",
        r"EACCES: permission denied, \w+ '(?P<path>[^']+)'",
        r"(?:open|mkdir|stat|create) (?P<path>/\S+): permission denied",
        r"names (?P<path>/\S+), which uid \d+ cannot read",
        r"(?P<path>/\S+) is not writable for uid \d+",
        r'could not (?:open|read|access|create)(?: \w+)? "(?P<path>/[^"]+)": Permission denied',
        rf"{_COREUTILS}: Permission denied",
        r"(?P<path>/[^\s:'\"]+)['\"]?: Permission denied",
    ),
    Words(
        "missing-file",
        _file_missing,
        r"No such file or directory: '(?P<path>[^']+)'",
        r"ENOENT: no such file or directory, \w+ '(?P<path>[^']+)'",
        r"open (?P<path>/\S+): no such file or directory",
        r"can't open file '(?P<path>[^']+)'",
        r"(?:cannot|can't) open (?P<path>/[^\s:]+): No such file",
        r"(?P<path>/[^\s:'\"]+)['\"]?: No such file or directory",
    ),
    Words("not-permitted", _not_permitted, r"Operation not permitted(?:: '(?P<path>[^']+)')?"),
    Words(
        "too-many-processes",
        _pids,
        r"can't start new thread",
        r"unable to create (?:new )?(?:native )?thread",
        r"(?:fork|clone)\w*\(?\)?:? .*Resource temporarily unavailable",
        r"BlockingIOError: \[Errno 11\] Resource temporarily unavailable",
        r"Cannot fork",
    ),
)
