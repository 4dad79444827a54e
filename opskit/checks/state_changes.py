"""Describes the differences between two snapshots, from which a fix's label is made."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from opskit.checks.fix import Change
from opskit.facts.agent import SsmAgent
from opskit.facts.database import Database
from opskit.facts.key import Key
from opskit.facts.key_policy import KeyPolicy
from opskit.facts.operator_policies import OperatorPolicies
from opskit.facts.policies import PolicyText, RolePolicies
from opskit.facts.private_zones import PrivateZones
from opskit.facts.rds import DbInstance
from opskit.facts.routes import RouteTables
from opskit.facts.security_groups import IpPermission, SecurityGroups
from opskit.facts.snapshot import Snapshot
from opskit.facts.stored_credential import StoredCredential
from opskit.facts.subnets import AclEntry, NetworkAcls
from opskit.facts.vpc import VpcDns
from opskit.facts.vpc_endpoints import VpcEndpoints
from opskit.workload.ec2_instance import Ec2InstanceWorkload
from opskit.workload.interface import Workload, WorkloadRole

T = TypeVar("T")
INSTANCE_FIELDS: dict[str, str] = {
    "status": "status",
    "is_public": "publicly accessible",
    "backup_days": "days that backups are kept",
    "allocated_gib": "allocated storage in GiB",
    "ca_identifier": "certificate authority",
    "parameter_groups": "parameter groups",
    "pending": "pending changes",
}
"""Fields of a DB instance that calls change -> their names for a reader."""


def describe_changes(before: Snapshot, after: Snapshot) -> tuple[Change, ...]:
    """Every difference in the state that AWS describes, in a fixed order."""
    changes: list[Change] = []
    for kind, compare in COMPARED.items():
        old: object = before.value(kind)
        new: object = after.value(kind)
        if old is not None and new is not None and old != new:
            groups = before.value(SecurityGroups)
            label = groups.label if groups is not None else str
            changes += compare(old, new, label)
    return tuple(changes)


def summary(changes: Iterable[Change]) -> str:
    """The changes counted by kind: "adds one rule, removes none"."""
    rows = list(changes)
    counts = [
        f"{verb} {_counted([c.kind for c in rows if is_meant(c)])}"
        for verb, is_meant in (
            ("adds", lambda c: not c.before),
            ("changes", lambda c: c.before and c.after),
            ("removes", lambda c: not c.after),
        )
        if any(is_meant(c) for c in rows)
    ]
    if all(c.after for c in rows):
        counts.append("removes none" if counts else "changes nothing that AWS describes")
    return ", ".join(counts)


def _counted(kinds: list[str]) -> str:
    """The number of changes of each kind: "one rule and 2 entries"."""
    return " and ".join(
        f"one {kind}" if kinds.count(kind) == 1 else f"{kinds.count(kind)} {_plural(kind)}"
        for kind in dict.fromkeys(kinds)
    )


def _plural(kind: str) -> str:
    return f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"


Label = Callable[[str], str]


def _pairs(old: Mapping[Any, T], new: Mapping[Any, T]) -> Iterator[tuple[Any, T | None, T | None]]:
    for key in {**old, **new}:
        if old.get(key) != new.get(key):
            yield key, old.get(key), new.get(key)


def _groups(old: SecurityGroups, new: SecurityGroups, label: Label) -> Iterator[Change]:
    for _, before, after in _pairs(old.by_id, new.by_id):
        if before is None or after is None:
            continue
        for paths in ("ingress", "egress"):
            mine = list(_single_rules(getattr(before, paths), label))
            theirs = list(_single_rules(getattr(after, paths), label))
            subject = f"{before.label} {paths} rule"
            yield from (Change(subject, "", r, "rule") for r in theirs if r not in mine)
            yield from (Change(subject, r, "", "rule") for r in mine if r not in theirs)


def _single_rules(rules: Iterable[IpPermission], label: Label) -> Iterator[str]:
    """Each peer of each entry separately, as the console shows rules."""
    for rule in rules:
        for peer in (*rule.group_ids, *rule.cidrs, *rule.prefix_list_ids):
            yield f"{rule.ports_words} {label(peer)}"


def _acls(old: NetworkAcls, new: NetworkAcls, _: Label) -> Iterator[Change]:
    for (acl, is_egress, number), before, after in _pairs(_entries(old), _entries(new)):
        direction = "outbound" if is_egress else "inbound"
        yield Change(f"{acl} {direction} entry {number}", before or "", after or "", "entry")


def _entries(acls: NetworkAcls) -> dict[tuple[str, bool, int], str]:
    """ACL, direction and number -> a description of the entry."""
    return {(a.label, e.is_egress, e.number): _entry(e) for a in acls.all for e in a.entries}


def _entry(entry: AclEntry) -> str:
    protocol = {"6": "tcp ", "17": "udp ", "-1": ""}.get(
        entry.protocol, f"protocol {entry.protocol} "
    )
    return f"{'allow' if entry.allows else 'deny'} {protocol}{entry.ports_words} {entry.cidr}"


def _tables(old: RouteTables, new: RouteTables, _: Label) -> Iterator[Change]:
    for (table, destination), before, after in _pairs(_targets(old), _targets(new)):
        yield Change(f"{table} route to {destination}", before or "", after or "", "route")
    mine = {s: t.label for t in old.all for s in t.subnet_ids}
    theirs = {s: t.label for t in new.all for s in t.subnet_ids}
    for subnet, before, after in _pairs(mine, theirs):
        yield Change(
            f"route table of {subnet}", before or "the main table", after or "the main table"
        )


def _targets(tables: RouteTables) -> dict[tuple[str, str], str]:
    """Table and destination -> the route's target."""
    return {
        (t.label, r.destination): r.target or "deleted target" for t in tables.all for r in t.routes
    }


