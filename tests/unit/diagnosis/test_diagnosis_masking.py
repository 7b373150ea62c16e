"""No value of a secret is ever shown."""

from __future__ import annotations

from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from envmgr.diagnosis.masking import HIDDEN, mask
from envmgr.model.secret import SecretValue


def secrets(*values: str) -> tuple[SecretValue, ...]:
    return tuple(SecretValue(value) for value in values)


def test_a_value_is_hidden_as_it_is_and_as_a_url_carries_it():
    assert mask("redis://a:pa%24%24w%2Frd@x", secrets("pa$$w/rd")) == f"redis://a:{HIDDEN}@x"
    assert mask("got pa$$w/rd!", secrets("pa$$w/rd")) == f"got {HIDDEN}!"


def test_the_longer_of_two_values_is_hidden_whole():
    assert mask("secret-one-more", secrets("secret-one", "secret-one-more")) == HIDDEN


def test_each_line_of_a_value_is_hidden():
    key = "-----BEGIN KEY-----\nMIIEvQIBADANBg\n-----END KEY-----\n"
    assert mask("MIIEvQIBADANBg", secrets(key)) == HIDDEN


def test_a_short_value_would_hide_the_message():
    assert mask("5432 of dev", secrets("5432", "dev", "")) == "5432 of dev"
    assert mask("abcdef", secrets("abcdef")) == HIDDEN


@given(st.text(min_size=6).filter(lambda value: len(value.strip()) >= 6), st.text(), st.text())
def test_nothing_of_any_value_stays(value: str, before: str, after: str):
    shown = mask(f"{before}{value}{after}", secrets(value))
    assert value not in shown or value in HIDDEN
    assert quote(value, safe="") not in mask(quote(value, safe=""), secrets(value)) or quote(value, safe="") in HIDDEN
