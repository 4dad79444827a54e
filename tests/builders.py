"""A healthy LinkBox as facts, for tests that replace one thing in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from types import MappingProxyType
from typing import Any, TypeVar

from opskit import analysis
from opskit.ca_bundles import trust_for
from opskit.commands import AwsCall, Command
from opskit.config import Target
from opskit.credential_source.interface import LocationDescription
from opskit.engine import UnknownEngine
from opskit.engine.interface import ServerAnswer, ServerHandshake
from opskit.facts import database_engine
from opskit.facts.agent import SsmAgent
from opskit.facts.app_subnets import AppSubnets
from opskit.facts.binding import inputs_of
from opskit.facts.certificate import Certificate
from opskit.facts.database import Database, DatabaseEvidence
from opskit.facts.database_engine import DatabaseEngine
from opskit.facts.dns import DatabaseHost, OperatorDns
from opskit.facts.given_facts import Now
from opskit.facts.identity import Identity
from opskit.facts.instances import TargetGroup
from opskit.facts.interface import Fact, Known, Unknown, fact_type
from opskit.facts.interface_owners import InterfaceOwners
from opskit.facts.key import Key
from opskit.facts.key_policy import KeyGrants, KeyPolicy, OperatorGrants
from opskit.facts.load_balancer import LoadBalancer
from opskit.facts.location_descriptions import LocationDescriptions
from opskit.facts.login import ClientLogin, LoginAttemptResult
from opskit.facts.operator_policies import OperatorPolicies
from opskit.facts.operator_simulation import OperatorNeeds, OperatorSimulation
from opskit.facts.organization import Organization
from opskit.facts.permissions import PermissionGroup, ResourceScope, all_permissions
from opskit.facts.policies import PolicyText, RolePolicies
from opskit.facts.prefix_lists import PrefixLists
from opskit.facts.private_zones import PrivateZones
from opskit.facts.probe import InstanceProbe
from opskit.facts.rds import DbInstance, DbInstances, DbSubnet
from opskit.facts.region import Region
from opskit.facts.routes import Route, RouteTable, RouteTables
from opskit.facts.security_group_rule_ids import RuleIds
from opskit.facts.security_groups import IpPermission, SecurityGroup, SecurityGroups
from opskit.facts.simulation import Simulation
from opskit.facts.snapshot import Snapshot
from opskit.facts.stored_credential import CredentialPiece, StoredCredential
from opskit.facts.subnets import AclEntry, NetworkAcl, NetworkAcls, Subnet, Subnets
from opskit.facts.target_health import TargetHealth, TargetHealths
from opskit.facts.tls_setting import TlsSetting
from opskit.facts.unfinished_rotation import UnfinishedRotation
from opskit.facts.vpc import Vpc, VpcDns
from opskit.facts.vpc_endpoints import VpcEndpoint, VpcEndpoints
from opskit.facts.vpc_scope import Peering, Peerings
from opskit.probe.response import (
    ConnectionSetting,
    Container,
    Health,
    LocationRead,
    LoginAttempt,
    ProbeResult,
    Resolution,
    TcpResult,
)
from opskit.symptom import SymptomKind
from opskit.workload.ec2_instance import Ec2InstanceWorkload, Instance, InstanceRole
from opskit.workload.ecs_task import EcsTask, EcsTaskWorkload, TaskInterface, TaskLocation

T = TypeVar("T")
NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
HOST = "linkbox-db.c123xyz.us-east-1.rds.amazonaws.com"
NAMES = {
    "endpoint": "/linkbox/db-endpoint",
    "username": "/linkbox/db-username",
    "password": "/linkbox/db-password",
    "database": "/linkbox/db-name",
}
VALUES = {"endpoint": HOST, "username": "linkbox", "password": None, "database": "linkbox"}


def known(value: Any) -> Known[Any]:
    return Known(value, "test", NOW)


def rule(
    port: int, *groups: str, cidrs: tuple[str, ...] = (), protocol: str = "tcp", **more: Any
) -> IpPermission:
    return IpPermission(protocol, port, port, groups, cidrs, more.get("lists", ()))


TARGETS = TargetGroup("arn:tg", "linkbox-backend", 3000, "/health", "HTTP", "vpc-1", ("arn:lb",))
ALL_OUT = IpPermission("-1", None, None, (), ("0.0.0.0/0",), ())


FROM_VPC = (rule(443, cidrs=("10.0.0.0/16",)),)
FROM_ALL = (rule(443, cidrs=("0.0.0.0/0",)),)


def parameter(purpose: str, **changes: Any) -> CredentialPiece:
    kind = "SecureString" if purpose == "password" else "String"
    name = NAMES[purpose]
    arn = f"arn:aws:ssm:us-east-1:123456789012:parameter{name}"
    made = CredentialPiece(name, arn, purpose, kind, 1, NOW, VALUES[purpose], "aaaaaa", ())
    return replace(made, **changes)


def parameters(**changes: CredentialPiece | None) -> StoredCredential:
    found = [changes.get(p, parameter(p)) for p in NAMES]
    missing = tuple((p, NAMES[p]) for p in NAMES if p in changes and changes[p] is None)
    return StoredCredential(tuple(p for p in found if p), missing, ())


def db_instance(**changes: Any) -> DbInstance:
    made = DbInstance(
        "linkbox-db", "db-ABC", "postgres", "17.4", "available", HOST, 5432, "linkbox", "linkbox",
        "vpc-1", (DbSubnet("subnet-db-a", "a"), DbSubnet("subnet-db-b", "b")), "a", ("sg-db",),
        (("linkbox-postgres17", "in-sync"),), False, True, True, 7, "rds-ca-rsa2048-g1",
        NOW + timedelta(days=300), None, (), None, 20, None, searchable_text="linkbox-db",
    )  # fmt: skip
    return replace(made, **changes)


def database(**changes: Any) -> Database:
    instance = db_instance(**changes)
    return Database(instance, instance.host, instance.port, "the endpoint parameter names it")


def groups(
    ingress: tuple[IpPermission, ...], egress: tuple[IpPermission, ...] = (ALL_OUT,)
) -> SecurityGroups:
    return SecurityGroups(
        {
            "sg-db": SecurityGroup("sg-db", "database-sg", "vpc-1", ingress, (ALL_OUT,)),
            "sg-web": SecurityGroup("sg-web", "web-sg", "vpc-1", (rule(3000, "sg-alb"),), egress),
            "sg-vpce": SecurityGroup("sg-vpce", "vpce-sg", "vpc-1", FROM_VPC, (ALL_OUT,)),
            "sg-alb": SecurityGroup("sg-alb", "alb-public-sg", "vpc-1", FROM_ALL, (ALL_OUT,)),
        }
    )


def container(**changes: Any) -> Container:
    settings = (
        ConnectionSetting("process", "host", HOST, "PGHOST", ""),
        ConnectionSetting("process", "password", "aaaaaa", "PGPASSWORD", ""),
        ConnectionSetting("config", "tls_mode", "verify-full", "PGSSLMODE", "/srv/linkbox/.env"),
        ConnectionSetting("config", "ca_file", "/srv/linkbox/rds-bundle.pem", "PGSSLROOTCERT", ""),
    )
    made = Container(
        "linkbox-backend", "running", "2026-01-01T00:00:00Z", "0", "host", "/srv/linkbox",
        "linkbox-backend", settings,
    )  # fmt: skip
    return replace(made, **changes)


def connection(outcome: str = "connected") -> TcpResult:
    return TcpResult(HOST, "10.0.5.10", 5432, outcome, 0.4, "10.0.2.45")


def probe(greeting: ServerHandshake | None = None, **changes: Any) -> InstanceProbe:
    made = ProbeResult(
        is_complete=True,
        with_python=True,
        tools=("sh", "python3"),
        ephemeral_ports=(32768, 60999),
        resolutions=(Resolution(HOST, ("10.0.5.10",), ""),),
        connections=(connection(),),
        caller_arn="arn:aws:sts::123456789012:assumed-role/app-role/i-1",
        reads=tuple(LocationRead(name, "aaaaaa", "", "") for name in NAMES.values()),
        asked_containers=True,
        containers=(container(),),
        health=Health("http://127.0.0.1:3000/health", 200, 3.0, ""),
        attempts=(LoginAttempt("parameters", True, "", "", 8.0, "TLSv1.3", "require"),),
    )
    plain = ServerAnswer(False, "", "28000", 'no pg_hba.conf entry for host "a", no encryption')
    usual = ServerHandshake(True, True, "TLSv1.3", (), ServerAnswer(True, "SCRAM-SHA-256"), plain)
    return InstanceProbe(
        replace(made, **changes),
        greeting or usual,
        NAMES["password"],
        "run-command",
        workload_noun="the instance",
    )


def endpoint(service: str, **changes: Any) -> VpcEndpoint:
    """An interface endpoint in the app's subnet, with private DNS, whose group admits 443 from the app."""
    made = VpcEndpoint(
        f"vpce-{service}", "", f"com.amazonaws.us-east-1.{service}", "interface", "available", "vpc-1",
        ("subnet-app-b",), ("sg-vpce",), True, {},
    )  # fmt: skip
    return replace(made, **changes)


