"""Rules about secrets, logins and data."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from envmgr.rules.document import Document, Modes, Service, is_on, is_open, mounts, table
from envmgr.rules.networks import STORES
from envmgr.rules.rule import HIGH, INFO, LOW, MEDIUM, Rule, Said, of_document, of_service, refs
from envmgr.rules.tree import Keys

_CREDENTIAL = re.compile(
    r"PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|CREDENTIAL|PRIVATE_?KEY|API_?KEY|ACCESS_KEY$|(^|_)KEY$|_PASS$|^PGPASS",
    re.IGNORECASE,
)
_NO_CREDENTIAL = re.compile(
    r"_FILE$|_PATH$|_URL$|_TYPE$|_NAME$|_HEADER$|_LENGTH$|_TTL$|_EXPIR|_TIMEOUT$|_ENABLED?$|_ALGORITHM$|EXPIRE"
    r"|^ALLOW_|(?<!SECRET_)ACCESS_KEY$|PUBLIC_KEY|_ROTATION|_LIFETIME$|_MINUTES$|_SECONDS$|_DAYS$|_MAX|TOKENS$|_ID$",
    re.IGNORECASE,
)
_LOGIN = re.compile(r"://[^/\s:@]*:(?P<password>[^/\s@]+)@")
_OPTION = re.compile(
    r"(?:^|\s)(?:--?[\w-]*(?:password|passwd|passphrase|secret|token|api-key|requirepass|masterauth)"
    r"|-{0,2}requirepass|--pass|[A-Z_]*(?:PASSWORD|PASSWD|TOKEN|SECRET))(?:=|\s+)(?P<value>[^\s-]\S*)"
)
_NOTHING = ("", "true", "false", "none", "null", "yes", "no", "0", "1")
"""What a switch says that is only named like a secret."""
_OFF: dict[str, tuple[str, ...]] = {
    "POSTGRES_HOST_AUTH_METHOD": ("trust",),
    "GF_AUTH_ANONYMOUS_ENABLED": ("true",),
    "GF_AUTH_DISABLE_LOGIN_FORM": ("true",),
    "xpack.security.enabled": ("false",),
    "DISABLE_SECURITY_PLUGIN": ("true",),
    "plugins.security.disabled": ("true",),
    "FLOWER_UNAUTHENTICATED_API": ("true",),
    "ALLOW_EMPTY_PASSWORD": ("yes", "true", "1"),
    "ALLOW_ANONYMOUS_LOGIN": ("yes", "true", "1"),
    "MYSQL_ALLOW_EMPTY_PASSWORD": ("yes", "true", "1"),
    "MARIADB_ALLOW_EMPTY_ROOT_PASSWORD": ("yes", "true", "1"),
    "AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED": ("true",),
    "N8N_BASIC_AUTH_ACTIVE": ("false",),
}
"""Variables that open a server to everybody, and the values that do."""
_WITHOUT_LOGIN = ("redis", "valkey", "keydb", "qdrant", "mongo", "memcached", "flower")
"""Images that ask for no password until they are told to."""
_TELLS = re.compile(r"requirepass|aclfile|--auth|--conf|\.conf\b|basic.auth|password|api_?key|--keyFile", re.IGNORECASE)


def _is_literal(value: Any) -> bool:
    return isinstance(value, str | int | float) and not is_open(value) and str(value).lower() not in _NOTHING


def _is_credential(name: str) -> bool:
    return bool(_CREDENTIAL.search(name)) and not _NO_CREDENTIAL.search(name)


def _given(service: Service) -> Iterator[tuple[Keys, str, Any, str]]:
    """Yield every variable, label and build argument of a service, and what it is."""
    for where, what in ((("environment",), "variable"), (("labels",), "label"), (("build", "args"), "build argument")):
        for keys, name, value in service.entries(where):
            yield keys, name, value, what


def _literal(service: Service) -> Iterator[Said]:
    for keys, name, value, what in _given(service):
        if _is_credential(name) and _is_literal(value) and not str(value).startswith("/run/secrets/"):
            yield keys, f"the {what} {name} is a secret, and it stands here"


def _login_in_url(service: Service) -> Iterator[Said]:
    for keys, name, value, what in _given(service):
        found = _LOGIN.search(str(value))
        if found and not is_open(found["password"]):
            yield keys, f"the {what} {name} is a URL with a password in it"


def _on_command_line(service: Service) -> Iterator[Said]:
    for keys in (("command",), ("entrypoint",), ("healthcheck", "test")):
        text = " ".join(service.words(*keys))
        if any(_is_secret_word(found) for found in (*_OPTION.finditer(text), *_LOGIN.finditer(text))):
            yield keys, "a secret stands on its command line, for every process of the host to read"


def _is_secret_word(found: re.Match[str]) -> bool:
    """Tell a secret from a variable, a file, and the one letter with which a login without a password is asked."""
    value = found[found.lastindex or 0]
    return len(value) > 1 and not is_open(value) and "$$" not in value and not value.startswith(("/", "@"))


def _by_variable(service: Service) -> Iterator[Said]:
    for keys, name, value, what in _given(service):
        if _is_credential(name) and is_open(value) and what == "variable":
            yield keys, f"the secret {name} is a variable: docker inspect shows it, and every child process has it"


def _file_modes(document: Document) -> Iterator[Said]:
    for name, secret in document.section("secrets"):
        modes = document.modes.get(str(secret.get("file", "")))
        if modes and _is_loose(modes):
            text = f"secret {name}: its file has mode {modes.file:04o} in a folder of mode {modes.folder:04o}"
            yield ("secrets", name, "file"), text


def _is_loose(modes: Modes) -> bool:
    """Tell whether others may read a file that their way to it is open, or write to it."""
    return bool(modes.file & 0o022) or bool(modes.file & 0o044 and modes.folder & 0o011)


def _switched_off(service: Service) -> Iterator[Said]:
    for keys, name, value in service.entries(("environment",)):
        if str(value).lower() in _OFF.get(name, ()):
            yield keys, f"{name} lets everybody in"


def _no_login(service: Service) -> Iterator[Said]:
    is_flower = "flower" in service.words("command")
    if service.image_name not in _WITHOUT_LOGIN and not is_flower:
        return
    texts = [*service.words("command"), *service.words("entrypoint")]
    texts += [name for _, name, _ in service.entries(("environment",)) if not name.startswith("ALLOW_")]
    texts += [str(one) for key in ("secrets", "configs") for one in service.body.get(key) or ()]
    texts += [mount.target for mount in mounts(service)]
    if not any(_TELLS.search(text) for text in texts) and "env_file" not in service.body:
        yield ("image",), "it asks nobody for a password until it is told to"


# ---- data


def _volume_name(document: Document) -> Iterator[Said]:
    for name, volume in document.section("volumes"):
        if not volume.get("name") and not volume.get("external"):
            yield ("volumes", name), f"volume {name}: under another project name, its data is not found"


def _anonymous(service: Service) -> Iterator[Said]:
    for mount in mounts(service):
        if mount.kind == "volume" and not mount.source and mount.target:
            yield ("volumes", mount.index), f"what is in {mount.target} is lost with the container"


def _unnamed_store(service: Service) -> Iterator[Said]:
    if service.image_name in STORES and service.image_name != "memcached" and not next(mounts(service), None):
        yield ("volumes",), "it holds data, and has no volume"


def _unprotected(document: Document) -> Iterator[Said]:
    """Yield volumes of what envmgr rendered for prod without the label that saves them from being destroyed."""
    for name, volume in document.section("volumes"):
        labels = table(volume.get("labels"))
        if labels.get("envmgr.env") == "prod" and not is_on(labels.get("envmgr.protect")):
            yield ("volumes", name), f"volume {name}: nothing protects the data of prod"


_SECRETS = "secrets: with a file, and NAME_FILE where the image knows it"

RULES = (
    Rule(
        "EM-S16-literal-secret",
        HIGH,
        "No secret stands in a Compose file",
        _SECRETS,
        of_service(_literal),
        refs(cis="4.10", owasp="12"),
    ),
    Rule(
        "EM-S16-login-in-url",
        HIGH,
        "No URL holds a password",
        _SECRETS,
        of_service(_login_in_url),
        refs(cis="4.10", owasp="12"),
    ),
    Rule(
        "EM-S16-command-line",
        HIGH,
        "No secret stands on a command line",
        "a file that the program reads",
        of_service(_on_command_line),
        refs(cis="4.10", owasp="12"),
    ),
    Rule(
        "EM-S16-secret-variable",
        LOW,
        "A secret is a file",
        _SECRETS,
        of_service(_by_variable),
        refs(owasp="12"),
    ),
    Rule(
        "EM-S16-secret-mode",
        MEDIUM,
        "Nobody else reads a secret's file",
        "mode 0400, or a folder of mode 0700 around it",
        of_document(_file_modes),
        refs(owasp="12"),
    ),
    Rule(
        "EM-S17-open-server",
        HIGH,
        "No server lets everybody in",
        "nothing: leave the variable out",
        of_service(_switched_off),
    ),
    Rule(
        "EM-S17-no-login",
        MEDIUM,
        "A server asks for a password",
        "a password by file, an ACL file, or the server's own option for it",
        of_service(_no_login),
    ),
    Rule(
        "EM-S18-volume-name",
        INFO,
        "A volume has a name of its own",
        'volumes: { data: { name: "PROJECT-ENVIRONMENT-data" } }',
        of_document(_volume_name),
    ),
    Rule(
        "EM-S18-anonymous-volume",
        LOW,
        "What is kept has a named volume",
        "a named volume, or tmpfs for what may be lost",
        of_service(_anonymous),
    ),
    Rule(
        "EM-S18-no-volume",
        MEDIUM,
        "What holds data has a volume",
        "a named volume where the server keeps its data",
        of_service(_unnamed_store, only_whole=True),
    ),
    Rule(
        "EM-S18-unprotected",
        HIGH,
        "The data of prod is protected",
        'labels: { envmgr.protect: "true" }',
        of_document(_unprotected),
    ),
)
