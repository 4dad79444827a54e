"""The snapshot as it would be after AWS calls: what a fix is judged on before it is shown.

Only the state that AWS describes is changed. What was observed before (connections, reads, logins, the
app's health) says nothing about the state afterwards, so it is dropped where a call may change it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from opskit.checks.derived import derive_all
from opskit.checks.fix import AwsCall, Command, OpskitCommand
from opskit.config import Target
from opskit.facts import database as databases
from opskit.facts.agent import Agent
from opskit.facts.app_instance import AppInstance
from opskit.facts.certificate import Certificate
from opskit.facts.database import Database
from opskit.facts.dns import Host, OperatorDns, choose_host
from opskit.facts.instance_role import InstanceRole
from opskit.facts.instances import Instances
from opskit.facts.interface import Fact, Known, Unknown
from opskit.facts.key import Key
from opskit.facts.key_policy import KeyPolicy
from opskit.facts.login import ClientLogin, Login
from opskit.facts.operator_policies import OperatorPolicies
from opskit.facts.operator_simulation import OperatorSimulation
from opskit.facts.parameters import Parameter, Parameters, rewritten
from opskit.facts.policies import PolicyText, RolePolicies
from opskit.facts.private_zones import PrivateZones
from opskit.facts.probe import InstanceProbe
from opskit.facts.rds import DbClusters, DbInstance, DbInstances
from opskit.facts.routes import Route, RouteTable, RouteTables
from opskit.facts.security_groups import Permission, SecurityGroups, permission_of
from opskit.facts.simulation import Simulation
from opskit.facts.snapshot import Snapshot
from opskit.facts.subnets import AclEntry, NetworkAcl, NetworkAcls
from opskit.facts.target_health import TargetHealths
from opskit.facts.value_form import SOUND
from opskit.facts.vpc import VpcDns

Facts = dict[type, Fact[Any]]
REPAIR = ("rotate-password", "repair")
STALE = Unknown("it was observed before the change", ("a new diagnosis",))


class Refused(Exception):
    """AWS would refuse the call in this state, or the state that it changes is not known."""


@dataclass(frozen=True, slots=True)
class State:
    """Facts that calls change; `origin` is the snapshot that an undo leads back to."""

    facts: Facts
    origin: Snapshot | None = None

    def value(self, kind: type) -> Any:
        """A fact's value.

        Raises:
            Refused: it was not read.
        """
        fact = self.facts.get(kind)
        if not isinstance(fact, Known):
            raise Refused(f"{kind.__name__} was not read")
        return fact.value

    def set(self, value: Any) -> None:
        """Replace a fact that is known."""
        fact = self.facts[type(value)]
        assert isinstance(fact, Known)  # noqa: S101  its value has just been taken
        self.facts[type(value)] = replace(fact, value=value)


def apply(
    snapshot: Snapshot, commands: Iterable[Command], origin: Snapshot | None = None
) -> Snapshot:
    """The snapshot after the AWS calls among the commands, with everything that follows derived again.

    Args:
        origin: for an undo: the snapshot before the fix.

    Raises:
        Refused: AWS would refuse one of them, or what it changes was not read.
    """
    state = State(dict(snapshot.facts), origin)
    commands = tuple(commands)
    calls = [c for c in commands if isinstance(c, AwsCall)]
    if calls and any(isinstance(c, OpskitCommand) and c.words == REPAIR for c in commands):
        _repair_password(state)
    for call in calls:
        effect = EFFECTS.get((call.service, call.operation))
        if effect is None:
            raise Refused(f"the effect of {call.service}:{call.operation} is not modelled")
        effect(state, call.parameters)
    if calls:
        _drop_observations(state.facts, calls)
    return derive_all(Snapshot(state.facts, snapshot.calls, snapshot.rounds))


def apply_to(values: Iterable[object], calls: Iterable[AwsCall]) -> Mapping[type, Any]:
    """Some facts' values after AWS calls, by their types, without what would follow from them.

    Raises:
        Refused: as `apply`.
    """
    state = State({type(v): Known(v, "planned", datetime.now(UTC)) for v in values})
    for call in calls:
        EFFECTS[call.service, call.operation](state, call.parameters)
    return {kind: state.value(kind) for kind in state.facts}


def _drop_observations(facts: Facts, calls: list[AwsCall]) -> None:
    """Forget what was seen before: an old time-out is no evidence against a new rule."""
    services = {call.service for call in calls}
    for kind in (Login, ClientLogin, TargetHealths):
        if kind in facts:
            facts[kind] = STALE
    for simulated in (Simulation, OperatorSimulation):
        if simulated in facts and "iam" in services:
            facts[simulated] = STALE
    probe = facts.get(InstanceProbe)
    if not isinstance(probe, Known):
        return
    result = replace(probe.value.result, attempts=(), health=None)
    if services & {"iam", "kms", "ssm"}:
        result = replace(result, reads=())
    if services & {"ec2", "rds", "route53"}:
        result = replace(result, connections=())
    if any(_changes_dns(call) for call in calls):
        result = replace(result, resolutions=())
    facts[InstanceProbe] = replace(probe, value=replace(probe.value, result=result))


def _changes_dns(call: AwsCall) -> bool:
    """Whether names may resolve differently afterwards."""
    return (
        call.service == "route53"
        or call.operation == "ModifyVpcAttribute"
        or "PubliclyAccessible" in call.parameters
    )


# Security groups


def _change_rules(state: State, asked: Mapping[str, Any], *, is_egress: bool, adds: bool) -> None:
    groups: SecurityGroups = state.value(SecurityGroups)
    group = groups.by_id.get(asked["GroupId"])
    if group is None:
        raise Refused(f"security group {asked['GroupId']} was not read")
    rules = group.egress if is_egress else group.ingress
    for raw in asked["IpPermissions"]:
        rule = permission_of(raw)
        if adds and any(_holds_all(old, rule) for old in rules):
            raise Refused(f"{group.label} has that rule already")
        rules = (*rules, rule) if adds else _revoked(rules, rule)
    changed = replace(group, egress=rules) if is_egress else replace(group, ingress=rules)
    state.set(SecurityGroups({**groups.by_id, group.group_id: changed}))


def _holds_all(old: Permission, new: Permission) -> bool:
    """Whether an entry has every peer of another for the same ports."""
    same = (old.protocol, old.from_port, old.to_port) == (new.protocol, new.from_port, new.to_port)
    return same and all(
        set(mine) <= set(theirs)
        for mine, theirs in (
            (new.group_ids, old.group_ids),
            (new.cidrs, old.cidrs),
            (new.prefix_list_ids, old.prefix_list_ids),
        )
    )


def _revoked(rules: tuple[Permission, ...], gone: Permission) -> tuple[Permission, ...]:
    if not any(_holds_all(rule, gone) for rule in rules):
        raise Refused("there is no such rule to revoke")
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


def _authorize_ingress(state: State, asked: Mapping[str, Any]) -> None:
    _change_rules(state, asked, is_egress=False, adds=True)


def _authorize_egress(state: State, asked: Mapping[str, Any]) -> None:
    _change_rules(state, asked, is_egress=True, adds=True)


def _revoke_ingress(state: State, asked: Mapping[str, Any]) -> None:
    _change_rules(state, asked, is_egress=False, adds=False)


def _revoke_egress(state: State, asked: Mapping[str, Any]) -> None:
    _change_rules(state, asked, is_egress=True, adds=False)


MOST_GROUPS = 5
"""Security groups on one network interface (Amazon VPC User Guide, quotas)."""


def _set_interface_groups(state: State, asked: Mapping[str, Any]) -> None:
    app: AppInstance = state.value(AppInstance)
    wanted, groups = asked["NetworkInterfaceId"], tuple(asked["Groups"])
    if wanted not in {i.interface_id for i in app.instance.interfaces}:
        raise Refused(f"{wanted} is no interface of {app.instance.label}")
    _refuse_groups(state, groups, app.instance.vpc_id)
    interfaces = tuple(
        replace(i, group_ids=groups) if i.interface_id == wanted else i
        for i in app.instance.interfaces
    )
    carried = tuple(dict.fromkeys(g for i in interfaces for g in i.group_ids))
    instance = replace(app.instance, interfaces=interfaces, group_ids=carried)
    state.set(replace(app, instance=instance))
    listed = state.facts.get(Instances)
    if isinstance(listed, Known):
        same = instance.instance_id
        rows = tuple(instance if i.instance_id == same else i for i in listed.value.all)
        state.set(Instances(rows))


def _refuse_groups(state: State, group_ids: tuple[str, ...], vpc_id: str) -> None:
    """Refuse groups that an interface in a VPC cannot carry."""
    known: SecurityGroups = state.value(SecurityGroups)
    if not 1 <= len(group_ids) <= MOST_GROUPS:
        raise Refused(f"an interface carries one to {MOST_GROUPS} security groups")
    for group in (known.by_id[g] for g in group_ids if g in known.by_id):
        if group.vpc_id != vpc_id:
            raise Refused(f"{group.label} belongs to {group.vpc_id}, not to {vpc_id}")


# Network ACLs


def _change_entry(state: State, asked: Mapping[str, Any], *, must_exist: bool) -> None:
    acls: NetworkAcls = state.value(NetworkAcls)
    acl = _acl(acls, asked["NetworkAclId"])
    number, is_egress = int(asked["RuleNumber"]), bool(asked["Egress"])
    others = tuple(e for e in acl.entries if (e.number, e.is_egress) != (number, is_egress))
    if (len(others) < len(acl.entries)) is not must_exist:
        exists = "no entry" if must_exist else "an entry"
        raise Refused(f"{acl.label} has {exists} {number}")
    entries: tuple[AclEntry, ...] = others
    if "RuleAction" in asked:
        ports = asked.get("PortRange")
        made = AclEntry(
            number,
            is_egress,
            asked["RuleAction"] == "allow",
            str(asked["Protocol"]),
            asked.get("CidrBlock") or asked["Ipv6CidrBlock"],
            (ports["From"], ports["To"]) if ports else None,
        )
        entries = tuple(sorted((*others, made), key=lambda e: e.number))
    changed = replace(acl, entries=entries)
    state.set(NetworkAcls(tuple(changed if a is acl else a for a in acls.all)))


def _acl(acls: NetworkAcls, acl_id: str) -> NetworkAcl:
    found = next((a for a in acls.all if a.acl_id == acl_id), None)
    if found is None:
        raise Refused(f"network ACL {acl_id} was not read")
    return found


def _create_entry(state: State, asked: Mapping[str, Any]) -> None:
    _change_entry(state, asked, must_exist=False)


def _replace_entry(state: State, asked: Mapping[str, Any]) -> None:
    _change_entry(state, asked, must_exist=True)


# Routes


def _destination(asked: Mapping[str, Any]) -> str:
    names = ("DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId")
    return str(next(asked[name] for name in names if name in asked))


def _change_routes(
    state: State, asked: Mapping[str, Any], *, must_exist: bool, target: str
) -> None:
    tables: RouteTables = state.value(RouteTables)
    table = _table(tables, asked["RouteTableId"])
    destination = _destination(asked)
    # A route that was learnt stands beside a written one.
    others = tuple(r for r in table.routes if r.destination != destination or r.is_propagated)
    if (len(others) < len(table.routes)) is not must_exist:
        exists = "no route" if must_exist else "a route"
        raise Refused(f"{table.label} has {exists} to {destination}")
    made = (Route(destination, target, "active", False),) if target else ()
    changed = replace(table, routes=(*others, *made))
    state.set(RouteTables(tuple(changed if t is table else t for t in tables.all)))


def _table(tables: RouteTables, table_id: str) -> RouteTable:
    found = next((t for t in tables.all if t.table_id == table_id), None)
    if found is None:
        raise Refused(f"route table {table_id} was not read")
    return found


def _create_route(state: State, asked: Mapping[str, Any]) -> None:
    _change_routes(state, asked, must_exist=False, target=asked["VpcPeeringConnectionId"])


def _replace_route(state: State, asked: Mapping[str, Any]) -> None:
    _change_routes(state, asked, must_exist=True, target=asked["VpcPeeringConnectionId"])


def _delete_route(state: State, asked: Mapping[str, Any]) -> None:
    _change_routes(state, asked, must_exist=True, target="")


def _associate_table(state: State, asked: Mapping[str, Any]) -> None:
    tables: RouteTables = state.value(RouteTables)
    table, subnet = _table(tables, asked["RouteTableId"]), asked["SubnetId"]
    if any(subnet in t.subnet_ids for t in tables.all):
        raise Refused(f"{subnet} has a route table of its own")
    changed = replace(table, subnet_ids=(*table.subnet_ids, subnet))
    state.set(RouteTables(tuple(changed if t is table else t for t in tables.all)))


# Identity and keys


def _put_inline_policy(state: State, asked: Mapping[str, Any]) -> None:
    own, holder = _holder(state, asked)
    made = PolicyText(asked["PolicyName"], "", asked["PolicyDocument"], holder)
    same = [p for p in own.identity if (p.name, p.arn, p.holder) == (made.name, "", holder)]
    identity = tuple(made if p in same else p for p in own.identity)
    state.set(replace(own, identity=identity if same else (*identity, made)))


def _delete_inline_policy(state: State, asked: Mapping[str, Any]) -> None:
    own, holder = _holder(state, asked)
    gone = (asked["PolicyName"], "", holder)
    identity = tuple(p for p in own.identity if (p.name, p.arn, p.holder) != gone)
    if len(identity) == len(own.identity):
        raise Refused(f"{holder} has no inline policy {asked['PolicyName']}")
    state.set(replace(own, identity=identity))


def _holder(state: State, asked: Mapping[str, Any]) -> tuple[Any, str]:
    """Whose policies they are, the app's role's or the operator's, and how the holder is called."""
    role = state.facts.get(InstanceRole)
    name = asked.get("RoleName")
    if name and isinstance(role, Known) and role.value.role_name == name:
        return state.value(RolePolicies), f"role {name}"
    holder = f"role {name}" if name else f"user {asked['UserName']}"
    return state.value(OperatorPolicies), holder


