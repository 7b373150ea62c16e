"""The operator's `.env` files: read, matched with what is needed, added to."""

from __future__ import annotations

import os
import string
from pathlib import Path

import pytest
from dotenv import dotenv_values
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from envmgr.errors import Problem, SpecError
from envmgr.model.needed import Needed, Origin
from envmgr.spec.dotenv import EnvValue, collect, read_env_files
from envmgr.spec.dotenv_write import append_env


@pytest.fixture
def put(tmp_path, monkeypatch):
    """Write a file of a project whose folder is the current one."""
    monkeypatch.chdir(tmp_path)

    def write(name: str, content: str | bytes, mode: int = 0o600) -> Path:
        path = Path(name)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(mode)
        return path

    return write


def plain(values):
    return {key: entry.value for key, entry in values.values.items()}


def need(name, origin=Origin.OPERATOR, **more):
    return Needed(name, more.pop("scope", "dev"), more.pop("is_secret", True), origin, **more)


def refused(target="dev"):
    with pytest.raises(SpecError) as caught:
        read_env_files(Path(), target)
    return caught.value.problems


class TestRead:
    def test_the_targets_file_wins_and_each_value_keeps_its_place(self, put):
        put(".env", "A=1\nB=1\n")
        put(".env.dev", "\n\n# more\n  B=2\nC=3\n")
        assert read_env_files(Path(), "dev").values == {
            "A": EnvValue("1", ".env", 1),
            "B": EnvValue("2", ".env.dev", 4),
            "C": EnvValue("3", ".env.dev", 5),
        }

    def test_neither_file(self, put):
        assert read_env_files(Path("absent"), "dev").values == {}

    @pytest.mark.parametrize(
        ("line", "value"),
        [
            ("X=$HOME ${Y} $(id)", "$HOME ${Y} $(id)"),
            ("X='$a'", "$a"),
            ('X="a b" # comment', "a b"),
            ("X=a#b # comment", "a#b"),
            ("export X=1", "1"),
            ("X = 1", "1"),
            ("X=", ""),
            ("X=''", ""),
            ("X='it\\'s'", "it's"),
            ("X=ж漢😀", "ж漢😀"),
            ("X=a=b==", "a=b=="),
        ],
    )
    def test_values_as_they_are(self, put, line, value):
        put(".env", line)
        assert plain(read_env_files(Path(), "dev")) == {"X": value}

    def test_line_ends_and_byte_order_mark(self, put):
        put(".env", b"\xef\xbb\xbfA=1\r\n\r\nB='2'\r\n")
        put(".env.dev", b"C=1")
        values = read_env_files(Path(), "dev")
        assert plain(values) == {"A": "1", "B": "2", "C": "1"}
        assert values.values["B"].line == 3

    def test_every_bad_line_of_both_files(self, put):
        put(".env", "A=1\n\nnonsense here\nB='it's'\n=3\r\nC=1\n")
        put(".env.dev", 'KEY\nD="open\n')
        message = "expected NAME=value, with matching quotes when there are some"
        assert refused() == tuple(
            Problem(message, file=file, line=line)
            for file, line in ((".env", 3), (".env", 4), (".env", 5), (".env.dev", 1), (".env.dev", 2))
        )

    def test_a_bad_line_is_not_repeated(self, put):
        put(".env", "PASSWORD='hunter2\n")
        assert "hunter2" not in "".join(map(str, refused()))

    def test_another_encoding(self, put):
        put(".env", b"A=1\nB=\xe9\n")
        assert refused() == (Problem("expected UTF-8 text: save the file in that encoding", file=".env", line=2),)

    def test_a_folder_and_a_dead_link(self, put, tmp_path):
        (tmp_path / ".env").mkdir()
        (tmp_path / ".env.dev").symlink_to("absent")
        assert refused() == (
            Problem("cannot be read: Is a directory", file=".env"),
            Problem("is a link to a file that does not exist", file=".env.dev"),
        )

    def test_values_are_not_in_the_repr(self, put):
        put(".env", "A=hunter2\n")
        values = read_env_files(Path(), "dev")
        assert "hunter2" not in repr(values)
        assert "hunter2" not in repr(collect((need("A"),), values, {}))


class TestWarnings:
    def test_a_second_line_for_one_key(self, put):
        put(".env", "A=1\nB=\nA=2\nB=3\nC=1\nC=1\n")
        values = read_env_files(Path(), "dev")
        assert plain(values)["A"] == "2"
        assert values.warnings == (".env:3 A is set a second time and wins over line 1",)

    def test_the_other_file_is_no_second_line(self, put):
        put(".env", "A=1\n")
        put(".env.dev", "A=2\n")
        assert read_env_files(Path(), "dev").warnings == ()

    @pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
    def test_a_file_that_others_read(self, put, mode):
        put(".env.dev", "A=1\n", mode)
        expected = (".env.dev can be read by other users of this host: chmod 600 .env.dev",)
        assert read_env_files(Path(), "dev").warnings == expected
        assert read_env_files(Path(), "dev", secrets={"A"}).warnings == expected
        assert read_env_files(Path(), "dev", secrets={"B"}).warnings == ()

    @pytest.mark.parametrize(("content", "mode"), [("A=1\n", 0o600), ("A=1\n", 0o400), ("# A=1\nB=\n", 0o644)])
    def test_a_file_that_may_be_as_it_is(self, put, content, mode):
        put(".env.dev", content, mode)
        assert read_env_files(Path(), "dev").warnings == ()


