"""What servers say: refused passwords, missing databases, full memory, old data, their own configuration."""

from __future__ import annotations

from envmgr import naming
from envmgr.diagnosis.evidence import BrokenGrant, Node
from envmgr.diagnosis.scene import SPEC, Scene, edit, named, operator_file
from envmgr.diagnosis.signature import Explanation, Hit, Words

_CACHES = ("redis", "valkey")
_STORES = ("minio", "rustfs", "garage", "seaweedfs")
_SHOW = (
    'export REDISCLI_AUTH="$(cat /run/secrets/{password})"; '
    'for key in $({cli} --scan --pattern "{queues}"); '
    'do [ "$({cli} type "$key")" != list ] || (echo "$key"; {cli} lrange "$key" 0 9); done'
)
"""The first messages of every queue; the password stands on no command line."""
_SEARCHES = ("qdrant", "elasticsearch", "kibana", "logstash", "grafana")


# ---- who may not


def _refused_by_postgres(scene: Scene, hit: Hit) -> Explanation | None:
    return _wrong_password(scene, hit, "postgres")


def _refused_by_redis(scene: Scene, hit: Hit) -> Explanation | None:
    return _wrong_password(scene, hit, *_CACHES)


def _refused_by_store(scene: Scene, hit: Hit) -> Explanation | None:
    return _wrong_password(scene, hit, *_STORES)


def _refused_by_http(scene: Scene, hit: Hit) -> Explanation | None:
    return _wrong_password(scene, hit, *_SEARCHES, *_STORES)


def _wrong_password(scene: Scene, hit: Hit, *kinds: str) -> Explanation | None:
    if scene.service.kind in kinds:
        return None  # A server that complains of its clients is not ill for that.
    node = scene.known(hit.get("host")) or scene.used(*kinds) or _managed(scene)
    if node is None:
        return None
    user = hit.get("user")
    login = f" as {user}" if user else ""
    if any(_held_by(broken) == node for broken in scene.evidence.grants):
        return Explanation(f"{scene.name} is refused by {named(node)}{login}: wrong password", scene.up, node)
    return _own_password(scene, node, login)


def _managed(scene: Scene) -> Node | None:
    """Return a server that is none of ours and refuses the environment: it is known by its grants alone."""
    return next((_held_by(broken) for broken in scene.evidence.grants if broken.grant.is_external), None)


def _own_password(scene: Scene, node: Node, login: str) -> Explanation:
    need = scene.password(node)
    value = need.name if need else "the password"
    file = operator_file(need.scope if need else scene.target)
    if scene.witness.is_outdated:
        return Explanation(
            f"{scene.name} is refused by {named(node)}{login}: it still has a password from before {file} changed",
            scene.up,
        )
    return Explanation(
        f"{scene.name} is refused by {named(node)}{login}: it does not send {value} of {file}, which works",
        scene.edit("variables", f"or its code has to use the URL or password that envmgr hands over for {node[1]}"),
    )


def _held_by(broken: BrokenGrant) -> Node:
    return broken.grant.target, broken.grant.server


_WRONG_PASSWORD = (
    Words(
        "wrong-password",
        _refused_by_postgres,
        r'password authentication failed for user "?(?P<user>[\w.-]+)"?',
        r"\b28P01\b",
        r"no password supplied|SASL: .*password must be",
    ),
    Words(
        "wrong-password",
        _refused_by_redis,
        r"\bWRONGPASS\b|invalid username-password pair|\bNOAUTH\b|Authentication required",
        r"HELLO must be called with the client already authenticated",
    ),
    Words(
        "wrong-password",
        _refused_by_store,
        r"\bInvalidAccessKeyId\b|\bSignatureDoesNotMatch\b|\(AccessDenied\)",
    ),
    Words(
        "wrong-password",
        _refused_by_http,
        r"https?://(?P<host>[\w-]+)(?::\d+)?\S*.*\b(?:401|403)\b",
        r"\b401\b.*https?://(?P<host>[\w-]+)",
        r"\b(?:401|403)\b\W+\(?(?:Unauthorized|Forbidden)",
        r"security_exception|[Ii]nvalid API key|Must provide an API key|unable to authenticate user",
    ),
)


# ---- what is not there, or full


def _database_missing(scene: Scene, hit: Hit) -> Explanation | None:
    node = scene.used("postgres")
    if scene.service.kind == "postgres" or node is None:
        return None
    return Explanation(
        f"{named(node)} has no {hit.get('what')} {hit.get('name')} for {scene.name}",
        f"envmgr up {scene.target}",
        node if any(_held_by(broken) == node for broken in scene.evidence.grants) else None,
    )


def _table_missing(scene: Scene, hit: Hit) -> Explanation | None:
    if scene.service.kind == "postgres":
        return None
    jobs = [d.service for d in scene.service.depends_on if scene.stack.service(d.service).is_job]
    jobs = jobs or [one.name for one in scene.stack.services if one.is_job and one.name != scene.service.name]
    job = (scene.target, jobs[0]) if jobs else None
    missing = f"{scene.name} misses the table {hit.get('name')}"
    if job is None:
        return Explanation(f"{missing} in its database", scene.logs)
    return Explanation(f"{missing}, which {job[1]} should have made", f"envmgr up {scene.target} {job[1]} --build", job)