def _create_policy_version(state: State, asked: Mapping[str, Any]) -> None:
    if asked.get("SetAsDefault"):
        _change_managed(state, asked["PolicyArn"], asked["PolicyDocument"], "next")


def _set_default_version(state: State, asked: Mapping[str, Any]) -> None:
    """Only the version that was in force before a fix is known by its content."""
    before = state.origin.value(RolePolicies) if state.origin else None
    policies = [*before.identity, before.boundary] if before else []
    policy = next((p for p in policies if p and p.arn == asked["PolicyArn"]), None)
    if policy is None or policy.version != asked["VersionId"]:
        raise Refused(f"version {asked['VersionId']} of {asked['PolicyArn']} was not read")
    _change_managed(state, policy.arn, policy.document, policy.version)


def _change_managed(state: State, arn: str, document: Mapping[str, Any], version: str) -> None:
    own: RolePolicies = state.value(RolePolicies)

    def changed(policy: PolicyText) -> PolicyText:
        return replace(policy, document=document, version=version) if policy.arn == arn else policy

    identity = tuple(changed(p) for p in own.identity)
    boundary = changed(own.boundary) if own.boundary else None
    if (identity, boundary) == (own.identity, own.boundary):
        raise Refused(f"{arn} is no policy of the role")
    state.set(replace(own, identity=identity, boundary=boundary))


