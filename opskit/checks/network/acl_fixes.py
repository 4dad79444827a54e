"""Plans network ACL entries that allow a path, and compares the ACL before and after exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from opskit.checks.fix import Advice, Danger, Fix, Remedy
from opskit.checks.fix_commands import call
from opskit.checks.fix_effects import apply_to
from opskit.commands import AwsCall
from opskit.facts.subnets import AclEntry, NetworkAcl, NetworkAcls
from opskit.reachability.addresses import PortRange, holds, prefix_length
from opskit.reachability.difference import AclChange, acl_changes
from opskit.reachability.network_acl import FINAL_DENY
from opskit.reachability.path import Checkpoint, CheckpointKind, Network, Path, PathEndpoint

ADVISED = (1024, 65535)
"""Client ports of every system: NAT gateways, load balancers and others use the whole range."""
FIRST_NUMBER, STEP = 100, 10
"""The console's numbering of entries."""


@dataclass(frozen=True, slots=True)
class _Need:
    """The traffic to allow: TCP of one direction between a range and some ports."""

    acl: NetworkAcl
    is_egress: bool
    cidr: str
    ports: PortRange
    denies: tuple[AclEntry, ...]

    @property
    def used(self) -> set[int]:
        """The numbers of the direction's entries."""
        return {e.number for e in self.acl.entries if e.is_egress is self.is_egress}

    def covers(self, change: AclChange) -> bool:
        """Whether a change opens only the needed traffic."""
        return change.is_within(is_egress=self.is_egress, cidr=self.cidr, ports=self.ports)


def allow(network: Network, path: Path, broken: Checkpoint) -> Remedy:
    """Add an allow entry before the entry that denies, or after all others where none does."""
    acls = network.acls.all if network.acls else ()
    acl = next((a for a in acls if a.acl_id in broken.ids), None)
    if acl is None:
        return Advice(f"No command is offered: {broken.location} was not read.")
    need = _need(acl, path, broken)
    fix = _fix(need)
    if fix is None:
        return _no_room(need)
    changes = acl_changes(acl, _after(acl, fix))
    if not all(need.covers(c) for c in changes):
        return _no_room(need)
    return _labelled(fix, need, path, changes)


def _need(acl: NetworkAcl, path: Path, broken: Checkpoint) -> _Need:
    is_egress = broken.kind in (CheckpointKind.ACL_OUT, CheckpointKind.REPLY_ACL_OUT)
    is_reply = broken.kind in (CheckpointKind.REPLY_ACL_OUT, CheckpointKind.REPLY_ACL_IN)
    # Out of the source's subnet and back into it the peer is the destination, else the source.
    peer = path.destination if is_egress is not is_reply else path.source
    denies = tuple(
        dict.fromkeys(p.entry for p in broken.dropped if p.entry and p.is_denied_by_entry)
    )
    needed = path.client_ports if is_reply else (path.port, path.port)
    cidr = range_of(peer)
    if denies:
        # A deny that a user wrote is lifted only as far as the connection needs.
        cidr = max((cidr, *(d.cidr for d in denies)), key=prefix_length)
    elif is_reply:
        needed = min(needed[0], ADVISED[0]), max(needed[1], ADVISED[1])
    return _Need(acl, is_egress, cidr, needed, denies)


def range_of(peer: PathEndpoint) -> str:
    """The peer's whole subnet: its interface may get another address in it."""
    ranges = (peer.subnet.cidr, *peer.subnet.ipv6_cidrs) if peer.subnet else ()
    alone = f"{peer.address}/{128 if ':' in peer.address else 32}"
    return next((c for c in ranges if holds(c, peer.address)), alone)


def _fix(need: _Need) -> Fix | None:
    """The commands that allow the needed traffic; None where no entry number is free."""
    if not need.denies:
        number = _free_after(need.used)
        return _create(need, number) if number else None
    lowest = min(d.number for d in need.denies)
    number = next((n for n in range(lowest - 1, 0, -1) if n not in need.used), 0)
    return _create(need, number) if number else _make_room(need, lowest)


