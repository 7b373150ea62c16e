"""Deploy a release beside the one that serves, lead requests over once it is proven, or leave everything as it was.

Until the switch only the idle colour is touched. What fails before it leaves the old release serving; what fails after
it leads requests back first and reports second. Every step is written down, so that the next command goes on after a
kill, or undoes: while it is open, one colour serves all the time.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from envmgr import naming
from envmgr.errors import EngineError, EnvmgrError, NotDeployedError, UsageError
from envmgr.model.edge import Listener
from envmgr.model.release import Attempt, DeployResult, Outcome, Release
from envmgr.model.stack import Stack
from envmgr.operations.colour import Colour, colour_of, drain, other, retire_due
from envmgr.operations.edge import Edge
from envmgr.operations.host_programs import run_hooks
from envmgr.operations.image_source import Source, choose_source
from envmgr.operations.images import ensure_images
from envmgr.operations.interruption import interruptible
from envmgr.operations.releasing import make_release
from envmgr.operations.session import Session
from envmgr.operations.smoke import look
from envmgr.operations.up import Agree, UpOptions, up_locked
from envmgr.operations.values import Values, gather
from envmgr.records.journal import Journal, Stage
from envmgr.records.owner import myself
from envmgr.records.releases import Releases
from envmgr.resolve.edge_ports import listeners
from envmgr.secrets.deliver import deliver
from envmgr.spec.deploy_table import DeployTable

OPERATION = "deploy"
SWITCHED = "switched"
_TOLERATED = 0.05
"""Share of failed requests after a switch above which requests are led back."""


@dataclass(frozen=True, slots=True)
class DeployOptions:
    """What the operator chose."""

    build: bool = False
    """Build the project's own images anew when their source has changed."""
    images: Source | None = None


def deploy(session: Session, target: str, options: DeployOptions, agree: Agree) -> DeployResult:
    """Make a release of what the spec says and have it serve; one that was cut after its switch is finished instead.

    Raises: `NotDeployedError` when what served before serves; `UsageError`, `SpecError`, `LockedError`, `EngineError`.
    """
    stack = in_colours(session, target)
    with session.locks.acquire(target), interruptible(session, (stack,), f"envmgr deploy {target}"):
        finished = finish(session, stack)
        if finished is not None:
            return finished
        return _deploy_anew(session, stack, options, agree)


def in_colours(session: Session, target: str) -> Stack:
    """Return an environment that is deployed blue-green.

    Raises: `UsageError` for another one.
    """
    (stack,) = session.project.stacks((target,))
    if not stack.colours:
        raise UsageError(
            f"{target} has no releases: `up` changes what runs there",
            state="Nothing was changed.",
            help=f'envmgr up {target}, or set environments.{target}.deploy.strategy = "blue-green"',
        )
    return stack


def policy_of(session: Session, target: str) -> DeployTable:
    """Return how an environment is deployed."""
    return session.project.loaded.spec.environments[target].table.deploy


def finish(session: Session, stack: Stack) -> DeployResult | None:
    """Bring a deploy or rollback that was cut to an end: on, when requests were led over already, else back.

    Raises: `UsageError` when another operation was cut; as `deploy` does.
    """
    journal = Journal(session.project.folder, stack.target)
    entry = journal.read()
    if entry is None:
        return None
    if entry.operation != OPERATION:
        raise UsageError(
            f"{entry.operation} of {entry.subject} was cut on {entry.began} and comes first",
            state="Nothing was changed.",
            help=entry.command,
        )
    facts = entry.facts["release"]
    values = gather(session, (session.project.system.base, stack))[stack.target]
    before = int(facts["before"]) if facts["before"] else None
    one = Deployment.of(session, stack, int(facts["number"]), facts["colour"], before, values)
    one.journal = journal
    one.is_back, one.is_warm = bool(facts["is_back"]), bool(facts["is_warm"])
    if one.edge.chosen() == one.new_name and (before is not None or SWITCHED in entry.done):
        session.note(stack.target, f"going on with {entry.subject}, begun {entry.began}: requests reach it already")
        return one.carry_out(was_cut=True)
    session.note(stack.target, f"undoing {entry.subject}, begun {entry.began}: no request had reached it")
    one.take_back("it was cut before requests were led to it")
    return None


def _deploy_anew(session: Session, stack: Stack, options: DeployOptions, agree: Agree) -> DeployResult:
    policy = policy_of(session, stack.target)
    run_hooks(session, policy.before, f"What {stack.target} serves is not touched.")
    up_locked(
        session,
        {stack.target: stack.services},
        UpOptions(build=options.build, images=options.images, leaves_releases=True),
        agree,
    )
    source = choose_source(session, session.observe(), options.images)
    now = session.project.declared.stack(stack.target)
    ensure_images(session, now.colours[:1], source, build=options.build)
    values = gather(session, (session.project.system.base, stack))[stack.target]
    edge = Edge(session, stack)
    chosen = edge.chosen()
    records = Releases(session.project.folder, stack.target)
    serves = any(one.state.has_process for one in _plain(session, stack, chosen).containers())
    before = records.colours().get(chosen) if serves else None
    release = make_release(session, now, values, source)
    colour = other(chosen) if serves else chosen
    one = Deployment.of(session, stack, release.number, colour, before, values)
    return one.begin()