def _too_many_connections(scene: Scene, _hit: Hit) -> Explanation | None:
    node = scene.used("postgres")
    if scene.service.kind == "postgres" or node is None:
        return None
    return Explanation(
        f"{scene.name} gets no connection: {scene.target} has all that {named(node)} allows it",
        edit(SPEC, f"infra.{node[1]}.connections_per_environment", "higher", f"envmgr up infra {scene.target}"),
    )


def _cache_full(scene: Scene, _hit: Hit) -> Explanation | None:
    node = scene.used(*_CACHES)
    if node is None:
        return None
    return Explanation(
        f"{named(node)} is full, and refuses what {scene.name} writes",
        edit(SPEC, f"infra.{node[1]}.memory", "higher", f"envmgr up {node[0]}"),
    )


def _not_its_keys(scene: Scene, _hit: Hit) -> Explanation | None:
    node = scene.used(*_CACHES)
    if node is None:
        return None
    return Explanation(
        f"{scene.name} reaches for keys or channels of {named(node)} outside its own {scene.stack.prefix}",
        scene.edit("variables", "or its code has to put REDIS_KEY_PREFIX before every key"),
    )


def _poisoned(scene: Scene, hit: Hit) -> Explanation | None:
    node = scene.used(*_CACHES)
    if node is None:
        return None
    queues = f"{scene.stack.prefix}*"
    show = _SHOW.format(password=_admin(node), cli=_cli(scene, node), queues=queues)
    return Explanation(
        f"{scene.name} dies of a message that it cannot read ({hit.get('error')}) in a queue {queues} of {named(node)}",
        f"envmgr exec {node[0]} {node[1]} sh -c '{show}'",
    )


def _cli(scene: Scene, node: Node) -> str:
    server = scene.evidence.find(node)
    return "valkey-cli" if server and server.kind == "valkey" else "redis-cli"


def _admin(node: Node) -> str:
    return f"{naming.sql_name(node[1]).upper()}_ADMIN_PASSWORD"


# ---- a server's own


def _old_data(scene: Scene, hit: Hit) -> Explanation:
    written, runs = hit.get("written"), hit.get("runs")
    what = f"by version {written}" if written else "by another version"
    return Explanation(
        f"{scene.name} cannot open its data, which was written {what}{f' and not {runs}' if runs else ''}",
        scene.edit("version", f'= "{written}"' if written else "back to the version that wrote it"),
    )


def _bad_configuration(scene: Scene, hit: Hit) -> Explanation:
    what = hit.get("what")
    if not what:
        what = " ".join(line.strip().removeprefix(">>> ") for line in hit.after[:3] if not _is_heading(line))
    table = scene.place("").rstrip(".")
    return Explanation(
        f"{scene.name} does not accept its configuration: {what}",
        edit(SPEC, table, "has to be corrected where this comes from", scene.up),
    )


def _is_heading(line: str) -> bool:
    return line.startswith(("Reading the configuration", "***"))


WORDS = (
    *_WRONG_PASSWORD,
    Words(
        "missing-database",
        _database_missing,
        r'(?P<what>database|role) "(?P<name>[^"]+)" does not exist',
    ),
    Words(
        "missing-table",
        _table_missing,
        r'relation "(?P<name>[^"]+)" does not exist',
        r"no such table: (?P<name>\w+)",
    ),
    Words(
        "too-many-connections",
        _too_many_connections,
        r"too many connections for role|sorry, too many clients|remaining connection slots are reserved",
    ),
    Words("cache-full", _cache_full, r"OOM command not allowed when used memory"),
    Words("not-its-keys", _not_its_keys, r"\bNOPERM\b|has no permissions to (?:access|run)|No permissions to access"),
    Words(
        "poisoned-queue",
        _poisoned,
        r"Unrecoverable error: (?P<error>(?:JSON)?DecodeError|JSONDecodeError|ContentDisallowed|UnicodeDecodeError)",
        r"(?P<error>ContentDisallowed|Refusing to deserialize \w+ content)",
    ),
    Words(
        "old-data",
        _old_data,
        r"initialized by PostgreSQL version (?P<written>[\d.]+), which is not .* this version (?P<runs>[\d.]+)",
        r"written by (?:PostgreSQL )?version (?P<written>\d+).* (?:version|PostgreSQL) (?P<runs>\d+)",
        r"database files are incompatible with server",
        r"Can't handle RDB format version",
    ),
)
OWN = (
    Words(
        "bad-configuration",
        _bad_configuration,
        r"FATAL CONFIG FILE ERROR",
        r"\[emerg\] (?:\d+#\d+: )?(?P<what>.+)",
        r"FATAL:\s+(?P<what>unrecognized configuration parameter .+)",
        r"FATAL:\s+(?P<what>(?:parameter|invalid value for parameter) .+)",
        r"(?:LOG|FATAL):\s+(?P<what>syntax error in file .+)",
        r"FATAL:\s+(?P<what>configuration file .+ contains errors)",
        r'[Ee]rror loading config.*?(?:err|error)="?(?P<what>[^"]+)',
        r"(?P<what>parsing YAML file .+)",
    ),
)
