"""Addresses on stdout."""

from __future__ import annotations

import sys
from dataclasses import asdict

from envmgr.model.result import Address
from envmgr.report.machine import write_json
from envmgr.report.table import Column, print_table, row

_ADDRESSES = (Column("TARGET"), Column("SERVICE"), Column("ADDRESS"), Column("LOGIN", 1))


def write_addresses(found: tuple[Address, ...], opened: str, *, is_one: bool, as_json: bool) -> None:
    """Print addresses: of one service alone, so that a script can take them; else as a table."""
    if as_json:
        write_json(addresses=[asdict(address) for address in found])
    elif not is_one:
        print_table(_ADDRESSES, [row(one.target, one.service, one.url, one.login) for one in found])
    else:
        sys.stdout.write("".join(f"{one.url}\n" for one in found))
        sys.stdout.flush()
        _say_to_the_person(found, opened)


def _say_to_the_person(found: tuple[Address, ...], opened: str) -> None:
    logins = dict.fromkeys(one.login for one in found if one.login)
    sys.stderr.write("".join(f"login: {login}\n" for login in logins))
    if opened:
        sys.stderr.write("opening it in the browser\n")
