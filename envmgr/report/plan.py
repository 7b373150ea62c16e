"""A plan as lines for a person at night, or as JSON for machines."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict
from itertools import groupby
from typing import IO, Any, assert_never

from envmgr.model.plan import Action, Cause, Interruption, Loss, Plan, Step, Subject
from envmgr.report.machine import write_json
from envmgr.report.screen import paint, width, wrapped

Line = tuple[str, str]
"""Style, text."""

_MARKS = {
    Action.CREATE: "+",
    Action.BUILD: "+",
    Action.PULL: "+",
    Action.PROVISION: "+",
    Action.CONNECT: "+",
    Action.RECREATE: "±",
    Action.START: "~",
    Action.RESTART: "~",
    Action.SCALE: "~",
    Action.REMOVE: "-",
}
_STYLES = {"+": "32", "±": "33", "~": "33", "-": "31", "=": "36", "!": "31;1"}
_DONE = {
    Action.BUILD: "to build",
    Action.PULL: "to pull",
    Action.CREATE: "to create",
    Action.RECREATE: "to recreate",
    Action.START: "to start",
    Action.RESTART: "to restart",
    Action.SCALE: "to scale",
    Action.REMOVE: "to remove",
    Action.PROVISION: "to provision",
    Action.CONNECT: "to connect",
}
_LONGEST = 60
"""Characters of a value, before its middle is left out."""
_HANGING = " " * 8


def plan_fields(plan: Plan) -> dict[str, Any]:
    """Return the JSON shape of a plan; `docs/json.md` describes it."""
    return {
        "event": "plan",
        "targets": list(plan.targets),
        "changes": len(plan.steps),
        "steps": [_step_fields(step) for step in plan.steps],
        "kept": [_step_fields(step) for step in plan.kept],
        "remarks": [asdict(remark) for remark in plan.remarks],
        "refusals": [asdict(problem) for problem in plan.refusals],
        "disturbs": list(plan.disturbs),
    }


def _step_fields(step: Step) -> dict[str, Any]:
    fields = asdict(step)
    return {key: list(value) if isinstance(value, tuple) else value for key, value in fields.items()}


def plan_lines(plan: Plan) -> tuple[str, ...]:
    """Return a plan as plain lines."""
    return tuple(text for _, text in _lines(plan))


def write_plan(plan: Plan, stream: IO[str]) -> None:
    """Print a plan; with colour on a terminal."""
    for style, text in _lines(plan):
        for line in wrapped(text, width(stream), _HANGING):
            stream.write(paint(line, style, stream) + "\n")
    stream.flush()


def write_plan_or_json(plan: Plan, *, as_json: bool) -> None:
    """Print the result of `envmgr plan`."""
    if as_json:
        write_json(**plan_fields(plan))
    else:
        write_plan(plan, sys.stdout)


def _lines(plan: Plan) -> Iterator[Line]:
    for target, steps in groupby(plan.steps, key=lambda step: step.target):
        yield "1", target or "images"
        for step in steps:
            yield from _step_lines(step, _MARKS[step.action])
    yield from _kept_lines(plan)
    for remark in plan.remarks:
        yield "", f"note: {remark.target + ': ' if remark.target else ''}{remark.text}"
    for problem in plan.refusals:
        yield _STYLES["!"], f"refused: {problem}"
    yield "1", _summary(plan)


def _kept_lines(plan: Plan) -> Iterator[Line]:
    for target, steps in groupby(plan.kept, key=lambda step: step.target):
        yield "1", f"{target} (left as it is; to apply: envmgr up {target})"
        for step in steps:
            yield from _step_lines(step, "=")


def _step_lines(step: Step, mark: str) -> Iterator[Line]:
    yield _STYLES[mark], f"  {mark} {step.action.value:<9} {_name(step)}{_why(step)}"
    width = max((len(cause.field) for cause in step.causes), default=0)
    for cause in step.causes:
        yield "", f"      {cause.field:<{width}}  {_change(cause)}{_place(cause)}"
    if step.loss:
        yield "", f"      lost: {_loss(step, step.loss)}"
    for risk in step.risks:
        yield _STYLES["!"], f"      deletes {risk.what} ({risk.amount})"


def _name(step: Step) -> str:
    match step.subject:
        case Subject.SERVICE if step.action is Action.REMOVE:
            return f"{step.name} ({', '.join(step.containers)})"
        case Subject.SERVICE:
            return step.name + (f" ({len(step.containers)} containers)" if len(step.containers) > 1 else "")
        case Subject.NETWORK if step.action is Action.CONNECT:
            return step.name
        case Subject.NETWORK:
            return f"network {step.name}"
        case Subject.VOLUME:
            return f"volume {step.name}"
        case Subject.IMAGE | Subject.GRANT:
            return step.name
        case _:
            assert_never(step.subject)


def _why(step: Step) -> str:
    if step.is_drift:
        return ": changed by hand"
    return f": {step.reason}" if step.reason else ""


def _change(cause: Cause) -> str:
    if (cause.old is None and cause.new is None) or (cause.field.startswith("files.") and cause.old and cause.new):
        return "changed"
    old, new = _shortened(cause.old or "", cause.new or "")
    if cause.old is None:
        return f"none → {new}"
    return f"{old} → {new}" if cause.new is not None else f"{old} → none"


def _shortened(old: str, new: str) -> tuple[str, str]:
    """Leave out the words with which both begin and end, when there are many."""
    if max(len(old), len(new)) <= _LONGEST or not (old and new):
        return _cut(old), _cut(new)
    left, right = old.split(" "), new.split(" ")
    head = _same(left, right)
    tail = min(_same(left[::-1], right[::-1]), min(len(left), len(right)) - head)
    # One word more at the front: the option that a value belongs to.
    head = max(0, head - 1)
    return _cut(_middle(left, head, tail)), _cut(_middle(right, head, tail))


def _same(left: list[str], right: list[str]) -> int:
    count = 0
    for one, other in zip(left, right, strict=False):
        if one != other:
            break
        count += 1
    return count


def _middle(words: list[str], head: int, tail: int) -> str:
    kept = words[head : len(words) - tail]
    return " ".join([*(["…"] if head else []), *kept, *(["…"] if tail else [])])


def _cut(text: str) -> str:
    return text if len(text) <= 2 * _LONGEST else f"{text[:_LONGEST]} … {text[-_LONGEST:]}"


def _place(cause: Cause) -> str:
    return f"  ({cause.place.file}:{cause.place.line} {cause.place.path})" if cause.place else ""


def _loss(step: Step, loss: Loss) -> str:
    whose = ", ".join(loss.whose)
    match loss.what:
        case Interruption.REQUESTS if loss.seconds is None:
            return f"what {whose} asks of {step.name}, for good"
        case Interruption.REQUESTS:
            return f"requests of {whose} to {step.name}, for {loss.seconds:g} s at most"
        case Interruption.IN_HAND:
            return f"nothing that waits; what it has in hand has {loss.seconds or 0:g} s to finish"
        case _:
            assert_never(loss.what)


def _summary(plan: Plan) -> str:
    if plan.refusals:
        return "refused: up would change nothing"
    if plan.is_empty:
        return "nothing to do"
    counts = [(sum(step.action is action for step in plan.steps), words) for action, words in _DONE.items()]
    told = ", ".join(f"{count} {words}" for count, words in counts if count)
    data = f"deletes {', '.join(risk.what for risk in plan.risks)}" if plan.risks else "no data at risk"
    return f"{told}; {data}"
