"""Effects of calls that change security group rules, or the groups of the app's interface."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from opskit.checks.fix_effects.state import CallRejected, Effects, State
from opskit.facts.instances import Instances
from opskit.facts.interface import Known
from opskit.facts.security_groups import IpPermission, SecurityGroups, permission_of
from opskit.workload.interface import Workload


def _change_rules(
    state: State, arguments: Mapping[str, Any], *, is_egress: bool, adds: bool
) -> None:
    groups: SecurityGroups = state.value(SecurityGroups)
    group = groups.by_id.get(arguments["GroupId"])
    if group is None:
        raise CallRejected(f"security group {arguments['GroupId']} was not read")
    rules = group.egress if is_egress else group.ingress
    for raw in arguments["IpPermissions"]:
        rule = permission_of(raw)
        if adds and any(_holds_all(old, rule) for old in rules):
            raise CallRejected(f"{group.label} has that rule already")
        rules = (*rules, rule) if adds else _revoked(rules, rule)
    changed = replace(group, egress=rules) if is_egress else replace(group, ingress=rules)
    state.set(SecurityGroups({**groups.by_id, group.group_id: changed}))


def _holds_all(old: IpPermission, new: IpPermission) -> bool:
    """Whether an entry contains every peer of another for the same ports."""
    same = (old.protocol, old.from_port, old.to_port) == (new.protocol, new.from_port, new.to_port)
    return same and all(
        set(mine) <= set(theirs)
        for mine, theirs in (
            (new.group_ids, old.group_ids),
            (new.cidrs, old.cidrs),
            (new.prefix_list_ids, old.prefix_list_ids),
        )
    )


def _revoked(rules: tuple[IpPermission, ...], gone: IpPermission) -> tuple[IpPermission, ...]:
    if not any(_holds_all(rule, gone) for rule in rules):
        raise CallRejected("there is no such rule to revoke")
    kept = []
    for rule in rules:
        if _holds_all(rule, gone):
            rule = replace(
                rule,
                group_ids=tuple(g for g in rule.group_ids if g not in gone.group_ids),
                cidrs=tuple(c for c in rule.cidrs if c not in gone.cidrs),
                prefix_list_ids=tuple(
                    p for p in rule.prefix_list_ids if p not in gone.prefix_list_ids
                ),
            )
        if rule.group_ids or rule.cidrs or rule.prefix_list_ids:
            kept.append(rule)
    return tuple(kept)


def _authorize_ingress(state: State, arguments: Mapping[str, Any]) -> None:
    _change_rules(state, arguments, is_egress=False, adds=True)


def _authorize_egress(state: State, arguments: Mapping[str, Any]) -> None:
    _change_rules(state, arguments, is_egress=True, adds=True)


def _revoke_ingress(state: State, arguments: Mapping[str, Any]) -> None:
    _change_rules(state, arguments, is_egress=False, adds=False)


def _revoke_egress(state: State, arguments: Mapping[str, Any]) -> None:
    _change_rules(state, arguments, is_egress=True, adds=False)


MOST_GROUPS = 5
"""Security groups per network interface (Amazon VPC User Guide, quotas)."""


def _set_interface_groups(state: State, arguments: Mapping[str, Any]) -> None:
    app: Workload = state.value(Workload)
    wanted, groups = arguments["NetworkInterfaceId"], tuple(arguments["Groups"])
    if wanted not in {i.interface_id for i in app.interfaces}:
        raise CallRejected(f"{wanted} is no interface of {app.label}")
    refuse_groups(state, groups, app.vpc_id)
    changed = app.with_groups(wanted, groups)
    state.set(changed)
    listed = state.facts.get(Instances)
    if isinstance(listed, Known):
        rows = tuple(
            replace(i, interfaces=changed.interfaces, group_ids=changed.group_ids)
            if i.instance_id == app.identifier
            else i
            for i in listed.value.all
        )
        state.set(Instances(rows))


def refuse_groups(state: State, group_ids: tuple[str, ...], vpc_id: str) -> None:
    """Reject groups that an interface in a VPC cannot have."""
    known: SecurityGroups = state.value(SecurityGroups)
    if not 1 <= len(group_ids) <= MOST_GROUPS:
        raise CallRejected(f"an interface carries one to {MOST_GROUPS} security groups")
    for group in (known.by_id[g] for g in group_ids if g in known.by_id):
        if group.vpc_id != vpc_id:
            raise CallRejected(f"{group.label} belongs to {group.vpc_id}, not to {vpc_id}")


EFFECTS: Effects = {
    ("ec2", "AuthorizeSecurityGroupEgress"): _authorize_egress,
    ("ec2", "AuthorizeSecurityGroupIngress"): _authorize_ingress,
    ("ec2", "ModifyNetworkInterfaceAttribute"): _set_interface_groups,
    ("ec2", "RevokeSecurityGroupEgress"): _revoke_egress,
    ("ec2", "RevokeSecurityGroupIngress"): _revoke_ingress,
}
