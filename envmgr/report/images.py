"""Images on stdout: a table for people, JSON for machines."""

from __future__ import annotations

import sys
from dataclasses import asdict

from envmgr.model.result import ImageFile, ImageRow
from envmgr.report.machine import write_json
from envmgr.report.results import count, write_table

_MEGABYTE = 1024**2


def write_images(rows: tuple[ImageRow, ...], *, as_json: bool) -> None:
    """Print every image."""
    if as_json:
        write_json(images=[asdict(row) for row in rows])
        return
    table = [(row.reference, row.origin, _presence(row), ", ".join(row.users), _instead(row)) for row in rows]
    write_table(("IMAGE", "FROM", "HERE", "USED BY", "RUNS INSTEAD"), table)


def _presence(row: ImageRow) -> str:
    return "yes" if row.is_there else "no"


def _instead(row: ImageRow) -> str:
    name = row.runs if row.runs != row.reference else ""
    return f"{name} (stand-in: {row.stand_in})" if row.stand_in else name


def write_made(images: tuple[str, ...], verb: str, *, as_json: bool) -> None:
    """Print what was built or fetched."""
    if as_json:
        write_json(event="result", images=list(images))
        return
    for name in images:
        sys.stdout.write(f"{verb} {name}\n")
    if not images:
        sys.stdout.write("all images are there already\n")


def write_image_file(file: ImageFile, verb: str, *, as_json: bool) -> None:
    """Print what an archive holds."""
    if as_json:
        write_json(event="result", **asdict(file))
        return
    for name in file.images:
        sys.stdout.write(f"  {name}\n")
    sys.stdout.write(f"{verb}: {count(len(file.images), 'image')}, {file.size / _MEGABYTE:.0f} MB, {file.path}\n")
