"""What the program that knocks says."""

from __future__ import annotations

from envmgr.proving import scan


def test_what_it_says_is_read():
    seen = scan.seen(
        "tcp 10.0.0.1:80 open\ntcp 10.0.0.2:80 ENETUNREACH\nname app--prod none\nfile PASSWORD 7365\nend\n"
    )
    assert seen == scan.Seen(
        {"10.0.0.1:80": "open", "10.0.0.2:80": "ENETUNREACH"}, {"app--prod": "none"}, {"PASSWORD": b"se"}
    )


def test_one_that_was_cut_or_never_began_has_seen_nothing():
    assert scan.seen("tcp 10.0.0.1:80 ECONNREFUSED\n") is None
    assert scan.seen(f"{scan.NO_PROGRAM}\n") is None
    assert scan.seen("sh: not found\n") is None


def test_it_is_told_everything_in_variables():
    given = scan.variables(("10.0.0.1:80", "10.0.0.2:81"), ("app--prod",))
    assert given["PLACES"] == "10.0.0.1:80 10.0.0.2:81"
    assert given["NAMES"] == "app--prod"
    assert "import" in given["SCAN"]
