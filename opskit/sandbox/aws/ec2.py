"""EC2 where moto is thinner than AWS: routes whose target is gone, and what an instance printed."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from opskit.sandbox import world


def install(console: Callable[[str], str]) -> None:
    """Let routes say `blackhole` when what they lead to was deleted, and instances have a console.

    Args:
        console: what an instance printed, by its address.
    """
    from moto.ec2.models.route_tables import Route
    from moto.ec2.responses.general import General

    Route.state = property(_state)

    def get_console_output(self: Any) -> Any:
        from moto.core.responses import ActionResult

        instance = self.ec2_backend.get_instance(self._get_param("InstanceId"))
        text = base64.b64encode(console(instance.private_ip).encode()).decode()
        return ActionResult({"InstanceId": instance.id, "Output": text})

    General.get_console_output = get_console_output


def _state(route: Any) -> str:
    from moto.ec2.models import ec2_backends

    backend = ec2_backends[world.ACCOUNT][world.REGION]
    if route.interface is not None and route.interface.id not in backend.enis:
        return "blackhole"
    peering = route.vpc_pcx
    if peering is not None and peering._status.code != "active":
        return "blackhole"
    return "active"
