"""What would take a server's door from under a colour: it keeps the values that it was deployed with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from envmgr import layout
from envmgr.errors import UsageError
from envmgr.model.secret import SecretRef, Template, references
from envmgr.model.stack import Credential, Service, Stack
from envmgr.operations.session import Session


def refuse_cut_off(session: Session, stack: Stack) -> None:
    """Refuse values that would change the password under the login with which a colour entered a server.

    With another login the old one stays valid beside it, and the next release takes the new one.

    Raises: `UsageError`; nothing has changed then.
    """
    observed = session.observe() if stack.colours else None
    for colour in stack.colours:
        if observed is None or not any(one.state.has_process for one in observed.of(colour.compose_project)):
            continue
        for grant in stack.grants:
            if grant.credential and _is_cut(session, colour, grant.credential):
                name = grant.credential.password.name
                raise UsageError(
                    f"{name} is another than release {colour.release} in {colour.target} was deployed with: "
                    f"to change it in {grant.server} would cut what runs",
                    state="Nothing was changed.",
                    help=f"Put the old value back: envmgr secrets set {stack.target} {name}",
                )


def _is_cut(session: Session, colour: Stack, credential: Credential) -> bool:
    login = session.vault.fill((credential.login,)) if credential.login else ""
    return any(
        delivered != session.vault.fill(template) and login in delivered
        for service in colour.services
        for template, delivered in _delivered(session, colour, service)
        if _mentions(template, credential.password)
    )


def _delivered(session: Session, colour: Stack, service: Service) -> Iterator[tuple[Template, str]]:
    """Yield what a service is told, each with what was written for it."""
    folder = session.project.folder
    for mount in service.secrets:
        with suppress(OSError):
            path = folder / layout.secret_file(colour.target, service.name, mount.name)
            yield mount.content, path.read_text(encoding="utf-8")
    if service.templated:
        with suppress(OSError):
            text = (folder / layout.env_file(colour.target, service.name)).read_text(encoding="utf-8")
            written = dict(line.partition("=")[::2] for line in text.splitlines())
            for name, template in service.templated.items():
                if name in written:
                    yield template, written[name]


def _mentions(template: Template, password: SecretRef) -> bool:
    return any((one.name, one.scope) == (password.name, password.scope) for one in references(template))
