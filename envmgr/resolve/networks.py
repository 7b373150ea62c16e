"""The networks of one stack: one on which its services talk, one that publishes ports, one that leads outside."""

from __future__ import annotations

from envmgr import naming
from envmgr.model.stack import Network, Service
from envmgr.resolve.subnets import Block


def networks_of(
    project: str, target: str, block: Block, services: tuple[Service, ...], *, is_external: bool
) -> tuple[Network, ...]:
    """Return those that the services name; `is_external`: envmgr makes the one on which they talk."""
    wanted = {key for service in services for key in service.networks}
    every = (
        # Envmgr makes an environment's data network itself: the base's containers join it, under their own names.
        Network("data", naming.data_network(project, target), block.data, is_internal=True, is_external=is_external),
        Network(
            "publish",
            naming.publish_network(project, target),
            block.publish,
            is_internal=False,
            allows_neighbours=False,
        ),
        Network(
            "egress",
            naming.egress_network(project, target),
            block.egress,
            is_internal=False,
            allows_neighbours=False,
            masquerades=True,
        ),
    )
    return tuple(network for network in every if network.key in wanted)