def _app(old: Workload, new: Workload, label: Label) -> Iterator[Change]:
    if isinstance(old, Ec2InstanceWorkload) and isinstance(new, Ec2InstanceWorkload):
        states = old.instance.state, new.instance.state
        if states[0] != states[1]:
            yield Change(f"state of {old.label}", *states)
        limits = old.instance.metadata_hop_limit, new.instance.metadata_hop_limit
        if limits[0] != limits[1]:
            yield Change(f"metadata hop limit of {old.label}", str(limits[0]), str(limits[1]))
    before = {i.interface_id: i.group_ids for i in old.interfaces}
    after = {i.interface_id: i.group_ids for i in new.interfaces}
    for interface, old_groups, new_groups in _pairs(before, after):
        subject = f"security groups of {old.label}, {interface}"
        yield Change(subject, _labels(old_groups or (), label), _labels(new_groups or (), label))


def _labels(group_ids: Iterable[str], label: Label) -> str:
    return ", ".join(label(g) for g in group_ids)


def _database(old: Database, new: Database, label: Label) -> Iterator[Change]:
    yield from _instance(old.instance, new.instance, label)


def _instance(old: DbInstance, new: DbInstance, label: Label) -> Iterator[Change]:
    if old.identifier != new.identifier:
        return
    for field, field_label in INSTANCE_FIELDS.items():
        before, after = getattr(old, field), getattr(new, field)
        if before != after:
            yield Change(f"{old.identifier}, {field_label}", _plain(before), _plain(after))
    if old.security_group_ids != new.security_group_ids:
        subject = f"security groups of {old.identifier}"
        yield Change(
            subject, _labels(old.security_group_ids, label), _labels(new.security_group_ids, label)
        )


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(" ".join(v) if isinstance(v, tuple) else str(v) for v in value) or "none"
    return str(value)


def _role(old: RolePolicies, new: RolePolicies, _: Label) -> Iterator[Change]:
    yield from _policies(old.identity, new.identity)
    if old.boundary and new.boundary:
        yield from _policies((old.boundary,), (new.boundary,))


def _operator(old: OperatorPolicies, new: OperatorPolicies, _: Label) -> Iterator[Change]:
    yield from _policies(old.identity, new.identity)


def _policies(old: Iterable[PolicyText], new: Iterable[PolicyText]) -> Iterator[Change]:
    before = {(p.arn, p.holder, p.name): p for p in old}
    after = {(p.arn, p.holder, p.name): p for p in new}
    for (arn, holder, name), old_policy, new_policy in _pairs(before, after):
        if old_policy and new_policy and old_policy.document == new_policy.document:
            continue
        subject = f"policy {arn}" if arn else f"inline policy {name} of {holder}"
        yield from _statements(
            subject,
            old_policy.document if old_policy else None,
            new_policy.document if new_policy else None,
        )