def _plain(session: Session, stack: Stack, name: str) -> Colour:
    found = next(one for one in stack.colours if one.target == naming.colour(stack.target, name))
    return Colour(session, found, session.project.folder)


@dataclass(slots=True)
class Deployment:
    """One release on its way to serve."""

    session: Session
    stack: Stack
    release: Release
    new_name: str
    before: int | None
    values: Values
    new: Colour
    old: Colour | None
    edge: Edge
    journal: Journal
    policy: DeployTable
    began: float = field(default_factory=time.monotonic)
    switched_in: float = 0
    is_back: bool = False
    """It served before."""
    is_warm: bool = False
    """It runs still."""

    @classmethod
    def of(
        cls, session: Session, stack: Stack, number: int, colour: str, before: int | None, values: Values
    ) -> Deployment:
        """Gather what it works with; the release is there."""
        records = Releases(session.project.folder, stack.target)
        old = colour_of(session, stack, before, other(colour)) if before is not None else None
        return cls(
            session=session,
            stack=stack,
            release=records.get(number),
            new_name=colour,
            before=before,
            values=values,
            new=colour_of(session, stack, number, colour),
            old=old,
            edge=Edge(session, stack),
            journal=Journal(session.project.folder, stack.target),
            policy=policy_of(session, stack.target),
        )

    def begin(self, *, is_back: bool = False, is_warm: bool = False) -> DeployResult:
        """Write down that it begins, and carry it out."""
        self.is_back, self.is_warm = is_back, is_warm
        facts = {
            "is_back": "yes" if is_back else "",
            "is_warm": "yes" if is_warm else "",
            "number": str(self.release.number),
            "colour": self.new_name,
            "before": "" if self.before is None else str(self.before),
        }
        command = f"envmgr {'rollback' if is_back else 'deploy'} {self.stack.target}"
        self.journal.begin(OPERATION, self.release.title, command, {"release": facts})
        return self.carry_out()

    def carry_out(self, *, was_cut: bool = False) -> DeployResult:
        """Do what is not done yet.

        Raises: `NotDeployedError`.
        """
        with self._undone():
            self.journal.carry_out(self._stages(), lambda text: self.session.step(self.stack.target, text))
        self._prune()
        if self.policy.warm_seconds == 0:
            retire_due(self.session, self.stack)
        return DeployResult(
            environment=self.stack.target,
            release=self.release.number,
            before=self.before,
            colour=self.new_name,
            switched_in=self.switched_in,
            seconds=time.monotonic() - self.began,
            was_cut=was_cut,
            urls=tuple(f"http://127.0.0.1:{one.published}" for one in self.stack.service(naming.EDGE).ports),
        )

    def _stages(self) -> tuple[Stage, ...]:
        title, colour = self.release.title, self.new_name
        outcome = Outcome.ROLLED_BACK if self.is_back else Outcome.DEPLOYED
        made_ready = (
            Stage("delivered", f"{title}: writing its variables and secrets for {colour}", self._deliver),
            Stage("started", f"{title}: starting {colour}", self._start),
            Stage("smoked", f"{title}: looking at {colour} before anybody else", self._smoke),
        )
        return (
            *(() if self.is_warm else made_ready),
            Stage(SWITCHED, f"{title}: leading requests to {colour}", self._switch),
            Stage("working", f"{title}: handing background work over", self._hand_over),
            Stage("watched", f"{title}: watching", self._watch),
            Stage("hooked", f"{title}: running hooks", self._hooks),
            Stage("recorded", f"{title} serves", lambda: self._record(outcome)),
        )

    def _deliver(self) -> None:
        Releases(self.session.project.folder, self.stack.target).dress(self.new_name, self.release.number)
        then = Releases(self.session.project.folder, self.stack.target).values(self.release.number)
        known = {**self.values.known, **then}
        vault = self.session.vault.with_target(self.stack.target, known)
        deliver(self.session.project.folder, self.new.stack, Values(known, ()).plain(self.stack), vault)

    def _start(self) -> None:
        drain(self.edge, self.new, self.policy.drain_seconds)
        self.new.remove()
        self.new.make_volumes()
        self.new.start(self.new.asked)
        self.new.refuse_foreign_images(self.release)

    def _smoke(self) -> None:
        for check in self.policy.smoke:
            look(self.session, self.edge, self.new.stack, check)

    def _switch(self) -> None:
        began = time.monotonic()
        self.edge.lead_to(self.new_name)
        self._prove_led()
        self.switched_in = time.monotonic() - began

    def _prove_led(self) -> None:
        """Prove by what the edge says that requests go to the new colour, and that it was the new colour that answered.

        Raises: `EngineError`.
        """
        expected = self.edge.addresses(self.new.stack)
        for listener in self._listeners():
            answer = self.edge.ask(listener, "/")
            if answer.colour != self.new_name or answer.address.partition(":")[0] not in expected:
                raise EngineError(
                    f"{listener.service}: the edge chose {answer.colour or 'nothing'}, "
                    f"and {answer.address or 'nobody'} answered with {answer.status}"
                )

    def _hand_over(self) -> None:
        """End the old colour's background work and begin the new one's; what must not run twice waits for the end."""
        together = tuple(one for one in self.new.unasked if not one.is_single)
        alone = tuple(one for one in self.new.unasked if one.is_single)
        with ThreadPoolExecutor(1) as meanwhile:
            # It takes no new work from now on, and finishes what it holds.
            stopped = meanwhile.submit(self.old.stop, self.old.unasked) if self.old else None
            self.new.start(together)
            if stopped is not None:
                stopped.result()
        self.new.start(alone)
        self.new.refuse_foreign_images(self.release)

    def _watch(self) -> None:
        since = datetime.now(UTC)
        deadline = time.monotonic() + self.policy.watch_seconds
        while True:
            total, failed, lines = self.edge.failures_since(since, self.new_name)
            if failed > max(2, total * _TOLERATED):
                raise EngineError(f"{failed} of {total} requests failed after the switch", details=lines)
            left = deadline - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(0.5, left))

    def _hooks(self) -> None:
        run_hooks(self.session, self.policy.after, "")

    def _record(self, outcome: Outcome, reason: str = "") -> None:
        owner = myself("")
        Releases(self.session.project.folder, self.stack.target).add(
            Attempt(
                release=self.release.number,
                outcome=outcome,
                at=datetime.now(UTC).isoformat(timespec="seconds"),
                by=f"{owner.user}@{owner.host}",
                colour=self.new_name,
                seconds=round(time.monotonic() - self.began, 1),
                reason=reason,
            )
        )

    @contextmanager
    def _undone(self) -> Iterator[None]:
        """Go back when a step fails, and say in the error what serves now."""
        try:
            yield
        except EnvmgrError as error:
            with _cause_kept(error):
                self.take_back(error.message)
            serves = f"release {self.before}" if self.before is not None else "nothing"
            raise NotDeployedError(
                f"{self.release.title} was not deployed to {self.stack.target}: {error.message}",
                state=f"{serves[0].upper()}{serves[1:]} serves{', as before' if self.old else ''}.",
                help=error.help or f"envmgr deploy {self.stack.target}",
                details=error.details,
            ) from error

    def take_back(self, reason: str) -> None:
        """Lead requests back to the old colour if they were led away, and remove the new one.

        Raises: `EnvmgrError` when that fails; the journal stays then.
        """
        if self.old is not None:
            if self.edge.chosen() == self.new_name:
                self.session.step(self.stack.target, f"leading requests back to {other(self.new_name)}")
                self.edge.lead_to(other(self.new_name))
            self.new.stop(self.new.unasked)
            self.old.resume(self.old.unasked)
        if not self.is_warm:
            drain(self.edge, self.new, self.policy.drain_seconds)
            self.new.remove()
        self._record(Outcome.FAILED, reason)
        self.journal.close()

    def _prune(self) -> None:
        """Forget the oldest releases beyond those that are to be kept; what serves or is warm stays.

        Releases that never served count for nothing, and go as soon as a later one does.
        """
        records = Releases(self.session.project.folder, self.stack.target)
        served = {one.release for one in records.history() if one.outcome is not Outcome.FAILED}
        numbers = [one.number for one in records.all()]
        kept = {*[one for one in numbers if one in served][-self.policy.keep :], *records.colours().values()}
        for number in numbers:
            if number not in kept and number != self.release.number:
                records.forget(number)

    def _listeners(self) -> tuple[Listener, ...]:
        names = {service.name for service in self.new.stack.services}
        return tuple(one for one in listeners(self.stack.colours[0].services) if one.service in names)


@contextmanager
def _cause_kept(error: EnvmgrError) -> Iterator[None]:
    """Let a failure on the way back be said beside the one that led there."""
    try:
        yield
    except EnvmgrError as second:
        raise NotDeployedError(
            f"{error.message}; and going back failed: {second.message}",
            state=second.state,
            help="The journal is open: the same command goes on or back.",
            details=(*error.details, *second.details),
        ) from error
