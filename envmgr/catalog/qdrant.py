"""Qdrant: one server for all environments; each owns its collections and a key that reaches those only."""

from __future__ import annotations

import json
from typing import Annotated, Literal

from pydantic import Field

from envmgr.catalog import qdrant_attempts
from envmgr.catalog.http import bash
from envmgr.catalog.kind import HERE, Binding, Client, Defaults, Draft, Server, credential, from_network
from envmgr.catalog.secret_variables import START, start_script
from envmgr.model.needed import Needed, Origin
from envmgr.model.proof import Trial
from envmgr.model.secret import SecretRef, SignedToken, Template
from envmgr.model.stack import Command, CommandProbe, Grant, Image, Resources, SecretMount
from envmgr.spec.values import Name, Strict

_MEGABYTE = 1024**2
_UID = "1000:1000"
_HTTP, _GRPC = 6333, 6334

# The image has no HTTP client, and bash opens connections by itself. `ask METHOD PATH [BODY]` leaves the answer's body
# in $body, and fails unless the server says 2xx.
_ASK = f"""\
ask() {{
  exec 3<>/dev/tcp/{HERE}/{_HTTP} || return 1
  printf '%s %s HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\napi-key: %s\\r\\nContent-Type: application/json\\r\\n' \
"$1" "$2" "$KEY" >&3
  printf 'Content-Length: %s\\r\\nConnection: close\\r\\n\\r\\n%s' "${{#3}}" "$3" >&3
  answer=$(tr -d '\\r' <&3)
  exec 3>&-
  body=${{answer#*$'\\n\\n'}}
  [[ $answer == "HTTP/1."?" 2"* ]] || {{ printf '%s %s: %s\\n' "$1" "$2" "$body"; return 1; }}
}}
"""
# $owned: the names of the environment's collections, whatever the spec says now.
# $SERIALS: the collection with the serial numbers of its tokens; a token is valid while a point holds its number.
_OWNED = """\
ask GET /collections || exit 1
owned=$(grep -o "\\"name\\": *\\"$PREFIX[^\\"]*\\"" <<<"$body" | cut -d '"' -f 4)
"""
_EXISTS = f"""{_ASK}{_OWNED}[[ -z $owned ]] || echo yes"""
_ADMIT = """\
ask GET "/collections/$SERIALS/exists" || exit 1
if [[ $body != *'"exists":true'* ]]; then
  ask PUT "/collections/$SERIALS" '{"vectors":{"size":1,"distance":"Dot"}}' || exit 1
fi
point="{\\"id\\":\\"${ID:0:32}\\",\\"vector\\":[1.0],\\"payload\\":{\\"serial\\":\\"$SERIAL\\"}}"
ask PUT "/collections/$SERIALS/points?wait=true" "{\\"points\\":[$point]}" || exit 1
"""
_RETIRE = f"""\
{_ASK}\
ask GET "/collections/$SERIALS/exists" || exit 1
if [[ $body == *'"exists":true'* ]]; then
  ask POST "/collections/$SERIALS/points/delete?wait=true" "{{\\"points\\":[\\"${{ID:0:32}}\\"]}}" || exit 1
fi
"""
# The size and distance of a collection cannot be changed afterwards.
_ENSURE = f"""\
{_ASK}\
while read -r name size distance; do
  ask GET "/collections/$name/exists" || exit 1
  if [[ $body != *'"exists":true'* ]]; then
    ask PUT "/collections/$name" "{{\\"vectors\\":{{\\"size\\":$size,\\"distance\\":\\"$distance\\"}}}}" || exit 1
  fi
  ask GET "/collections/$name" || exit 1
  if [[ $body != *"\\"vectors\\":{{\\"size\\":$size,\\"distance\\":\\"$distance\\""* ]]; then
    echo "$name is there with another size or distance than $size and $distance: delete it, or choose another name"
    exit 1
  fi
done <<<"$COLLECTIONS"
{_ADMIT}"""
_MEASURE = f"""\
{_ASK}{_OWNED}\
collections=0 points=0
for name in $owned; do
  [[ $name == "$SERIALS" ]] && continue
  ask POST "/collections/$name/points/count" '{{"exact":false}}' || exit 1
  count=${{body#*'"count":'}}
  collections=$((collections + 1)) points=$((points + ${{count%%[!0-9]*}}))
done
echo "$collections collections, $points points"
"""
_REVOKE = f"""\
{_ASK}{_OWNED}\
for name in $owned; do
  ask DELETE "/collections/$name" || exit 1
done
"""
_PROBE = f'{_ASK}ask GET "$ASKED"'


class Collection(Strict):
    """One collection of vectors."""

    size: Annotated[int, Field(ge=1, le=65_536)]
    """Numbers in a vector."""
    distance: Literal["Cosine", "Dot", "Euclid", "Manhattan"]
    """How two vectors are compared."""


class Options(Strict):
    """What `kind = "qdrant"` adds to a table."""

    version: Annotated[str, Field(pattern=r"^1\.[0-9]+\.[0-9]+$")] = "1.19.1"
    """Of the official image that runs without root."""
    collections: Annotated[dict[Name, Collection], Field(min_length=1)]
    """What each environment owns, under its prefix: a key cannot make collections, only fill those that it is for."""


