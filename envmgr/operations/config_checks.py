"""Ask servers that run whether they would take their new configuration, before they lose the old one."""

from __future__ import annotations

from collections.abc import Iterator

from envmgr import layout, naming
from envmgr.errors import Problem, SpecError
from envmgr.model.observed import Container, Observed, State
from envmgr.model.plan import Action, Plan, Subject
from envmgr.model.stack import ConfigMount, Service, Stack
from envmgr.operations.session import Session
from envmgr.render.files import render_configs

_SECONDS = 15
_CANNOT_ASK = (124, 126, 127, 137)
"""It takes too long, an image of the project's own lacks the program, or the container has no memory left for it."""
_FILE = "/tmp/envmgr-next"  # noqa: S108 - inside the container
_SCRIPT = f'umask 077; printf \'%s\' "$NEXT" >{_FILE} && "$@" {_FILE}; code=$?; rm -f {_FILE}; exit $code'


def refuse_wrong_configs(session: Session, stacks: tuple[Stack, ...], plan: Plan, observed: Observed) -> None:
    """Have the containers that a plan replaces check the files that would be theirs.

    One that does not run, or gets another image, is not asked: what its program would say is not known yet.

    Raises: `SpecError` with what each server says; nothing is changed.
    """
    problems = tuple(
        problem
        for stack in stacks
        for service in _replaced(stack, plan)
        for container in observed.of(stack.compose_project, service.name)
        if container.state is State.RUNNING
        for problem in _asked(session, stack, service, container)
    )
    if problems:
        raise SpecError(
            "a server does not accept its new configuration",
            tuple(dict.fromkeys(problems)),
            state="Nothing was changed; what runs keeps the old one.",
            help=f"correct {layout.SPEC}, or the template below templates/ that is yours",
        )


def _replaced(stack: Stack, plan: Plan) -> Iterator[Service]:
    for step in plan.of(stack.target, Subject.SERVICE):
        keeps_image = not any(cause.field == "image" for cause in step.causes)
        if step.action is Action.RECREATE and keeps_image:
            yield stack.service(step.name)


def _asked(session: Session, stack: Stack, service: Service, container: Container) -> Iterator[Problem]:
    checked = [config for config in service.configs if config.check]
    texts = render_configs(stack, session.project.folder) if checked else {}
    known = naming.revised(container.labels.get(naming.LABEL_CONFIGS, ""))
    for config in checked:
        if known.get(config.path) != naming.short_hash(texts[config.path].encode(), 64)[:12]:
            yield from _refused(session, stack, service, container, config, texts[config.path])


def _refused(
    session: Session, stack: Stack, service: Service, container: Container, config: ConfigMount, text: str
) -> Iterator[Problem]:
    argv = ("sh", "-c", _SCRIPT, "sh", *config.check)
    result = session.engine.exec(container.id, argv, {"NEXT": text}, _SECONDS)
    if result.exit_code and result.exit_code not in _CANNOT_ASK:
        said = _reason(result.output) or f"exit code {result.exit_code}"
        place = f"{config.target} of {service.name} in {stack.target}"
        written = session.project.locate(service.places.get("", "")).place
        yield Problem(
            f"{place}: {said.replace(_FILE, config.target)}", written.path, file=written.file, line=written.line
        )


def _reason(output: str) -> str:
    """Return what is wrong in one line: nginx says it first, promtool and amtool after a word and below a colon."""
    _, word, rest = output.partition("FAILED:")
    lines = [line.strip() for line in (rest if word else output).splitlines() if line.strip()]
    reason = ""
    for line in lines:
        reason = f"{reason} {line}".strip()
        if not line.endswith(":"):
            break
    return reason
