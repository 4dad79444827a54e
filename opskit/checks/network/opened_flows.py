"""Lists every flow that attaching a security group opens besides the wanted one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from opskit.facts.security_groups import IpPermission, SecurityGroup, SecurityGroups
from opskit.reachability.difference import rule_changes
from opskit.reachability.path import Path, PathEndpoint

ITSELF = "itself"
"""The interface itself, in rules that reference it by one of its groups."""


def opened_by(groups: SecurityGroups, path: Path, end: PathEndpoint, added: SecurityGroup) -> str:
    """The newly opened flows in one sentence; empty when only the wanted one is."""
    rows = (*_by_its_rules(groups, path, end, added), *_by_its_name(groups, path, end, added))
    return f"Opens besides: {'; '.join(dict.fromkeys(rows))}." if rows else ""


def _other(path: Path, end: PathEndpoint) -> PathEndpoint:
    return path.destination if end is path.source else path.source


def _by_its_rules(
    groups: SecurityGroups, path: Path, end: PathEndpoint, added: SecurityGroup
) -> Iterator[str]:
    """The flows that the group's own rules allow in and out."""
    carried = [groups.by_id[g] for g in end.group_ids if g in groups.by_id]
    for direction, preposition in (("ingress", "in, from"), ("egress", "out, to")):
        is_asked = (direction == "egress") is (end is path.source)
        present = [rule for g in carried for rule in getattr(g, direction)]
        for rule, peer in _single(getattr(added, direction)):
            is_wanted = is_asked and peer in _other(path, end).group_ids and _is_just(rule, path)
            if not is_wanted and rule_changes(present, [*present, rule]):
                yield f"{rule.ports_words} {preposition} {groups.label(peer)}"


def _by_its_name(
    groups: SecurityGroups, path: Path, end: PathEndpoint, added: SecurityGroup
) -> Iterator[str]:
    """The flows that other groups' rules allow because they reference the group."""
    for group in groups.by_id.values():
        for direction, preposition in (
            ("ingress", "out, to members of"),
            ("egress", "in, from members of"),
        ):
            rules: tuple[IpPermission, ...] = getattr(group, direction)
            present = list(_meaning(rules, end.group_ids))
            is_asked = (direction == "ingress") is (end is path.source)
            is_other = is_asked and group.group_id in _other(path, end).group_ids
            for rule in _meaning(rules, (added.group_id,)):
                is_wanted = is_other and _is_just(rule, path)
                if not is_wanted and rule_changes(present, [*present, rule]):
                    yield f"{rule.ports_words} {preposition} {group.label}"


def _meaning(rules: Iterable[IpPermission], group_ids: tuple[str, ...]) -> Iterator[IpPermission]:
    """The rules that reference an interface by one of its groups."""
    for rule in rules:
        if set(rule.group_ids) & set(group_ids):
            yield replace(rule, group_ids=(ITSELF,), cidrs=(), prefix_list_ids=())


def _single(rules: Iterable[IpPermission]) -> Iterator[tuple[IpPermission, str]]:
    """Each peer of each rule separately."""
    for rule in rules:
        alone = replace(rule, group_ids=(), cidrs=(), prefix_list_ids=())
        for group in rule.group_ids:
            yield replace(alone, group_ids=(group,)), group
        for cidr in rule.cidrs:
            yield replace(alone, cidrs=(cidr,)), cidr
        for prefix_list in rule.prefix_list_ids:
            yield replace(alone, prefix_list_ids=(prefix_list,)), prefix_list


def _is_just(rule: IpPermission, path: Path) -> bool:
    """Whether a rule is only for TCP on the path's port."""
    return rule.is_tcp and rule.from_port == rule.to_port == path.port
