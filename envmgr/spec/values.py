"""What single values of a spec may be, and the base of all its tables."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from envmgr import naming

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
_MEMORY = re.compile(r"(\d+(?:\.\d+)?)([KMG])")
_PRIVATE = tuple(ipaddress.IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
_UNITS = {"K": 1024, "M": 1024**2, "G": 1024**3}


def memory_bytes(text: str) -> int:
    """Convert `512M` or `1.5G` to bytes."""
    match = _MEMORY.fullmatch(text)
    if match is None:
        raise ValueError('expected a number with K, M or G, such as "512M"')
    return int(float(match[1]) * _UNITS[match[2]])


def _memory(text: str) -> str:
    if memory_bytes(text) < 6 * 1024**2:
        raise ValueError("expected at least 6M, the least that the engine accepts")
    return text


def _name(text: str) -> str:
    if not naming.NAME.fullmatch(text) or len(text) > naming.NAME_LENGTH:
        raise ValueError(
            f"expected 1 to {naming.NAME_LENGTH} lower-case letters, digits and single dashes, "
            f'a letter first, such as "{naming.slug(text)}"'
        )
    return text


def _prefix(text: str) -> str:
    if not naming.PREFIX.fullmatch(text) or len(text) > 20:
        raise ValueError('expected lower-case letters and digits and one "_" at the end, such as "dev_"')
    return text


def _variable(text: str) -> str:
    if not naming.VARIABLE.fullmatch(text):
        raise ValueError('expected capitals, digits and "_", such as "SECRET_KEY"')
    return text


def _value(text: str) -> str:
    if "\n" in text or "\r" in text or "\0" in text:
        raise ValueError("expected a single line: an env file cannot carry a line break or NUL")
    if len(text.encode()) > 60 * 1024:
        raise ValueError("expected at most 60 KiB: Compose reads no longer line")
    return text


def _subnet(text: str) -> str:
    try:
        network = ipaddress.IPv4Network(text)
    except ValueError:
        raise ValueError('expected an IPv4 range, such as "10.208.0.0/12"') from None
    if not any(network.subnet_of(private) for private in _PRIVATE):
        raise ValueError("expected a range inside 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16")
    return text


def _range(text: str) -> str:
    if ipaddress.IPv4Network(_subnet(text)).prefixlen > 22:
        raise ValueError("expected a /22 or larger: each environment takes a /24 of it")
    return text


def _block(text: str) -> str:
    if ipaddress.IPv4Network(_subnet(text)).prefixlen != 24:
        raise ValueError('expected a /24, such as "10.208.7.0/24"')
    return text


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        is_whole = bool(parts.scheme and parts.hostname) and parts.port != 0
    except ValueError:
        is_whole = False
    if not is_whole:
        raise ValueError('expected a URL, such as "postgresql://app@db.example.com:5432/chat"')
    if parts.password is not None:
        raise ValueError("expected no password: it belongs in .env.ENVIRONMENT")
    return text


def _address(text: str) -> str:
    try:
        parts = urlsplit(text)
        is_local = parts.hostname in ("localhost", "127.0.0.1", "::1")
        is_right = parts.scheme == "https" or (parts.scheme == "http" and is_local)
        is_whole = is_right and bool(parts.hostname) and parts.port != 0 and parts.path in ("", "/")
    except ValueError:
        is_whole = False
    if not is_whole or parts.query or parts.fragment or parts.username:
        raise ValueError('expected "https://HOST:PORT", or http on the loopback: a token must not travel in clear')
    return text.rstrip("/")


def _shown(pattern: re.Pattern[str] | str, **more: Any) -> WithJsonSchema:
    """Tell an editor what a validator of ours takes, as far as a pattern can."""
    text = pattern if isinstance(pattern, str) else pattern.pattern
    return WithJsonSchema({"type": "string", "pattern": f"^(?:{text})$", **more})


Name = Annotated[str, AfterValidator(_name), _shown(naming.NAME, maxLength=naming.NAME_LENGTH)]
Prefix = Annotated[str, AfterValidator(_prefix), _shown(naming.PREFIX, maxLength=20)]
VariableName = Annotated[str, AfterValidator(_variable), _shown(naming.VARIABLE)]
Value = Annotated[str, AfterValidator(_value), _shown(r"[^\n\r\x00]*")]
Memory = Annotated[str, AfterValidator(_memory), _shown(_MEMORY)]
Port = Annotated[int, Field(ge=1, le=65535)]
NetworkRange = Annotated[str, AfterValidator(_range)]
Block = Annotated[str, AfterValidator(_block)]
ServerUrl = Annotated[str, AfterValidator(_url)]
SafeAddress = Annotated[str, AfterValidator(_address)]
"""Of a server that is sent a token."""
Cpus = Annotated[float, Field(gt=0, le=512)]
Seconds = Annotated[float, Field(gt=0, le=3600)]


FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$")]
Alias = Annotated[str, Field(pattern=r"^[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9_])?$")]
"""A name in Docker's DNS, which is not as strict as the Internet's."""
NetworkName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
ContainerPath = Annotated[str, Field(pattern=r"^/[!-~]*$")]
Recipient = Annotated[str, Field(pattern=r"^(?:age1[0-9a-z]+|ssh-(?:ed25519|rsa) [A-Za-z0-9+/=]+.*)$")]
HostName = Annotated[
    str,
    Field(pattern=r"^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$", max_length=253),
]


class Strict(BaseModel):
    """Base of every table: frozen, no unknown key, no coercion."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True, defer_build=True)
