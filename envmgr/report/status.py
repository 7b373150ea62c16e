"""All stacks side by side, what is wrong first; or one stack in detail."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict

from envmgr import naming
from envmgr.model.health import Verdict
from envmgr.model.result import ContainerRow, StackRow
from envmgr.model.value import dataclass
from envmgr.report.machine import write_json
from envmgr.report.progress import STYLES, mark
from envmgr.report.results import duration
from envmgr.report.screen import paint, printable, width, wrapped
from envmgr.report.table import Cell, Column, Row, lines, natural, row

_WIDE = 100
"""Columns below which an image is named without its registry and folder."""
_IDLE = (Verdict.MISSING, Verdict.STOPPED)
_WORST_FIRST = (
    *(Verdict.CRASHING, Verdict.FAILED, Verdict.UNHEALTHY, Verdict.STOPPED, Verdict.MISSING),
    *(Verdict.STARTING, Verdict.HEALTHY, Verdict.COMPLETED),
)
_FAINT, _BOLD, _RED = "2", "1", "31;1"
_DETAIL = (
    Column("SERVICE"),
    Column("STATE"),
    Column("UPTIME", 1),
    Column("ADDRESS", 2),
    Column("IMAGE", 3, may_be_cut=True),
)


@dataclass(frozen=True, slots=True)
class _Summary:
    """One service of one stack: its worst container, and how many there are."""

    worst: ContainerRow
    replicas: int
    is_down: bool
    """The whole stack is, so that nobody expects it to run."""

    @property
    def verdict(self) -> Verdict:
        return Verdict(self.worst.verdict)

    @property
    def is_idle(self) -> bool:
        return self.is_down and self.verdict in _IDLE

    @property
    def is_wrong(self) -> bool:
        return not (self.is_idle or self.verdict.is_good or self.verdict is Verdict.STARTING)

    @property
    def style(self) -> str:
        return _FAINT if self.is_idle else STYLES[self.verdict]

    @property
    def words(self) -> str:
        """`✓ healthy`, `✗ crash loop x3 native`."""
        return self._marked(self.verdict.value)

    @property
    def brief(self) -> str:
        """For a narrow column: the uptime of what is healthy, else the verdict."""
        if self.verdict is Verdict.COMPLETED:
            return self._marked("done")
        is_healthy = self.verdict is Verdict.HEALTHY
        return self._marked(duration(self.worst.uptime) or self.verdict.value if is_healthy else self.verdict.value)

    def _marked(self, text: str) -> str:
        if self.is_idle:
            return "-"
        copies = f" x{self.replicas}" if self.replicas > 1 else ""
        side = " native" if self.worst.side == "native" else ""
        return f"{mark(self.verdict, sys.stdout)} {text}{copies}{side}"


Level = Callable[[_Summary], tuple[str, ...]]
"""What is shown of a service in the column of its stack."""


@dataclass(frozen=True, slots=True)
class _Block:
    """One table."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


def write_status(stacks: tuple[StackRow, ...], *, as_json: bool, in_detail: bool = False) -> None:
    """Print every stack with its services; `in_detail` one below the other, with titles."""
    if as_json:
        write_json(stacks=[asdict(stack) for stack in stacks])
        return
    paragraphs = [list(_trouble(stacks))]
    if in_detail:
        paragraphs += [_detail(stack, _DETAIL) for stack in stacks]
    else:
        paragraphs += _side_by_side(stacks)
    paragraphs.append(list(_notes(stacks)))
    sys.stdout.write("\n\n".join("\n".join(paragraph) for paragraph in paragraphs if paragraph) + "\n")


def _summaries(stack: StackRow) -> dict[str, _Summary]:
    found: dict[str, list[ContainerRow]] = {}
    for one in stack.rows:
        found.setdefault(one.service, []).append(one)
    return {name: _summary(rows, stack) for name, rows in found.items()}


def _summary(rows: Sequence[ContainerRow], stack: StackRow) -> _Summary:
    worst = min(rows, key=lambda one: _WORST_FIRST.index(Verdict(one.verdict)))
    return _Summary(worst, len(rows), stack.state == "down")


# ---- what is wrong


def _trouble(stacks: Sequence[StackRow]) -> Iterator[str]:
    for stack in stacks:
        wrong = [one for one in _summaries(stack).values() if one.is_wrong]
        for one in wrong:
            head, reason = f"{one.worst.service} of {stack.target}: {one.verdict}", printable(one.worst.reason)
            because = f" ({reason})" if reason not in ("", one.verdict) else ""
            text = f"{mark(one.verdict, sys.stdout)} {head}{because}"
            yield from (paint(line, _RED, sys.stdout) for line in wrapped(text, width(sys.stdout), "  "))
        if wrong:
            service = f" {wrong[0].worst.service}" if len(wrong) == 1 else ""
            yield f"  next: envmgr why {stack.target}{service}"


def _notes(stacks: Sequence[StackRow]) -> Iterator[str]:
    if all(one.is_idle for stack in stacks for one in _summaries(stack).values()):
        yield "nothing runs; start with: envmgr up dev"
    for one in (one for stack in stacks for one in stack.rows if one.stand_in):
        text = f"stand-in: {one.target} {one.service} is {one.stand_in}, not the real server"
        yield from wrapped(printable(text), width(sys.stdout), "  ")


# ---- one stack in detail


