"""Where the secrets of a target come from: `[secrets.TARGET]`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from envmgr.spec.values import Recipient, SafeAddress, Strict, VariableName


class AgeTable(Strict):
    """`[secrets.TARGET.age]`: an encrypted file that may be committed."""

    file: str | None = None
    """Relative to the spec; `secrets/TARGET.env.age` when left out."""
    recipients: tuple[Recipient, ...] = ()
    """Public keys that can read it: `age1…`, `ssh-ed25519 …`, `ssh-rsa …`."""
    recipients_file: str | None = None
    """File with one public key a line, relative to the spec."""
    identity: str | None = None
    """File of the private key, outside the project; ENVMGR_AGE_KEY or ENVMGR_AGE_KEY_FILE take its place."""


class CommandTable(Strict):
    """`[secrets.TARGET.command]`: any program that prints secrets."""

    command: Annotated[tuple[str, ...], Field(min_length=1)]
    """Program and arguments, no shell reads them; `{name}` and `{environment}` are filled in."""
    prints: Literal["value", "dotenv", "json"] = "value"
    """One value a call, or everything in one call, as NAME=value lines or as one JSON object."""
    names: tuple[VariableName, ...] | None = None
    """Of `prints = "value"`: the secrets to ask for; all of the target's when left out."""
    environment: tuple[str, ...] = ()
    """Names of variables of the shell that it gets beside PATH, HOME and the locale's."""
    seconds: Annotated[float, Field(gt=0, le=600)] = 20
    """For one call, at most."""


class KeyValueTable(Strict):
    """`[secrets.TARGET.vault]`: HashiCorp Vault's or OpenBao's KV store, version 2."""

    address: SafeAddress
    """`https://vault.example.com:8200`."""
    path: Annotated[str, Field(pattern=r"^[^/?#\s](?:[^?#\s]*[^/?#\s])?$")]
    """Of the secret whose keys are the names, below the mount; `{environment}` is filled in."""
    mount: Annotated[str, Field(pattern=r"^[^/?#\s](?:[^?#\s]*[^/?#\s])?$")] = "secret"
    """Where the store is mounted."""
    token_file: str | None = None
    """File with the token, outside the project; VAULT_TOKEN takes its place."""
    namespace: str | None = None
    """Of Vault Enterprise or OpenBao."""
    ca: str | None = None
    """PEM file of the authority that signed its certificate, relative to the spec."""
    seconds: Annotated[float, Field(gt=0, le=120)] = 10
    """For its answer, at most."""


class SecretsTable(Strict):
    """`[secrets.TARGET]`: where secrets of an environment, or of `infra`, come from; over `[secrets.defaults]`."""

    source: Literal["files", "age", "command", "vault"] = "files"
    """`files`: `secrets/TARGET/NAME`; the others have a table of their own."""
    weak: Literal["warn", "refuse"] | None = None
    """What `up` does with weak and example values; when left out, what `debug`, `protected` and its name say."""
    age: AgeTable | None = None
    command: CommandTable | None = None
    vault: KeyValueTable | None = None