class TestCollect:
    def test_files_then_shell_then_default(self, put):
        put(".env", "A=file\nB=file\n")
        needed = tuple(need(name, from_shell=name in "AC", default="default") for name in "ABCD")
        shell = dict.fromkeys("ABCDE", "shell")
        collected = collect(needed, read_env_files(Path(), "dev"), shell)
        assert collected.values == {"A": "file", "B": "file", "C": "shell", "D": "default"}
        assert (collected.missing_required, collected.to_generate, collected.unused) == ((), (), ())

    def test_everything_missing_at_once_with_its_place_and_file(self, put):
        put(".env.dev", "\nB=\n")
        needed = (
            need("A", place="variables.A"),
            need("B", place="variables.B"),
            need("C", place="variables.C", from_shell=True, scope="infra"),
            need("D", is_required=False),
        )
        collected = collect(needed, read_env_files(Path(), "dev"), {"A": "the shell is not asked"})
        assert collected.missing_required == (
            Problem("A is not set", "variables.A", ".env.dev", hint="write A=… in .env.dev"),
            Problem("B is empty", "variables.B", ".env.dev", 2, hint="write B=… in .env.dev"),
            Problem("C is not set", "variables.C", ".env.infra", hint="write C=… in .env.infra, or export it"),
        )
        assert collected.values == {}

    def test_generated_ones_that_nobody_has_set(self, put):
        put(".env", "A=set\nB=\n")
        needed = tuple(need(name, Origin.GENERATED) for name in "ABC")
        collected = collect(needed, read_env_files(Path(), "dev"), {"C": "x"})
        assert collected.values == {"A": "set"}
        assert collected.to_generate == needed[1:]
        assert collected.missing_required == ()

    def test_empty_is_a_value_where_none_is_required(self, put):
        put(".env", "A=\nB=\n")
        needed = (need("A", is_required=False, default="x"), need("B", is_required=True, default="x"))
        assert collect(needed, read_env_files(Path(), "dev"), {}).values == {"A": "", "B": "x"}

    def test_an_empty_shell_value_is_not_set(self, put):
        needed = (need("A", from_shell=True, default="x"),)
        assert collect(needed, read_env_files(Path(), "dev"), {"A": ""}).values == {"A": "x"}

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            ('X="a\nb"\n', "holds a line break or NUL, which no env file can carry"),
            ('X="a\\nb"\n', "holds a line break or NUL, which no env file can carry"),
            ('X="a\\rb"\n', "holds a line break or NUL, which no env file can carry"),
            ("X=a\0b\n", "holds a line break or NUL, which no env file can carry"),
            (f"X={'ж' * 30721}\n", "is longer than 60 KiB, which Compose does not read"),
        ],
    )
    @pytest.mark.parametrize("is_required", [True, False])
    def test_values_that_cannot_be_passed_on(self, put, content, reason, is_required):
        put(".env", "\n" + content)
        needed = (need("X", place="variables.X", is_required=is_required),)
        collected = collect(needed, read_env_files(Path(), "dev"), {})
        assert collected.values == {}
        assert collected.missing_required == (Problem(f"X {reason}", "variables.X", ".env", 2),)

    def test_they_do_no_harm_when_nothing_takes_them(self, put):
        put(".env", 'X="a\nb"\n')
        collected = collect((), read_env_files(Path(), "dev"), {})
        assert collected.missing_required == ()

    @pytest.mark.parametrize("value", ["a\nb", "\udcff"])
    def test_from_the_shell(self, put, value):
        needed = (need("X", place="variables.X", from_shell=True),)
        collected = collect(needed, read_env_files(Path(), "dev"), {"X": value})
        problem = Problem("X, which the shell sets, cannot be passed on", "variables.X")
        assert (collected.values, collected.missing_required) == ({}, (problem,))

    def test_sixty_kibibytes_pass(self, put):
        put(".env", f"X={'x' * 61440}\n")
        assert len(collect((need("X"),), read_env_files(Path(), "dev"), {}).values["X"]) == 61440

    def test_keys_that_nothing_uses(self, put):
        put(".env", "SECRT_KEY=1\nOTHER_KEY=1\n")
        put(".env.dev", "\nzzz=1\n")
        needed = (need("SECRET_KEY", is_required=False), need("OTHER_KEY"))
        assert collect(needed, read_env_files(Path(), "dev"), {}).unused == (
            Problem("nothing uses it", "SECRT_KEY", ".env", 1, hint='did you mean "SECRET_KEY"?'),
            Problem("nothing uses it", "zzz", ".env.dev", 2, hint="declare it as [variables.zzz], or remove it"),
        )


