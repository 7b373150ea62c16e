"""The program that knocks at addresses and asks for names from inside a container, and what it says.

It is written twice, for Python and for a shell, because an image has the one or the other. It prints lines:
`tcp ADDRESS:PORT open|WHY`, `name NAME ADDRESS|none`, `file NAME HEX`, and at last `end`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

SECONDS = 1.5
"""How long an address may be silent."""
NO_PROGRAM = "no program"

_PYTHON = """\
import errno, glob, os, select, socket, threading, time
limit = float(os.environ["WAIT"])
names = {}
def ask(name):
    try:
        names[name] = socket.gethostbyname(name)
    except OSError:
        names[name] = "none"
asking = [threading.Thread(target=ask, args=(name,), daemon=True) for name in os.environ["NAMES"].split()]
for one in asking:
    one.start()
waiting, poll, deadline = {}, select.poll(), time.monotonic() + limit
for place in os.environ["PLACES"].split():
    host, _, port = place.rpartition(":")
    one = socket.socket()
    one.setblocking(False)
    code = one.connect_ex((host, int(port)))
    if code in (0, errno.EINPROGRESS):
        waiting[one.fileno()] = (one, place)
        poll.register(one, select.POLLOUT)
    else:
        print("tcp", place, errno.errorcode.get(code, code))
while waiting and time.monotonic() < deadline:
    for number, _ in poll.poll(max(0, (deadline - time.monotonic()) * 1000)):
        one, place = waiting.pop(number)
        poll.unregister(one)
        code = one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        print("tcp", place, errno.errorcode.get(code, code) if code else "open")
        one.close()
for one, place in waiting.values():
    print("tcp", place, "silence")
for one in asking:
    one.join(max(0, deadline + 5 - time.monotonic()))
for name, address in names.items():
    print("name", name, address)
for path in glob.glob("/run/secrets/*"):
    try:
        print("file", os.path.basename(path), open(path, "rb").read().hex())
    except OSError:
        pass
print("end", flush=True)
os._exit(0)
"""

# Every knock is a process of its own, thirty at a time.
_SHELL = """\
knock() { if $try "${1%:*}" "${1##*:}" >/dev/null 2>&1; then echo "tcp $1 open"; else echo "tcp $1 closed"; fi; }
by_bash() { timeout "$WAIT" bash -c ': <>"/dev/tcp/$0/$1"' "$1" "$2"; }
by_nc() { timeout 2 nc "$1" "$2" </dev/null; }
number=0
for place in $PLACES; do
  knock "$place" &
  number=$((number + 1)); [ $((number % 30)) != 0 ] || wait
done
wait
for name in $NAMES; do
  found=$(timeout 2 getent ahostsv4 "$name" 2>/dev/null || timeout 2 getent hosts "$name" 2>/dev/null)
  echo "name $name ${found%% *}" | sed 's/ $/ none/'
done
for path in /run/secrets/*; do
  [ ! -r "$path" ] || echo "file ${path##*/} $(od -An -v -tx1 "$path" | tr -d ' \\n')"
done
echo end
"""

PROGRAM = f"""\
for program in python3 python; do
  if command -v "$program" >/dev/null; then exec "$program" -c "$SCAN"; fi
done
if command -v timeout >/dev/null && command -v getent >/dev/null; then
  try=; if command -v bash >/dev/null; then try=by_bash; elif command -v nc >/dev/null; then try=by_nc; fi
  if [ -n "$try" ]; then
{_SHELL}exit 0
  fi
fi
echo '{NO_PROGRAM}'
exit 3
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a container sees."""

    places: Mapping[str, str] = field(default_factory=dict)
    """`ADDRESS:PORT` → `open`, or why not."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Name → address, or `none`."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Name of a file under /run/secrets → content."""


def variables(places: tuple[str, ...], names: tuple[str, ...]) -> dict[str, str]:
    """Return what the program is told."""
    return {"PLACES": " ".join(places), "NAMES": " ".join(names), "WAIT": str(SECONDS), "SCAN": _PYTHON}


def seen(output: str) -> Seen | None:
    """Read what it has printed; None when it did not come to its end."""
    rows = [line.split(" ") for line in output.splitlines()]
    if ["end"] not in rows:
        return None
    return Seen(
        places={row[1]: row[2] for row in rows if row[0] == "tcp" and len(row) == 3},
        names={row[1]: row[2] for row in rows if row[0] == "name" and len(row) == 3},
        files={row[1]: bytes.fromhex(row[2]) for row in rows if row[0] == "file" and len(row) == 3},
    )
