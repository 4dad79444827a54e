"""Plans the smallest changes that open paths, each on the state after the changes before it.

Two changes planned on the same state may contradict each other, such as two ACL entries under one
number, so every change is planned on the network as the earlier ones leave it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from opskit.checks.fix import Advice, Danger, Fix, Remedy
from opskit.checks.fix_effects import CallRejected, apply_to
from opskit.checks.network import acl_fixes, group_fixes, route_fixes
from opskit.checks.network.fix_context import EndpointRole, NetworkFixContext
from opskit.commands import AwsCall
from opskit.facts.routes import RouteTables
from opskit.facts.security_groups import SecurityGroups
from opskit.facts.subnets import NetworkAcls
from opskit.reachability.path import Checkpoint, CheckpointKind, Network, Path, PathEndpoint, trace

GROUPS = (CheckpointKind.EGRESS, CheckpointKind.INGRESS)
ACLS = (
    CheckpointKind.ACL_OUT,
    CheckpointKind.ACL_IN,
    CheckpointKind.REPLY_ACL_OUT,
    CheckpointKind.REPLY_ACL_IN,
)
ROUTES = (CheckpointKind.ROUTE, CheckpointKind.REPLY_ROUTE)
MOST_STEPS = 16
"""Changes for one path at most: it has eight checkpoints, and a table may have several dead routes."""

ATTACHING = {
    "ModifyNetworkInterfaceAttribute": (EndpointRole.APP, "Groups"),
    "ModifyDBInstance": (EndpointRole.DATABASE, "VpcSecurityGroupIds"),
}
"""Operation -> the role whose groups it sets, and the parameter that holds them."""

Select = Callable[[Path], Sequence[Checkpoint]]
"""The checkpoints of a path that a fix has to open."""


def open_paths(
    context: NetworkFixContext, network: Network, paths: Iterable[Path], select: Select
) -> Remedy:
    """Plan one fix that opens the selected checkpoints of all paths; advice where none is offered."""
    plan = _Plan(context, network)
    for path in paths:
        try:
            advice = plan.open(path, select)
        except CallRejected as refusal:
            advice = Advice(f"No command is offered: AWS would not accept it: {refusal}.")
        if advice is not None:
            return advice
    return combine(plan.fixes)


class _Plan:
    """The changes so far, and the network after them."""

    def __init__(self, context: NetworkFixContext, network: Network) -> None:
        self.fixes: list[Fix] = []
        self._context = context
        self._network = network
        self._carried: dict[EndpointRole, tuple[str, ...]] = {}

    def open(self, path: Path, select: Select) -> Advice | None:
        """Plan changes until no selected checkpoint is left.

        Returns:
            Advice where a change is not offered.
        """
        for _ in range(MOST_STEPS):
            now = self._judge(path)
            broken = select(now)
            if not broken:
                return None
            remedy = self._change(now, broken[0])
            if isinstance(remedy, Advice):
                return remedy
            self._add(remedy)
        location, rule = broken[0].location, broken[0].decided_by
        return Advice(
            f"No command is offered: more than one rule stands in the way at {location}: {rule}."
        )

    def _judge(self, path: Path) -> Path:
        source = self._end(path.source, self._context.source)
        destination = self._end(path.destination, self._context.destination)
        return trace(self._network, source, destination, path.port, path.client_ports)

    def _end(self, end: PathEndpoint, role: EndpointRole) -> PathEndpoint:
        return replace(end, group_ids=self._carried.get(role, end.group_ids))

    def _change(self, path: Path, broken: Checkpoint) -> Remedy:
        if broken.kind in GROUPS:
            return group_fixes.allow(self._context, self._network, path, broken)
        if broken.kind in ACLS:
            return acl_fixes.allow(self._network, path, broken)
        return route_fixes.lead(self._network, path, broken)

    def _add(self, fix: Fix) -> None:
        self.fixes.append(fix)
        attached = _attached(fix)
        self._carried |= attached
        if not attached:
            self._network = after(self._network, fix)


def _attached(fix: Fix) -> dict[EndpointRole, tuple[str, ...]]:
    """The groups of each end that a fix changes, after the fix."""
    calls = [c for c in fix.commands if isinstance(c, AwsCall)]
    return {
        ATTACHING[c.operation][0]: tuple(c.parameters[ATTACHING[c.operation][1]])
        for c in calls
        if c.operation in ATTACHING
    }


def after(network: Network, fix: Fix) -> Network:
    """The network after the calls of a fix that changes rules, entries or routes.

    Raises:
        CallRejected: AWS would refuse one of them.
    """
    values = [v for v in (network.groups, network.acls, network.tables) if v is not None]
    calls = [c for c in fix.commands if isinstance(c, AwsCall)]
    changed = apply_to(values, calls)
    return replace(
        network,
        groups=changed[SecurityGroups],
        acls=changed.get(NetworkAcls),
        tables=changed.get(RouteTables),
    )


def combine(fixes: Sequence[Fix]) -> Fix:
    """Several changes as one fix, undone in the reverse order or not at all."""
    lasting = next((f.no_undo for f in fixes if not f.undo), "")
    undo = tuple(c for f in reversed(fixes) for c in f.undo)
    return Fix(
        tuple(c for f in fixes for c in f.commands),
        undo=() if lasting else undo,
        no_undo=lasting,
        dangers=tuple(d for d in Danger if any(d in f.dangers for f in fixes)),
        ask="; ".join(dict.fromkeys(f.ask for f in fixes if f.ask)),
        caution=" ".join(dict.fromkeys(f.caution for f in fixes if f.caution)),
    )
