"""Who asks, and what their roles allow: users and roles, limited by patterns of index names."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from errors import ApiError
from stand_in.settings import same
from stand_in.web import basic_credentials
from store import Store

ADMIN = "elastic"
_SHORTEST_PASSWORD = 6
_BUILT_IN = {ADMIN: "superuser", "kibana_system": "kibana_system", "logstash_system": "logstash_system"}
_BUILT_IN_ROLES: dict[str, Any] = {
    "superuser": {"cluster": ["all"], "indices": [{"names": ["*"], "privileges": ["all"]}]},
    "kibana_system": {"cluster": ["monitor"], "indices": [{"names": [".kibana*"], "privileges": ["all"]}]},
    "logstash_system": {"cluster": ["monitor"], "indices": []},
}
# What is needed, and the privileges of a role that include it (Elasticsearch's reference, "Security privileges").
_ON_INDICES = {
    "read": {"read", "all"},
    "index": {"index", "write", "all"},
    "create": {"create_doc", "create", "index", "write", "all"},
    "delete": {"delete", "write", "all"},
    "create_index": {"create_index", "manage", "all"},
    "auto_create_index": {"auto_configure", "create_index", "manage", "all"},
    "delete_index": {"delete_index", "manage", "all"},
    "describe": {"view_index_metadata", "manage", "all"},
    "monitor": {"monitor", "manage", "all"},
    "refresh": {"maintenance", "manage", "all"},
}
_ON_CLUSTER = {
    "monitor": {"monitor", "manage", "all"},
    "snapshot": {"create_snapshot", "manage", "all"},
    "manage": {"manage", "all"},
    "manage_security": {"manage_security", "all"},
}


@dataclass(frozen=True, slots=True)
class User:
    """Somebody with a valid password, and the roles that they have now."""

    name: str
    roles: tuple[str, ...]
    definitions: tuple[dict[str, Any], ...]

    def may(self, need: str, index: str) -> bool:
        """Tell whether an action is allowed on an index."""
        return any(
            _ON_INDICES[need] & set(rights["privileges"])
            for role in self.definitions
            for rights in role.get("indices", ())
            if any(fnmatchcase(index, pattern) for pattern in rights["names"])
        )

    def must(self, need: str, index: str) -> None:
        """Raises: `ApiError` unless an action is allowed on an index."""
        if not self.may(need, index):
            raise self._refused(need, f" on indices [{index}]", "index", _ON_INDICES[need])

    def must_on_cluster(self, need: str) -> None:
        """Raises: `ApiError` unless an action is allowed that is on no index."""
        if not any(_ON_CLUSTER[need] & set(role.get("cluster", ())) for role in self.definitions):
            raise self._refused(need, "", "cluster", _ON_CLUSTER[need])

    def _refused(self, need: str, place: str, scope: str, granting: set[str]) -> ApiError:
        who = f"user [{self.name}] with effective roles [{','.join(self.roles)}]"
        by = f"this action is granted by the {scope} privileges [{','.join(sorted(granting))}]"
        return ApiError(403, "security_exception", f"action [{need}] is unauthorized for {who}{place}, {by}")


_EVERYBODY = User("_anonymous", ("superuser",), (_BUILT_IN_ROLES["superuser"],))


class Security:
    """All users and roles of one data folder."""

    def __init__(self, store: Store, password: str, *, is_enabled: bool) -> None:
        self._store = store
        self._first_password = password
        self._is_enabled = is_enabled

    def user(self, headers: Mapping[str, str], path: str) -> User:
        """Return who asks. Raises: `ApiError` without a valid name and password."""
        if not self._is_enabled:
            return _EVERYBODY
        credentials = basic_credentials(headers)
        if credentials is None:
            reason = f"missing authentication credentials for REST request [{path}]"
            raise ApiError(401, "security_exception", reason)
        name, password = credentials
        described = self.described(name)
        if described is None or not described["enabled"] or not self._is_password(name, password):
            reason = f"unable to authenticate user [{name}] for REST request [{path}]"
            raise ApiError(401, "security_exception", reason)
        definitions = [self.role(role) for role in described["roles"]]
        return User(name, tuple(described["roles"]), tuple(one for one in definitions if one))

    def described(self, name: str) -> dict[str, Any] | None:
        """Return what may be told of a user."""
        if name in _BUILT_IN:
            found: dict[str, Any] | None = {"roles": [_BUILT_IN[name]], "metadata": {"_reserved": True}}
        else:
            found = self._store.entry("user", name)
        return {"username": name, "enabled": True, **found} if found else None

    def users(self) -> dict[str, Any]:
        """Return all users by name."""
        return {name: self.described(name) for name in sorted({*_BUILT_IN, *self._store.entries("user")})}

    def role(self, name: str) -> dict[str, Any] | None:
        """Return a role's definition."""
        return _BUILT_IN_ROLES.get(name) or self._store.entry("role", name)

    def roles(self) -> dict[str, Any]:
        """Return all roles by name."""
        return {**_BUILT_IN_ROLES, **self._store.entries("role")}

    def put_user(self, name: str, body: dict[str, Any]) -> bool:
        """Make or change a user; tell whether it is new."""
        if name in _BUILT_IN:
            raise _invalid(f"user [{name}] is reserved")
        is_new = self._store.entry("user", name) is None
        if is_new and "password" not in body:
            raise _invalid("password must be specified unless you are updating an existing user")
        if "password" in body:
            self._keep_password(name, body["password"])
        known = ("roles", "full_name", "email", "metadata", "enabled")
        return self._store.keep("user", name, {"roles": [], **{key: body[key] for key in known if key in body}})

    def change_password(self, name: str, password: str) -> None:
        """Give a user, a reserved one too, another password."""
        if self.described(name) is None:
            raise _invalid("user must exist in order to change password")
        self._keep_password(name, password)

    def delete_user(self, name: str) -> bool:
        """Remove a user; tell whether there was one."""
        self._store.drop("password", name)
        return self._store.drop("user", name)

    def put_role(self, name: str, body: dict[str, Any]) -> bool:
        """Make or change a role; tell whether it is new."""
        if name in _BUILT_IN_ROLES:
            raise _invalid(f"role [{name}] is reserved and cannot be modified")
        cluster, indices = body.get("cluster", []), body.get("indices", [])
        known = set().union(*_ON_INDICES.values())
        for rights in indices:
            unknown = set(rights.get("privileges", ())) - known
            if unknown or not rights.get("names"):
                raise _invalid(f"this stand-in knows no index privileges {sorted(unknown)}")
        unknown = set(cluster) - set().union(*_ON_CLUSTER.values())
        if unknown:
            raise _invalid(f"this stand-in knows no cluster privileges {sorted(unknown)}")
        names = [{**rights, "names": _listed(rights["names"])} for rights in indices]
        return self._store.keep("role", name, {"cluster": cluster, "indices": names})

    def delete_role(self, name: str) -> bool:
        """Remove a role; tell whether there was one."""
        return self._store.drop("role", name)

    def _is_password(self, name: str, password: str) -> bool:
        kept = self._store.entry("password", name)
        if kept is not None:
            return same(_hashed(password, kept["salt"]), kept["hash"])
        return name == ADMIN and bool(self._first_password) and same(password, self._first_password)

    def _keep_password(self, name: str, password: str) -> None:
        if not isinstance(password, str) or len(password) < _SHORTEST_PASSWORD:
            raise _invalid(f"passwords must be at least [{_SHORTEST_PASSWORD}] characters long")
        salt = base64.b64encode(secrets.token_bytes(16)).decode()
        self._store.keep("password", name, {"salt": salt, "hash": _hashed(password, salt)})


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _hashed(password: str, salt: str) -> str:
    return hashlib.pbkdf2_hmac("sha256", password.encode(), salt.encode(), 10_000).hex()


def _invalid(reason: str) -> ApiError:
    return ApiError(400, "action_request_validation_exception", f"Validation Failed: 1: {reason};")
