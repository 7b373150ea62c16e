"""What needs no engine: start-up, rendering, and how rendering grows."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

from bench.measure import Row, Sample, compare, row, run
from bench.places import ENVMGR, ROOT, tutor, variables

SIZES = (1, 10, 100)
SERVICES = 20


def rows(folder: Path, runs: int) -> Iterator[Row]:
    """Measure everything that only reads and writes files."""
    command, theirs = tutor()
    ours = variables()
    yield compare(
        ("envmgr --version", "tutor --version"),
        (lambda: run([ENVMGR, "--version"], ROOT, ours), lambda: run([command, "--version"], ROOT, theirs)),
        aim=0.5,
        runs=2 * runs + 1,
    )
    project = copied(folder / "project")
    yield compare(
        ("envmgr render, all files anew", "tutor config save"),
        (lambda: run([ENVMGR, "render"], project, ours), lambda: run([command, "config", "save"], ROOT, theirs)),
        before=(lambda: shutil.rmtree(project / "compose", ignore_errors=True), lambda: None),
        aim=0.4,
        runs=2 * runs + 1,
    )
    yield compare(
        ("envmgr render, the spec changed", "tutor config save"),
        (lambda: run([ENVMGR, "render"], project, ours), lambda: run([command, "config", "save"], ROOT, theirs)),
        before=(lambda: changed(project / "envmgr.toml"), lambda: None),
        aim=None,
        runs=runs,
    )
    yield from growth(folder, runs)


def copied(folder: Path) -> Path:
    """Copy what this repository's own spec needs."""
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "envmgr.toml", folder)
    for name in ("images", "examples"):
        (folder / name).symlink_to(ROOT / name)
    return folder


def changed(spec: Path) -> None:
    """Change a spec, so that what was resolved last time serves no longer."""
    spec.write_text(f"{spec.read_text()}# {random.randrange(16**8):08x}\n")


def growth(folder: Path, runs: int) -> Iterator[Row]:
    """Render 1, 10 and 100 environments in turn; an environment may not cost more because there are many."""
    projects = {size: wide(folder / f"wide-{size}", size) for size in SIZES}
    found: dict[int, list[Sample]] = {size: [] for size in SIZES}
    for _ in range(runs):
        for size, project in projects.items():
            shutil.rmtree(project / "compose", ignore_errors=True)
            changed(project / "envmgr.toml")
            found[size].append(run([ENVMGR, "render"], project, variables()))
    one, ten, hundred = (found[size] for size in SIZES)
    few = [each(small, large, 9) for small, large in zip(one, ten, strict=True)]
    many = [each(small, large, 90) for small, large in zip(ten, hundred, strict=True)]
    for size in SIZES:
        name = f"render {size} environments of {SERVICES} services"
        yield row((name, "the same of 1"), list(zip(found[size], one, strict=True)), None)
    pairs = list(zip(many, few, strict=True))
    yield row(("each of 11 to 100 environments, CPU", "each of 2 to 10"), pairs, 1.5)


def each(small: Sample, large: Sample, more: int) -> Sample:
    """Return what one more environment costs, in processor time: wall time on a busy machine says little of growth."""
    cost = max(large.cpu - small.cpu, 1e-6) / more
    return Sample(cost, cost, large.megabytes)


def wide(folder: Path, environments: int) -> Path:
    """Write a spec with many environments."""
    folder.mkdir(parents=True)
    parts = ['[project]\nname = "wide"\n\n[infra.postgres]\n\n[infra.redis]\n']
    parts += [
        f'[services.s{n}]\nkind = "asgi"\nimage = "registry.example/app:1"\napp = "a:app"\n'
        'uses = ["postgres", "redis"]\nmemory = "64M"\n'
        for n in range(SERVICES)
    ]
    parts += [f"[environments.e{n}]\nworkers = 2\n" for n in range(environments)]
    (folder / "envmgr.toml").write_text("\n".join(parts))
    return folder