def _free_after(used: set[int]) -> int:
    """A free number after all used ones, in the console's steps; 0 where none is free."""
    highest = max((n for n in used if n < FINAL_DENY), default=FIRST_NUMBER - STEP)
    wished = min(highest + STEP, FINAL_DENY - 1)
    return wished if wished > highest else 0


def _create(need: _Need, number: int) -> Fix:
    location = _location(need, number)
    return Fix(
        (call("ec2", "CreateNetworkAclEntry", **location, **_allowing(need)),),
        undo=(call("ec2", "DeleteNetworkAclEntry", **location),),
    )


def _make_room(need: _Need, lowest: int) -> Fix | None:
    """Move the first deny to the next free number, and replace it by the allow."""
    deny = next(d for d in need.denies if d.number == lowest)
    number = next((n for n in range(lowest + 1, FINAL_DENY) if n not in need.used), 0)
    if not number:
        return None
    here, target = _location(need, lowest), _location(need, number)
    return Fix(
        (
            call("ec2", "CreateNetworkAclEntry", **target, **_as_written(deny)),
            call("ec2", "ReplaceNetworkAclEntry", **here, **_allowing(need)),
        ),
        undo=(
            call("ec2", "ReplaceNetworkAclEntry", **here, **_as_written(deny)),
            call("ec2", "DeleteNetworkAclEntry", **target),
        ),
    )


def _location(need: _Need, number: int) -> dict[str, Any]:
    return {"NetworkAclId": need.acl.acl_id, "Egress": need.is_egress, "RuleNumber": number}


def _allowing(need: _Need) -> dict[str, Any]:
    entry = AclEntry(0, need.is_egress, True, "6", need.cidr, need.ports)
    return _as_written(entry)


def _as_written(entry: AclEntry) -> dict[str, Any]:
    """An entry's content as API parameters."""
    ports = {"PortRange": {"From": entry.ports[0], "To": entry.ports[1]}} if entry.ports else {}
    field = "Ipv6CidrBlock" if ":" in entry.cidr else "CidrBlock"
    verb = "allow" if entry.allows else "deny"
    return {"Protocol": entry.protocol, **ports, field: entry.cidr, "RuleAction": verb}


def _after(acl: NetworkAcl, fix: Fix) -> NetworkAcl:
    calls = [c for c in fix.commands if isinstance(c, AwsCall)]
    changed: NetworkAcls = apply_to([NetworkAcls((acl,))], calls)[NetworkAcls]
    return changed.all[0]


def _labelled(fix: Fix, need: _Need, path: Path, changes: tuple[AclChange, ...]) -> Fix:
    """The fix with the denies that it lifts and the other traffic that it affects."""
    lifted = dict.fromkeys(
        c.old for c in changes if c.old is not None and c.old.number < FINAL_DENY
    )
    ask = ""
    if lifted:
        entries = " and ".join(_words(entry) for entry in lifted)
        ask = f"Ask the owner of {need.acl.label} before: {entries} may have been written against an attack"
    ends = (path.source.subnet, path.destination.subnet)
    own = {s.subnet_id for s in ends if s is not None}
    others = [s for s in need.acl.subnet_ids if s not in own]
    caution = f"{need.acl.label} applies to {', '.join(others)} too." if others else ""
    dangers = (Danger.GUARDRAIL,) if lifted else ()
    return Fix(fix.commands, undo=fix.undo, dangers=dangers, ask=ask, caution=caution)


def _words(entry: AclEntry) -> str:
    """An entry by its number, range and ports."""
    end = "to" if entry.is_egress else "from"
    return f"entry {entry.number} (deny {entry.ports_words} {end} {entry.cidr})"


def _no_room(need: _Need) -> Advice:
    """Advice where no number before the deny is free and the deny cannot be moved without effect."""
    end = "to" if need.is_egress else "from"
    ports = f"{need.ports[0]}-{need.ports[1]}"
    if need.denies:
        why = f"before {_words(need.denies[0])} without changing what other packets meet"
    else:
        why = "after the other entries"
    return Advice(
        f"No command is offered: {need.acl.label} has no free number {why}. Renumber its entries, then "
        f"allow tcp {ports} {end} {need.cidr}."
    )
