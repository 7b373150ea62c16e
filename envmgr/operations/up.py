"""Bring stacks up and prove them healthy."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from envmgr import layout, naming
from envmgr.engine.ports import holder_of, is_free
from envmgr.errors import EnvmgrError, InterruptedByUser
from envmgr.model.health import ServiceHealth
from envmgr.model.result import Address, UpResult
from envmgr.model.stack import HttpProbe, Service, Stack
from envmgr.operations.base import bring_base_up, connect, servers_of
from envmgr.operations.checks import check
from envmgr.operations.diagnosis import running_state
from envmgr.operations.image_source import Source, check_volumes, choose_source
from envmgr.operations.images import ensure_images
from envmgr.operations.session import Session
from envmgr.operations.start import desired, start
from envmgr.operations.values import Values, gather, lost, store_generated
from envmgr.render.files import render
from envmgr.render.folder import write
from envmgr.secrets.deliver import deliver

_BASE_WAIT = 600
"""Seconds to wait for another command that works on the base."""
_RECOVER = (
    "If it is gone for good, `envmgr up {target} --new-secrets` makes new values and sets them in the servers; "
    "what the old keys signed or encrypted is no longer readable."
)


@dataclass(frozen=True, slots=True)
class UpOptions:
    """What the operator chose."""

    build: bool = False
    """Build the project's own images anew when their source has changed."""
    images: Source | None = None
    new_secrets: bool = False


def up(session: Session, names: tuple[str, ...], options: UpOptions) -> UpResult:
    """Bring targets up, the base first, and return when everything is proven healthy.

    `names` are targets, or one target and some of its services, which come with what they depend on.

    Raises: `SpecError`, `StaleError`, `LockedError`, `PreflightError`, `EngineError`, `NotHealthyError`; the error says
    what state things are in.
    """
    began = time.monotonic()
    project = session.project
    chosen, services = project.choose(names)
    base = project.system.base
    stacks = chosen if base in chosen else (base, *chosen)
    environments = tuple(stack for stack in stacks if not stack.is_base)
    selected = {stack.target: project.services(stack, services) for stack in chosen}
    values = gather(session, stacks)
    healths: list[ServiceHealth] = []
    touched = 0
    with session.locks.acquire_all(tuple(s.target for s in environments)), interruptible(session, stacks):
        with session.locks.acquire(naming.INFRA, wait=_BASE_WAIT):
            source = _prepare(session, stacks, options)
            base_healths, base_touched = bring_base_up(
                session,
                selected.get(naming.INFRA, base.services),
                values[naming.INFRA],
                source,
                is_asked_for=base in chosen,
                new_secrets=options.new_secrets,
            )
            for stack in environments:
                values[stack.target] = _own(session, stack, values[stack.target], new_secrets=options.new_secrets)
        healths += base_healths
        touched += base_touched
        for stack in environments:
            done, count = _bring_up(session, stack, selected[stack.target], values[stack.target], source)
            healths += done
            touched += count
    return UpResult(
        targets=tuple(stack.target for stack in stacks),
        services=tuple(healths),
        addresses=tuple(address for stack in stacks for address in addresses(stack)),
        seconds=time.monotonic() - began,
        changed=touched,
    )


def _prepare(session: Session, stacks: tuple[Stack, ...], options: UpOptions) -> Source:
    """Do all that can be refused before anything is started."""
    project = session.project
    changes = write(project.folder / layout.COMPOSE, render(project.system, project.folder))
    if changes:
        session.note("", f"rendered {layout.COMPOSE}/: {', '.join(change.path for change in changes)}")
    observed, host = session.observe(), session.engine.host()
    findings = check(project.system, stacks, observed, host, is_free=is_free, holder_of=holder_of)
    findings.raise_problems()
    for caution in findings.cautions:
        session.caution("", caution)
    source = choose_source(session, observed, options.images)
    check_volumes(session, observed, source)
    ensure_images(session, stacks, source, build=options.build)
    return source


def _own(session: Session, stack: Stack, values: Values, *, new_secrets: bool) -> Values:
    """Give an environment its network and its part of the shared servers."""
    _make_network(session, stack)
    provisioner = session.provisioner()
    if values.to_generate and not new_secrets:
        owned = [grant.title for grant in stack.grants if provisioner.exists(grant)]
        if owned:
            raise lost(session, stack, values, ", ".join(owned), _RECOVER.format(target=stack.target))
    values = store_generated(session, stack, values)
    with ThreadPoolExecutor(max_workers=max(1, len(stack.grants))) as pool:
        provisioner = session.provisioner()
        list(pool.map(provisioner.ensure, stack.grants))
    return values


def _make_network(session: Session, stack: Stack) -> None:
    labels = {naming.LABEL_PROJECT: stack.project, naming.LABEL_ENVIRONMENT: stack.target}
    for network in stack.networks:
        if network.is_external:
            session.engine.create_network(network, labels)
    if servers_of(stack):
        connect(session, stack, session.observe())


def _bring_up(
    session: Session, stack: Stack, services: tuple[Service, ...], values: Values, source: Source
) -> tuple[tuple[ServiceHealth, ...], int]:
    revisions = deliver(session.project.folder, stack, values.plain(stack), session.vault)
    return start(session, stack, services, desired(session, stack, revisions, source), source)


def addresses(stack: Stack) -> tuple[Address, ...]:
    """Return where a stack's services listen on the host."""
    return tuple(
        Address(stack.target, service.name, f"{_scheme(service)}{_host(port.host_ip)}:{port.published}", service.login)
        for service in stack.services
        for port in service.ports
    )


def _scheme(service: Service) -> str:
    return "http://" if isinstance(service.probe, HttpProbe) else ""


def _host(host_ip: str) -> str:
    return "localhost" if host_ip == "127.0.0.1" else host_ip


@contextmanager
def interruptible(session: Session, stacks: tuple[Stack, ...]) -> Iterator[None]:
    """Turn Ctrl-C into an error that says what is left running."""
    try:
        yield
    except KeyboardInterrupt as error:
        try:
            observed = session.observe()
            state = " ".join(running_state(stack, observed) for stack in stacks)
        except EnvmgrError:
            state = "What runs cannot be seen: the engine does not answer."
        raise InterruptedByUser(
            "interrupted", state=state, help=f"envmgr up {' '.join(s.target for s in stacks)} goes on from here"
        ) from error
