"""EC2 where moto is thinner than AWS: routes whose target is gone."""

from __future__ import annotations

from typing import Any

from opskit.sandbox import world


def install() -> None:
    """Let routes say `blackhole` when what they lead to was deleted."""
    from moto.ec2.models.route_tables import Route

    Route.state = property(_state)


def _state(route: Any) -> str:
    from moto.ec2.models import ec2_backends

    backend = ec2_backends[world.ACCOUNT][world.REGION]
    if route.interface is not None and route.interface.id not in backend.enis:
        return "blackhole"
    peering = route.vpc_pcx
    if peering is not None and peering._status.code != "active":
        return "blackhole"
    return "active"