def _key_policy(old: KeyPolicy, new: KeyPolicy, _: Label) -> Iterator[Change]:
    yield from _statements("the key policy", old.document, new.document)


def _statements(
    subject: str, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None
) -> Iterator[Change]:
    before, after = _listed(old), _listed(new)
    for statement in after:
        if statement not in before:
            yield Change(f"{subject}, statement", "", statement, "statement")
    for statement in before:
        if statement not in after:
            yield Change(f"{subject}, statement", statement, "", "statement")


def _listed(document: Mapping[str, Any] | None) -> list[str]:
    if document is None:
        return []
    rows = document["Statement"]
    rows = list(rows) if isinstance(rows, (list, tuple)) else [rows]
    return [json.dumps(row, separators=(", ", ": "), sort_keys=False) for row in rows]


def _parameters(old: StoredCredential, new: StoredCredential, _: Label) -> Iterator[Change]:
    """Changed values in clear text, except the password's, which no snapshot holds."""
    before = {p.name: p.value or f"version {p.version}" for p in old.existing}
    after = {p.name: p.value or f"version {p.version}" for p in new.existing}
    for name, old_parameter, new_parameter in _pairs(before, after):
        yield Change(name, old_parameter or "", new_parameter or "", "parameter")


def _key(old: Key, new: Key, _: Label) -> Iterator[Change]:
    yield Change(f"state of key {old.named_as} ({old.key_id})", old.state, new.state)


def _vpc_dns(old: VpcDns, new: VpcDns, _: Label) -> Iterator[Change]:
    for field, attribute in (
        ("is_supported", "enableDnsSupport"),
        ("gives_hostnames", "enableDnsHostnames"),
    ):
        before, after = getattr(old, field), getattr(new, field)
        if before != after:
            yield Change(f"{attribute} of the VPC", _plain(before), _plain(after))


def _endpoints(old: VpcEndpoints, new: VpcEndpoints, _: Label) -> Iterator[Change]:
    before = {e.endpoint_id: e for e in old.all}
    after = {e.endpoint_id: e for e in new.all}
    for _, old_endpoint, new_endpoint in _pairs(before, after):
        endpoint = new_endpoint or old_endpoint
        if endpoint is None:
            continue
        subject = f"private DNS of {endpoint.label}"
        if old_endpoint is None or new_endpoint is None:
            subject, kind = f"endpoint for {endpoint.service}", "endpoint"
            states = ("", endpoint.vpc_id) if old_endpoint is None else (endpoint.vpc_id, "")
            yield Change(subject, *states, kind)
        else:
            states = _plain(old_endpoint.has_private_dns), _plain(new_endpoint.has_private_dns)
            yield Change(subject, *states)


def _zones(old: PrivateZones, new: PrivateZones, _: Label) -> Iterator[Change]:
    for zone in old.covering:
        if zone not in new.covering:
            yield Change(
                f"private zone {zone.name} ({zone.zone_id}) in {old.vpc_id}", "answers", ""
            )


def _profile(old: WorkloadRole, new: WorkloadRole, _: Label) -> Iterator[Change]:
    if old.profile_name != new.profile_name:
        yield Change("instance profile", old.profile_name or "", new.profile_name or "")


def _agent(old: SsmAgent, _: SsmAgent, __: Label) -> Iterator[Change]:
    yield Change("the Systems Manager agent", f"version {old.version}", "the latest version")


COMPARED: dict[type[Any], Callable[[Any, Any, Label], Iterator[Change]]] = {
    StoredCredential: _parameters,
    RolePolicies: _role,
    OperatorPolicies: _operator,
    Key: _key,
    KeyPolicy: _key_policy,
    WorkloadRole: _profile,
    Database: _database,
    Workload: _app,
    SecurityGroups: _groups,
    NetworkAcls: _acls,
    RouteTables: _tables,
    VpcDns: _vpc_dns,
    PrivateZones: _zones,
    VpcEndpoints: _endpoints,
    SsmAgent: _agent,
}
"""Facts that calls change -> the function that compares two of them."""
