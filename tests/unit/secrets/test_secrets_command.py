"""A program that prints secrets, run for real: its words, its variables, its deadline, and what is said of it."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import psutil
import pytest

from envmgr.errors import SourceError
from envmgr.secrets.command import CommandStore
from envmgr.spec.secret_tables import CommandTable

pytestmark = pytest.mark.spawns


def store(folder: Path, code: str, *words: str, shell: dict[str, str] | None = None, **table: object) -> CommandStore:
    """A Python program as the source of prod's secrets."""
    keys = {"command": (sys.executable, "-c", code, *words), **table}
    return CommandStore(CommandTable.model_validate(keys), folder, "prod", dict(os.environ) if shell is None else shell)


def values(one: CommandStore, *names: str) -> dict[str, str]:
    return {name: given.value for name, given in one.read(names).items()}


SAY = "import sys; print(' '.join(sys.argv[1:]))"


def test_each_secret_is_a_call_with_its_name_and_no_shell_reads_it(tmp_path: Path):
    one = store(tmp_path, SAY, "op://{environment}/{name}", "$HOME; `id`")
    assert values(one, "A", "B") == {"A": "op://prod/A $HOME; `id`", "B": "op://prod/B $HOME; `id`"}


def test_the_calls_go_side_by_side(tmp_path: Path):
    meet = """
import os, sys, time
open(sys.argv[1], "w").close()
deadline = time.monotonic() + 10
while len(os.listdir(".")) < 3:
    if time.monotonic() > deadline: sys.exit(1)
    time.sleep(0.01)
print("met")
"""
    assert values(store(tmp_path, meet, "{name}"), "A", "B", "C") == dict.fromkeys("ABC", "met")


def test_the_names_may_be_chosen_and_an_empty_answer_is_none(tmp_path: Path):
    code = "import sys; print('' if sys.argv[1] == 'B' else 'x')"
    assert values(store(tmp_path, code, "{name}", names=("A", "B")), "C") == {"A": "x"}


def test_several_lines_stay_as_they_are(tmp_path: Path):
    assert values(store(tmp_path, "print('a\\nb')"), "A") == {"A": "a\nb\n"}


@pytest.mark.parametrize(
    ("prints", "text"), [("json", '{"A": "x y", "B": "two\\nlines"}'), ("dotenv", "A='x y'\nB=\"two\\nlines\"")]
)
def test_one_call_may_print_everything(tmp_path: Path, prints: str, text: str):
    assert values(store(tmp_path, f"print({text!r})", prints=prints), "Z") == {"A": "x y", "B": "two\nlines"}


def test_it_gets_few_variables_and_those_that_were_asked_for(tmp_path: Path):
    code = "import json, os; print(json.dumps({k: v for k, v in os.environ.items() if k != 'LC_CTYPE'}))"
    shell = {"PATH": "/bin", "HOME": "/h", "OP_TOKEN": "t", "AWS_KEY": "k", "VAULT_TOKEN": "v"}
    one = store(tmp_path, code, shell=shell, environment=("OP_TOKEN",), prints="json")
    assert values(one) == {"PATH": "/bin", "HOME": "/h", "OP_TOKEN": "t"}


def refused(one: CommandStore, message: str) -> SourceError:
    with pytest.raises(SourceError, match=message) as caught:
        one.read(("A",))
    assert (caught.value.exit_code, caught.value.state) == (3, "Nothing was changed.")
    said = f"{caught.value.message} {caught.value.details} {caught.value.help}"
    assert "hush" not in said.replace(repr(one._table.command), "")
    return caught.value


def test_a_failure_shows_what_it_complained_of_and_no_value(tmp_path: Path):
    path = tmp_path / "source.py"
    path.write_text(
        "import os, sys\n"
        "print('hush-printed')\n"
        "print('no session for', os.environ['OP_TOKEN'], 'after hush-printed', file=sys.stderr)\n"
        "sys.exit(6)\n"
    )
    table = CommandTable(command=(sys.executable, str(path)), environment=("OP_TOKEN",))
    one = CommandStore(table, tmp_path, "prod", {"OP_TOKEN": "hush-token", "PATH": os.environ["PATH"]})
    error = refused(one, "failed for A with exit code 6")
    assert error.details == ("no session for ******** after ********",)


@pytest.mark.parametrize(
    ("code", "table", "message"),
    [
        ("print('[]')", {"prints": "json"}, "gave no object"),
        ("print('{\"A\": 5}')", {"prints": "json"}, "has a value that is no text: A"),
        ("print('hu' + 'sh{')", {"prints": "json"}, "printed no JSON"),
        ("print('A=1'); print('hu' + 'sh')", {"prints": "dotenv"}, "printed what is not NAME=value, in line 2"),
        ("import sys; sys.stdout.buffer.write(b'\\xff')", {}, "printed no UTF-8 text"),
    ],
)
def test_what_it_prints_otherwise_is_refused(tmp_path: Path, code: str, table: dict[str, object], message: str):
    refused(store(tmp_path, code, **table), message)


def test_a_program_that_is_not_there(tmp_path: Path):
    one = CommandStore(CommandTable(command=("no-such-program",)), tmp_path, "prod", {})
    refused(one, "the command no-such-program of .* cannot be run: No such file")


def test_one_that_waits_is_ended_with_all_that_it_started(tmp_path: Path):
    code = (
        "import subprocess, sys; c = subprocess.Popen(['sleep', '300']); open('pid', 'w').write(str(c.pid)); c.wait()"
    )
    began = time.monotonic()
    refused(store(tmp_path, code, seconds=1.0), "gave no answer within 1 s")
    assert time.monotonic() - began < 10
    child = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 10
    while psutil.pid_exists(child) and psutil.Process(child).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_it_takes_no_value(tmp_path: Path):
    with pytest.raises(SourceError, match="only gives secrets, and envmgr cannot keep A, B there"):
        store(tmp_path, SAY).write({"A": "1", "B": "2"})
