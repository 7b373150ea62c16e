"""How one environment would reach another's keys in a Redis or Valkey; what it writes there is gone a second later."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from envmgr.model.proof import Attempt

DEFAULTS = ("redis", "password", "admin", "change-me", "changeme", "secret", "foobared")
"""Passwords that examples have, and that somebody leaves in place."""
_DENIED = "NOPERM|ACL failure in script|No permissions"
_NO_LOGIN = "WRONGPASS|NOAUTH"
_KEY = "envmgr-prove"


def prelude(cli: str, host: str, port: int) -> str:
    """Return shell functions: `ask WORDS…` as the environment, `guess LOGIN PASSWORD` enters as somebody else."""
    # A program that could not log in goes on as `default`, so who it is has to be asked. -e: an error reply is one of
    # the program. Whoever may subscribe waits for messages, and says so first.
    return f"""\
ask() {{ {cli} -e -h {host} -p {port} --user "$LOGIN" "$@" 2>&1; }}
as() {{ user=$1 word=$2; shift 2; REDISCLI_AUTH=$word {cli} -e -h {host} -p {port} --user "$user" "$@" 2>&1; }}
guess() {{ said=$(as "$1" "$2" ACL WHOAMI); printf '%s\\n' "$said"; [ "$said" = "$1" ]; }}
nobody() {{ ( unset REDISCLI_AUTH; {cli} -e -h {host} -p {port} "$@" 2>&1 ); }}
listen() {{
  said=$(timeout 0.5 {cli} -h {host} -p {port} --user "$LOGIN" SUBSCRIBE "$1" 2>&1)
  printf '%s\\n' "$said"
  case $said in subscribe*) return 0;; *) return 1;; esac
}}
"""


def against(other: str, own: str, theirs: str, their_logins: Sequence[str]) -> Iterable[Attempt]:
    """Yield what is tried against another environment; both are prefixes of keys."""
    script = """ask EVAL "return redis.call('GET', KEYS[1])" 1 """
    # A key that is not declared: who may only read gets no further with the one that is, which might be written.
    hidden = """ask EVAL "return redis.call('GET', '{key}')" 0"""
    for what, form in (
        ("read keys", "ask GET {key}"),
        ("write keys", "ask SET {key} 1 EX 1"),
        ("delete keys", "ask DEL {key}"),
        ("read keys by a script", f"{script}{{key}} || {hidden}"),
    ):
        yield _one(what, other, f"keys {theirs}*", form, own + _KEY, theirs + _KEY)
    channels = f"channels {theirs}*"
    yield _one("publish", other, channels, "ask PUBLISH {key} 1", own + _KEY, theirs + _KEY)
    yield _one("subscribe", other, channels, "listen {key}", own + _KEY, theirs + _KEY)
    yield Attempt(
        "enter as it with the own password",
        other,
        f"user {their_logins[0]}",
        " || ".join(f'guess {login} "$REDISCLI_AUTH"' for login in their_logins),
        "ask PING",
        _NO_LOGIN,
    )


def _one(what: str, other: str, thing: str, form: str, own: str, theirs: str) -> Attempt:
    return Attempt(what, other, thing, form.format(key=theirs), form.format(key=own), _DENIED)


def administration() -> Iterable[Attempt]:
    """Yield what is tried against the server itself."""
    for what, words in (
        ("list all keys", "SCAN 0"),
        ("list all keys with KEYS", "KEYS *"),
        ("draw a key", "RANDOMKEY"),
        ("read the configuration", "CONFIG GET maxmemory"),
        ("list the users", "ACL LIST"),
        ("see other clients", "CLIENT LIST"),
        ("list the channels", "PUBSUB CHANNELS"),
        ("see slow commands", "SLOWLOG GET 1"),
        ("list functions", "FUNCTION LIST"),
    ):
        yield Attempt(
            what, "", words.split()[0], f"ask {words.replace('*', chr(39) + '*' + chr(39))}", "ask PING", _DENIED
        )
    yield Attempt("enter without a password", "", "user default", f"nobody GET {_KEY}", "ask PING", _NO_LOGIN)
    health = f"as health x GET {_KEY}"
    yield Attempt("read as the healthcheck", "", "user health", health, "as health x PING", _DENIED)
    guesses = " || ".join(f"guess default {word}" for word in DEFAULTS)
    yield Attempt("enter with a default password", "", "user default", guesses, "ask PING", _NO_LOGIN)