def _detail(stack: StackRow, columns: tuple[Column, ...]) -> list[str]:
    state = _state(stack)
    heading = f"{paint(stack.target, _BOLD, sys.stdout)}  {paint(state.text, state.style, sys.stdout)}"
    if stack.is_protected and stack.target != naming.INFRA:
        heading += ", protected"
    if stack.release:
        heading += f", {stack.release}"
    if stack.secret_age is not None:
        heading += f", secrets up to {duration(stack.secret_age)} old"
    rows = [_detail_row(one, stack) for one in stack.rows]
    return [heading, *lines(columns, rows, "", sys.stdout)]


def _detail_row(one: ContainerRow, stack: StackRow) -> Row:
    summary = _summary([one], stack)
    copies = sum(other.service == one.service for other in stack.rows)
    number = f"-{one.container.rpartition('-')[2]}" if copies > 1 else ""
    state = Cell(summary.words, summary.style)
    return row(one.service + number, state, duration(one.uptime), one.address, _image(one.image))


def _image(reference: str) -> str:
    columns = width(sys.stdout)
    return reference if columns is None or columns >= _WIDE else reference.rpartition("/")[2]


def _state(stack: StackRow) -> Cell:
    text = "down" if stack.state == "down" else f"{stack.services_up}/{stack.services} up"
    return Cell(text, {"up": "32", "down": _FAINT}.get(stack.state, "31"))


# ---- environments side by side


def _side_by_side(stacks: Sequence[StackRow]) -> list[list[str]]:
    environments = [stack for stack in stacks if stack.target != naming.INFRA]
    bases = [stack for stack in stacks if stack.target == naming.INFRA and stack.rows]
    blocks = _arranged(environments, width(sys.stdout)) if environments else []
    untitled = tuple(Column("", one.rank, one.may_be_cut) for one in _DETAIL)
    return [
        *(lines(block.columns, block.rows, "", sys.stdout) for block in blocks),
        *(_detail(base, untitled) for base in bases),
    ]


def _arranged(stacks: Sequence[StackRow], room: int | None) -> list[_Block]:
    """Show as many stacks side by side as fit, and as much of each as then fits."""
    for size in range(len(stacks), 0, -1):
        groups = [stacks[start : start + size] for start in range(0, len(stacks), size)]
        for level in _LEVELS:
            blocks = [_block(group, level) for group in groups]
            if room is None or all(natural(block.columns[:-1], block.rows) <= room for block in blocks):
                return blocks
    return [_block([stack], _least) for stack in stacks]


def _block(stacks: Sequence[StackRow], level: Level) -> _Block:
    found = [_summaries(stack) for stack in stacks]
    sizes = [max((len(level(one)) for one in summaries.values()), default=1) for summaries in found]
    heads = [(Column(stack.target), *[Column()] * (size - 1)) for stack, size in zip(stacks, sizes, strict=True)]
    states = [(_state(stack), *[Cell("")] * (size - 1)) for stack, size in zip(stacks, sizes, strict=True)]
    body = [
        _line(name, (_cells(one.get(name), level, size) for one, size in zip(found, sizes, strict=True)), found)
        for name in dict.fromkeys(name for summaries in found for name in summaries)
    ]
    ages = [(Cell(_aged(stack), _FAINT), *[Cell("")] * (n - 1)) for stack, n in zip(stacks, sizes, strict=True)]
    if any(stack.secret_age is not None for stack in stacks):
        body.append(_line("oldest secret", ages, ()))
    if any(stack.release for stack in stacks):
        releases = [(Cell(stack.release), *[Cell("")] * (n - 1)) for stack, n in zip(stacks, sizes, strict=True)]
        body.append(_line("release", releases, ()))
    columns = (Column(), *(column for head in heads for column in head), Column("", 1, may_be_cut=True))
    return _Block(columns, (_line("", states, ()), *body))


def _aged(stack: StackRow) -> str:
    return duration(stack.secret_age) if stack.secret_age is not None else "-"


def _line(name: str, parts: Iterable[tuple[Cell, ...]], found: Iterable[dict[str, _Summary]]) -> Row:
    images = [_image(one[name].worst.image) for one in found if name in one and one[name].worst.image]
    return Row(
        (Cell(name), *(cell for part in parts for cell in part), Cell(_common(images) if images else "", _FAINT))
    )


def _common(texts: Sequence[str]) -> str:
    """Return what texts have in common: `app:env-…` of `app:env-dev` and `app:env-prod`."""
    first, last = min(texts), max(texts)
    same = next((i for i, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first))
    return first if first == last else f"{first[:same]}…"


def _cells(summary: _Summary | None, level: Level, number: int) -> tuple[Cell, ...]:
    if summary is None:
        return (Cell(""),) * number
    first, *others = level(summary)
    return (Cell(first, summary.style), *(Cell(text) for text in others))


def _addressed(one: _Summary) -> tuple[str, ...]:
    return f"{one.words} {duration(one.worst.uptime)}".rstrip(), one.worst.address


def _ports(one: _Summary) -> tuple[str, ...]:
    head, colon, port = one.worst.address.rpartition(":")
    is_local = head.removeprefix("https://").removeprefix("http://") == "localhost"
    return one.brief, f":{port}" if colon and is_local else one.worst.address


def _least(one: _Summary) -> tuple[str, ...]:
    return (one.brief,)


_LEVELS: tuple[Level, ...] = (_addressed, _ports, _least)
