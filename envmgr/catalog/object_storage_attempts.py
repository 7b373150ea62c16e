"""How one environment would reach another's buckets, over the S3 protocol; what it may write there it deletes again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from envmgr.catalog.asking import asking
from envmgr.model.proof import Attempt

DEFAULTS = (
    ("minioadmin", "minioadmin"),
    ("rustfsadmin", "rustfsadmin"),
    ("admin", "password"),
    ("admin", "adminadmin"),
)
"""Keys that the servers have when nobody sets others, and those of examples."""
_DENIED = "^403 .*(AccessDenied|Access Denied)"
_NO_KEY = "^(403|401|400) "
_OBJECT = "envmgr-prove"
_SAY = """\
say() {
  ask "$@" || return 1
  printf '%s %s\\n' "$status" "$(printf '%s' "$body" | tr '\\n' ' ' | cut -c 1-300)"
  case $status in 2??) ;; *) return 1;; esac
}
guess() { ( LOGIN=$1 SECRET=$2; say GET / ); }
"""


def prelude(address: str, region: str) -> str:
    """Return shell functions: `say METHOD PATH [BODY]` as the environment, `guess KEY SECRET` as somebody else."""
    return asking(address, f"--aws-sigv4 aws:amz:{region}:s3") + _SAY


def against(other: str, own: Sequence[str], theirs: Sequence[str], their_logins: Sequence[str]) -> Iterable[Attempt]:
    """Yield what is tried against another environment; both have buckets."""
    for bucket in theirs:
        listing = "say GET '/{bucket}?list-type=2&max-keys=1'"
        yield _one("list objects", other, bucket, listing, own[0])
        put = f"say PUT '/{{bucket}}/{_OBJECT}' x"
        drop = f"say DELETE '/{{bucket}}/{_OBJECT}'"
        get = f"say GET '/{{bucket}}/{_OBJECT}'"
        read = get.format(bucket=bucket)
        control = " && ".join(part.format(bucket=own[0]) for part in (put, get, drop))
        yield Attempt("read objects", other, f"bucket {bucket}", read, control, _DENIED, "^404 ")
        yield _one("write objects", other, bucket, f"{put} && {drop}", own[0])
    yield Attempt(
        "enter as it with the own secret",
        other,
        f"key {their_logins[0]}",
        " || ".join(f'guess {login} "$SECRET"' for login in their_logins),
        'guess "$LOGIN" "$SECRET"',
        _NO_KEY,
    )
    found = "".join(f"*'<Name>{bucket}</Name>'*|" for bucket in theirs).rstrip("|")
    mine = f"*'<Name>{own[0]}</Name>'*"
    listed = "say GET / >/dev/null; case $body in {found}) exit 0;; *) echo 'lists the own buckets only'; exit 1;; esac"
    yield Attempt(
        "see buckets",
        other,
        f"buckets {', '.join(theirs)}",
        listed.format(found=found),
        listed.format(found=mine),
        "lists the own buckets only",
    )


def _one(what: str, other: str, bucket: str, form: str, own: str) -> Attempt:
    return Attempt(what, other, f"bucket {bucket}", form.format(bucket=bucket), form.format(bucket=own), _DENIED)


def administration(users_path: str, own: str) -> Iterable[Attempt]:
    """Yield what is tried against the server itself."""
    control = f"say GET '/{own}?list-type=2&max-keys=1'"
    yield Attempt("list the users", "", "users", f"say GET '{users_path}'", control, "^403 ", "^404 ")
    guesses = " || ".join(f"guess {key} {secret}" for key, secret in DEFAULTS)
    yield Attempt("enter with a default key", "", ", ".join(key for key, _ in DEFAULTS), guesses, control, _NO_KEY)
    anonymous = f"""status=$(curl -sS --noproxy '*' -m 10 -o /tmp/said -w '%{{http_code}}' "$ADDRESS/{own}?list-type=2")
echo "$status $(head -c 200 /tmp/said | tr '\\n' ' ')"; case $status in 2??) ;; *) exit 1;; esac"""
    yield Attempt("enter without a key", "", f"bucket {own}", anonymous, control, _NO_KEY)