def acl(tier: str, subnets: tuple[str, ...], *entries: AclEntry) -> NetworkAcl:
    return NetworkAcl(
        f"acl-{tier}", f"{tier}-acl", subnets, tuple(sorted(entries, key=lambda e: e.number))
    )


def entry(
    number: int, paths: str, cidr: str, ports: tuple[int, int] | None, verb: str = "allow"
) -> AclEntry:
    return AclEntry(number, paths == "out", verb == "allow", "6" if ports else "-1", cidr, ports)


def acls(app: NetworkAcl | None = None, db: NetworkAcl | None = None) -> NetworkAcls:
    allow = (entry(100, "in", "0.0.0.0/0", None), entry(100, "out", "0.0.0.0/0", None))
    return NetworkAcls(
        (
            app or acl("app", ("subnet-app", "subnet-app-b"), *allow),
            db or acl("db", ("subnet-db-a", "subnet-db-b"), *allow),
            acl("rest", ("subnet-public", "subnet-peer"), *allow),
        )
    )


def table(
    name: str, *routes: tuple[str, str], subnets: tuple[str, ...] = (), **more: Any
) -> RouteTable:
    """A route table; each route is (destination, target), a target that is gone says so."""
    made = [Route(d, t, "blackhole" if "gone" in t else "active", False) for d, t in routes]
    vpc, main = more.get("vpc", "vpc-1"), more.get("main", False)
    return RouteTable(f"rtb-{name}", name, vpc, main, subnets, tuple(made))


