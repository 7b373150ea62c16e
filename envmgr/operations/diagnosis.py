"""Why something is not healthy: collects the evidence, once and side by side, and has it judged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar

from envmgr import layout
from envmgr.diagnosis.diagnose import diagnose
from envmgr.diagnosis.evidence import BrokenGrant, Evidence, Listener, SecretFile, Witness
from envmgr.diagnosis.history import has_recovered
from envmgr.diagnosis.log import clean
from envmgr.diagnosis.signatures.network import listeners
from envmgr.engine.ports import holder_of
from envmgr.errors import EngineError, EnvmgrError, NotHealthyError
from envmgr.health.probe import Prober
from envmgr.health.verdict import judge
from envmgr.model.diagnosis import DiagnosedError, Diagnosis
from envmgr.model.health import ServiceHealth, Verdict
from envmgr.model.observed import Container, EngineHealth, Host, Observed, State
from envmgr.model.stack import CommandProbe, Grant, Service, Stack
from envmgr.operations.order import waves
from envmgr.operations.session import Session
from envmgr.operations.values import plain_of, vault_of
from envmgr.secrets.deliver import revisions

T = TypeVar("T")
_LOG_LINES = 100
"""A traceback of a framework takes fifty."""
_LISTENERS = ("cat", "/proc/net/tcp", "/proc/net/tcp6")
_LISTENERS_SECONDS = 5.0
_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Known:
    """What whoever asks has learned already, so that it is not asked again."""

    healths: tuple[ServiceHealth, ...] = ()
    """Verdicts of a wait."""
    refusal: tuple[str, ...] = ()
    """What the engine said when it refused to start something."""


def not_healthy(session: Session, stack: Stack, healths: tuple[ServiceHealth, ...]) -> NotHealthyError:
    """Return the error for a stack that did not become healthy."""
    observed = session.observe()
    state = running_state(stack, observed)
    found = examine(session, stack, observed, Known(healths))
    if found.first is not None:
        return DiagnosedError(found, found.first, state=state)
    # It was not healthy when its time was up, and has become so since.
    bad = next(health for health in healths if not health.verdict.is_good)
    return NotHealthyError(
        f"{bad.service} of {stack.target}: {bad.verdict}: {bad.reason}",
        state=state,
        help=f"envmgr up {stack.target}",
    )


def refused(session: Session, stack: Stack, error: EngineError) -> EnvmgrError:
    """Return the error for a start that the engine refused: the reason where it is known, else the engine's words."""
    observed = session.observe()
    state = running_state(stack, observed)
    found = examine(session, stack, observed, Known(refusal=(error.message, *error.details)))
    if found.first is not None and any(line.startswith("engine: ") for line in found.first.evidence):
        return DiagnosedError(found, found.first, state=state)
    return EngineError(
        f"{stack.target}: {error.message}",
        state=state,
        help=error.help or f"envmgr up {stack.target}",
        details=error.details,
    )


def running_state(stack: Stack, observed: Observed) -> str:
    """Say in one sentence what of a stack runs."""
    running = sorted({c.service for c in observed.of(stack.compose_project) if c.state is State.RUNNING})
    idle = sorted({s.name for s in stack.services if not s.is_job} - set(running))
    parts = [f"running in {stack.target}: {', '.join(running) or 'nothing'}"]
    if idle:
        parts.append(f"not running: {', '.join(idle)}")
    return "; ".join(parts).capitalize() + "."


def examine(session: Session, stack: Stack, observed: Observed, known: Known, service: str = "") -> Diagnosis:
    """Collect the evidence about a target, or one service of it, and judge it."""
    return diagnose(collect(session, stack, observed, known, service))


def collect(session: Session, stack: Stack, observed: Observed, known: Known, service: str = "") -> Evidence:
    """Return what can be learned about a target now; a question that the engine does not answer is left out."""
    with suppress(EnvmgrError):
        # For masking, all secrets count: one environment's log may hold another's.
        vault_of(session, session.project.system.stacks)
    return _Collector(session, stack, observed, known).collect(service)


