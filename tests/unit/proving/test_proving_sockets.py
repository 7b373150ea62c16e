"""The kernel's list of sockets."""

from __future__ import annotations

from envmgr.proving.sockets import Listener, listeners

TITLE = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
REST = "00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0\n"
ANY4, ANY6 = "00000000:0000", f"{'0' * 32}:0000"


def test_only_what_listens_is_read_and_both_tables_follow_each_other():
    table = (
        f"{TITLE}   0: 00000000:07E8 {ANY4} 0A {REST}   1: 0100007F:1F40 {ANY4} 0A {REST}"
        f"   2: 0100007F:1F40 0100007F:C350 01 {REST}"
        f"{TITLE}   0: {'0' * 32}:0050 {ANY6} 0A {REST}   1: {'0' * 24}01000000:0051 {ANY6} 0A {REST}"
        f"   2: 0000000000000000FFFF00000201A8C0:0052 {ANY6} 0A {REST}"
    )
    assert listeners(table) == (
        Listener("0.0.0.0", 2024),
        Listener("127.0.0.1", 8000),
        Listener("192.168.1.2", 82),
        Listener("::", 80),
        Listener("::1", 81),
    )


def test_who_reaches_a_listener():
    assert Listener("::1", 1).is_loopback
    assert Listener("127.0.0.11", 1).is_loopback
    assert not Listener("0.0.0.0", 1).is_loopback
    assert Listener("::", 1).is_everywhere
    assert not Listener("10.0.0.1", 1).is_everywhere


def test_what_is_no_table_holds_nothing():
    assert listeners("cat: can't open '/proc/net/tcp': Permission denied\n") == ()
