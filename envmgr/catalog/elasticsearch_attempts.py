"""How one environment would reach another's indices in an Elasticsearch; it aims at an index that is not there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from envmgr.catalog.asking import asking
from envmgr.model.proof import Attempt

DEFAULTS = ("changeme", "elastic", "password", "admin", "change-me", "secret")
"""Passwords that examples have."""
_DENIED = "^403 .*unauthorized"
_NO_LOGIN = "^401 "
_INDEX = "envmgr-prove"
_SAY = """\
say() {
  ask "$@" || return 1
  printf '%s %s\\n' "$status" "$(printf '%s' "$body" | tr '\\n' ' ' | cut -c 1-400)"
  case $status in 2??) ;; *) return 1;; esac
}
guess() { ( LOGIN=$1 SECRET=$2; say GET /_security/_authenticate ); }
heard() { say "$@" >/tmp/said; code=$?; cat /tmp/said; case $(cat /tmp/said) in 404*) return 0;; esac; return $code; }
"""


def prelude(address: str) -> str:
    """Return shell functions: `say METHOD PATH [BODY]` as the environment, `guess LOGIN PASSWORD` as somebody else."""
    return asking(address) + _SAY


def against(other: str, own: str, theirs: str, their_logins: Sequence[str]) -> Iterable[Attempt]:
    """Yield what is tried against another environment; both are prefixes of indices."""
    for what, form in (
        ("count documents", "heard GET /{index}/_count"),
        ("search documents", "heard GET '/{index}/_search?size=1'"),
        ("delete documents", "heard DELETE /{index}"),
    ):
        script, control = form.format(index=theirs + _INDEX), form.format(index=own + _INDEX)
        yield Attempt(what, other, f"indices {theirs}*", script, control, _DENIED)
    yield Attempt(
        "enter as it with the own password",
        other,
        f"user {their_logins[0]}",
        " || ".join(f'guess {login} "$SECRET"' for login in their_logins),
        'guess "$LOGIN" "$SECRET"',
        _NO_LOGIN,
    )


def administration() -> Iterable[Attempt]:
    """Yield what is tried against the server itself."""
    control = "say GET /_security/_authenticate"
    for what, path in (
        ("list the users", "/_security/user"),
        ("list all indices", "/_cat/indices"),
        ("read the cluster's settings", "/_cluster/settings"),
    ):
        yield Attempt(what, "", path, f"say GET {path}", control, _DENIED)
    guesses = " || ".join(f"guess elastic {word}" for word in DEFAULTS)
    yield Attempt("enter with a default password", "", "user elastic", guesses, control, _NO_LOGIN)