def tables(*own: RouteTable) -> RouteTables:
    """The given tables, and the main one of each VPC."""
    local = ("10.0.0.0/16", "local")
    mains = [table("main", local, main=True)]
    mains.append(table("peer", ("10.1.0.0/16", "local"), vpc="vpc-2", main=True))
    kept = [m for m in mains if not any(t.is_main and t.vpc_id == m.vpc_id for t in own)]
    return RouteTables((*own, *kept))


PEERING = Peering(
    "pcx-1",
    "active",
    (("vpc-1", "123456789012", ("10.0.0.0/16",)), ("vpc-2", "123456789012", ("10.1.0.0/16",))),
)


def peered() -> tuple[Any, ...]:
    """The database in another VPC, peered with the app's."""
    return (
        database(vpc_id="vpc-2", subnets=(DbSubnet("subnet-peer", "a"),)),
        Peerings((PEERING,)),
        probe(
            resolutions=(Resolution(HOST, ("10.1.5.10",), ""),),
            connections=(replace(connection("timeout"), address="10.1.5.10"),),
        ),
    )


def instance(**changes: Any) -> Ec2InstanceWorkload:
    """The app's instance with some of its fields changed."""
    app = healthy(Ec2InstanceWorkload)
    return replace(app, instance=replace(app.instance, **changes))


def task() -> EcsTaskWorkload:
    """The app as an ECS task, with the address of the instance."""
    location = TaskLocation("apps", "0123", "web", "0123-1", "shop", True, "RUNNING")
    definition = "arn:aws:ecs:us-east-1:123456789012:task-definition/shop:3"
    of_task = EcsTask(location, definition, "", "eni-1", "subnet-app", "10.0.2.45")
    own = TaskInterface("vpc-1", ("sg-web",))
    return EcsTaskWorkload(of_task, own, selection_reason="it was named")


