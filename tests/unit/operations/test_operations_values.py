"""Values: read for every target, told when something is odd, made when nobody has set them."""

from __future__ import annotations

import pytest

from envmgr.errors import SpecError
from envmgr.model.progress import Caution, Note
from envmgr.operations.values import gather, store_generated, vault_of
from tests.house import House


def add_variables(house: House) -> None:
    more = '[variables.REGION]\nrequired = true\n\n[variables.LEVEL]\ndefault = "low"\nfrom_shell = true\n\n'
    house.edit("[services.migrate]", f"{more}[services.migrate]")


def write(house: House, name: str, text: str) -> None:
    path = house.folder / name
    path.write_text(text)
    path.chmod(0o600)


def test_the_targets_own_file_wins_over_the_shared_one_and_the_shell(house: House, monkeypatch: pytest.MonkeyPatch):
    add_variables(house)
    monkeypatch.setenv("LEVEL", "shell")
    monkeypatch.setenv("REGION", "shell")
    write(house, ".env", "REGION=shared\n")
    write(house, ".env.dev", "REGION=own\n")
    session = house.session()
    dev, stage = session.project.system.stack("dev"), session.project.system.stack("stage")
    values = gather(session, (dev, stage))
    assert values["dev"].plain(dev) == {"REGION": "own", "LEVEL": "shell", **logins("dev")}
    assert values["stage"].plain(stage) == {"REGION": "shared", "LEVEL": "shell", **logins("stage")}
    assert {need.name for need in values["dev"].to_generate} == {"POSTGRES_PASSWORD", "REDIS_PASSWORD", "SECRET_KEY"}


def logins(environment: str) -> dict[str, str]:
    """As whom an environment enters servers where nobody has said otherwise."""
    return {"POSTGRES_LOGIN": f"{environment}_app_1", "REDIS_LOGIN": f"{environment}_app"}


def test_a_login_that_was_exchanged_stands_in_the_operators_file(house: House):
    write(house, ".env.dev", "REDIS_LOGIN=dev_app_2\n")
    session = house.session()
    dev = session.project.system.stack("dev")
    assert gather(session, (dev,))["dev"].plain(dev) == logins("dev") | {"REDIS_LOGIN": "dev_app_2"}
    assert session.vault.fill(dev.service("app").secrets[1].content).startswith("redis://dev_app_2:")


def test_secrets_are_not_among_the_plain_values(house: House):
    write(house, ".env.dev", "SECRET_KEY=k\nPOSTGRES_PASSWORD=p\nREDIS_PASSWORD=r\n")
    session = house.session()
    dev = session.project.system.stack("dev")
    assert gather(session, (dev,))["dev"].plain(dev) == logins("dev")
    assert "k" not in repr(session.vault.values["dev"]["SECRET_KEY"])


def test_what_is_missing_in_any_target_is_told_at_once(house: House):
    add_variables(house)
    write(house, ".env.dev", "REGION=\n")
    session = house.session()
    with pytest.raises(SpecError) as caught:
        gather(session, session.project.system.stacks)
    assert [p.message for p in caught.value.problems] == [
        "REGION is empty",
        "REGION is not set",
        "REGION is not set",
    ]
    assert caught.value.problems[0].line == 1
    assert caught.value.help == "Set them in .env.dev or .env.stage or .env.prod, one NAME=value a line."


def test_a_key_that_nothing_uses_is_told_with_the_nearest_one(house: House):
    write(house, ".env.dev", "SECRET_KEI=k\n")
    write(house, ".env", "POSTGRES_ADMIN_PASSWORD=x\n")
    session = house.session()
    gather(session, (session.project.system.stack("dev"),))
    (caution,) = house.texts(Caution)
    assert caution.endswith('.env.dev:1 SECRET_KEI: nothing uses it (did you mean "SECRET_KEY"?)')


