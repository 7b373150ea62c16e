"""Secret values: filled into templates by encoding, and shown by nothing else."""

from __future__ import annotations

import base64
import copy
import hashlib
import hmac
import json
import logging
import pickle
import re
import traceback
from dataclasses import asdict, astuple
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envmgr.model.needed import Needed, Origin
from envmgr.model.secret import SecretRef, SecretValue, SignedToken, references
from envmgr.model.stack import SecretMount, secret_references
from envmgr.secrets.generate import generate
from envmgr.secrets.vault import Vault
from tests.making import service, stack

SECRET = "hunter2-§$%"
VAULT = Vault().with_target("dev", {"KEY": SECRET}).with_target("infra", {"KEY": "another"})
anything = st.text(st.characters(exclude_categories=("Cs",)))


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ((), ""),
        (("plain ", "text"), "plain text"),
        ((SecretRef("KEY", "dev"),), SECRET),
        ((SecretRef("KEY", "infra"),), "another"),
        (("db://u:", SecretRef("KEY", "dev", "url"), "@h"), "db://u:hunter2-%C2%A7%24%25@h"),
        ((SecretRef("KEY", "dev", "sha256"),), hashlib.sha256(SECRET.encode()).hexdigest()),
        ((SecretRef("UNSET", "dev"),), ""),
        ((SecretRef("KEY", "nowhere"),), ""),
        (("a", SecretRef("UNSET", "dev", "url"), "b"), "ab"),
    ],
)
def test_a_template_is_filled(template, expected: str):
    assert VAULT.fill(template) == expected


@given(anything)
def test_any_value_survives_in_a_url(value: str):
    vault = Vault().with_target("dev", {"KEY": value})
    url = vault.fill(("redis://user:", SecretRef("KEY", "dev", "url"), "@redis:6379/0"))
    assert re.fullmatch(r"redis://user:[A-Za-z0-9_.~%-]*@redis:6379/0", url)
    assert unquote(urlsplit(url).password or "") == value


@pytest.mark.parametrize("claims", ["{}", '{"access":[{"collection":"dev_ä","access":"rw"}]}'])
def test_a_token_is_signed_as_rfc_7515_says(claims: str):
    token = VAULT.fill(("Bearer ", SignedToken(SecretRef("KEY", "dev"), claims)))
    head, body, signature = token.removeprefix("Bearer ").split(".")
    assert json.loads(unpadded(head)) == {"alg": "HS256", "typ": "JWT"}
    assert unpadded(body).decode() == claims
    expected = hmac.new(SECRET.encode(), f"{head}.{body}".encode(), hashlib.sha256).digest()
    assert unpadded(signature) == expected
    assert "=" not in token


def unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_a_known_token():
    # Signed by hand with openssl, so that the test does not repeat the code.
    token = (
        Vault().with_target("infra", {"K": "secret"}).fill((SignedToken(SecretRef("K", "infra"), ('{"access":"r"}',)),))
    )
    assert (
        token == "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJhY2Nlc3MiOiJyIn0.Ya0GdYN-7QwsgtH2tFidaMFcNst1rx-iIWKxmOA0wnY"
    )


def test_a_token_without_its_key_is_empty_and_another_key_makes_another_token():
    token = SignedToken(SecretRef("KEY", "nowhere"), ("{}",))
    assert VAULT.fill(("a", token, "b")) == "ab"
    dev, infra = (VAULT.fill((SignedToken(SecretRef("KEY", scope), ("{}",)),)) for scope in ("dev", "infra"))
    assert dev.split(".")[:2] == infra.split(".")[:2]
    assert dev != infra


@given(anything)
def test_any_value_survives_in_json(value: str):
    text = Vault().with_target("dev", {"KEY": value}).fill(('{"a": "', SecretRef("KEY", "dev", "json"), '"}'))
    assert json.loads(text) == {"a": value}


def test_several_templates_are_filled_at_once():
    assert VAULT.fill_all({"A": (SecretRef("KEY", "infra"),), "B": ("b",)}) == {"A": "another", "B": "b"}


