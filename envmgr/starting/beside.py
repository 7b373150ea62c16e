"""The files beside a first spec: an example of a `.env` file, lines of `.gitignore`, targets for make."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from envmgr.starting.found import Files, Proposal

MAKE_INCLUDE = "envmgr.mk"
MAKEFILES = ("GNUmakefile", "makefile", "Makefile")
"""The names that make looks for, in its own order."""
IGNORING: Mapping[str, tuple[str, ...]] = {
    ".gitignore": (".env", ".env.*", "!.env.example", ".envmgr/", "secrets/*/"),
    ".dockerignore": (
        *(".env", ".env.*", ".envmgr", "envmgr.*", "secrets/*/"),
        # Not all of the folder: it may hold files of the project's own that an image is made from.
        *("compose/docker-compose.*", "compose/config", "compose/.envmgr.json"),
    ),
}
"""File → lines that it has to hold: values and secrets belong neither in a commit nor in an image, and an image is
current for as long as what it is built from is the same."""
_TARGET = re.compile(r"^([A-Za-z0-9_.-]+(?:[ \t]+[A-Za-z0-9_.-]+)*)[ \t]*::?(?!=)", re.MULTILINE)


def env_example(proposal: Proposal) -> str:
    """Return an example of an operator's file."""
    lines = [
        "# Copy to .env.<environment>, or to .env for all of them; neither is ever committed.",
        "# Passwords of servers, and secrets with `generate`, are made at the first `envmgr up` and kept in that file.",
    ]
    for variable in proposal.variables:
        if variable.is_generated:
            lines += ["", f"# Generated when it is not set.\n# {variable.name}="]
        elif variable.default is not None:
            lines += ["", f"# {variable.name} has a default in envmgr.toml."]
        else:
            lines += ["", f"{variable.name}="]
    return "\n".join(lines) + "\n"


def ignoring(name: str, existing: str) -> str:
    """Return `.gitignore` or `.dockerignore` with the lines that it lacks; what stands there stays as it is."""
    known = {line.strip().strip("/") for line in existing.splitlines()}
    missing = [line for line in IGNORING[name] if line.strip("/") not in known]
    if not missing:
        return existing
    start = existing if not existing or existing.endswith("\n") else f"{existing}\n"
    lines = ["# envmgr: values, secrets and generated files", *missing]
    return start + ("\n" if start else "") + "\n".join(lines) + "\n"


def makefile(files: Files) -> str:
    """Return the name of the project's own Makefile, nothing when it has none."""
    return next((name for name in MAKEFILES if name in files), "")


def own_targets(files: Files) -> frozenset[str]:
    """Return the targets that the project's own Makefile has; ours step back before them."""
    found = _TARGET.findall(files.get(makefile(files), ""))
    return frozenset(name for names in found for name in names.split() if not name.startswith("."))


def target_names(proposal: Proposal) -> frozenset[str]:
    """Return the names of our targets."""
    return frozenset(name for name, _, _ in _targets(proposal))


def make_include(proposal: Proposal, taken: frozenset[str]) -> str:
    """Return the targets, without those that the project has itself."""
    targets = [one for one in _targets(proposal) if one[0] not in taken]
    names = " ".join(name for name, _, _ in targets)
    rules = [f"{name}: ## {about}\n\t@$(ENVMGR) {command}\n" for name, about, command in targets]
    head = "# Written by `envmgr init`; a Makefile has it with: include envmgr.mk\n\nENVMGR ?= envmgr\n"
    return "\n".join((head, f".PHONY: {names}\n", *rules))


def _targets(proposal: Proposal) -> Iterator[tuple[str, str, str]]:
    """Yield name, meaning and command."""
    first = "dev" if "dev" in proposal.environments else proposal.environments[0]
    for one in proposal.environments:
        yield f"docker-{one}", f"Bring {one} up, its images built where the source has changed", f"up {one} --build"
    yield "docker-up", "Bring the shared servers up", "up infra"
    yield "docker-down", f"Take {first} down; its data stays", f"down {first}"
    yield "docker-health", "Probe everything that runs", "health"
    yield "docker-status", "Show all stacks side by side", "status"
    logs = f"logs $(or $(TARGET),{first}) $(SERVICE) --follow"
    yield "docker-logs", "Follow the logs; TARGET=environment, SERVICE=name", logs
    yield "docker-local", f"Only the servers in Docker, {first} ready for programs on this machine", f"native {first}"
    for target, kinds in (("dev", ("asgi", "wsgi", "node")), ("celery-worker", ("celery-worker",))):
        name = next((program.name for program, _ in proposal.programs if program.kind in kinds), "")
        if name:
            yield target, f"Run {name} of {first} on this machine", f"run {first} {name}"