class Qdrant:
    """The kind `qdrant`."""

    name = "qdrant"
    Options = Options
    defaults = Defaults(
        Resources(cpus=1.0, memory=512 * _MEGABYTE, pids=256, memory_reserved=64 * _MEGABYTE),
        start_seconds=60,
        stop_seconds=30,
    )

    def draft(self, server: Server) -> Draft:
        """Return the server: a key for everything but health, and tokens that are signed with it."""
        options: Options = server.options
        admin = server.admin_password
        return Draft(
            # Only the -unprivileged image has folders that its user may write (qdrant/qdrant PR 2921).
            image=Image(server.image or f"qdrant/qdrant:v{options.version}-unprivileged", major="1"),
            user=_UID,
            command=START,
            healthcheck=bash(_HTTP, "/readyz"),
            probe=CommandProbe(
                server.command("bash", "-c", _PROBE, KEY=(_admin(server),), ASKED=("/collections",)),
            ),
            target_port=_HTTP,
            more_ports={"grpc": _GRPC},
            variables={
                "QDRANT__SERVICE__JWT_RBAC": "true",
                "QDRANT__TELEMETRY_DISABLED": "true",
                # It stands in the working directory otherwise, which is read-only.
                "QDRANT_INIT_FILE_PATH": "/tmp/qdrant-initialized",  # noqa: S108 - a path inside the container
            },
            secrets=(SecretMount(admin, (_admin(server),)),),
            configs=(start_script(server, {"QDRANT__SERVICE__API_KEY": admin}, "./entrypoint.sh"),),
            volumes={"data": "/qdrant/storage", "snapshots": "/qdrant/snapshots"},
            needed=(Needed(admin, server.target, True, Origin.GENERATED, place=f"infra.{server.name}"),),
        )

    def bind(self, server: Server, client: Client) -> Binding:
        """Return the environment's own collections, and a token for them."""
        return Binding(
            grants=(_grant(server, client),),
            variables={"QDRANT_URL": f"http://{server.host}:{_HTTP}", "QDRANT_PREFIX": client.prefix},
            secrets=(SecretMount("QDRANT_API_KEY", _token(server, client)),),
            needed=(Needed(server.password, client.environment, True, Origin.GENERATED, place=f"infra.{server.name}"),),
        )

    def attempts(self, server: Server, client: Client, others: tuple[Client, ...], /) -> Trial:
        """Return how another's collections, and the server itself, would be reached."""
        own = tuple(_names(server, client))
        found = [
            one
            for other in others
            for one in qdrant_attempts.against(other.environment, own, tuple(_names(server, other)))
        ]
        return Trial(
            client.environment,
            server.name,
            f"Qdrant {server.name}",
            (*found, *qdrant_attempts.administration(own[0])),
            program="bash",
            prelude=qdrant_attempts.prelude(server.host, _HTTP),
            variables={"KEY": _token(server, client)},
            files={"KEY": "QDRANT_API_KEY"},
            shared=("the server's CPU, memory and disk",),
        )


def _admin(server: Server) -> SecretRef:
    return SecretRef(server.admin_password, server.target)


def _names(server: Server, client: Client) -> dict[str, Collection]:
    """Return the environment's collections by their full names; `-` is fine in one, and one spelling is enough."""
    options: Options = server.options
    return {f"{client.prefix}{name}": collection for name, collection in options.collections.items()}


def _token(server: Server, client: Client) -> Template:
    """Return the environment's key (Qdrant's documentation, "Granular access control with JWT")."""
    access = [{"collection": name, "access": "rw"} for name in _names(server, client)]
    # `value_exists` is what makes one token of many revocable: otherwise only the server's own key ends them, and all.
    proof = {"collection": _serials(client), "matches": [{"key": "serial", "value": "SERIAL"}]}
    before, after = json.dumps({"access": access, "value_exists": proof}, separators=(",", ":")).split("SERIAL")
    serial = SecretRef(server.password, client.environment, "json")
    return (SignedToken(_admin(server), (before, serial, after)),)


def _serials(client: Client) -> str:
    return f"{client.prefix}envmgr_serials"


def _grant(server: Server, client: Client) -> Grant:
    names = _names(server, client)
    lines = "\n".join(f"{name} {one.size} {one.distance}" for name, one in names.items())

    def as_admin(script: str, **variables: Template) -> Command:
        given = {
            "KEY": (_admin(server),),
            "PREFIX": (client.prefix,),
            "SERIALS": (_serials(client),),
            # A point's id is a UUID: the first half of a digest will do.
            "ID": (SecretRef(server.password, client.environment, "sha256"),),
            **variables,
        }
        return server.command("bash", "-c", script, timeout=30, **given)

    asked = f"/collections/{next(iter(names))}"
    probe = server.command("bash", "-c", _PROBE, KEY=_token(server, client), ASKED=(asked,))
    return Grant(
        server=server.name,
        title=f"Qdrant collections {client.prefix}*",
        exists=as_admin(_EXISTS),
        ensure=as_admin(
            _ENSURE, COLLECTIONS=(lines,), SERIAL=(SecretRef(server.password, client.environment, "json"),)
        ),
        measure=as_admin(_MEASURE),
        revoke=as_admin(_REVOKE),
        probe=probe,
        credential=credential(server, client.environment, (), from_network(server, probe), as_admin(_RETIRE)),
    )
