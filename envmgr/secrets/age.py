"""Secrets in a file that age encrypts, `secrets/TARGET.env.age`: it may be committed. Decrypted, it is on no disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from envmgr import layout
from envmgr.errors import SourceError
from envmgr.files import write_atomic
from envmgr.secrets.store import UNTOUCHED, Given, outside
from envmgr.spec.dotenv import parse
from envmgr.spec.dotenv_write import changed
from envmgr.spec.secret_tables import AgeTable

_KEY, _KEY_FILE = "ENVMGR_AGE_KEY", "ENVMGR_AGE_KEY_FILE"


class AgeStore:
    """One encrypted file of NAME=value lines."""

    is_writable = True

    def __init__(self, table: AgeTable, folder: Path, target: str, shell: Mapping[str, str]) -> None:
        self._table = table
        self._folder = folder
        self._target = target
        self._shell = shell
        self.title = table.file or f"{layout.SECRETS}/{target}.env.age"

    @property
    def path(self) -> Path:
        """The encrypted file."""
        return self._folder / self.title

    def read(self, names: Sequence[str]) -> Mapping[str, Given]:  # noqa: ARG002 - one file holds all
        """Decrypt the file; one that is not there yet holds nothing."""
        return {key: Given(value, self.title) for key, value in self._entries(self._decrypted()).items()}

    def prepare(self, names: Sequence[str]) -> None:  # noqa: ARG002 - the file takes any
        """Make sure of the key and of the recipients."""
        identities = self._identities()
        self._check_readable(self._encrypted(b""), b"", identities)

    def write(self, values: Mapping[str, str]) -> None:
        """Encrypt the file anew, with these values set, for every recipient; the last words are read back first."""
        identities = self._identities()
        comment = f"Kept by envmgr for {self._target}."
        old = self._decrypted(identities)
        self._entries(old)
        text = changed(old, values, comment, self.title)
        if not values.items() <= self._entries(text).items():
            raise SourceError(f"{self.title} has a line that would swallow what is added below it", state=UNTOUCHED)
        data = self._encrypted(text)
        self._check_readable(data, text, identities)
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomic(self.path, data, 0o644)
        except OSError as error:
            raise SourceError(f"{self.path} cannot be written: {error.strerror}", state="No value was kept.") from error

    def _entries(self, text: bytes) -> dict[str, str]:
        try:
            file = parse(text, self.title)
        except UnicodeDecodeError:
            raise SourceError(f"{self.title} holds no UTF-8 text", state=UNTOUCHED) from None
        if file.problems:
            wrong = tuple(str(problem) for problem in file.problems)
            raise SourceError(f"{self.title} holds what is not NAME=value", state=UNTOUCHED, details=wrong)
        return {entry.key: entry.value.value for entry in file.entries if entry.value.value}

    def _decrypted(self, identities: list[Any] | None = None) -> bytes:
        import pyrage

        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise SourceError(f"{self.title} cannot be read: {error.strerror}", state=UNTOUCHED) from error
        try:
            return bytes(pyrage.decrypt(data, identities or self._identities()))
        except pyrage.DecryptError as error:
            raise SourceError(
                f"{self.title} cannot be decrypted: {str(error).rstrip('.')}",
                state=UNTOUCHED,
                help=f"name a key in {_KEY_FILE} that is one of its recipients",
            ) from error

    def _check_readable(self, data: bytes, text: bytes, identities: list[Any]) -> None:
        """Refuse to lock oneself out."""
        import pyrage

        try:
            is_same = bytes(pyrage.decrypt(data, identities)) == text
        except pyrage.DecryptError:
            is_same = False
        if not is_same:
            raise SourceError(
                f"the key of this host is none of the recipients of {self.title}, and could not read it afterwards",
                state="No value was kept.",
                help=f"add its public key to recipients in [secrets.{self._target}.age]",
            )

    def _encrypted(self, text: bytes) -> bytes:
        import pyrage

        return bytes(pyrage.encrypt(text, [self._recipient(one) for one in self._recipients()]))

    def _recipients(self) -> list[str]:
        found = [*self._table.recipients]
        if self._table.recipients_file:
            lines = self._text(self._folder / self._table.recipients_file).splitlines()
            found += [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]
        if not found:
            raise SourceError(
                f"nobody is named who can read {self.title}",
                state="No value was kept.",
                help=f'write recipients = ["age1…"] or recipients_file under [secrets.{self._target}.age]',
            )
        return found

    def _recipient(self, text: str) -> Any:
        import pyrage

        kind = pyrage.ssh if text.startswith("ssh-") else pyrage.x25519
        try:
            return kind.Recipient.from_str(text)
        except pyrage.RecipientError as error:
            raise SourceError(f"{text} is no public key that age knows", state="No value was kept.") from error

    def _identities(self) -> list[Any]:
        where, text = self._key()
        found = _parsed(text, where)
        if not found:
            raise SourceError(f"{where} holds no key of age", state=UNTOUCHED, help="age-keygen makes one")
        return found

    def _key(self) -> tuple[str, str]:
        if self._shell.get(_KEY):
            return _KEY, self._shell[_KEY]
        named = self._shell.get(_KEY_FILE) or self._table.identity
        if not named:
            raise SourceError(
                f"the key that opens {self.title} is not named",
                state=UNTOUCHED,
                help=f"export {_KEY_FILE}=…, or write identity under [secrets.{self._target}.age]",
            )
        return named, self._text(outside(self._folder, named, "the private key"))

    def _text(self, path: Path) -> str:
        try:
            return path.read_text("utf-8")
        except OSError as error:
            raise SourceError(f"{path} cannot be read: {error.strerror}", state=UNTOUCHED) from error
        except UnicodeDecodeError:
            raise SourceError(f"{path} is no text", state=UNTOUCHED) from None


def _parsed(text: str, where: str) -> list[Any]:
    import pyrage

    try:
        if "PRIVATE KEY-----" in text:
            return [pyrage.ssh.Identity.from_buffer(text.encode())]
        keys = [line.strip() for line in text.splitlines()]
        return [pyrage.x25519.Identity.from_str(key) for key in keys if key.upper().startswith("AGE-SECRET-KEY-1")]
    except pyrage.IdentityError as error:
        # Its own words may quote the key.
        raise SourceError(f"{where} holds a key that age does not read", state=UNTOUCHED) from error