def _put_key_policy(state: State, asked: Mapping[str, Any]) -> None:
    state.value(KeyPolicy)
    state.set(KeyPolicy(asked["Policy"]))


def _set_key_state(word: str) -> Callable[[State, Mapping[str, Any]], None]:
    def effect(state: State, _: Mapping[str, Any]) -> None:
        key: Key = state.value(Key)
        if word == "Enabled" and key.state == "PendingDeletion":
            raise Refused("a key that waits for its deletion cannot be enabled")
        state.set(replace(key, state=word, deleted_at=None))

    return effect


def _associate_profile(state: State, asked: Mapping[str, Any]) -> None:
    app: AppInstance = state.value(AppInstance)
    role: InstanceRole = state.value(InstanceRole)
    name = asked["IamInstanceProfile"]["Name"]
    if app.instance.profile_arn is not None:
        raise Refused(f"{app.instance.label} has a profile")
    if name not in role.candidates:
        raise Refused(f"profile {name} was not read")
    state.set(replace(app, instance=replace(app.instance, profile_arn=name)))
    # Which role the profile holds was read; here it only counts that it holds one.
    state.set(replace(role, profile_name=name, role_name=f"the role of {name}"))


# Parameters


def _put_parameter(state: State, asked: Mapping[str, Any]) -> None:
    known: Parameters = state.value(Parameters)
    name, value = asked["Name"], asked["Value"]
    exists = any(p.name == name for p in known.found)
    if exists and not asked.get("Overwrite"):
        raise Refused(f"{name} exists")
    absent = [purpose for purpose, missing in known.missing if missing == name]
    if not exists and not absent:
        raise Refused(f"{name} was not read")
    found = [rewritten(p, value) if p.name == name else p for p in known.found]
    found += [
        rewritten(Parameter(name, "", p, asked["Type"], 0, None, value, "", ()), value)
        for p in absent
    ]
    missing = tuple(row for row in known.missing if row[1] != name)
    parameters = replace(
        known, found=tuple(sorted(found, key=lambda p: p.purpose)), missing=missing
    )
    state.set(parameters)
    _choose_again(state)


