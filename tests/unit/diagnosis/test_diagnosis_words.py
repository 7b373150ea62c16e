"""Every signature, on what engines, clients and servers really printed; each was recorded from the program it names."""

# ruff: noqa: E501 - recorded output is as long as it is

from __future__ import annotations

import pytest

from envmgr.diagnosis.evidence import SecretFile, Witness
from envmgr.diagnosis.explain import explain
from envmgr.diagnosis.log import clean
from envmgr.diagnosis.signature import Finding
from tests.evidences import ill, scene
from tests.hints import runnable

TRACEBACK = """\
Traceback (most recent call last):
  File "/usr/local/bin/play.py", line 229, in <module>
    globals()[PLAY]()
    ~~~~~~~~~~~~~~~^^
"""


def find(witness: Witness, *others: Witness, **fields: object) -> Finding:
    found = explain(scene(witness, *others, **fields))
    runnable(found.explanation.command)
    return found


def said(text: str, name: str = "app", **fields: object) -> tuple[str, str, str]:
    """Return signature, sentence and command of what a service said before it died."""
    witness_fields = {key: fields.pop(key) for key in ("target", "secret_files", "is_outdated") if key in fields}
    found = find(ill(name, *clean(text), **witness_fields), **fields)
    return found.signature, found.explanation.sentence, found.explanation.command


# ---- programs

PROGRAMS = [
    (
        "missing-module",
        f"{TRACEBACK}ModuleNotFoundError: No module named 'requests'",
        "app of dev needs the module requests, which its image (builds.play) does not have",
        "envmgr up dev app --build",
    ),
    (
        "missing-module",
        "/usr/local/bin/python: No module named alembic",
        "app of dev needs the module alembic, which its image (builds.play) does not have",
        "envmgr up dev app --build",
    ),
    (
        "missing-module",
        """\
node:internal/modules/cjs/loader:1478
  throw err;
  ^

Error: Cannot find module 'express'
Require stack:
- /app/[eval]
    at Module._resolveFilename (node:internal/modules/cjs/loader:1475:15)
    at runScriptInThisContext (node:internal/vm:219:10) {
  code: 'MODULE_NOT_FOUND',
  requireStack: [ '/app/[eval]' ]
}

Node.js v24.19.0
""",
        "app of dev needs the module express, which its image (builds.play) does not have",
        "envmgr up dev app --build",
    ),
    (
        "missing-module",
        "Error [ERR_MODULE_NOT_FOUND]: Cannot find package 'express' imported from /app/[eval1]",
        "app of dev needs the module express, which its image (builds.play) does not have",
        "envmgr up dev app --build",
    ),
    (
        "missing-app",
        'ERROR:    Error loading ASGI app. Could not import module "nosuch".',
        "app of dev is to serve nosuch, which its image does not have",
        "edit envmgr.toml: services.app.app has to name a module, and an attribute of it, that the image has; "
        "then envmgr up dev app",
    ),
    (
        "missing-app",
        'ERROR:    Error loading ASGI app. Attribute "app" not found in module "json".',
        "app of dev is to serve json, which its image does not have",
        "",
    ),
    (
        "missing-app",
        "Error: \nUnable to load celery application.\nThe module nosuch was not found.",
        "app of dev is to serve nosuch, which its image does not have",
        "",
    ),
    (
        "missing-app",
        f"{TRACEBACK}ModuleNotFoundError: No module named 'play'",
        "app of dev is to serve play, which its image does not have",
        "",
    ),
    (
        "missing-name",
        f"{TRACEBACK}ImportError: cannot import name 'create' from 'play.api' (/app/play/api.py)",
        "app of dev fails in its own code: there is no create to import from play.api",
        "envmgr up dev app --build",
    ),
    (
        "own-code",
        f"{TRACEBACK}ValueError: invalid literal for int() with base 10: 'many'",
        "app of dev fails in its own code: ValueError: invalid literal for int() with base 10: 'many'",
        "envmgr logs dev app",
    ),
    (
        "missing-variable",
        "  File \"<frozen os>\", line 716, in __getitem__\nKeyError: 'BILLING_TOKEN'",
        "app of dev needs the variable BILLING_TOKEN, which nothing sets",
        "edit envmgr.toml: services.app.variables.BILLING_TOKEN has to set it; then envmgr up dev app",
    ),
    (
        "missing-variable",
        "start.sh: 3: API_KEY: parameter not set",
        "app of dev needs the variable API_KEY and is not given it",
        "edit envmgr.toml: variables.API_KEY.services has to name app; then envmgr up dev app",
    ),
    (
        "missing-variable",
        f"{TRACEBACK}KeyError: 'REGION'",
        "app of dev needs the variable REGION, which is empty",
        "edit .env.dev: REGION has to be set; then envmgr up dev app",
    ),
    (
        "missing-variable",
        "config error: DATABASE_URL is not set",
        "app of dev reads the variable DATABASE_URL, and is given the file DATABASE_URL_FILE instead",
        'edit envmgr.toml: services.app.secrets_as = "variables"; then envmgr up dev app',
    ),
    (
        "unknown-migration",
        "FAILED: Can't locate revision identified by '0009'",
        "app of dev does not know migration 0009, at which its database is: the image is older than the data, or of "
        "another branch",
        "envmgr up dev app --build",
    ),
    (
        "several-migration-heads",
        "FAILED: Multiple head revisions are present for given argument 'head'; please specify a specific target",
        "app of dev finds two ends in the migrations; they have to be merged",
        "envmgr up dev app --build",
    ),
]


