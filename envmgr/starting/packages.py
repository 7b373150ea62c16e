"""Which packages a component asks for, in Python's several ways and npm's one; what cannot be read names none."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Iterator
from typing import Any

from envmgr.starting.found import Component

_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^\]]*)\])?")
_LEFT_OUT = re.compile(r"dev|test|lint|doc|type|ci\b")
"""In the name of a list of requirements: what the running application does without."""
_PIP = re.compile(r"\bpip3?\s+(?:\S+\s+)*?install\s+([^&|;\n]+)")
_QUOTED = re.compile(r"""["']([A-Za-z0-9][A-Za-z0-9._-]*(?:\[[^\]]*\])?)\s*(?:[<>=!~][^"']*)?["']""")


def python_packages(component: Component) -> frozenset[str]:
    """Return the normalised names, extras included: `celery[redis]` is `celery` and `redis`."""
    found: set[str] = set()
    for path, text in component.files.items():
        found.update(_of_file(path, text))
    installed = _PIP.findall((component.dockerfile_text or "").replace("\\\n", " "))
    found.update(name for words in installed for name in _names(word.strip("\"'") for word in words.split()))
    brings_uvicorn = "fastapi" in found and bool(found & {"standard", "all"})
    return frozenset(found | ({"uvicorn"} if brings_uvicorn else set()))


def npm_packages(component: Component) -> frozenset[str]:
    """Return what `package.json` asks for at run time and for the build."""
    package = package_json(component)
    tables = [package.get(key) for key in ("dependencies", "devDependencies")]
    return frozenset(name for table in tables if isinstance(table, dict) for name in table)


def package_json(component: Component) -> dict[str, Any]:
    """Return what `package.json` says, nothing when it is none."""
    try:
        found = json.loads(component.files.get("package.json", "{}"))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def read_toml(text: str) -> dict[str, Any]:
    """Return what a TOML file says, nothing when it is none."""
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}


def table(data: Any, *keys: str) -> dict[str, Any]:
    """Return a table inside a table, an empty one when something else is there."""
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data if isinstance(data, dict) else {}


def _of_file(path: str, text: str) -> Iterator[str]:
    folder, _, name = path.rpartition("/")
    is_list = name.endswith((".txt", ".in")) and (folder == "requirements" or path.startswith("requirements"))
    if is_list and not _LEFT_OUT.search(name.removeprefix("requirements")):
        yield from _names(line.partition("#")[0] for line in text.splitlines())
    elif path == "pyproject.toml":
        yield from _of_pyproject(read_toml(text))
    elif path == "Pipfile":
        yield from _names(table(read_toml(text), "packages"))
    elif path in ("setup.py", "setup.cfg"):
        yield from _names(_QUOTED.findall(text) if path.endswith(".py") else text.splitlines())


def _of_pyproject(data: dict[str, Any]) -> Iterator[str]:
    listed = table(data, "project").get("dependencies")
    yield from _names(one for one in listed if isinstance(one, str)) if isinstance(listed, list) else ()
    for name, value in table(data, "tool", "poetry", "dependencies").items():
        extras = value.get("extras") if isinstance(value, dict) else None
        yield from _names([name])
        yield from _names(str(one) for one in extras) if isinstance(extras, list) else ()


def _names(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        match = None if line.lstrip().startswith("-") else _REQUIREMENT.match(line)
        for name in (match[1], *(match[2] or "").split(",")) if match else ():
            if name.strip():
                yield re.sub(r"[-_.]+", "-", name.strip()).lower()