ROLE_ARN = "arn:aws:iam::123456789012:role/app-role"
KEY_ARN = "arn:aws:kms:us-east-1:123456789012:key/k"
PARAMETERS = "arn:aws:ssm:us-east-1:123456789012:parameter/linkbox/*"
READS: dict[str, Any] = {
    "Sid": "Read",
    "Effect": "Allow",
    "Action": ["ssm:GetParameter", "ssm:GetParameters"],
    "Resource": PARAMETERS,
}
DECRYPTS: dict[str, Any] = {
    "Sid": "Decrypt",
    "Effect": "Allow",
    "Action": "kms:Decrypt",
    "Resource": KEY_ARN,
}


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    """A policy document."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def role_policies(*statements: dict[str, Any], boundary: Any = None) -> RolePolicies:
    """The role's one inline policy, and perhaps a boundary."""
    own = PolicyText("app-policy", "", document(*statements), "role app-role")
    arn = "arn:aws:iam::123456789012:policy/ceiling"
    ceiling = PolicyText("ceiling", arn, document(boundary), version="v3") if boundary else None
    return RolePolicies((own,), ceiling, "AROA1", {}, NOW)


def key_policy(principal: Any, **more: Any) -> KeyPolicy:
    """The key's policy with one statement."""
    statement = {"Effect": "Allow", "Principal": principal, "Action": "kms:*", "Resource": "*"}
    return KeyPolicy(document(statement | more))


def refused(action: str, reason: str = "") -> InstanceProbe:
    """The instance was refused its reads, with a reason as AWS words it."""
    text = f"User: x is not authorized to perform: {action} on resource: y {reason}"
    return probe(
        reads=tuple(LocationRead(n, "", "AccessDeniedException", text) for n in NAMES.values())
    )


NOT_ASKED = probe(reads=())
"""The instance could not be asked for its reads."""


PERMISSIONS = all_permissions()
OPERATOR_NEEDS = OperatorNeeds(
    tuple(
        (p, str(p.on.value))
        for p in PERMISSIONS
        if p.on is ResourceScope.EVERYTHING and p.group is not PermissionGroup.SSH
    )
)


def operator_policies(*statements: dict[str, Any]) -> OperatorPolicies:
    """The operator as a user with one inline policy."""
    own = PolicyText("own", "", document(*statements), "user oncall")
    arn = "arn:aws:iam::123456789012:user/oncall"
    return OperatorPolicies(arn, "", False, (own,), None, {}, NOW)


@cache
def linkbox() -> Mapping[type, Fact[Any]]:
    """Every fact that a check may ask for, healthy."""
    instance = Instance(
        "i-1", "linkbox-backend-1", "running", "10.0.2.45", "subnet-app", ("sg-web",),
        "arn:aws:iam::123456789012:instance-profile/p", "required", 2, "linkbox", "vpc-1",
    )  # fmt: skip
    certificate = Certificate("CN=x", "CN=rds", (HOST,), NOW, NOW + timedelta(days=300))
    subnets = (
        Subnet("subnet-app", "app-a", "10.0.2.0/24", "a", "vpc-1"),
        Subnet("subnet-app-b", "app-b", "10.0.3.0/24", "b", "vpc-1"),
        Subnet("subnet-public", "public-a", "10.0.1.0/24", "a", "vpc-1"),
        Subnet("subnet-db-a", "db-a", "10.0.5.0/24", "a", "vpc-1"),
        Subnet("subnet-db-b", "db-b", "10.0.6.0/24", "b", "vpc-1"),
        Subnet("subnet-peer", "peer-a", "10.1.5.0/24", "a", "vpc-2"),
    )
    values = (
        Target("linkbox", NAMES, "/linkbox"),
        Region("us-east-1"),
        Now(NOW),
        Identity("123456789012", "arn:aws:iam::123456789012:user/oncall", 0.3),
        parameters(),
        UnfinishedRotation(0),
        Key(KEY_ARN, "k", "alias/linkbox", "Enabled", False, None),
        database(),
        DatabaseEvidence(
            {"linkbox-db": ("database name", "master user", "name or tags")}
        ),
        DbInstances((db_instance(),)),
        InterfaceOwners(()),
        Ec2InstanceWorkload(instance, selection_reason="it carries the name linkbox"),
        SsmAgent("Online", NOW, "3.3.987.0", takes_sessions=True),
        InstanceRole("app-role", ROLE_ARN, "p"),
        role_policies(READS, DECRYPTS),
        Organization((), ()),
        key_policy({"AWS": "arn:aws:iam::123456789012:root"}),
        KeyGrants(()),
        OperatorGrants(()),
        LocationDescriptions((LocationDescription(NAMES["password"], "SecureString", "alias/linkbox", ""),)),
        OPERATOR_NEEDS,
        operator_policies({"Effect": "Allow", "Action": "*", "Resource": "*"}),
        OperatorSimulation(Simulation(())),
        Simulation(()),
        DatabaseHost(HOST, 5432, NAMES["endpoint"], is_from_rds=True),
        OperatorDns(HOST, "NOERROR", (HOST,), ("10.0.5.10",), ("10.0.0.2",)),
        PrivateZones("vpc-1", "us-east-1", ()),
        Vpc("vpc-1", ("10.0.0.0/16",)),
        VpcDns(True, True),
        groups((rule(5432, "sg-web"),)),
        Subnets(subnets),
        acls(),
        TlsSetting("linkbox-postgres17", "rds.force_ssl", "1", "in-sync", is_forced=True),
        probe(),
        certificate,
        LoginAttemptResult(True, None, "", 8.0, "TLSv1.3", "the instance", "linkbox"),
        ClientLogin(
            LoginAttemptResult(True, None, "", 90.0, "TLS", "this machine through i-1", "linkbox"),
            trust_for(HOST),
        ),
        TargetHealths((TargetHealth(TARGETS, "healthy", "", ""),)),
        Peerings(()),
        VpcEndpoints((endpoint("ssm"), endpoint("ssmmessages"))),
        tables(),
        PrefixLists({}),
        RuleIds({("sg-db", False, "tcp", 5432, 5432, "sg-web"): "sgr-1"}),
        AppSubnets({"subnet-app-b": "another one runs there"}),
        LoadBalancer(
            "linkbox-alb", "application", False, "vpc-1", ("subnet-public",), ("sg-alb",), (443,),
            TARGETS,
        ),
    )  # fmt: skip
    return MappingProxyType({fact_type(value): known(value) for value in values})


