"""What stacks may take of the host, as a table or JSON."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict

from envmgr.model.result import Budget, CapacityResult, ServiceBudget
from envmgr.report.machine import write_json
from envmgr.report.table import Cell, Column, Row, print_table, row

_MEGABYTE = 1024**2
_COLUMNS = (
    Column("TARGET"),
    Column("SERVICE"),
    Column("CPUS"),
    Column("MEMORY"),
    Column("RESERVED", 1),
    Column("PIDS", 3),
    Column("RUNNING", 2),
)


def write_capacity(result: CapacityResult, *, as_json: bool) -> None:
    """Print the budget of each service, each stack's sum, and what is left of the host."""
    if as_json:
        write_json(**asdict(result))
        return
    rows = [one for budget in result.budgets for one in _rows(budget)]
    print_table(_COLUMNS, rows, note="NOTE")
    sys.stdout.write(f"\nhost: {result.host_cpus} CPUs, {_size(result.host_memory)} of memory; of all stacks' limits\n")
    sys.stdout.write(f"  {_left(_number, result.cpus_left, 'CPUs', 'shared when all are busy')}\n")
    sys.stdout.write(f"  {_left(_size, result.memory_left, 'of memory', 'somebody is killed when all is used')}\n")
    sys.stdout.write(
        f"  not reserved: {_number(result.unreserved_cpus)} CPUs, {_size(result.unreserved_memory)} of memory\n"
    )


def _rows(budget: Budget) -> list[Row]:
    total = row(
        Cell(budget.target, "1"),
        Cell("all", "1"),
        Cell(_number(budget.cpus), "1"),
        Cell(_size(budget.memory), "1"),
        _size(budget.memory_reserved),
        "",
        "",
    )
    return [*(_service_row(budget.target, one) for one in budget.services), total]


def _service_row(target: str, one: ServiceBudget) -> Row:
    times = f" x {one.replicas}" if one.replicas > 1 else ""
    note = "" if one.is_in_force else f"runs with other limits: envmgr up {target}"
    return row(
        target,
        one.service,
        f"{_number(one.cpus)}{times}",
        f"{_size(one.memory)}{times}",
        _size(one.memory_reserved) if one.memory_reserved else "",
        str(one.pids),
        "a job" if one.is_job else str(one.running),
        note=note,
    )


def _left(written: Callable[[float], str], amount: float, what: str, consequence: str) -> str:
    if amount >= 0:
        return f"left: {written(amount)} {what}"
    return f"over: {written(-amount)} {what} beyond the host: {consequence}"


def _number(value: float) -> str:
    return f"{value:g}"


def _size(value: float) -> str:
    megabytes = value / _MEGABYTE
    return f"{megabytes / 1024:.1f}G" if abs(megabytes) >= 1024 else f"{megabytes:.0f}M"
