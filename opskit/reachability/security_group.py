"""Evaluates security groups for a connection.

Source: Amazon VPC User Guide, security group rules: the rules of all groups of an interface are
joined, there are only allow rules, replies need no rule, and a group as peer means the private
addresses of the interfaces with that group.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from opskit.facts.security_groups import IpPermission, SecurityGroup
from opskit.reachability.addresses import holds


class IngressMismatch(Enum):
    """The mismatch between the rules and a peer on a port."""

    NO_RULE = auto()
    OTHER_GROUP = auto()
    OTHER_PORT = auto()
    OTHER_ADDRESS = auto()


@dataclass(frozen=True, slots=True)
class GroupDecision:
    """The decision of security groups on a connection.

    Attributes:
        admitted_by: the allowing rule, its group, and the rule's name for the peer.
        mismatch: why no rule allows it; None when one does, or when that is not known.
        unread: the prefix lists on which it depends, where those could not be read.
        uncertain_references: the groups on which it depends if references to them apply.
    """

    admitted_by: tuple[SecurityGroup, IpPermission, str] | None = None
    mismatch: IngressMismatch | None = None
    unread: tuple[str, ...] = ()
    uncertain_references: tuple[str, ...] = ()


def evaluate_groups(
    groups: Iterable[SecurityGroup],
    *,
    is_egress: bool,
    peer: str,
    peer_groups: Iterable[str],
    port: int,
    lists: Mapping[str, tuple[str, ...]],
    doubtful_groups: Iterable[str] = (),
) -> GroupDecision:
    """Judge TCP to `port` between the groups' interface and a peer.

    Args:
        peer: its private address.
        peer_groups: the groups by which rules can reference it; none where references do not apply.
        lists: address ranges by prefix list; a missing one could not be read.
        doubtful_groups: groups by which rules reference it if references apply, which is not known.
    """
    carried, doubtful = frozenset(peer_groups), frozenset(doubtful_groups)
    unread: set[str] = set()
    uncertain: set[str] = set()
    own = tuple(groups)
    for group in own:
        for rule in group.egress if is_egress else group.ingress:
            if rule.covers(port):
                named, depends = _named(rule, peer, carried, lists)
                if named:
                    return GroupDecision((group, rule, named))
                unread |= depends
                uncertain |= doubtful.intersection(rule.group_ids)
    if unread or uncertain:
        return GroupDecision(
            unread=tuple(sorted(unread)), uncertain_references=tuple(sorted(uncertain))
        )
    rules = [r for g in own for r in (g.egress if is_egress else g.ingress)]
    return GroupDecision(mismatch=_miss(rules, peer, carried, lists, port))


def _named(
    rule: IpPermission, peer: str, carried: frozenset[str], lists: Mapping[str, tuple[str, ...]]
) -> tuple[str, set[str]]:
    """The rule's name for the peer, and the unread prefix lists that could still contain the peer."""
    for group in rule.group_ids:
        if group in carried:
            return group, set()
    for cidr in rule.cidrs:
        if holds(cidr, peer):
            return cidr, set()
    unread = set()
    for prefix_list in rule.prefix_list_ids:
        if prefix_list not in lists:
            unread.add(prefix_list)
        elif any(holds(cidr, peer) for cidr in lists[prefix_list]):
            return prefix_list, set()
    return "", unread


def _miss(
    rules: list[IpPermission],
    peer: str,
    carried: frozenset[str],
    lists: Mapping[str, tuple[str, ...]],
    port: int,
) -> IngressMismatch:
    names_peer = [r for r in rules if r.is_tcp and _named(r, peer, carried, lists)[0]]
    if names_peer:
        return IngressMismatch.OTHER_PORT
    covering = [r for r in rules if r.covers(port)]
    if any(r.group_ids for r in covering):
        return IngressMismatch.OTHER_GROUP
    return IngressMismatch.OTHER_ADDRESS if covering else IngressMismatch.NO_RULE
