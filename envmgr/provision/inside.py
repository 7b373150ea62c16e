"""Prove from where a consumer stands that it has a credential, and that the credential opens the server there."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from envmgr.engine.commands import Fill, carry_out
from envmgr.engine.protocol import Engine
from envmgr.errors import EngineError
from envmgr.model.observed import Container, ExecResult
from envmgr.model.secret import references
from envmgr.model.stack import Command, Credential, SecretMount, Service

_SUMS = 'for file in $FILES; do sha256sum <"/run/secrets/$file" || exit 1; done'


@dataclass(frozen=True, slots=True)
class Inside:
    """Looks from where a consumer stands: its networks, its mounts, its user."""

    engine: Engine
    fill: Fill
    substitutes: Mapping[str, str]

    def prove(self, credential: Credential, service: Service, container: Container) -> None:
        """Compare what the container has with what it should have, and enter the server from its network.

        Raises: `EngineError` that names the container.
        """
        self._compare(credential, service, container)
        said = self._run(credential.enter, container)
        if said.exit_code != 0:
            lines = tuple(line for line in said.output.splitlines() if line.strip())[-10:]
            raise EngineError(
                f"{container.name} cannot enter {credential.enter.service} from where it is", details=lines
            )

    def _compare(self, credential: Credential, service: Service, container: Container) -> None:
        mounts = [mount for mount in service.secrets if _mentions(mount, credential)]
        if not mounts:
            return  # it has the value as a variable, which was handed over when the container was made
        wanted = self.fill({mount.target: mount.content for mount in mounts})
        files = " ".join(mount.target for mount in mounts)
        looks = replace(credential.enter, argv=("sh", "-c", _SUMS), variables={"FILES": (files,)})
        said = self._run(looks, container)
        found = [line.split()[0] for line in said.output.splitlines() if line.strip()]
        if said.exit_code != 0 or found != [hashlib.sha256(wanted[m.target].encode()).hexdigest() for m in mounts]:
            raise EngineError(
                f"{container.name} has other values than were delivered in {files}",
                details=() if said.exit_code == 0 else tuple(said.output.splitlines()[-5:]),
            )

    def _run(self, command: Command, container: Container) -> ExecResult:
        return carry_out(self.engine, command, self.fill, lambda *_: None, self.substitutes, container.id)


def _mentions(mount: SecretMount, credential: Credential) -> bool:
    entered = (credential.password, credential.login)
    values = {(one.name, one.scope) for one in entered if one is not None}
    return any((ref.name, ref.scope) in values for ref in references(mount.content))
