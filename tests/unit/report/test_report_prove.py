"""The matrix, and every crossing in words."""

from __future__ import annotations

import json

import pytest

from envmgr.model.proof import Finding, Outcome, Proof
from envmgr.report.prove import write_proof

OPEN = Finding("dev", "prod", "redis", "read keys", Outcome.OPEN, "keys prod_*", "dev app", "envmgr up dev prod")
FINDINGS = (
    OPEN,
    Finding("dev", "stage", "redis", "read keys", Outcome.REFUSED, "NOPERM"),
    Finding("prod", "dev", "redis", "read keys", Outcome.REFUSED, "NOPERM"),
    Finding("prod", "dev", "network", "reach containers", Outcome.NOT_TRIED, "dev does not run", tries=0),
    Finding("dev", "infra", "redis", "the limit of connections", Outcome.SHARED, 'mode = "own" parts it'),
)


def test_a_crossing_counts_in_the_matrix_and_is_told(capsys: pytest.CaptureFixture[str]):
    write_proof(Proof(("dev", "prod"), FINDINGS, 1.25), as_json=False)
    assert (
        capsys.readouterr().out
        == """\
WHERE    ATTEMPT           FROM dev  FROM prod
network  reach containers  -         not tried
redis    read keys         OPEN      refused

OPEN  dev → prod, redis: read keys (from dev app)
    keys prod_*
    close it: envmgr up dev prod

not tried
    network: dev does not run (reach containers)

shared
    redis: the limit of connections; mode = "own" parts it

dev, prod: 1 crossing; 3 attempts, 1 row not tried, 1.2 s
"""
    )


def test_without_a_crossing_it_says_so(capsys: pytest.CaptureFixture[str]):
    write_proof(Proof(("dev", "prod"), FINDINGS[1:3], 1.25), as_json=False)
    out = capsys.readouterr().out
    assert out.endswith("dev, prod: nothing crosses; 2 attempts, 1.2 s\n")
    assert "OPEN" not in out


def test_what_only_a_firewall_closes_is_a_class_of_its_own(capsys: pytest.CaptureFixture[str]):
    line = "iptables -I INPUT -s 10.0.1.128/26 -m conntrack --ctstate NEW -j REJECT"
    exposed = Finding("dev", "host", "host", "reach listeners", Outcome.EXPOSED, "port 22 of the host", "dev app", line)
    proof = Proof(("dev",), (exposed,), 1.25)
    write_proof(proof, as_json=False)
    out = capsys.readouterr().out
    assert proof.crossings == (exposed,)
    assert "reach listeners  EXPOSED\n" in out
    assert (
        f"EXPOSED  dev → host, host: reach listeners (from dev app)\n    port 22 of the host\n    close it: {line}"
        in out
    )
    assert "dev: nothing crosses, but dev reaches what the host itself listens with; 1 attempts" in out


def test_a_machine_gets_every_finding(capsys: pytest.CaptureFixture[str]):
    write_proof(Proof(("dev",), (OPEN,), 1.0), as_json=True)
    line = json.loads(capsys.readouterr().out)
    assert (line["crossings"], line["findings"][0]["outcome"], line["findings"][0]["closes"]) == (
        1,
        "open",
        "envmgr up dev prod",
    )
