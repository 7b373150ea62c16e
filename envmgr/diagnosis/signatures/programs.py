"""What a program lacks in its own image, and where its own code fails."""

from __future__ import annotations

from envmgr.diagnosis.scene import SPEC, Scene, edit
from envmgr.diagnosis.signature import Explanation, Hit, Words


def _module_missing(scene: Scene, hit: Hit) -> Explanation:
    module = hit.get("module")
    source = f"builds.{scene.service.image.build.name}" if scene.service.image.build else scene.service.image.reference
    return Explanation(
        f"{scene.name} needs the module {module}, which its image ({source}) does not have",
        scene.rebuild if scene.is_built else scene.edit("image", f"needs {module} in the image"),
    )


def _app_itself_missing(scene: Scene, hit: Hit) -> Explanation | None:
    """Tell the module that the spec's `app` names from one that it imports."""
    served = [word.partition(":")[0] for word in scene.service.command]
    return _app_missing(scene, hit) if hit.get("module") in served else None


def _app_missing(scene: Scene, hit: Hit) -> Explanation:
    what = hit.get("module") or hit.get("name")
    return Explanation(
        f"{scene.name} is to serve {what}, which its image does not have",
        scene.edit("app", "has to name a module, and an attribute of it, that the image has"),
    )


def _name_missing(scene: Scene, hit: Hit) -> Explanation:
    where = f" from {hit.get('module')}" if hit.get("module") else ""
    return Explanation(
        f"{scene.name} fails in its own code: there is no {hit.get('name')} to import{where}",
        scene.rebuild if scene.is_built else scene.logs,
    )


def _variable_missing(scene: Scene, hit: Hit) -> Explanation | None:
    name = hit.get("name")
    if any(mount.name == name for mount in scene.service.secrets):
        return Explanation(
            f"{scene.name} reads the variable {name}, and is given the file {name}_FILE instead",
            scene.edit("secrets_as", '= "variables"'),
        )
    needed = next((need for need in scene.stack.needed if need.name == name), None)
    if needed is None:
        return Explanation(
            f"{scene.name} needs the variable {name}, which nothing sets",
            scene.edit(f"variables.{name}", "has to set it"),
        )
    if name in scene.service.supplied:
        return Explanation(
            f"{scene.name} needs the variable {name}, which is empty",
            edit(f".env.{scene.target}", name, "has to be set", scene.up),
        )
    return Explanation(
        f"{scene.name} needs the variable {name} and is not given it",
        edit(SPEC, f"variables.{name}.services", f"has to name {scene.service.name}", scene.up),
    )


def _own_code(scene: Scene, hit: Hit) -> Explanation:
    return Explanation(f"{scene.name} fails in its own code: {hit.get('error')}", scene.logs)


def _migration_unknown(scene: Scene, hit: Hit) -> Explanation:
    revision = hit.get("revision")
    return Explanation(
        f"{scene.name} does not know migration {revision}, at which its database is: the image is older than the data, "
        "or of another branch",
        scene.rebuild,
    )


def _several_heads(scene: Scene, _hit: Hit) -> Explanation:
    return Explanation(f"{scene.name} finds two ends in the migrations; they have to be merged", scene.rebuild)


_PROGRAMMING = (
    "ValueError|TypeError|KeyError|AttributeError|NameError|UnboundLocalError|ImportError|SyntaxError|IndentationError|"
    "AssertionError|IndexError|ZeroDivisionError|NotImplementedError|RecursionError|UnicodeDecodeError|ReferenceError"
)
_NO_MODULE = r"No module named '?(?P<module>[\w.]+)'?"
WORDS = (
    Words("missing-app", _app_itself_missing, _NO_MODULE),
    Words(
        "missing-module",
        _module_missing,
        _NO_MODULE,
        r"Cannot find (?:module|package) '(?P<module>[^']+)'",
    ),
    Words(
        "missing-app",
        _app_missing,
        r'Could not import module "(?P<module>[\w.]+)"',
        r'Attribute "(?P<name>\w+)" not found in module "(?P<module>[\w.]+)"',
        r"^The module (?P<module>[\w.]+) was not found",
    ),
    Words(
        "missing-name",
        _name_missing,
        r"cannot import name '(?P<name>\w+)'(?: from '(?P<module>[\w.]+)')?",
        r"does not provide an export named '(?P<name>\w+)'",
    ),
    Words(
        "missing-variable",
        _variable_missing,
        r"KeyError: '(?P<name>[A-Z][A-Z0-9_]{2,})'",
        r"\b(?P<name>[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)\b (?:is not set|is missing|is required|must be set|not set)",
        r"(?:missing|required) (?:environment )?variable:? \b(?P<name>[A-Z][A-Z0-9_]{2,})\b",
        r"\b(?P<name>[A-Z][A-Z0-9_]{2,}): (?:parameter not set|unbound variable)",
    ),
    Words(
        "unknown-migration",
        _migration_unknown,
        r"Can't locate revision identified by '(?P<revision>\w+)'",
    ),
    Words("several-migration-heads", _several_heads, r"Multiple head revisions are present"),
    Words("own-code", _own_code, rf"^(?P<error>(?:{_PROGRAMMING})\b.*)", rf"\s(?P<error>(?:{_PROGRAMMING}): .*)"),
)
