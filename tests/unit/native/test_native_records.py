"""Which services are on the desk, and which processes run them: what is written beside the environment's files."""

import os

import pytest

from envmgr.errors import EnvmgrError, LockedError
from envmgr.native.running import running, take
from envmgr.native.sides import read_native, write_native


def test_the_wish_is_kept(tmp_path):
    assert read_native(tmp_path, "dev") == ()
    write_native(tmp_path, "dev", ("app", "worker"))
    assert read_native(tmp_path, "dev") == ("app", "worker")
    assert read_native(tmp_path, "stage") == ()
    write_native(tmp_path, "dev", ())
    assert read_native(tmp_path, "dev") == ()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "Expecting property name"),
        ("[]", "list indices"),
        ('{"format": 2, "services": []}', "its format is 2, and this envmgr knows 1"),
        ('{"format": 1}', "'services'"),
    ],
)
def test_a_broken_file_is_no_silent_guess(tmp_path, text, why):
    write_native(tmp_path, "dev", ("app",))
    (tmp_path / ".envmgr/dev/native/services.json").write_text(text)
    with pytest.raises(EnvmgrError) as caught:
        read_native(tmp_path, "dev")
    assert why in caught.value.message
    assert caught.value.message.startswith(".envmgr/dev/native/services.json cannot be read: ")
    assert caught.value.help.startswith("Remove it")


def test_one_process_at_a_time(tmp_path):
    assert running(tmp_path, "dev", "app") is None
    slot = take(tmp_path, "dev", "app")
    slot.tell(os.getpid())
    found = running(tmp_path, "dev", "app")
    assert found is not None
    assert found.pid == os.getpid()
    with pytest.raises(LockedError, match=f"app of dev runs on the desk already, as process {os.getpid()}"):
        take(tmp_path, "dev", "app")
    take(tmp_path, "dev", "worker").close()
    slot.close()
    assert running(tmp_path, "dev", "app") is None
    take(tmp_path, "dev", "app").close()


def test_a_shorter_word_leaves_nothing_of_the_longer_before(tmp_path):
    slot = take(tmp_path, "dev", "app")
    slot.tell(4_000_000)
    slot.tell(7)
    assert (found := running(tmp_path, "dev", "app")) is not None
    assert found.pid == 7
    slot.close()
