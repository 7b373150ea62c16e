"""Exchange secrets while what they open runs: the new one beside the old, consumers over, the old one ended, and proof.

Every step is written down before the next begins, so that the same command goes on after a kill. What fails before the
consumers are over is undone; from then on only forward is possible.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from envmgr.errors import EngineError, EnvmgrError, ExitCode, UsageError
from envmgr.model.observed import State
from envmgr.model.plan import Plan
from envmgr.model.result import Rotated, RotateResult
from envmgr.model.secret import references
from envmgr.model.stack import Grant, Service, Stack
from envmgr.operations.exchanges import Exchange, chosen, ending, exchanges
from envmgr.operations.image_source import choose_source
from envmgr.operations.interruption import interruptible
from envmgr.operations.keeping import keep, refuse_unkept
from envmgr.operations.plan import propose
from envmgr.operations.session import Session
from envmgr.operations.up import Agree, UpOptions, up_locked
from envmgr.operations.values import Values, gather, with_values
from envmgr.provision.grants import Provisioner
from envmgr.provision.inside import Inside
from envmgr.records.journal import Journal, Stage

OPERATION = "rotate"
ROLLED = "rolled"


def rotate(
    session: Session, target: str, subjects: tuple[str, ...], agree: Agree, *, ends_overlap: bool = False
) -> RotateResult:
    """Exchange secrets of an environment, one after the other; one that was cut before is finished first.

    `subjects` are servers and generated variables; with `ends_overlap` their previous values are withdrawn instead.

    Raises: `UsageError`, `SpecError`, `LockedError`, `EngineError`, `NotHealthyError`; the error says how far it came.
    """
    began = time.monotonic()
    (stack,) = session.project.stacks((target,))
    if stack.is_base:
        raise UsageError(
            "only an environment's secrets are exchanged: those of the base were set when its servers first started",
            state="Nothing was changed.",
            help="envmgr secrets rotate ENVIRONMENT NAME",
        )
    if stack.colours:
        raise UsageError(
            f"{target} is deployed in colours, whose releases keep the values that they were deployed with",
            state="Nothing was changed.",
            help=f"A variable of the application: envmgr secrets set {target} NAME, then envmgr deploy {target}",
        )
    known = exchanges(stack, _previous(session))
    wanted = {one.subject: one for one in (chosen(stack, known, name) for name in subjects)}
    if ends_overlap:
        wanted = {subject: ending(stack, one) for subject, one in wanted.items()}
    with session.locks.acquire(target), interruptible(session, (stack,), _again(stack)):
        journal = Journal(session.project.folder, target)
        done = _finish(session, stack, journal, known)
        if not wanted and not done:
            raise UsageError(
                f"nothing was named that {target} should exchange, and no rotation was cut",
                state="Nothing was changed.",
                help=f"it can exchange: {', '.join(one.subject for one in known)}",
            )
        for one in done:
            wanted.pop(one.subject, None)
        done += tuple(_Rotation.begin(session, stack, journal, one, agree).carry_out() for one in wanted.values())
    return RotateResult(target, done, time.monotonic() - began)


def _finish(session: Session, stack: Stack, journal: Journal, known: tuple[Exchange, ...]) -> tuple[Rotated, ...]:
    entry = journal.read()
    if entry is None:
        return ()
    if entry.operation != OPERATION:
        raise UsageError(
            f"{entry.operation} of {entry.subject} was cut on {entry.began} and comes first",
            state="Nothing was changed.",
            help=entry.command,
        )
    exchange = chosen(stack, known, entry.subject)
    session.note(stack.target, f"going on with the rotation of {entry.subject}, begun {entry.began}")
    gather(session, (session.project.system.base, stack), allows_weak=True)
    rotation = _Rotation(session, stack, journal, exchange, entry.facts["old"], entry.facts["new"])
    return (replace(rotation.carry_out(), was_cut=True),)


@dataclass(frozen=True, slots=True)
class _Rotation:
    """One exchange on its way."""

    session: Session
    stack: Stack
    journal: Journal
    exchange: Exchange
    old: Mapping[str, str]
    new: Mapping[str, str]

    @classmethod
    def begin(cls, session: Session, stack: Stack, journal: Journal, exchange: Exchange, agree: Agree) -> _Rotation:
        """Have it agreed to what will be restarted, and write down that it begins; nothing has changed so far.

        Raises: `UsageError` when the environment is not as its spec says, and what `agree` raises.
        """
        values = gather(session, (session.project.system.base, stack), allows_weak=True)
        _refuse_differing(stack, _plan(session, stack, values))
        known = values[stack.target].known
        new = exchange.next(known)
        refuse_unkept(session, stack, new)
        old = {name: known.get(name, "") for name in exchange.names}
        # Every value that is known is in both vaults, so that nothing of either ever shows.
        made = {**values, stack.target: Values({**known, **new}, ())}
        before, session.vault = session.vault, with_values(session.vault, stack.target, new)
        try:
            agree(_plan(session, stack, made))
        finally:
            session.vault = before
        journal.begin(OPERATION, exchange.subject, _again(stack), {"old": old, "new": new})
        return cls(session, stack, journal, exchange, old, new)

    def carry_out(self) -> Rotated:
        """Do what is not done yet.

        Raises: `EnvmgrError` with the state that things are in.
        """
        began = time.monotonic()
        with self._undone():
            self.journal.carry_out(
                self._stages(), lambda text: self.session.step(self.stack.target, f"{self.exchange.subject}: {text}")
            )
        return Rotated(
            self.exchange.subject, self._consumers(), self.exchange.grant is not None, time.monotonic() - began
        )

    def _stages(self) -> tuple[Stage, ...]:
        grant = self.exchange.grant
        over = (
            Stage("kept", "keeping the new one", lambda: self._keep(self.new)),
            Stage(ROLLED, "moving its consumers over", self._roll),
        )
        if grant is None or grant.credential is None:
            return over
        return (
            Stage("added", "setting the new credential beside the old", lambda: self._with(self.new).ensure(grant)),
            Stage("entered", "entering with the new one", lambda: self._enter(grant)),
            *over,
            Stage("verified", "entering from inside each consumer", lambda: self._verify(grant)),
            Stage("retired", "ending the old one", lambda: self._retire(grant, self.old)),
            Stage("refused", "making sure that the old one is refused", lambda: self._refuse(grant)),
        )

    def _with(self, values: Mapping[str, str]) -> Provisioner:
        """Return what acts with these values in place of those that are kept."""
        vault = with_values(self.session.vault, self.stack.target, values)
        return replace(self.session.provisioner(), fill=vault.fill_all)

    def _enter(self, grant: Grant) -> None:
        self._with(self.new).act(grant, grant.probe, "enter with the new credential")

    def _verify(self, grant: Grant) -> None:
        if grant.credential is None:
            return
        session, stack = self.session, self.stack
        inside = Inside(session.engine, session.vault.fill_all, session.project.system.substitutes)
        observed = session.observe()
        for service in (one for one in stack.services if one.name in self._consumers()):
            for container in observed.of(stack.compose_project, service.name):
                if container.state is State.RUNNING:
                    inside.prove(grant.credential, service, container)

    def _retire(self, grant: Grant, values: Mapping[str, str]) -> None:
        if grant.credential:
            self._with(values).act(grant, grant.credential.retire, "end a credential")

    def _refuse(self, grant: Grant) -> None:
        """Prove that the old credential opens nothing; the new one does, so that a refusal is one.

        Raises: `EngineError`.
        """
        self._enter(grant)
        with suppress(EngineError):
            self._with(self.old).act(grant, grant.probe, "enter with the old credential")
            raise _OldOpens(f"the old credential still opens the {grant.title}", help=_again(self.stack))

    def _keep(self, values: Mapping[str, str]) -> None:
        keep(self.session, self.stack, values)
        self.session.vault = with_values(self.session.vault, self.stack.target, values)

    def _roll(self) -> None:
        up_locked(
            self.session, {self.stack.target: self.stack.services}, UpOptions(allows_weak=True), lambda _plan: None
        )

    def _consumers(self) -> tuple[str, ...]:
        return tuple(one.name for one in self.stack.services if _mentions(one, self.exchange))

    @contextmanager
    def _undone(self) -> Iterator[None]:
        """Go back when a step fails before all consumers are over, and say in the error what state things are in."""
        try:
            yield
        except EnvmgrError as error:
            entry = self.journal.entry
            if entry is None or ROLLED in entry.done:
                error.state = f"The new credential is in use; the old one may still be valid. {error.state}".strip()
                error.help = _again(self.stack)
                raise
            is_back = self._go_back(is_kept="kept" in entry.done)
            error.state = (
                f"{self.exchange.subject} of {self.stack.target} is entered with the old credential, as before."
                if is_back
                else f"The rotation stands after: {', '.join(entry.done) or 'nothing'}; the old credential is valid."
            )
            error.help = error.help if is_back else _again(self.stack)
            raise

    def _go_back(self, *, is_kept: bool) -> bool:
        """Undo what was done and tell whether that worked; if not, the journal stays as it is."""
        try:
            # None of its steps counts as done any more: whoever goes on with it, should this be cut, does them all.
            self.journal.begin(OPERATION, self.exchange.subject, _again(self.stack), {"old": self.old, "new": self.new})
            if is_kept:
                self.session.step(self.stack.target, f"{self.exchange.subject}: going back to the old one")
                self._keep(self.old)
                self._roll()
            if self.exchange.grant:
                self._retire(self.exchange.grant, self.new)
        except EnvmgrError:
            return False
        self.journal.close()
        return True


def _plan(session: Session, stack: Stack, values: Mapping[str, Values]) -> Plan:
    stacks = (session.project.system.base, stack)
    observed = session.observe()
    source = choose_source(session, observed, None)
    selected = {stack.target: stack.services}
    return propose(session, stacks, selected, values, source, observed=observed, build=False)


def _refuse_differing(stack: Stack, plan: Plan) -> None:
    """Raises: `UsageError` when consumers would be changed for other reasons too, or do not run."""
    if plan.of(stack.target):
        raise UsageError(
            f"{stack.target} is not as its spec says, and a rotation changes nothing else",
            state="Nothing was changed.",
            help=f"envmgr up {stack.target}, then again",
        )


def _mentions(service: Service, exchange: Exchange) -> bool:
    templates = [*(mount.content for mount in service.secrets), *service.templated.values()]
    return any(ref.name in exchange.names for template in templates for ref in references(template))


def _previous(session: Session) -> dict[str, str]:
    tables = session.project.loaded.spec.variables
    return {name: table.previous for name, table in tables.items() if table.previous}


def _again(stack: Stack) -> str:
    return f"envmgr secrets rotate {stack.target}"


class _OldOpens(EnvmgrError):
    """What was ended is not."""

    exit_code = ExitCode.FINDINGS