@dataclass(frozen=True, slots=True)
class _Collector:
    """One round of questions to one engine."""

    session: Session
    stack: Stack
    observed: Observed
    known: Known

    def collect(self, service: str) -> Evidence:
        """Ask everything side by side: each question has a deadline of its own."""
        system = self.session.project.system
        base, needed = system.base, (need for stack in system.stacks for need in stack.needed)
        prober = self.session.prober(self.observed)
        expected = self._expected_revisions()
        with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
            asked = [pool.submit(self._witness, s, one, prober, expected) for s, one in self._services(base)]
            grants = [pool.submit(_broken, prober, grant) for grant in self.stack.grants if self._is_up()]
            witnesses = tuple(found for one in asked if (found := one.result()) is not None)
            broken = tuple(broken for grant in grants if (broken := grant.result()) is not None)
        host = self._host() if witnesses or broken else None
        return Evidence(
            stack=self.stack,
            base=base,
            observed=self.observed,
            witnesses=witnesses,
            grants=broken,
            refusal=tuple(line for text in self.known.refusal for line in clean(text)),
            free_disk=host.free_disk if host else None,
            holders=self._holders(witnesses) if host and host.is_local else {},
            secrets=self.session.vault.secrets(needed),
            service=service,
        )

    def _services(self, base: Stack) -> Iterable[tuple[Stack, Service]]:
        if not self.stack.is_base:
            used = {name for service in self.stack.services for name in service.uses}
            servers = tuple(one for one in base.services if one.name in used)
            yield from ((base, one) for wave in waves(base, servers) for one in wave)
        yield from ((self.stack, one) for one in self.stack.services)

    def _is_up(self) -> bool:
        """An environment that is down owns its databases all the same, and asks nothing of them."""
        return bool(self.observed.of(self.stack.compose_project))

    def _witness(
        self, stack: Stack, service: Service, prober: Prober, expected: Mapping[tuple[str, str], str]
    ) -> Witness | None:
        """Return what is known of a service; None when it is as it should be."""
        containers = self.observed.of(stack.compose_project, service.name)
        health, probe = self._health(stack, service, containers, prober)
        if health.verdict.is_good:
            return None
        container = max(containers, key=_trouble) if containers else None
        about = Witness(
            health,
            container,
            probe=probe,
            secret_files=self._secret_files(stack, service),
            missing_files=self._missing_files(stack, service),
        )
        if container is None:
            return replace(about, is_image_missing=self._lacks_image(service))
        revision = expected.get((stack.target, service.name))
        return replace(self._heard(about, container), is_outdated=revision not in (None, container.revision))

    def _health(
        self, stack: Stack, service: Service, containers: tuple[Container, ...], prober: Prober
    ) -> tuple[ServiceHealth, str]:
        """Return the verdict of the wait, else one of now; and what the probe from outside says."""
        verdict, reason = judge(service, containers, datetime.now(UTC))
        if verdict is Verdict.CRASHING and not self.known.healths and all(self._has_recovered(c) for c in containers):
            verdict, reason = Verdict.HEALTHY, ""
        probe = ""
        is_asked = verdict in (Verdict.HEALTHY, Verdict.STARTING, Verdict.UNHEALTHY) and not service.is_job
        if service.probe is not None and is_asked and any(c.state is State.RUNNING for c in containers):
            result = prober.run(service.probe)
            probe = "" if result.is_good else result.message
            if probe and verdict is Verdict.HEALTHY:
                verdict, reason = Verdict.UNHEALTHY, probe
        now = ServiceHealth(stack.target, service.name, verdict, reason)
        given = next((h for h in self.known.healths if (h.target, h.service) == (stack.target, service.name)), now)
        # A wait that was cut, or whose time was up, may have missed the end by a moment; a failure stays one.
        is_over = given.verdict.is_good or (verdict.is_good and not given.verdict.is_final)
        return (now if is_over else given), probe

    def _has_recovered(self, container: Container) -> bool:
        history, _ = _or_failure(lambda: self.session.engine.history(container.id))
        return has_recovered(container, history, datetime.now(UTC))

    def _heard(self, witness: Witness, container: Container) -> Witness:
        """Add what the container says of itself."""
        engine = self.session.engine
        since, until = _last_life(container)
        log, failure = _or_failure(lambda: clean(engine.logs(container.id, _LOG_LINES, since, until)))
        checks, _ = _or_failure(lambda: engine.health_log(container.id))
        history, _ = _or_failure(lambda: engine.history(container.id))
        found = self._listeners(container) if container.state is State.RUNNING else None
        return replace(witness, log=log, log_error=failure, checks=checks, history=history, listeners=found)

    def _listeners(self, container: Container) -> tuple[Listener, ...] | None:
        with suppress(EngineError):
            result = self.session.engine.exec(container.id, _LISTENERS, {}, _LISTENERS_SECONDS)
            # Exit code 1 is a host without IPv6; without `cat` there is nothing to read.
            return listeners(result.output) if result.exit_code in (0, 1) else None
        return None

    def _secret_files(self, stack: Stack, service: Service) -> dict[str, SecretFile]:
        found = {}
        for mount in service.secrets:
            path = self.session.project.folder / layout.secret_file(stack.target, service.name, mount.name)
            with suppress(OSError):
                status = path.stat()
                found[mount.name] = SecretFile(status.st_uid, status.st_mode & 0o7777)
        return found

    def _missing_files(self, stack: Stack, service: Service) -> tuple[str, ...]:
        secrets = [str(layout.secret_file(stack.target, service.name, mount.name)) for mount in service.secrets]
        configs = [f"{layout.COMPOSE}/{config.path}" for config in service.configs]
        folder = self.session.project.folder
        return tuple(path for path in (*secrets, *configs) if not (folder / path).exists())

    def _lacks_image(self, service: Service) -> bool:
        substitute = self.session.project.system.substitutes.get(service.image.reference, "")
        with suppress(EngineError):
            references = [one for one in (service.image.reference, substitute) if one]
            return all(self.session.engine.image(one) is None for one in references)
        return False

    def _host(self) -> Host | None:
        with suppress(EngineError):
            return self.session.engine.host()
        return None

    def _expected_revisions(self) -> dict[tuple[str, str], str]:
        """Return what the containers would carry if they were started with the values of now."""
        folder, vault, stack = self.session.project.folder, self.session.vault, self.stack
        try:
            carried = revisions(folder, stack, plain_of(self.session, stack), vault)
        except EnvmgrError:
            return {}  # what cannot be delivered explains nothing that runs
        return {(stack.target, name): revision for name, revision in carried.items()}

    def _holders(self, witnesses: tuple[Witness, ...]) -> dict[int, str]:
        """Name the processes that hold ports which the engine could not give to services of this stack."""
        refused = [w.node for w in witnesses if w.container is not None and (w.container.error or self.known.refusal)]
        ports = [port for s in self.stack.services if (self.stack.target, s.name) in refused for port in s.ports]
        found = {port.published: holder_of(port.published, port.host_ip, port.protocol) for port in ports}
        return {port: holder for port, holder in found.items() if holder}


def _broken(prober: Prober, grant: Grant) -> BrokenGrant | None:
    result = prober.run(CommandProbe(grant.probe))
    return None if result.is_good else BrokenGrant(grant, result.message)


def _trouble(container: Container) -> tuple[bool, bool, int]:
    """Sort replicas: the one that is in trouble has something to say."""
    return container.state is not State.RUNNING, container.health is EngineHealth.UNHEALTHY, container.restart_count


def _last_life(container: Container) -> tuple[datetime | None, datetime | None]:
    """Return between which moments a log is about the failure: of a crash loop, what comes before the last end."""
    if container.restart_count == 0:
        return container.started_at, None
    return None, container.finished_at if container.state is State.RUNNING else None


def _or_failure(ask: Callable[[], tuple[T, ...]]) -> tuple[tuple[T, ...], str]:
    try:
        return ask(), ""
    except EngineError as error:
        return (), error.message
