"""Secrets that a program prints: `op read …`, `aws secretsmanager get-secret-value …`, `vault kv get …`.

No shell reads its words, it gets few variables, and it has a deadline. What it prints is never shown.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from envmgr.errors import SourceError
from envmgr.secrets.folder import without_last_break
from envmgr.secrets.store import UNTOUCHED, Given, only_gives
from envmgr.spec.dotenv import parse
from envmgr.spec.secret_tables import CommandTable

_ALLOWED = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "TZ")
_AT_ONCE = 8
_LAST_LINES = 5
_SHORTEST_HIDDEN = 4


@dataclass(frozen=True, slots=True)
class _Ended:
    code: int
    out: bytes
    err: bytes


class CommandStore:
    """One call for each secret, side by side, or one for all."""

    is_writable = False

    def __init__(self, table: CommandTable, folder: Path, target: str, shell: Mapping[str, str]) -> None:
        self._table = table
        self._folder = folder
        self._target = target
        self._shell = shell
        self.title = f"the command {table.command[0]} of [secrets.{target}]"

    def read(self, names: Sequence[str]) -> Mapping[str, Given]:
        """Run the program; a value that it prints empty counts as not there."""
        if self._table.prints != "value":
            found = self._all(self._output(""))
        else:
            asked = tuple(self._table.names if self._table.names is not None else names)
            with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
                outputs = list(pool.map(self._output, asked))
            found = {name: without_last_break(self._text(out)) for name, out in zip(asked, outputs, strict=True)}
        return {name: Given(value, self.title) for name, value in found.items() if value}

    def prepare(self, names: Sequence[str]) -> None:
        """Refuse."""
        raise only_gives(self.title, tuple(names), "put each where the command finds it, and try again")

    def write(self, values: Mapping[str, str]) -> None:
        """Refuse."""
        self.prepare(tuple(values))

    def _output(self, name: str) -> bytes:
        words = (word.replace("{name}", name).replace("{environment}", self._target) for word in self._table.command)
        argv = tuple(words)
        ended = self._run(argv)
        if ended.code != 0:
            what = f" for {name}" if name else ""
            raise SourceError(
                f"{self.title} failed{what} with exit code {ended.code}",
                state=UNTOUCHED,
                details=tuple(self._masked(ended).splitlines()[-_LAST_LINES:]),
                help=f"try it by itself: {' '.join(argv)}",
            )
        return ended.out

    def _run(self, argv: Sequence[str]) -> _Ended:
        variables = {name: self._shell[name] for name in (*_ALLOWED, *self._table.environment) if name in self._shell}
        try:
            process = subprocess.Popen(
                argv,
                cwd=self._folder,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise SourceError(f"{self.title} cannot be run: {error.strerror}", state=UNTOUCHED) from error
        try:
            return self._finished(process)
        finally:
            # What it has started goes with it, after a Ctrl-C too.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def _finished(self, process: subprocess.Popen[bytes]) -> _Ended:
        began = time.monotonic()
        try:
            out, err = process.communicate(timeout=self._table.seconds)
        except subprocess.TimeoutExpired:
            raise SourceError(
                f"{self.title} gave no answer within {time.monotonic() - began:.0f} s",
                state=UNTOUCHED,
                help="it may wait for a login: try it by itself",
            ) from None
        return _Ended(process.returncode, out, err)

    def _masked(self, ended: _Ended) -> str:
        """Return what it complained of, without what it printed or was given."""
        hidden = [self._shell.get(name, "") for name in self._table.environment]
        hidden += ended.out.decode(errors="replace").split()
        text = ended.err.decode(errors="replace")
        for value in sorted({one for one in hidden if len(one) >= _SHORTEST_HIDDEN}, key=len, reverse=True):
            text = text.replace(value, "********")
        return text

    def _text(self, out: bytes) -> str:
        try:
            return out.decode()
        except UnicodeDecodeError:
            raise SourceError(f"{self.title} printed no UTF-8 text", state=UNTOUCHED) from None

    def _all(self, out: bytes) -> Mapping[str, str]:
        text = self._text(out)
        if self._table.prints == "json":
            return self._object(text)
        file = parse(text.encode(), self.title)
        if file.problems:
            lines = ", ".join(str(problem.line) for problem in file.problems)
            raise SourceError(f"{self.title} printed what is not NAME=value, in line {lines}", state=UNTOUCHED)
        return {entry.key: entry.value.value for entry in file.entries}

    def _object(self, text: str) -> Mapping[str, str]:
        try:
            found = json.loads(text)
        except json.JSONDecodeError as error:
            what = f"{self.title} printed no JSON: {error.msg}, line {error.lineno}"
            raise SourceError(what, state=UNTOUCHED) from None
        return texts(found, self.title)


def texts(found: object, title: str) -> dict[str, str]:
    """Return an object whose values are all texts.

    Raises: `SourceError`.
    """
    if not isinstance(found, dict):
        raise SourceError(f"{title} gave no object of names and values", state=UNTOUCHED)
    wrong = [name for name, value in found.items() if not isinstance(value, str)]
    if wrong:
        raise SourceError(f"{title} has a value that is no text: {', '.join(wrong)}", state=UNTOUCHED)
    return found
