"""Volumes are there, labelled, and open to the users of their services before Compose makes containers with them."""

from __future__ import annotations

from collections.abc import Iterable

from envmgr import naming
from envmgr.engine.protocol import Opening
from envmgr.model.plan import Action, Step, Subject
from envmgr.model.stack import Service, Stack, Volume
from envmgr.operations.image_source import Source
from envmgr.operations.images import effective
from envmgr.operations.session import Session


def create_volumes(session: Session, stack: Stack, steps: Iterable[Step], source: Source) -> None:
    """Make the volumes that a plan creates, with labels that say what writes to them first; others stay as they are."""
    if not stack.volumes:
        return
    planned = {step.name for step in steps if step.subject is Subject.VOLUME and step.action is Action.CREATE}
    left = {container.name for container in session.observe().foreign}
    for volume in stack.volumes:
        # What was cut while it opened a volume has left this container.
        if volume.name in planned or naming.volume_opener(volume.name) in left:
            _create(session, stack, volume, source)


def _create(session: Session, stack: Stack, volume: Volume, source: Source) -> None:
    # Not `volume.service`: that one may run on the desk, and another in Docker have the same volume.
    service, target = next((s, m.target) for s in stack.services for m in s.volumes if m.volume == volume.key)
    opening = Opening(effective(session, service.image.reference, source), target, service.user)
    session.engine.create_volume(volume.name, _labels(stack, volume, service, source), opening)


def _labels(stack: Stack, volume: Volume, service: Service, source: Source) -> dict[str, str]:
    labels = {
        naming.LABEL_COMPOSE_PROJECT: stack.compose_project,
        naming.LABEL_PROJECT: stack.project,
        naming.LABEL_ENVIRONMENT: stack.target,
        naming.LABEL_SERVICE: volume.service,
    }
    writer = {naming.LABEL_SOURCE: source.value, naming.LABEL_MAJOR: service.image.major} if service.is_server else {}
    return labels | writer | ({naming.LABEL_PROTECT: "true"} if stack.is_base or stack.is_protected else {})
