"""Say where a value comes from and what it overrides; nothing is changed, and Docker is not asked."""

from __future__ import annotations

from collections.abc import Iterable

from envmgr import naming
from envmgr.errors import UsageError
from envmgr.model.explanation import Explained, Explanation
from envmgr.model.stack import Stack
from envmgr.operations.explain_variable import explain_variable, names_of
from envmgr.operations.project import Project, kind_options
from envmgr.resolve.origins import Origins, Table
from envmgr.spec.places import Keys, dotted, undotted
from envmgr.spec.schema import EnvironmentTable
from envmgr.spec.suggest import did_you_mean, listing, near
from envmgr.spec.vocabulary import SECTIONS, Vocabulary, keys_of

_CHANGED = "environments."
"""How the place of a value begins that an environment has written."""


def explain(project: Project, words: tuple[str, ...]) -> Explained:
    """Explain a value, a variable of a target, or the table below a path; the whole spec when nothing is named.

    Raises: `UsageError` when there is nothing of that name; `SpecError` when a `.env` file cannot be read.
    """
    keys = undotted(".".join(words))
    origins = Origins(project.loaded, project.declared)
    if keys and naming.VARIABLE.fullmatch(str(keys[-1])) and (found := _variable(project, origins, keys)):
        return found
    return _value(origins, _full(project, keys))


def _variable(project: Project, origins: Origins, keys: Keys) -> Explained | None:
    """Explain `SECRET_KEY`, `prod SECRET_KEY` or `prod app LOG_LEVEL`; None when the keys are a place in the spec."""
    *above, name = (str(key) for key in keys)
    stacks = {stack.target: stack for stack in project.declared.stacks}
    targets = tuple(stacks) if not above else (above[0],)
    services = above[1:]
    if len(services) > 1 or any(target not in stacks for target in targets):
        return None
    for service in services:
        _know(stacks[above[0]], service)
    chosen = [stacks[target] for target in targets]
    rows = tuple(row for stack in chosen for row in explain_variable(project, origins, stack, name, "".join(services)))
    if not rows:
        known = sorted({one for stack in chosen for one in names_of(stack)})
        where = " ".join(above) or project.declared.project
        hint = did_you_mean(name, known)
        raise UsageError(
            f"{where} has no variable {name}{f' ({hint})' if hint else ''}",
            help=f"envmgr explain {' '.join((*above, near(name, known)))}" if hint else f"known: {listing(known)}",
        )
    return Explained(" ".join((*above, name)), rows, is_table=len(rows) > 1)


def _know(stack: Stack, service: str) -> None:
    known = [one.name for one in stack.services]
    if service not in known:
        hint = did_you_mean(service, known)
        raise UsageError(
            f"{stack.target} has no service {service}{f' ({hint})' if hint else ''}", help=f"known: {listing(known)}"
        )


def _full(project: Project, keys: Keys) -> Keys:
    """Complete a short path: `prod.workers`, `prod.app.memory`, `app.memory`, `postgres.port`."""
    draft = project.loaded.draft
    environments = (naming.DEFAULTS, *(one.name for one in draft.environments))
    if not keys or keys[0] in SECTIONS:
        return keys
    if keys[0] in environments:
        return ("environments", keys[0], *_inside(project, keys[1:]))
    section = "services" if keys[0] in draft.services else "infra" if keys[0] in draft.infra else ""
    if not section:
        known = (*SECTIONS, *environments, *draft.services, *draft.infra)
        raise _unknown(keys, 0, known)
    return (section, *keys)


def _inside(project: Project, keys: Keys) -> Keys:
    draft = project.loaded.draft
    if not keys or keys[0] in keys_of(EnvironmentTable):
        return keys
    section = "services" if keys[0] in draft.services else "infra" if keys[0] in draft.infra else ""
    return (section, *keys) if section else keys


def _value(origins: Origins, keys: Keys) -> Explained:
    table, below = origins.table(keys), origins.below(keys)
    is_lost = table is not None and keys[len(table.at) : len(table.at) + 1] in [(one,) for one in table.nested]
    if (table is None or is_lost) and not below:
        raise _unknown(keys, *_first_unknown(origins, keys))
    if table is None:
        return Explained(dotted(keys), _written(origins, below), is_table=True)
    rest = keys[len(table.at) :]
    rows = tuple(origins.rows(table, rest))
    if not rest or any(row.path != dotted(keys) for row in rows):
        return Explained(dotted(keys), (*rows, *_written(origins, below)), is_table=True)
    if below:
        return Explained(dotted(keys), _written(origins, below), is_table=True)
    found = origins.explain(table, rest)
    if not found.sources and not found.changed_by:
        known = origins.siblings(table, rest)
        hint = Vocabulary(kind_options()).hint(str(rest[0]), known) if len(rest) == 1 else ""
        raise _unknown(keys, len(keys) - 1, known, hint)
    return Explained(dotted(keys), (found,), is_table=False)


def _written(origins: Origins, tables: tuple[Table, ...]) -> tuple[Explanation, ...]:
    """Return what is written in tables; of an environment's services only what it changes."""
    rows = [(table, row) for table in tables for row in origins.rows(table, written_only=True)]
    return tuple(row for table, row in rows if len(table.at) < 4 or row.sources[0].place.startswith(_CHANGED))


def _first_unknown(origins: Origins, keys: Keys) -> tuple[int, set[str]]:
    """Return which of the keys leads nowhere, and what stands in its place."""
    wrong = next(
        n for n in range(len(keys)) if not origins.below(keys[: n + 1]) and keys[: n + 1] not in origins.tables
    )
    places = (at for at in origins.tables if len(at) > wrong and at[:wrong] == keys[:wrong])
    return wrong, {str(at[wrong]) for at in places}


def _unknown(keys: Keys, wrong: int, known: Iterable[str], hint: str = "") -> UsageError:
    word, above = str(keys[wrong]), dotted(keys[:wrong])
    hint = hint or did_you_mean(word, known)
    where = f"{above} has nothing named" if above else "the spec has nothing named"
    return UsageError(f"{where} {word}{f' ({hint})' if hint else ''}", help=f"envmgr explain {above}".strip())
