"""EC2 beyond moto: blackhole routes, an instance's console and metadata options, groups of interfaces."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from opskit.sandbox import topology


def install(console: Callable[[str], str]) -> None:
    """Mark routes whose target was deleted as `blackhole`, and give instances a console.

    Args:
        console: returns an instance's console output, by its address.
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
    _separate_group_sets()
    _keep_metadata_options()


def _keep_metadata_options() -> None:
    """Leave the options that a call does not name as they are; moto sets them to the defaults.

    Source: Amazon EC2 API Reference, ModifyInstanceMetadataOptions.
    """
    from moto.ec2.models import EC2Backend

    modify = EC2Backend.modify_instance_metadata_options
    fields = {
        "http_tokens": "http_tokens",
        "hop_limit": "http_put_response_hop_limit",
        "http_endpoint": "http_endpoint",
        "http_protocol": "http_protocol_ipv6",
        "metadata_tags": "instance_metadata_tags",
    }

    def modify_options(self: Any, instance_id: str, **named: Any) -> Any:
        options = self.get_instance(instance_id).metadata_options
        for argument, field in fields.items():
            if named.get(argument) is None:
                named[argument] = getattr(options, field)
        return modify(self, instance_id, **named)

    EC2Backend.modify_instance_metadata_options = modify_options


def _separate_group_sets() -> None:
    """Give each interface its own groups; an instance's are those of its primary interface.

    moto adds an instance's groups to those of every interface, so that none can be removed.
    """
    from moto.ec2.models import EC2Backend
    from moto.ec2.models.elastic_network_interfaces import NetworkInterface

    modify_interface = EC2Backend.modify_network_interface_attribute
    modify_instance = EC2Backend.modify_instance_security_groups

    def of_interface(self: Any, eni_id: str, *rest: Any, **named: Any) -> None:
        modify_interface(self, eni_id, *rest, **named)
        interface = self.get_network_interface(eni_id)
        if interface.instance is not None and interface.device_index == 0:
            interface.instance.security_groups = list(interface._group_set)

    def of_instance(self: Any, instance_id: str, group_ids: list[str]) -> Any:
        instance = modify_instance(self, instance_id, group_ids)
        for interface in instance.nics.values():
            if interface.device_index == 0:
                interface._group_set = list(instance.security_groups)
        return instance

    EC2Backend.modify_network_interface_attribute = of_interface
    EC2Backend.modify_instance_security_groups = of_instance
    NetworkInterface.group_set = property(
        lambda self: self._group_set or (self.instance.security_groups if self.instance else [])
    )


def _state(route: Any) -> str:
    from moto.ec2.models import ec2_backends

    backend = ec2_backends[topology.ACCOUNT][topology.REGION]
    if route.interface is not None and route.interface.id not in backend.enis:
        return "blackhole"
    peering = route.vpc_pcx
    if peering is not None and peering._status.code != "active":
        return "blackhole"
    return "active"
