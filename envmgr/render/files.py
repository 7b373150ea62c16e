"""A system becomes a set of files: path below `compose/` → text. Same input, same bytes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from envmgr import layout, naming
from envmgr.errors import SpecError
from envmgr.model.stack import Stack, System
from envmgr.render import document as documents
from envmgr.render.quoting import key, scalar


def render(system: System, project_folder: Path) -> dict[str, str]:
    """Render every file; a template below the project's own `templates/` takes the place of ours."""
    files: dict[str, str] = {}
    # A system may need no server at all; Compose takes no document without services.
    for stack in (one for one in system.parts if one.services):
        configs = render_configs(stack, project_folder)
        hashes = {path: naming.short_hash(text.encode(), 64) for path, text in configs.items()}
        body = documents.document(stack, hashes)
        files[layout.compose_file(stack.target)] = _document(body, _notes(stack, system), project_folder)
        files |= configs
        instead = documents.substitutes(stack, system.substitutes)
        if instead is not None:
            notes = ("For a host that reaches no registry: images built from distribution packages (images/).",)
            files[layout.substitutes_file(stack.target)] = _document(instead, notes, project_folder)
    return dict(sorted(files.items()))


def render_stack(stack: Stack, substituted: Mapping[str, str], project_folder: Path) -> dict[str, str]:
    """Render the documents of one stack, whose configuration files lie where the whole system has them."""
    configs = render_configs(stack, project_folder)
    hashes = {path: naming.short_hash(text.encode(), 64) for path, text in configs.items()}
    files = {layout.compose_file(stack.target): _document(documents.document(stack, hashes), (), project_folder)}
    instead = documents.substitutes(stack, substituted)
    if instead is not None:
        files[layout.substitutes_file(stack.target)] = _document(instead, (), project_folder)
    return files


def service_labels(stack: Stack, project_folder: Path) -> dict[str, dict[str, str]]:
    """Return the labels that each service's containers should carry."""
    configs = render_configs(stack, project_folder)
    hashes = {path: naming.short_hash(text.encode(), 64) for path, text in configs.items()}
    services = documents.document(stack, hashes).get("services", {})
    return {name: body["labels"] for name, body in services.items()}


def render_configs(stack: Stack, project_folder: Path) -> dict[str, str]:
    """Render the configuration files that a stack's services mount: path below `compose/` → text."""
    return {
        config.path: _text(config.template, project_folder, **config.context)
        for service in stack.services
        for config in service.configs
    }


def _document(body: Mapping[str, Any], notes: tuple[str, ...], project_folder: Path) -> str:
    return _text("compose/document.yml.j2", project_folder, document=body, notes=notes)


def _notes(stack: Stack, system: System) -> tuple[str, ...]:
    file = layout.compose_file(stack.target)
    extra = f" -f {layout.substitutes_file(stack.target)}" if documents.substitutes(stack, system.substitutes) else ""
    notes = [f"By hand, in this folder: docker compose -p {stack.compose_project} -f {file} up -d"]
    if extra:
        notes.append(f"Without a registry, with images built by envmgr, add:{extra}")
    if stack.is_base:
        notes.append("It names no environment: envmgr connects these containers to each environment's network.")
    else:
        notes.append(f"Its data network, variables and secrets are made by: envmgr up {stack.target}")
    return tuple(notes)


def render_text(template: str, project_folder: Path, **context: Any) -> str:
    """Render one template, the project's own before ours.

    Raises: `SpecError` for a template that is none.
    """
    return _text(template, project_folder, **context)


def _text(template: str, project_folder: Path, **context: Any) -> str:
    from jinja2 import TemplateError

    try:
        return str(_environment(project_folder).get_template(template).render(context))
    except TemplateError as error:
        raise SpecError(f"template {template}: {error.message or type(error).__name__}") from error


def _of_package(template: str) -> str | None:
    """Read `PACKAGE/PATH` from the package that brought a kind; none of ours is found this way."""
    package, _, path = template.partition("/")
    if not package.isidentifier() or ".." in path.split("/"):
        return None
    try:
        return resources.files(package).joinpath(path).read_text(encoding="utf-8")
    except (ImportError, OSError, TypeError):
        return None


@cache
def _environment(project_folder: Path) -> Any:
    from jinja2 import ChoiceLoader, Environment, FileSystemLoader, FunctionLoader, StrictUndefined

    folders = FileSystemLoader([project_folder / "templates", layout.shipped("templates")])
    environment = Environment(
        loader=ChoiceLoader([folders, FunctionLoader(_of_package)]),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=False,
        autoescape=False,  # noqa: S701 - not HTML: `scalar` quotes
    )
    environment.filters |= {"scalar": scalar, "key": key}
    return environment
