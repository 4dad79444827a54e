"""Inputs for building network fixes: what the two ends of a path are, and who carries which group."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from opskit.reachability.group_members import GroupMembers, MemberKind
from opskit.reachability.path import CheckpointKind, Path, PathEndpoint


class EndpointRole(Enum):
    """What an end of a path is."""

    APP = auto()
    DATABASE = auto()
    LOAD_BALANCER = auto()


OWN = {
    EndpointRole.APP: {MemberKind.APP, MemberKind.SIBLING},
    EndpointRole.DATABASE: {MemberKind.DATABASE},
    EndpointRole.LOAD_BALANCER: {MemberKind.LOAD_BALANCER},
}
"""Role -> members of its groups that a rule for it is meant for."""
DEFAULT_GROUP = "default"
"""The group of a VPC that everything carries for which no other was chosen."""


@dataclass(frozen=True, slots=True)
class NetworkFixContext:
    """What builders know besides the network.

    Attributes:
        members: None where it is not known who carries which group: then nothing is claimed of it.
        source, destination: what the ends of the paths are.
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
        found = self.members.of(group_id)
        return tuple(dict.fromkeys(m.label for m in found if m.kind not in OWN[role]))


def to_database(members: GroupMembers | None, *, may_attach: bool = True) -> NetworkFixContext:
    """The context of paths from the app to its database."""
    return NetworkFixContext(members, EndpointRole.APP, EndpointRole.DATABASE, may_attach)


def to_app(members: GroupMembers | None) -> NetworkFixContext:
    """The context of paths from the load balancer to the app."""
    return NetworkFixContext(members, EndpointRole.LOAD_BALANCER, EndpointRole.APP)
