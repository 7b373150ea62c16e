"""Settings from variables or files, and data folders; nothing but the standard library, so that it loads at once."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path
from typing import NoReturn


class WrongSetting(Exception):
    """A variable, the file that one names, or a folder cannot be used."""


def setting(name: str, default: str = "", *, file_suffix: str = "_FILE", folder: str = "/") -> str:
    """Return a variable's value, or the content of the file that its `_FILE` twin names, relative to `folder`."""
    path = os.environ.get(name + file_suffix, "")
    if not path:
        return os.environ.get(name, default)
    if os.environ.get(name):
        raise WrongSetting(f"{name} and {name}{file_suffix} are both set")
    try:
        return Path(folder, path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise WrongSetting(f"{name}{file_suffix} names {path}, which cannot be read: {error}") from error


def writable(folder: Path) -> Path:
    """Return a data folder that can be written. Raises: `WrongSetting`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WrongSetting(f"{folder} cannot be made: {error.strerror}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise WrongSetting(f"{folder} is not writable for uid {os.getuid()}")
    return folder


def same(left: str, right: str) -> bool:
    """Compare two secrets in a time that does not depend on them."""
    return secrets.compare_digest(left.encode(), right.encode())


def fail(title: str, sentence: str) -> NoReturn:
    """Stop because the container cannot serve as configured."""
    sys.stderr.write(f"{title}: {sentence}\n")
    raise SystemExit(1)
