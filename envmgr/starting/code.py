"""Where in Python code an application stands, and what it answers; by its words, nothing is imported."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from envmgr.starting.found import Files

_MADE = re.compile(
    r"^(\w+)(?:[ \t]*:[ \t]*[\w.]+)?[ \t]*=[ \t]*(?:\w+\.)*"
    r"(FastAPI|Starlette|Litestar|Quart|Flask|Celery|create_app|make_app|build_app)\(",
    re.MULTILINE,
)
FACTORY = "a function of the project's own"
"""In place of a framework's name."""
_FRAMEWORKS = {"FastAPI", "Starlette", "Litestar", "Quart", "Flask", "Celery"}
_FACTORY = re.compile(r"^def (create_app|make_app|build_app)\(", re.MULTILINE)
_ROUTE = re.compile(r"""@\w+(?:\.\w+)*\.(?:get|route|api_route)\(\s*["'](/[!-~]*?)["']""")
_HEALTH = re.compile(r"/(?:[\w/-]*/)?(?:health(?:z|check|-check)?|-/healthy|livez?|readyz?|ping)/?")
_BESIDE = {"tests", "test", "migrations", "alembic", "docs", "examples", "venv"}
_LIKELY = ("main", "app", "asgi", "wsgi", "application", "server", "api", "celery_app", "celery", "tasks", "worker")


@dataclass(frozen=True, slots=True)
class Made:
    """One application object."""

    framework: str
    module: str
    attribute: str

    @property
    def path(self) -> str:
        """As a server is told: `shop.main:app`."""
        return f"{self.module}:{self.attribute}"


def applications(files: Files) -> tuple[Made, ...]:
    """Return the objects that are made at the top of a module, the likeliest first."""
    return tuple(
        Made(maker if maker in _FRAMEWORKS else FACTORY, module, attribute)
        for module, text in _modules(files)
        for attribute, maker in _MADE.findall(text)
    )


def flask_factory(files: Files) -> str:
    """Return a function that makes a Flask application, `shop:create_app()`; nothing when there is none."""
    for module, text in _modules(files):
        match = _FACTORY.search(text)
        if match and "Flask(" in text:
            return f"{module}:{match[1]}()"
    return ""


def module_of(files: Files, name: str) -> str:
    """Return the dotted name of the first module whose file is called so; nothing when there is none."""
    return next((module for module, _ in _modules(files) if module.rpartition(".")[2] == name), "")


def health_path(files: Files) -> str:
    """Return the path of a route that says how the application is; else `/` if that is one; else nothing."""
    routes = [route for _, text in _modules(files) for route in _ROUTE.findall(text)]
    health = [route for route in routes if _HEALTH.fullmatch(route)]
    return min(health, key=len) if health else "/" if "/" in routes else ""


def mentions(files: Files, *words: str) -> bool:
    """Tell whether any module holds one of some words."""
    return any(word in text for _, text in _modules(files) for word in words)


def _modules(files: Files) -> Iterator[tuple[str, str]]:
    found = [(module, path) for path in files if (module := _module(path))]
    for module, path in sorted(found, key=lambda one: (one[0].count("."), _rank(one[0]), one[0])):
        yield module, files[path]


def _rank(module: str) -> int:
    last = module.rpartition(".")[2]
    return _LIKELY.index(last) if last in _LIKELY else len(_LIKELY)


def _module(path: str) -> str:
    """Return the dotted name of a module of the application; nothing for any other file."""
    parts = path.removesuffix(".py").split("/")
    name = parts[-1]
    if not path.endswith(".py") or _BESIDE & set(parts[:-1]) or name.startswith("test_") or name == "conftest":
        return ""
    parts = parts[1:] if parts[0] == "src" and len(parts) > 1 else parts
    parts = parts[:-1] if name == "__init__" else parts
    return ".".join(parts) if parts and all(re.fullmatch(r"[A-Za-z_]\w*", part, re.ASCII) for part in parts) else ""