def aws_call(command: Command) -> AwsCall:
    """The command of a fix, which has to be a call of AWS."""
    assert isinstance(command, AwsCall), command
    return command


def healthy(kind: type[T]) -> T:
    """The value of a healthy fact, by its type or the interface that it implements."""
    values = [fact.value for fact in linkbox().values() if isinstance(fact, Known)]
    return next(value for value in values if isinstance(value, kind))


@dataclass(frozen=True)
class NotKnown:
    """In place of a fact's value: why it is not known."""

    kind: type
    fact: Unknown


AGENT_OFFLINE = NotKnown(
    InstanceProbe,
    Unknown("its agent is not connected", ("an agent",), waits_for=(SymptomKind.AGENT_OFFLINE,)),
)


def _engine_of(database: Fact[Database]) -> Fact[DatabaseEngine]:
    """The engine as the gatherer would have it."""
    try:
        return known(database_engine.read(database))
    except UnknownEngine as error:
        return Unknown(f"opskit does not support {error}")


def snapshot(*replaced: Any, unknown: tuple[type, ...] = ()) -> Snapshot:
    """The healthy snapshot with some facts replaced, or unknown."""
    facts = dict(linkbox())
    unread = {value.kind: value.fact for value in replaced if isinstance(value, NotKnown)}
    values = [value for value in replaced if not isinstance(value, NotKnown)]
    facts.update({fact_type(value): known(value) for value in values})
    facts.update(unread)
    facts.update({kind: Unknown("you may not call x:Y", ("x:Y",)) for kind in unknown})
    facts[DatabaseEngine] = _engine_of(facts[Database])
    return _analyzed(facts)


_DERIVED: dict[tuple[object, ...], tuple[object, dict[type, Fact[Any]]]] = {}
"""An analysis and the identities of its inputs -> those inputs, which keeps them alive, and its results."""


def _analyzed(facts: dict[type, Fact[Any]]) -> Snapshot:
    """The facts with the results of all analyses; an analysis with the same inputs runs once."""
    for work in analysis.ANALYSES:
        inputs = [facts.get(item.type) for item in inputs_of(work)]
        key = (work, *map(id, inputs))
        if key not in _DERIVED:
            _DERIVED[key] = inputs, analysis._derive(work, Snapshot(facts))
        facts.update(_DERIVED[key][1])
    return Snapshot(facts)