def test_what_is_made_is_kept_and_known_and_never_said(house: House):
    session = house.session()
    dev = session.project.system.stack("dev")
    made = store_generated(session, dev, gather(session, (dev,))["dev"])
    assert made.to_generate == ()
    assert {**house.secrets("dev"), **logins("dev")} == dict(made.known)
    assert not house.secrets("dev").keys() & logins("dev").keys()
    assert session.vault.fill((session.project.system.stack("dev").grants[0].probe.variables["PGPASSWORD"][0],))
    assert house.texts(Note) == [
        "dev: generated POSTGRES_PASSWORD, REDIS_PASSWORD, SECRET_KEY: kept in .env.dev (keep a copy of that file)"
    ]
    assert store_generated(session, dev, made) is made
    assert gather(house.session(), (dev,))["dev"].to_generate == ()


@pytest.mark.parametrize(
    ("text", "problem"),
    [("NAME\n", "expected NAME=value"), ("A='open\n", "expected NAME=value"), ("\xff=1\n", "")],
)
def test_a_file_that_cannot_be_read_is_told_with_its_line(house: House, text: str, problem: str):
    (house.folder / ".env.dev").write_bytes(text.encode("latin-1"))
    session = house.session()
    for read in (gather, vault_of):
        with pytest.raises(SpecError, match=r"a \.env file cannot be read") as caught:
            read(session, (session.project.system.stack("dev"),))
        assert problem in caught.value.problems[0].message
        assert caught.value.problems[0].line == 1
    assert house.engine.calls == []


def test_a_folder_in_a_files_place_is_told(house: House):
    (house.folder / ".env.dev").mkdir()
    with pytest.raises(SpecError) as caught:
        gather(house.session(), (house.session().project.system.stack("dev"),))
    assert "cannot be read" in caught.value.problems[0].message


def test_looking_needs_nothing_to_be_complete(house: House):
    add_variables(house)
    session = house.session()
    assert vault_of(session, session.project.system.stacks).values.keys() == {"infra", "dev", "stage", "prod"}
    assert house.said == []


# ---- values that are files


def add_door(house: House) -> None:
    door = '[infra.nginx]\nmemory = "64M"\ntls = "files"\ncertificate = "certs/chain.pem"\nkey = "certs/key.pem"\n\n'
    house.edit("[variables.SECRET_KEY]", f"{door}[variables.SECRET_KEY]")


def test_a_file_of_the_operators_is_a_secret_with_its_line_breaks(house: House):
    add_door(house)
    (house.folder / "certs").mkdir()
    (house.folder / "certs/chain.pem").write_text("-----BEGIN\nä\n")
    write(house, "certs/key.pem", "key\n")
    session = house.session()
    base = session.project.system.base
    values = gather(session, (base,))["infra"]
    store_generated(session, base, values)
    held = session.vault.values["infra"]
    assert held["NGINX_TLS_CERTIFICATE"].reveal() == "-----BEGIN\nä\n"
    assert held["NGINX_TLS_KEY"].reveal() == "key\n"
    assert "NGINX_TLS_KEY" not in house.secrets("infra")
    assert vault_of(house.session(), (base,)).values["infra"]["NGINX_TLS_KEY"].reveal() == "key\n"


def test_a_file_that_cannot_be_read_is_told_with_its_place_and_its_neighbours(house: House):
    add_door(house)
    (house.folder / "certs").mkdir()
    (house.folder / "certs/chain.pem").write_bytes(b"\xff\x00")
    session = house.session()
    with pytest.raises(SpecError) as caught:
        gather(session, (session.project.system.base,))
    assert [(one.path, one.message) for one in caught.value.problems] == [
        ("infra.nginx.certificate", "certs/chain.pem cannot be read: it is no text"),
        ("infra.nginx.key", "certs/key.pem cannot be read: No such file or directory"),
    ]
    assert caught.value.help == "Put the files where the spec says, or correct the spec."
    assert "NGINX_TLS_KEY" not in vault_of(house.session(), (session.project.system.base,)).values["infra"]
