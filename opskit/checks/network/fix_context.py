"""Inputs for building network fixes: the roles of a path's two ends, and the groups' members."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from opskit.reachability.group_members import GroupMembers, MemberKind
from opskit.reachability.path import CheckpointKind, Path, PathEndpoint


class EndpointRole(Enum):
    """The role of a path's end."""

    APP = auto()
    DATABASE = auto()
    LOAD_BALANCER = auto()
    VPC_ENDPOINT = auto()


OWN = {
    EndpointRole.APP: {MemberKind.APP, MemberKind.SIBLING},
    EndpointRole.DATABASE: {MemberKind.DATABASE},
    EndpointRole.LOAD_BALANCER: {MemberKind.LOAD_BALANCER},
    EndpointRole.VPC_ENDPOINT: set(),
}
"""Role -> the members of its groups for which a rule is intended."""
MEMBERS_OF_INTERFACES = "Lambda functions, ECS tasks or other interfaces"
DEFAULT_GROUP = "default"
"""The group that a VPC assigns to every resource without another one."""


@dataclass(frozen=True, slots=True)
class NetworkFixContext:
    """Inputs of the builders of network fixes besides the network itself.

    Attributes:
        members: None where the groups' members are not known: then no fix states anything about them.
        source, destination: the roles of the paths' ends.
        may_attach: whether a group may be attached to an end; not for ends that do not exist yet.
    """

    members: GroupMembers | None
    source: EndpointRole
    destination: EndpointRole
    may_attach: bool = True

    def ends(self, path: Path) -> Iterator[tuple[EndpointRole, PathEndpoint]]:
        """The two ends, each with its role."""
        yield self.source, path.source
        yield self.destination, path.destination

    def own_and_peer(
        self, path: Path, kind: CheckpointKind
    ) -> tuple[tuple[EndpointRole, PathEndpoint], tuple[EndpointRole, PathEndpoint]]:
        """The end whose groups decide at a checkpoint, and the other end."""
        source, destination = self.ends(path)
        return (source, destination) if kind is CheckpointKind.EGRESS else (destination, source)

    def outsiders(self, group_id: str, role: EndpointRole) -> tuple[str, ...]:
        """Known members of a group besides the end of a role and its siblings."""
        if self.members is None:
            return ()
        carriers = self.members.of(group_id)
        return tuple(dict.fromkeys(m.label for m in carriers if m.kind not in OWN[role]))

    @property
    def knows_interfaces(self) -> bool:
        """Whether Lambda functions, ECS tasks and other interfaces are among the known members."""
        return self.members is not None and self.members.knows_interfaces


def to_database(members: GroupMembers | None, *, may_attach: bool = True) -> NetworkFixContext:
    """The context of paths from the app to its database."""
    return NetworkFixContext(members, EndpointRole.APP, EndpointRole.DATABASE, may_attach)


def to_app(members: GroupMembers | None) -> NetworkFixContext:
    """The context of paths from the load balancer to the app."""
    return NetworkFixContext(members, EndpointRole.LOAD_BALANCER, EndpointRole.APP)


def to_vpc_endpoint(members: GroupMembers | None) -> NetworkFixContext:
    """The context of paths from the app to an interface endpoint."""
    return NetworkFixContext(members, EndpointRole.APP, EndpointRole.VPC_ENDPOINT, may_attach=False)
