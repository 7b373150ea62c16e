"""Shell scripts that speak HTTP with curl as a named user, with neither password nor body on a command line."""

from __future__ import annotations


def asking(address: str, *flags: str) -> str:
    """Return shell functions for the user `$LOGIN` with `$SECRET`.

    `ask METHOD PATH [BODY]` leaves the answer in `$status` and `$body`, and fails only when nobody answers;
    `must METHOD PATH [BODY]` ends the script unless the answer is 2xx, and `gone METHOD PATH` unless it is that or 404.
    """
    options = " ".join(("-sS --noproxy '*' --globoff -m 20", *flags))
    return f"""\
ask() {{
  answer=$(printf '%s' "${{3-}}" | curl {options} -X "$1" -H 'Content-Type: application/json' \
-K /dev/fd/3 ${{3:+--data-binary @-}} -w '\\n%{{http_code}}' "{address}$2" 3<<LOGIN
user = "$LOGIN:$SECRET"
LOGIN
  ) || return 1
  status=${{answer##*
}}
  body=${{answer%
*}}
}}
must() {{
  ask "$@" || exit 1
  case $status in 2??) ;; *) printf '%s %s: %s %s\\n' "$1" "$2" "$status" "$body"; exit 1;; esac
}}
gone() {{
  ask "$@" || exit 1
  case $status in 2??|404) ;; *) printf '%s %s: %s %s\\n' "$1" "$2" "$status" "$body"; exit 1;; esac
}}
"""
