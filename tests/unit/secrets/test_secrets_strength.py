"""What is weak is told from what is not, in words that show nothing of the value."""

from __future__ import annotations

import pytest

from envmgr.model.needed import Needed, Origin
from envmgr.secrets.generate import generate
from envmgr.secrets.strength import weakness

KNOWN, EXAMPLE, SHORT, PLAIN = "well-known", "example", "shorter than", "too little variety"


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("MINIO_PASSWORD", "minioadmin", KNOWN),
        ("X", "admin", KNOWN),
        ("X", "Password123!", KNOWN),
        ("X", "P@ssw0rd2024!", KNOWN),
        ("POSTGRES_PASSWORD", "postgres-password-prod", KNOWN),
        ("X", "minioadmin123456", KNOWN),
        ("X", "secret", KNOWN),
        ("X", "play-secret-2026", KNOWN),
        ("X", "change-me-please", EXAMPLE),
        ("X", "changeme", EXAMPLE),
        ("X", "<your token>", EXAMPLE),
        ("X", "${SECRET_KEY}", EXAMPLE),
        ("X", "your-api-key-goes-here-1", EXAMPLE),
        ("X", "django-insecure-8f7s9d8f7s9d8f7sd98f7", EXAMPLE),
        ("X", "xxxxxxxxxxxxxxxxxxxx", EXAMPLE),
        ("SECRET_KEY", "secret_key", "equal to its own name"),
        ("SECRET_KEY", "Secret-Key", "equal to its own name"),
        ("X", "hunter2", SHORT),
        ("X", "k3Vq-7Zt0_w", SHORT),
        ("X", "abcdefghijklmnop", PLAIN),
        ("X", "aaaaaaaaaaaaaaaaaaaa", PLAIN),
        ("X", "1234567890123456", PLAIN),
        ("X", "qwertyuiop123", PLAIN),
        ("X", "abcabcabcabcabcabc", PLAIN),
    ],
)
def test_weak(name: str, value: str, why: str):
    said = weakness(name, value, ("play",))
    assert why in said
    assert value not in said


@pytest.mark.parametrize(
    "value",
    [
        "x7Gk2pQ9vLm4",
        "qzrt kfwp xnbh uyma",
        "correct horse battery staple",
        "sk-or-v1-8946a88b9c9ff682734a4a62013843843a9453d1d08ac224",
        "https://hooks.example.com/services/T000/B000/abc",
        "-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n",
    ],
)
def test_not_weak(value: str):
    is_url = value.startswith("https")
    assert bool(weakness("X", value)) is (is_url and "example" in value)


def test_what_envmgr_makes_is_never_weak():
    for _ in range(500):
        made = generate([Needed("SECRET_KEY", "prod", True, Origin.GENERATED)])
        assert weakness("SECRET_KEY", made["SECRET_KEY"], ("shop", "prod")) == ""