# ---- files

FILES = [
    (
        "read-only",
        f"{TRACEBACK}OSError: [Errno 30] Read-only file system: '/app/play.db'",
        "app of dev writes /app/play.db, and can write only below /tmp, /files",
        "edit envmgr.toml: services.app.volumes takes a volume for /app; then envmgr up dev app",
    ),
    ("read-only", "Error: EROFS: read-only file system, open '/app/x'", "app of dev writes /app/x, and", ""),
    ("read-only", "touch: cannot touch '/app/x': Read-only file system", "app of dev writes /app/x, and", ""),
    ("read-only", "touch: cannot touch \u2018/app/x\u2019: Read-only file system", "app of dev writes /app/x, and", ""),
    ("read-only", "open /app/x: read-only file system", "app of dev writes /app/x, and", ""),
    ("read-only", "sqlite3.OperationalError: Read-only file system", "app of dev writes to its own image, and", ""),
    (
        "permission",
        f"{TRACEBACK}PermissionError: [Errno 13] Permission denied: '/etc/shadow'",
        "app of dev runs as uid 10001 and may not use /etc/shadow: in its image it belongs to another",
        "envmgr up dev app --build",
    ),
    (
        "permission",
        f"{TRACEBACK}PermissionError: [Errno 13] Permission denied: '/files/x'",
        "app of dev runs as uid 10001 and may not use /files/x: in volume app-files it belongs to another",
        "edit envmgr.toml: services.app.user has to have the uid that the volume's files belong to; then envmgr up dev app",
    ),
    (
        "permission",
        "Error: EACCES: permission denied, open '/run/secrets/DATABASE_URL'",
        "app of dev runs as uid 10001 and may not read the secret DATABASE_URL: on the host it belongs to uid 0, "
        "mode 0400",
        "envmgr up dev app",
    ),
    (
        "permission",
        "entrypoint: POSTGRES_PASSWORD_FILE names /run/secrets/P, which uid 999 cannot read",
        "app of dev runs as uid 10001 and may not read the secret P",
        "envmgr up dev app",
    ),
    (
        "permission",
        "entrypoint: /data is not writable for uid 999",
        "app of dev runs as uid 10001 and may not use /data",
        "",
    ),
    (
        "missing-file",
        f"{TRACEBACK}FileNotFoundError: [Errno 2] No such file or directory: '/etc/play.toml'",
        "app of dev needs the file /etc/play.toml, which its image does not have",
        "envmgr up dev app --build",
    ),
    (
        "missing-file",
        "python: can't open file '/app/main.py': [Errno 2] No such file or directory",
        "app of dev needs the file /app/main.py, which its image does not have",
        "",
    ),
    ("missing-file", "sh: 1: .: cannot open /app/env.sh: No such file", "app of dev needs the file /app/env.sh,", ""),
    ("missing-file", "cat: /app/env: No such file or directory", "app of dev needs the file /app/env,", ""),
    (
        "missing-file",
        "Error: ENOENT: no such file or directory, open '/etc/nosuch.json'\n    at Object.openSync (node:fs:559:18) {",
        "app of dev needs the file /etc/nosuch.json, which its image does not have",
        "",
    ),
    (
        "missing-file",
        f"{TRACEBACK}FileNotFoundError: [Errno 2] No such file or directory: '/run/secrets/STRIPE_KEY'",
        "app of dev reads the secret STRIPE_KEY and is not given it; it gets DATABASE_URL",
        "edit envmgr.toml: variables.STRIPE_KEY.services has to name app; then envmgr up dev app",
    ),
    (
        "missing-file",
        "cat: /run/secrets/DATABASE_URL: No such file or directory",
        "app of dev misses the secret DATABASE_URL, which envmgr delivers",
        "envmgr up dev app",
    ),
    (
        "missing-file",
        "cat: /etc/app.conf: No such file or directory",
        "app of dev misses /etc/app.conf, which envmgr renders",
        "envmgr up dev app",
    ),
    (
        "program-missing",
        "[FATAL tini (8)] exec nosuch failed: No such file or directory",
        "app of dev cannot run nosuch: the image play:env-dev has no such program, or not the interpreter that its first "
        "line names",
        "envmgr up dev app --build",
    ),
    ("program-missing", "exec /b/start.sh: no such file or directory", "app of dev cannot run /b/start.sh:", ""),
    ("program-missing", "/bin/sh: 1: alembic: not found", "app of dev cannot run alembic:", ""),
    ("program-missing", "bash: line 1: alembic: command not found", "app of dev cannot run alembic:", ""),
    (
        "not-executable",
        "[FATAL tini (7)] exec /b/noexec failed: Permission denied",
        "app of dev may not run /b/noexec: it is not executable for uid 10001",
        "envmgr up dev app --build",
    ),
    (
        "wrong-architecture",
        "exec /b/wrong: exec format error",
        "app of dev cannot run /b/wrong: it was made for another kind of processor",
        "envmgr up dev app --build",
    ),
    ("wrong-architecture", "sh: 1: exec: /tmp/x: Exec format error", "app of dev cannot run /tmp/x:", ""),
    ("wrong-architecture", "/b/wrong: 1: \x7fELF\x02\x01aaa: not found", "app of dev cannot run /b/wrong:", ""),
    (
        "too-many-processes",
        f"{TRACEBACK}RuntimeError: can't start new thread",
        "app of dev may not have more than its 64 processes and threads",
        "edit envmgr.toml: environments.dev.services.app.pids above 64; then envmgr up dev app",
    ),
    ("not-permitted", "chown: changing ownership of '/x': Operation not permitted", "app of dev wants a right", ""),
]


