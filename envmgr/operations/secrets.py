"""Make, set, list and show the secrets of targets; `secrets_check` judges them."""

from __future__ import annotations

from collections.abc import Callable

from envmgr import naming
from envmgr.errors import SpecError, UsageError
from envmgr.model.needed import Needed
from envmgr.model.observed import State
from envmgr.model.secret import SecretValue, references
from envmgr.model.secrets import SecretRow, SecretShown, SecretsKept
from envmgr.model.stack import Stack
from envmgr.operations.base import refuse_lost_of_base
from envmgr.operations.keeping import keep
from envmgr.operations.ownership import is_inside, refuse_lost
from envmgr.operations.reading import Reading, read
from envmgr.operations.session import BASE_WAIT, Session
from envmgr.operations.values import Values, read_all, refuse_unkeepable, store_generated, vault_of
from envmgr.operations.weak import own_words
from envmgr.secrets.ages import ages_of
from envmgr.secrets.strength import weakness
from envmgr.spec.suggest import did_you_mean, listing

GOOD = "good"


def init(session: Session, targets: tuple[str, ...]) -> tuple[SecretsKept, ...]:
    """Make strong values for whatever is missing and can be made, of all targets when none is named.

    Raises: `SpecError` where a target has data that only the lost values open; nothing is made for any target then.
    """
    stacks = session.project.stacks(targets) if targets else session.project.system.stacks
    locked = (naming.INFRA, *(stack.target for stack in stacks if not stack.is_base))
    with session.locks.acquire_all(locked, base_wait=BASE_WAIT):
        readings = read_all(session, stacks)
        _refuse_wrong(readings)
        refuse_unkeepable(session, stacks, readings)
        vault_of(session, session.project.system.stacks)
        values = {stack.target: Values(one.known, one.to_generate) for stack, one in _pairs(stacks, readings)}
        for stack in stacks:
            _refuse_lost(session, stack, values[stack.target])
        return tuple(_made(session, stack, values[stack.target]) for stack in stacks)


def set_(session: Session, target: str, name: str, ask: Callable[[], str]) -> SecretsKept:
    """Keep a value that the operator gives, where the target's secrets are; nothing that runs changes.

    Raises: `UsageError` for what is no secret of the target; `SpecError` for a weak value where those are refused.
    """
    stack = _one(session, target)
    need = _need(stack, name)
    value = ask()
    _refuse_value(session, stack, need, value)
    with session.locks.acquire_all((target,), base_wait=BASE_WAIT):
        where = keep(session, stack, {name: value})
    return SecretsKept(target, (name,), where)


def list_(session: Session, targets: tuple[str, ...]) -> tuple[SecretRow, ...]:
    """Return every secret of some targets, of all when none is named; never a value."""
    stacks = session.project.stacks(targets) if targets else session.project.system.stacks
    readings = read_all(session, stacks)
    return tuple(row for stack, reading in _pairs(stacks, readings) for row in _rows(session, stack, reading))


def show(session: Session, target: str, name: str, confirm: Callable[[str], None]) -> SecretShown:
    """Return one value, after the operator has confirmed a protected target by its name.

    Raises: `UsageError` for what is no secret, and for one that nobody has set.
    """
    stack = _one(session, target)
    _need(stack, name)
    if stack.is_protected:
        confirm(target)
    reading = read(session, stack)
    if not reading.known.get(name):
        raise UsageError(f"{name} of {target} is not set", help=f"envmgr secrets set {target} {name}")
    return SecretShown(target, name, SecretValue(reading.known[name]), reading.places[name])


def users_of(session: Session, target: str, name: str) -> tuple[str, ...]:
    """Return the services that get a secret, those of other targets as `dev.app`."""
    found = []
    for stack in session.project.declared.stacks:
        for service in stack.services:
            contents = [*(mount.content for mount in service.secrets), *service.templated.values()]
            if any(ref.scope == target and ref.name == name for one in contents for ref in references(one)):
                found.append(service.name if stack.target == target else f"{stack.target}.{service.name}")
    return tuple(found)


def _pairs(stacks: tuple[Stack, ...], readings: dict[str, Reading]) -> tuple[tuple[Stack, Reading], ...]:
    return tuple((stack, readings[stack.target]) for stack in stacks)


def _one(session: Session, target: str) -> Stack:
    return session.project.stacks((target,))[0]


def _need(stack: Stack, name: str) -> Needed:
    secret = {need.name: need for need in stack.needed if need.is_secret}
    if name in secret:
        return secret[name]
    if any(need.name == name for need in stack.needed):
        raise UsageError(
            f"{name} of {stack.target} is no secret", help=f"write {name}=… in .env.{stack.target} yourself"
        )
    hint = did_you_mean(name, secret)
    raise UsageError(
        f"{stack.target} has no secret {name}{f' ({hint})' if hint else ''}",
        help=f"known: {listing(sorted(secret))}" if secret else f"declare it as [variables.{name}] with secret = true",
    )


def _refuse_value(session: Session, stack: Stack, need: Needed, value: str) -> None:
    state = "No value was kept."
    if not value:
        raise UsageError(f"the value of {need.name} is empty", state=state)
    if "\0" in value:
        raise UsageError(f"the value of {need.name} holds NUL", state=state)
    why = weakness(need.name, value, own_words(session, stack))
    if why and stack.refuses_weak:
        raise SpecError(
            f"{need.name} is {why}, and {stack.target} refuses weak values",
            state=state,
            help="python3 -c 'import secrets; print(secrets.token_urlsafe(32))' prints a strong one",
        )
    if why:
        session.caution(stack.target, f"{need.name} is {why}")


def _refuse_wrong(readings: dict[str, Reading]) -> None:
    wrong = tuple(problem for one in readings.values() for problem in one.wrong)
    if wrong:
        raise SpecError("values cannot be told", wrong, state="No value was made.")


def _refuse_lost(session: Session, stack: Stack, values: Values) -> None:
    if stack.is_base:
        refuse_lost_of_base(session, values, session.observe())
    elif values.to_generate and _can_own(session, stack):
        refuse_lost(session, stack, values)


def _can_own(session: Session, stack: Stack) -> bool:
    """Tell whether there is anything in which the stack could own something: on a new host no server has run yet."""
    observed = session.observe()
    there = {volume.name for volume in observed.volumes}
    base = session.project.system.base
    has_run = any(volume.name in there for each in (base, stack) for volume in each.volumes)
    runs = any(container.state is State.RUNNING for container in observed.of(base.compose_project))
    return has_run or runs or any(not is_inside(stack, grant) and grant.is_external for grant in stack.grants)


def _made(session: Session, stack: Stack, values: Values) -> SecretsKept:
    names = tuple(need.name for need in values.to_generate)
    if not names:
        return SecretsKept(stack.target, (), "")
    store_generated(session, stack, values)
    place = read(session, stack).places[names[0]]
    return SecretsKept(stack.target, names, place.rpartition(":")[0] or place)


def _rows(session: Session, stack: Stack, reading: Reading) -> tuple[SecretRow, ...]:
    words = own_words(session, stack)
    values = reading.secrets(stack)
    since = ages_of(session.project.folder, stack.target, values)
    return tuple(
        SecretRow(
            target=stack.target,
            name=need.name,
            used_by=users_of(session, stack.target, need.name),
            source=reading.places.get(need.name, "") if need.name in values else "",
            since=since.get(need.name),
            strength=(weakness(need.name, values[need.name], words) or GOOD) if need.name in values else "",
        )
        for need in sorted(stack.needed, key=lambda one: one.name)
        if need.is_secret
    )