def _repair_password(state: State) -> None:
    """What `opskit rotate-password repair` does where it succeeds: the parameter logs in afterwards."""
    known: Parameters = state.value(Parameters)
    absent = [name for purpose, name in known.missing if purpose == "password"]
    made = [Parameter(n, "", "password", "SecureString", 0, None, None, "", ()) for n in absent]
    found = [
        replace(p, version=p.version + 1, blemishes=(), form=SOUND)
        if p.purpose == "password"
        else p
        for p in (*known.found, *made)
    ]
    missing = tuple(row for row in known.missing if row[0] != "password")
    state.set(replace(known, found=tuple(sorted(found, key=lambda p: p.purpose)), missing=missing))


def _choose_again(state: State) -> None:
    """The database and the host that the changed parameters name."""
    facts = state.facts
    target, instances = facts.get(Target), facts.get(DbInstances)
    if isinstance(target, Known) and isinstance(instances, Known):
        clusters = facts.get(DbClusters, STALE)
        chosen = databases.choose(target.value, instances.value, clusters, facts[Parameters])
        state.set(chosen)
    host = choose_host(facts.get(Database, STALE), facts[Parameters])
    present = facts.get(Host)
    if isinstance(present, Known) and present.value != host:
        state.set(host)
        facts[OperatorDns] = STALE
        facts[Certificate] = STALE