# ---- networks

NETWORKS = [
    (
        "name-not-found",
        f"{TRACEBACK}redis.exceptions.ConnectionError: Error -2 connecting to cache:6379. Name or service not known.",
        "app of dev cannot find cache: there is no service of that name",
        "edit envmgr.toml: services.app.variables or what else names cache has to name another; then envmgr up dev app",
    ),
    (
        "name-not-found",
        "psycopg.OperationalError: failed to resolve host 'nosuch': [Errno -2] Name or service not known",
        "app of dev cannot find nosuch: there is no service of that name",
        "",
    ),
    (
        "name-not-found",
        'psycopg2.OperationalError: could not translate host name "nosuch" to address: Name or service not known',
        "app of dev cannot find nosuch: there is no service of that name",
        "",
    ),
    (
        "name-not-found",
        '2026/11/24 06:04:43 [emerg] 1#1: host not found in upstream "nosuch" in /etc/nginx/nginx.conf:2',
        "app of dev cannot find nosuch: there is no service of that name",
        "",
    ),
    (
        "name-not-found",
        "Error: getaddrinfo ENOTFOUND api.example.com\n    at GetAddrInfoReqWrap.onlookupall {\n  code: 'ENOTFOUND',",
        "app of dev cannot find api.example.com: it has no way to the outside",
        "edit envmgr.toml: services.app.egress = true; then envmgr up dev app",
    ),
    (
        "name-not-found",
        "dial tcp: lookup nosuch on 127.0.0.11:53: no such host",
        "app of dev cannot find nosuch: there is no service of that name",
        "",
    ),
    (
        "connection-refused",
        'psycopg.OperationalError: connection failed: connection to server at "127.0.0.1", port 5432 failed: '
        "Connection refused\n\tIs the server running on that host and accepting TCP/IP connections?",
        "app of dev looks for a server inside its own container, at 127.0.0.1:5432, where none runs",
        "",
    ),
    (
        "connection-refused",
        "redis.exceptions.ConnectionError: Error 111 connecting to redis:6380. Connection refused.",
        "app of dev cannot connect to redis:6380, although redis of infra is healthy: nothing listens on that port",
        "edit envmgr.toml: services.app.variables has to name the port of redis; then envmgr up dev app",
    ),
    (
        "connection-refused",
        "httpx.ConnectError: [Errno 111] Connection refused",
        "app of dev cannot connect to a ser",
        "",
    ),
    (
        "connection-refused",
        "Error: connect ECONNREFUSED 10.0.0.9:4000\n  code: 'ECONNREFUSED',\n  port: 4000",
        "app of dev cannot connect to 10.0.0.9:4000",
        "envmgr logs dev app",
    ),
    (
        "no-way-outside",
        f"{TRACEBACK}OSError: [Errno 101] Network is unreachable",
        "app of dev cannot reach the outside: it has no way to the outside",
        "edit envmgr.toml: services.app.egress = true; then envmgr up dev app",
    ),
    (
        "port-taken-inside",
        f"{TRACEBACK}OSError: [Errno 98] Address already in use",
        "app of dev cannot listen on its port: another program in its container does",
        "envmgr logs dev app",
    ),
    (
        "port-taken-inside",
        "Error: listen EADDRINUSE: address already in use 127.0.0.1:8000",
        "app of dev cannot listen on port 8000: another program in its container does",
        "",
    ),
]