class TestAppend:
    def test_a_new_file(self, put):
        path = Path(".env.dev")
        append_env(path, {"A": "1", "B": "a b"}, "Made by envmgr")
        assert path.read_bytes() == b"# Made by envmgr\nA=1\nB='a b'\n"
        assert path.stat().st_mode & 0o777 == 0o600

    @pytest.mark.parametrize(
        ("old", "gap"),
        [(b"X=1\n", b""), (b"X=1", b"\n"), (b"\xef\xbb\xbfX='a'\r\n\r\n# end", b"\n"), (b"\n\n", b""), (b"", b"")],
    )
    def test_what_stands_there_stays(self, put, old, gap):
        path = put(".env.dev", old, 0o644)
        append_env(path, {"A": "1"}, "one\ntwo")
        assert path.read_bytes() == old + gap + b"# one\n# two\nA=1\n"
        assert path.stat().st_mode & 0o777 == 0o600

    def test_an_empty_place_is_filled_without_a_warning(self, put):
        path = put(".env.dev", "A=\n")
        append_env(path, {"A": "1"}, "made")
        values = read_env_files(Path(), "dev")
        assert (plain(values), values.warnings) == ({"A": "1"}, ())

    def test_nothing_to_add(self, put):
        append_env(Path(".env.dev"), {}, "made")
        assert not Path(".env.dev").exists()

    def test_a_link_stays_one(self, put):
        put("vault", "A=1\n")
        Path(".env.dev").symlink_to("vault")
        append_env(Path(".env.dev"), {"B": "2"}, "made")
        assert Path(".env.dev").is_symlink()
        assert Path("vault").read_text() == "A=1\n# made\nB=2\n"

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
    def test_the_owner_stays(self, put, tmp_path):
        path = put(".env.dev", "A=1\n")
        os.chown(path, 1234, -1)
        append_env(path, {"B": "2"}, "made")
        assert path.stat().st_uid == 1234
        os.chown(tmp_path, 1235, -1)
        append_env(Path(".env.new"), {"B": "2"}, "made")
        assert Path(".env.new").stat().st_uid == 1235

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ({"A": "a\nb"}, "A holds a line break or NUL, which no env file can carry"),
            ({"A": "\ud800"}, "A is not UTF-8 text"),
            ({"a b": "1"}, "a b is no name of a variable"),
            ({"A": "x" * 61441}, "A is longer than 60 KiB, which Compose does not read"),
        ],
    )
    def test_values_that_no_line_holds(self, put, values, message):
        path = put(".env.dev", "X=1\n")
        with pytest.raises(SpecError) as caught:
            append_env(path, {"OK": "1", **values}, "made")
        assert caught.value.problems == (Problem(message, file=".env.dev"),)
        assert path.read_text() == "X=1\n"

    @pytest.mark.parametrize(
        ("old", "message"),
        [(b'X="open', "has a line that would swallow"), (b"X=\xff\n", "is not UTF-8 text")],
    )
    def test_a_file_that_cannot_be_added_to(self, put, old, message):
        path = put(".env.dev", old)
        with pytest.raises(SpecError, match=message):
            append_env(path, {"A": 'say "'}, "made")
        assert path.read_bytes() == old

    def test_a_folder_that_is_not_there(self, put):
        with pytest.raises(SpecError, match="cannot be written: No such file or directory"):
            append_env(Path("absent/.env"), {"A": "1"}, "made")

    def test_a_folder_in_place_of_the_file(self, put):
        Path(".env.dev").mkdir()
        with pytest.raises(SpecError, match="cannot be written: Is a directory"):
            append_env(Path(".env.dev"), {"A": "1"}, "made")


LETTERS = st.sampled_from([*string.printable, *"éЖ漢😀\x1c\x1f\x7f\x85\xa0\u2028\u2029\ufeff\\\\''\"\"#$ "]).filter(
    lambda letter: letter not in "\r\n"
)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(values=st.lists(st.text(LETTERS, max_size=12), min_size=1, max_size=4))
def test_what_is_added_is_read_back_exactly(tmp_path, values):
    path = tmp_path / ".env.dev"
    path.write_text("FIRST='1'")
    added = {f"V{index}": value for index, value in enumerate(values)}
    append_env(path, added, "made")
    assert dotenv_values(path, interpolate=False, encoding="utf-8") == {"FIRST": "1", **added}
    assert plain(read_env_files(tmp_path, "dev")) == {"FIRST": "1", **added}