# The database


def _modify_instance(state: State, asked: Mapping[str, Any]) -> None:
    changes: dict[str, Any] = {}
    if "PubliclyAccessible" in asked:
        changes["is_public"] = asked["PubliclyAccessible"]
    if "BackupRetentionPeriod" in asked:
        changes["backup_days"] = asked["BackupRetentionPeriod"]
    if "VpcSecurityGroupIds" in asked:
        groups = tuple(asked["VpcSecurityGroupIds"])
        _refuse_groups(state, groups, state.value(Database).instance.vpc_id)
        changes["security_group_ids"] = groups
    if "AllocatedStorage" in asked:
        changes |= {"allocated_gib": asked["AllocatedStorage"], "status": "available"}
    if "CACertificateIdentifier" in asked:
        changes |= {
            "ca_identifier": asked["CACertificateIdentifier"],
            "certificate_valid_till": None,
        }
        state.facts[Certificate] = STALE
    _change_database(state, asked, changes)


def _start_instance(state: State, asked: Mapping[str, Any]) -> None:
    database: Database = state.value(Database)
    if database.instance.status not in STARTABLE:
        raise Refused(f"{database.instance.identifier} is {database.instance.status}")
    _change_database(state, asked, {"status": "available", "restarts_at": None})


STARTABLE = ("stopped", "stopping", "inaccessible-encryption-credentials-recoverable")


def _reboot_instance(state: State, asked: Mapping[str, Any]) -> None:
    database: Database = state.value(Database)
    groups = tuple((name, "in-sync") for name, _ in database.instance.parameter_groups)
    _change_database(state, asked, {"parameter_groups": groups, "pending": ()})