# ---- servers

SERVERS = [
    (
        "wrong-password",
        'asyncpg.exceptions.InvalidPasswordError: password authentication failed for user "dev_app_1"',
        "app of dev is refused by postgres of infra as dev_app_1: it does not send POSTGRES_PASSWORD of .env.dev, which "
        "works",
        "edit envmgr.toml: services.app.variables or its code has to use the URL or password that envmgr hands over for "
        "postgres; then envmgr up dev app",
    ),
    (
        "wrong-password",
        "redis.exceptions.AuthenticationError: invalid username-password pair or user is disabled.",
        "app of dev is refused by redis of infra: it does not send REDIS_PASSWORD of .env.dev, which works",
        "",
    ),
    (
        "wrong-password",
        "redis.exceptions.AuthenticationError: HELLO must be called with the client already authenticated, otherwise the "
        "HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client",
        "app of dev is refused by redis of infra: it does not send REDIS_PASSWORD",
        "",
    ),
    (
        "wrong-password",
        "[2026-11-24 06:04:09,124: ERROR/MainProcess] consumer: Cannot connect to redis://dev_app:**@redis:6379/0: invalid "
        "username-password pair or user is disabled..\nTrying again in 10.00 seconds... (5/100)",
        "app of dev is refused by redis of infra: it does not send REDIS_PASSWORD",
        "",
    ),
    (
        "missing-database",
        'psycopg.OperationalError: connection failed: connection to server at "10.0.0.2", port 5432 failed: FATAL:  '
        'database "dev_play" does not exist',
        "postgres of infra has no database dev_play for app of dev",
        "envmgr up dev",
    ),
    (
        "missing-table",
        f"""{TRACEBACK}sqlalchemy.exc.ProgrammingError: (psycopg.errors.UndefinedTable) relation "messages" does not exist
LINE 1: select 1 from messages
                      ^
[SQL: select 1 from messages]
(Background on this error at: https://sqlalche.me/e/21/f405)""",
        "app of dev misses the table messages, which migrate should have made",
        "envmgr up dev migrate --build",
    ),
    (
        "too-many-connections",
        f'{TRACEBACK}RuntimeError: FATAL:  too many connections for role "dev_app_1"',
        "app of dev gets no connection: dev has all that postgres of infra allows it",
        "edit envmgr.toml: infra.postgres.connections_per_environment higher; then envmgr up infra dev",
    ),
    (
        "cache-full",
        "redis.exceptions.OutOfMemoryError: OOM command not allowed when used memory > 'maxmemory'.",
        "redis of infra is full, and refuses what app of dev writes",
        "edit envmgr.toml: infra.redis.memory higher; then envmgr up infra",
    ),
    (
        "not-its-keys",
        "redis.exceptions.NoPermissionError: No permissions to access a key",
        "app of dev reaches for keys or channels of redis of infra outside its own dev_",
        "",
    ),
]


@pytest.mark.parametrize(("signature", "text", "sentence", "command"), PROGRAMS + FILES + NETWORKS + SERVERS)
def test_what_a_program_says_is_recognised(signature: str, text: str, sentence: str, command: str):
    found = said(text, secret_files={"DATABASE_URL": SecretFile(0, 0o400)})
    assert found[0] == signature
    assert found[1].startswith(sentence)
    assert found[2].startswith(command)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "playing serve",
        "INFO: Application startup complete",
        "a user asked for https://example.com/401 and got it",
        "1:M * Ready to accept connections tcp",
        "LOG:  checkpoint complete: wrote 12 buffers",
    ],
)
def test_ordinary_words_are_no_signature(text: str):
    assert said(text)[0] == "crash"


# ---- servers, about themselves

