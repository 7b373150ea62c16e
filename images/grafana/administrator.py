"""The administrator's name and password: taken from the settings at the first start, and kept from then on."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from pathlib import Path

from stand_in.settings import WrongSetting, same, setting


class Administrator:
    """The only user. As in Grafana, another password in the settings changes nothing once there is one."""

    def __init__(self, data: Path) -> None:
        self._file = data / "administrator.json"
        if not self._file.exists():
            name = setting("GF_SECURITY_ADMIN_USER", "admin", file_suffix="__FILE")
            password = setting("GF_SECURITY_ADMIN_PASSWORD", "admin", file_suffix="__FILE")
            if not name or not password:
                raise WrongSetting("GF_SECURITY_ADMIN_USER and GF_SECURITY_ADMIN_PASSWORD may not be empty")
            self._keep(name, password)

    def accepts(self, name: str, password: str) -> bool:
        """Tell whether these are the administrator's."""
        kept = self._read()
        return same(name, kept["name"]) and same(_hashed(password, kept["salt"]), kept["hash"])

    def change_password(self, password: str) -> None:
        """Keep another password."""
        self._keep(self._read()["name"], password)

    def _read(self) -> dict[str, str]:
        kept: dict[str, str] = json.loads(self._file.read_text(encoding="utf-8"))
        return kept

    def _keep(self, name: str, password: str) -> None:
        salt = secrets.token_hex(16)
        unfinished = self._file.with_suffix(".part")
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump({"name": name, "salt": salt, "hash": _hashed(password, salt)}, file)
        unfinished.rename(self._file)


def _hashed(password: str, salt: str) -> str:
    return hashlib.pbkdf2_hmac("sha256", password.encode(), bytes.fromhex(salt), 10_000).hex()
