"""How one environment would reach another's collections in a Qdrant; none of it changes a point."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from envmgr.model.proof import Attempt

DEFAULTS = ("qdrant", "api-key", "change-me", "changeme", "admin", "secret")
"""Keys that examples have."""
_DENIED = r"^HTTP/1\.. 403"
_NO_KEY = r"^HTTP/1\.. 40[13]"


def prelude(host: str, port: int) -> str:
    """Return functions of bash: `say METHOD PATH [BODY]` with the environment's key, `guess KEY` with another."""
    return f"""\
say() {{
  exec 3<>/dev/tcp/{host}/{port} || return 1
  printf '%s %s HTTP/1.1\\r\\nHost: {host}\\r\\nContent-Type: application/json\\r\\n' "$1" "$2" >&3
  [[ -z $KEY ]] || printf 'api-key: %s\\r\\n' "$KEY" >&3
  printf 'Content-Length: %s\\r\\nConnection: close\\r\\n\\r\\n%s' "${{#3}}" "$3" >&3
  answer=$(tr -d '\\r' <&3)
  exec 3>&-
  body=${{answer#*$'\\n\\n'}}
  printf '%s %.200s\\n' "${{answer%%$'\\n'*}}" "${{body//$'\\n'/ }}"
  [[ $answer == "HTTP/1."?" 2"* ]]
}}
guess() {{ ( KEY=$1; say GET /collections ); }}
"""


def against(other: str, own: Sequence[str], theirs: Sequence[str]) -> Iterable[Attempt]:
    """Yield what is tried against another environment; both have collections."""
    for name in theirs:
        for what, form in (
            ("see a collection", "say GET /collections/{name}"),
            ("read points", """say POST /collections/{name}/points/scroll '{{"limit":1}}'"""),
            ("delete points", """say POST /collections/{name}/points/delete '{{"points":[]}}'"""),
        ):
            script, control = form.format(name=name), form.format(name=own[0])
            # A server that lets the key in says 404 for a collection that is not there.
            yield Attempt(what, other, f"collection {name}", script, control, _DENIED, r"^HTTP/1\.. 404")
    listed = """\
say GET /collections >/dev/null
case $body in {found}) exit 0;; *'"collections"'*) echo 'lists the own collections only'; exit 1;; esac
echo "$body"
exit 2"""
    yield Attempt(
        "list collections",
        other,
        f"collections {', '.join(theirs)}",
        listed.format(found="|".join(f"""*'"{name}"'*""" for name in theirs)),
        listed.format(found=f"""*'"{own[0]}"'*"""),
        "lists the own collections only",
    )


def administration(own: str) -> Iterable[Attempt]:
    """Yield what is tried against the server itself."""
    control = f"say GET /collections/{own}"
    yield Attempt("list the server's snapshots", "", "snapshots", "say GET /snapshots", control, _DENIED)
    yield Attempt("enter without a key", "", "collections", "guess ''", control, _NO_KEY)
    guesses = " || ".join(f"guess {word}" for word in DEFAULTS)
    yield Attempt("enter with a default key", "", "collections", guesses, control, _NO_KEY)