OWN_WORDS = [
    (
        "redis",
        "bad-configuration",
        """\

*** FATAL CONFIG FILE ERROR (Redis 8.0.2) ***
Reading the configuration file, at line 2
>>> 'maxmemory "banana"'
argument must be a memory value
""",
        "redis of infra does not accept its configuration: 'maxmemory \"banana\"' argument must be a memory value",
        "edit envmgr.toml: infra.redis has to be corrected where this comes from; then envmgr up infra redis",
    ),
    (
        "postgres",
        "bad-configuration",
        '2026-11-24 06:04:28.834 GMT [36] FATAL:  unrecognized configuration parameter "shared_bufers"',
        'postgres of infra does not accept its configuration: unrecognized configuration parameter "shared_bufers"',
        "",
    ),
    (
        "postgres",
        "bad-configuration",
        '2026-11-24 06:04:39.238 GMT [37] FATAL:  invalid value for parameter "shared_buffers": "lots"',
        'postgres of infra does not accept its configuration: invalid value for parameter "shared_buffers": "lots"',
        "",
    ),
    (
        "redis",
        "bad-configuration",
        '2026/11/24 06:04:44 [emerg] 1#1: unknown directive "servr" in /etc/nginx/nginx.conf:2',
        'redis of infra does not accept its configuration: unknown directive "servr" in /etc/nginx/nginx.conf:2',
        "",
    ),
    (
        "postgres",
        "old-data",
        "2026-11-24 06:10:00 GMT [1] FATAL:  database files are incompatible with server\n"
        "2026-11-24 06:10:00 GMT [1] DETAIL:  The data directory was initialized by PostgreSQL version 15, which is not "
        "compatible with this version 17.6 (Debian 17.6-0+deb13u1).",
        "postgres of infra cannot open its data, which was written by version 15 and not 17.6",
        'edit envmgr.toml: infra.postgres.version = "15"; then envmgr up infra postgres',
    ),
    (
        "redis",
        "old-data",
        "1:M # Fatal error loading the DB, check server logs. Can't handle RDB format version 12",
        "redis of infra cannot open its data, which was written by another version",
        "",
    ),
    (
        "postgres",
        "disk-full",
        'PANIC:  could not write to file "pg_wal/xlogtemp.31": No space left on device',
        "postgres of infra cannot write pg_wal/xlogtemp.31, the disk is full: 20 MiB are free where Docker keeps its data",
        "envmgr up infra",
    ),
    (
        "postgres",
        "disk-full",
        'ERROR:  could not extend file "base/16384/2619": No space left on device',
        "postgres of infra cannot write base/16384/2619, the disk is full",
        "envmgr up infra",
    ),
]


@pytest.mark.parametrize(("name", "signature", "text", "sentence", "command"), OWN_WORDS)
def test_what_a_server_says_of_itself(name: str, signature: str, text: str, sentence: str, command: str):
    found = said(text, name, target="infra", free_disk=20 << 20)
    assert found[0] == signature
    assert found[1].startswith(sentence)
    assert found[2].startswith(command)


def test_a_server_is_not_ill_because_a_client_has_a_wrong_password():
    words = 'FATAL:  password authentication failed for user "stranger"', 'FATAL:  database "x" does not exist'
    assert find(ill("postgres", *words, target="infra")).signature == "crash"


def test_a_full_place_in_memory_is_not_the_disk():
    text = f"{TRACEBACK}OSError: [Errno 28] No space left on device: '/tmp/much'"
    assert said(text) == (
        "disk-full",
        "app of dev filled /tmp (16 MB in memory)",
        "edit envmgr.toml: services.app.volumes takes a volume for what does not fit into /tmp; then envmgr up dev app",
    )
    unnamed = "OSError: [Errno 28] No space left on device"
    assert said(unnamed, "worker", free_disk=50 << 30)[1] == "worker of dev filled /tmp (16 MB in memory)"
    assert "cannot write, the disk is full" in said(unnamed, "worker", free_disk=1 << 20)[1]
    assert "cannot write, the disk is full; free some space first" in said(unnamed, "worker")[1]


def test_a_full_volume_on_a_disk_with_room_is_at_its_own_end():
    _, sentence, command = said("OSError: [Errno 28] No space left on device: '/files/x'", free_disk=50 << 30)
    assert sentence == (
        "app of dev cannot write /files/x: its volume is full, or at its quota: 51200 MiB are free where Docker keeps "
        "its data"
    )
    assert command == "envmgr logs dev app"


def test_a_server_s_own_kind_takes_volumes_as_raw_keys_only():
    words = "1:M # Can't open the append-only file: Read-only file system"
    assert said(words, "redis", target="infra")[2] == (
        "edit envmgr.toml: infra.redis.compose takes a volume for that path; then envmgr up infra redis"
    )