def test_a_targets_values_are_replaced_whole_and_others_stay():
    vault = VAULT.with_target("dev", {"NEW": "x"})
    parts = (SecretRef("KEY", "dev"), "|", SecretRef("NEW", "dev"), "|", SecretRef("KEY", "infra"))
    assert vault.fill(parts) == "|x|another"
    assert VAULT.fill(parts) == f"{SECRET}||another"


def test_references_are_found_in_order():
    first, second = SecretRef("A", "dev"), SecretRef("B", "dev", "url")
    assert references(("x", first, "y", second, first)) == (first, second, first)
    assert references(("x", SignedToken(second, ("{}",)), first)) == (second, first)
    assert references(("x",)) == ()


def test_a_stack_needs_the_key_of_a_token_that_it_delivers():
    token = SignedToken(SecretRef("KEY", "infra"), ("{}",))
    one = service(secrets=(SecretMount("TOKEN", (token,)),), templated={"OTHER": (SecretRef("OTHER", "dev"), token)})
    assert secret_references(stack(one)) == (SecretRef("KEY", "infra"), SecretRef("OTHER", "dev"))


# ---- nothing shows a value

HOLDERS = [SecretValue(SECRET), VAULT, VAULT.values, [SecretValue(SECRET)], {"a": SecretValue(SECRET)}]


@pytest.mark.parametrize("holder", HOLDERS)
@pytest.mark.parametrize(
    "show",
    [
        repr,
        str,
        "{}".format,
        "{!r}".format,
        lambda one: f"{one:}",
        lambda one: "%s %r" % (one, one),  # noqa: UP031
        lambda one: str(logging.LogRecord("n", 0, "p", 0, "%s", (one,), None).getMessage()),
        lambda one: json.dumps(one, default=str),
        lambda one: json.dumps(one, default=repr),
    ],
)
def test_no_text_of_it_shows_the_value(holder: object, show):
    assert SECRET not in show(holder)


@pytest.mark.parametrize("holder", HOLDERS)
@pytest.mark.parametrize("write", [json.dumps, pickle.dumps, copy.deepcopy, copy.copy])
def test_it_is_not_serialised(holder: object, write):
    try:
        shown = repr(write(holder))
    except TypeError as error:
        shown = str(error)
    assert SECRET not in shown


@pytest.mark.parametrize("look", [asdict, astuple])
def test_not_even_as_a_dictionary(look):
    assert SECRET not in repr(look(VAULT))


def test_no_traceback_shows_the_value():
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("cannot be encoded")

    def fail() -> None:
        vault, value = VAULT, SecretValue(SECRET)
        assert vault.values["dev"]["KEY"] == value
        raise ValueError(f"failed with {value} of {vault}")

    for run in (fail, lambda: VAULT.fill((Broken(),)), lambda: pickle.dumps(VAULT)):
        with pytest.raises(Exception) as caught:  # noqa: PT011
            run()
        shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
        assert SECRET not in "".join(shown.format())


def test_only_reveal_gives_the_value():
    assert SecretValue(SECRET).reveal() == SECRET
    assert not hasattr(SecretValue(SECRET), "__dict__")


def test_who_must_show_no_secret_is_told_what_is_secret_and_no_more():
    vault = Vault().with_target("dev", {"LOGIN": "dev_app_1", "KEY": SECRET, "UNASKED": "x"})
    needed = [
        Needed("LOGIN", "dev", False, Origin.OPERATOR),
        Needed("KEY", "dev", True, Origin.GENERATED),
        Needed("KEY", "prod", True, Origin.GENERATED),
    ]
    assert vault.secrets(needed) == (SecretValue(SECRET),)


# ---- new values


def test_generated_values_are_long_unlike_and_safe_everywhere():
    needed = [Needed(f"KEY_{number}", "dev", True, Origin.GENERATED) for number in range(50)]
    made = generate(needed)
    assert list(made) == [need.name for need in needed]
    assert len(set(made.values())) == 50
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", value) for value in made.values())
    assert generate(needed) != made
    assert generate([]) == {}