def _change_database(state: State, asked: Mapping[str, Any], changes: dict[str, Any]) -> None:
    database: Database = state.value(Database)
    if asked["DBInstanceIdentifier"] != database.instance.identifier:
        raise Refused(f"{asked['DBInstanceIdentifier']} is not the database that was judged")
    changed: DbInstance = replace(database.instance, **changes)
    state.set(replace(database, instance=changed))
    listed = state.facts.get(DbInstances)
    if isinstance(listed, Known):
        rows = tuple(changed if i.identifier == changed.identifier else i for i in listed.value.all)
        state.facts[DbInstances] = replace(listed, value=DbInstances(rows))


# DNS, agent, services


def _modify_vpc(state: State, asked: Mapping[str, Any]) -> None:
    dns: VpcDns = state.value(VpcDns)
    if "EnableDnsHostnames" in asked:
        dns = replace(dns, gives_hostnames=asked["EnableDnsHostnames"]["Value"])
    if "EnableDnsSupport" in asked:
        dns = replace(dns, is_supported=asked["EnableDnsSupport"]["Value"])
    state.set(dns)


def _take_zone_away(state: State, asked: Mapping[str, Any]) -> None:
    zones: PrivateZones = state.value(PrivateZones)
    zone_id = asked.get("HostedZoneId") or asked["Id"]
    state.set(replace(zones, covering=tuple(z for z in zones.covering if z.zone_id != zone_id)))


def _send_document(state: State, asked: Mapping[str, Any]) -> None:
    if asked["DocumentName"] != "AWS-UpdateSSMAgent":
        raise Refused(f"the effect of {asked['DocumentName']} is not modelled")
    agent: Agent = state.value(Agent)
    state.set(replace(agent, version="3.3.0.0"))


def _leave(_: State, __: Mapping[str, Any]) -> None:
    """A new deployment of the same definition changes nothing that AWS describes."""


EFFECTS: dict[tuple[str, str], Callable[[State, Mapping[str, Any]], None]] = {
    ("ec2", "AssociateIamInstanceProfile"): _associate_profile,
    ("ec2", "AssociateRouteTable"): _associate_table,
    ("ec2", "AuthorizeSecurityGroupEgress"): _authorize_egress,
    ("ec2", "AuthorizeSecurityGroupIngress"): _authorize_ingress,
    ("ec2", "CreateNetworkAclEntry"): _create_entry,
    ("ec2", "CreateRoute"): _create_route,
    ("ec2", "DeleteNetworkAclEntry"): _replace_entry,
    ("ec2", "DeleteRoute"): _delete_route,
    ("ec2", "ModifyNetworkInterfaceAttribute"): _set_interface_groups,
    ("ec2", "ModifyVpcAttribute"): _modify_vpc,
    ("ec2", "ReplaceNetworkAclEntry"): _replace_entry,
    ("ec2", "ReplaceRoute"): _replace_route,
    ("ec2", "RevokeSecurityGroupEgress"): _revoke_egress,
    ("ec2", "RevokeSecurityGroupIngress"): _revoke_ingress,
    ("ecs", "UpdateService"): _leave,
    ("iam", "CreatePolicyVersion"): _create_policy_version,
    ("iam", "DeleteRolePolicy"): _delete_inline_policy,
    ("iam", "DeleteUserPolicy"): _delete_inline_policy,
    ("iam", "PutRolePolicy"): _put_inline_policy,
    ("iam", "PutUserPolicy"): _put_inline_policy,
    ("iam", "SetDefaultPolicyVersion"): _set_default_version,
    ("kms", "CancelKeyDeletion"): _set_key_state("Disabled"),
    ("kms", "DisableKey"): _set_key_state("Disabled"),
    ("kms", "EnableKey"): _set_key_state("Enabled"),
    ("kms", "PutKeyPolicy"): _put_key_policy,
    ("rds", "ModifyDBInstance"): _modify_instance,
    ("rds", "RebootDBInstance"): _reboot_instance,
    ("rds", "StartDBInstance"): _start_instance,
    ("route53", "DeleteHostedZone"): _take_zone_away,
    ("route53", "DisassociateVPCFromHostedZone"): _take_zone_away,
    ("ssm", "PutParameter"): _put_parameter,
    ("ssm", "SendCommand"): _send_document,
}
"""(service, operation) -> what it does to the facts; no fix is shown with a call that is not here."""
