"""The agent's way to ssm and ssmmessages: each missing piece is found, and what is not known closes nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from opskit.checks.catalogue import check_of, default_checks
from opskit.checks.fix_verification import verify_fix
from opskit.checks.interface import Finding, Status
from opskit.checks.network.api_paths import ApiPaths, ApiReason
from opskit.checks.run import run_check
from opskit.checks.shell_rendering import Caller
from opskit.commands import AwsCall
from opskit.config import Target
from opskit.diagnosis.run import judge
from opskit.facts.agent import SsmAgent
from opskit.facts.interface import Unknown
from opskit.facts.login import ClientLogin, LoginAttemptResult
from opskit.facts.private_zones import PrivateZones
from opskit.facts.probe import InstanceProbe
from opskit.facts.routes import RouteTables
from opskit.facts.security_groups import SecurityGroup, SecurityGroups
from opskit.facts.snapshot import Snapshot
from opskit.facts.vpc import VpcDns
from opskit.facts.vpc_endpoints import VpcEndpoint, VpcEndpoints, endpoint_of
from opskit.reachability.path import PathOutcome
from opskit.symptom import SymptomKind
from tests import builders as b

SUBNETS = ("subnet-app", "subnet-app-b")
LOCAL = ("10.0.0.0/16", "local")
CLOSED = b.tables(b.table("private", LOCAL, subnets=SUBNETS))
NO_ZONES = PrivateZones("vpc-1", "us-east-1", (), ())
OFFLINE = Unknown(
    "its agent is not connected", ("a connected agent",), waits_for=(SymptomKind.AGENT_OFFLINE,)
)
PUBLIC = b.instance(public_address="203.0.113.7")
PRIVATE = b.instance(public_address="")


def out(target: str, *more: tuple[str, str]) -> RouteTables:
    """The app's table with a default route."""
    return b.tables(b.table("app", LOCAL, ("0.0.0.0/0", target), *more, subnets=SUBNETS))


def both(**changes: Any) -> VpcEndpoints:
    return VpcEndpoints(tuple(b.endpoint(s, **changes) for s in ("ssm", "ssmmessages")))


def admitting(*rules: Any, egress: Any = (b.ALL_OUT,)) -> SecurityGroups:
    """The app's groups, and that of the endpoints with these rules."""
    groups = b.groups((b.rule(5432, "sg-web"),), egress=egress)
    of_endpoint = SecurityGroup("sg-vpce", "vpce-sg", "vpc-1", rules, (b.ALL_OUT,))
    return SecurityGroups({**groups.by_id, "sg-vpce": of_endpoint})


OPEN = admitting(b.rule(443, "sg-web"))


def scene(*facts: Any, unknown: tuple[type, ...] = ()) -> Snapshot:
    """A private subnet without a way out, whose agent is offline; with some facts in place of these."""
    made = b.snapshot(PRIVATE, CLOSED, OPEN, NO_ZONES, VpcEndpoints(()), *facts, unknown=unknown)
    offline = dict.fromkeys((InstanceProbe, LoginAttemptResult, ClientLogin), OFFLINE)
    return Snapshot({**made.facts, **offline})


def reasons(*facts: Any, unknown: tuple[type, ...] = ()) -> list[ApiReason | None]:
    """The reason of each way that is certainly closed."""
    ways = scene(*facts, unknown=unknown).value(ApiPaths)
    assert ways is not None
    return [p.reason for p in ways.dropped]


POLICY = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*"}]}
DENY = {
    "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Principal": "*", "Action": "ssm*:*", "Resource": "*"},
    ]
}
CONDITIONAL = {
    "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*",
         "Condition": {"StringEquals": {"aws:PrincipalAccount": "123456789012"}}}
    ]
}  # fmt: skip
NARROW_OUT = (b.rule(5432, "sg-db"),)


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ((), ApiReason.NO_WAY),
        ((out("nat-gone"),), ApiReason.BLACKHOLE),
        ((out("igw-1"),), ApiReason.NO_PUBLIC_ADDRESS),
        ((both(has_private_dns=False),), ApiReason.PRIVATE_DNS_OFF),
        ((both(), admitting()), ApiReason.RULES),
        ((both(), admitting(b.rule(443, "sg-vpce"))), ApiReason.RULES),
        ((both(), admitting(b.rule(443, "sg-web"), egress=NARROW_OUT)), ApiReason.RULES),
        ((out("nat-1"), admitting(egress=NARROW_OUT)), ApiReason.RULES),
        ((both(policy=POLICY),), ApiReason.POLICY),
        ((both(policy=DENY),), ApiReason.POLICY),
        ((both(state="pendingacceptance"),), ApiReason.ENDPOINT_STATE),
    ],
)  # fmt: skip
def test_each_missing_piece_closes_the_way(facts: tuple[Any, ...], reason: ApiReason) -> None:
    assert reasons(*facts) == [reason, reason]


@pytest.mark.parametrize(
    ("facts", "unknown"),
    [
        ((both(),), ()),
        ((both(policy=CONDITIONAL),), ()),
        ((out("nat-1"),), ()),
        ((out("tgw-1"),), ()),
        ((out("igw-1"), PUBLIC), ()),
        ((out("igw-1"), b.instance()), ()),
        ((b.tables(b.table("app", LOCAL, ("10.0.0.0/8", "tgw-1"), subnets=SUBNETS)),), ()),
        ((out("nat-1"), admitting(egress=(b.rule(443, cidrs=("52.94.0.0/16",)),))), ()),
        ((both(state="partial"),), ()),
        ((both(), out("nat-1"), admitting()), (VpcDns,)),
        ((both(has_private_dns=False), replace(NO_ZONES, names=("ssm.us-east-1.amazonaws.com", "ssmmessages.us-east-1.amazonaws.com"))), ()),
        ((both(has_private_dns=False),), (PrivateZones,)),
        ((), (VpcEndpoints,)),
        ((), (RouteTables,)),
        ((both(subnet_ids=("subnet-unread",)),), ()),
        ((both(group_ids=("sg-unread",)),), ()),
        ((both(subnet_ids=("subnet-app-b", "subnet-db-a"), group_ids=("sg-vpce",)), b.acls(b.acl("app", SUBNETS, b.entry(100, "in", "0.0.0.0/0", None), b.entry(90, "out", "10.0.5.0/24", None, "deny"), b.entry(100, "out", "0.0.0.0/0", None)))), ()),
    ],
)  # fmt: skip
def test_what_is_not_certain_closes_nothing(
    facts: tuple[Any, ...], unknown: tuple[type, ...]
) -> None:
    assert reasons(*facts, unknown=unknown) == []


def verified(*facts: Any) -> Finding:
    snapshot, check = scene(*facts), check_of("NET015")
    caller = Caller("us-east-1", "", "--prefix /linkbox")
    return verify_fix(check, run_check(check, snapshot), snapshot, caller)


@pytest.mark.parametrize(
    ("facts", "operations"),
    [
        ((both(), admitting()), ["AuthorizeSecurityGroupIngress"]),
        ((both(), admitting(b.rule(443, "sg-web"), egress=NARROW_OUT)), ["AuthorizeSecurityGroupEgress"]),
        ((both(has_private_dns=False),), ["ModifyVpcEndpoint", "ModifyVpcEndpoint"]),
        ((VpcEndpoints((b.endpoint("ssm"),)),), ["CreateVpcEndpoint"]),
    ],
)  # fmt: skip
def test_the_fix_opens_the_way(facts: tuple[Any, ...], operations: list[str]) -> None:
    finding = verified(*facts)
    assert finding.status is Status.FAIL
    assert finding.fix is not None, finding.advice
    calls = [c for c in finding.fix.commands if isinstance(c, AwsCall)]
    assert [c.operation for c in calls] == operations
    assert finding.fix.changes


@pytest.mark.parametrize(
    "facts",
    [(), (out("nat-gone"),), (out("igw-1"),), (both(policy=POLICY),), (both(state="failed"),)],
)
def test_what_its_owner_decides_is_advice(facts: tuple[Any, ...]) -> None:
    finding = verified(*facts)
    assert (finding.status, finding.fix) == (Status.FAIL, None)
    assert "No command is offered" in finding.advice


def test_an_agent_without_a_way_is_the_one_root_cause() -> None:
    target: Target = b.healthy(Target)
    diagnosis = judge(scene(both(), admitting()), target, "us-east-1", default_checks())
    assert diagnosis.bugs == ()
    assert [j.check.code for j in diagnosis.root_causes] == ["NET015"]
    assert "no way to ssm and ssmmessages" in diagnosis.root_causes[0].finding.summary
    assert "vpce-sg" in diagnosis.root_causes[0].finding.summary


def test_an_agent_whose_way_is_open_is_not_explained_by_it() -> None:
    assert verified(both()).status is Status.SKIP
    assert verified(out("nat-1")).status is Status.UNKNOWN
    check, snapshot = check_of("NET015"), b.snapshot(CLOSED, PRIVATE, NO_ZONES, VpcEndpoints(()))
    assert run_check(check, snapshot).status is Status.PASS, "it answered, whatever the rules say"


@pytest.mark.parametrize(
    ("ping", "facts", "words"),
    [
        ("ConnectionLost", (), "no way to ssm and ssmmessages"),
        (None, (), "no way to ssm and ssmmessages"),
        ("Online", (VpcEndpoints((b.endpoint("ssm"),)),), "no way to ssmmessages"),
        ("Online", (), "is online, yet holds no connection"),
        ("ConnectionLost", (both(),), "is offline"),
    ],
)
def test_the_operator_s_diagnosis_says_it_too(
    ping: str | None, facts: tuple[Any, ...], words: str
) -> None:
    agent = SsmAgent(ping, b.NOW, "3.3.987.0", takes_sessions=False)
    finding = run_check(check_of("OPR008"), scene(agent, *facts))
    assert finding.status is Status.FAIL
    assert words in finding.summary


def test_an_endpoint_as_ec2_describes_it() -> None:
    raw = {
        "VpcEndpointId": "vpce-1", "VpcEndpointType": "Interface", "State": "Available",
        "ServiceName": "com.amazonaws.us-east-1.ssm", "VpcId": "vpc-1", "SubnetIds": ["subnet-1"],
        "Groups": [{"GroupId": "sg-1", "GroupName": "default"}], "PrivateDnsEnabled": True,
        "PolicyDocument": '{"Statement": []}', "Tags": [{"Key": "Name", "Value": "ssm"}],
    }  # fmt: skip
    assert endpoint_of(raw) == VpcEndpoint(
        "vpce-1", "ssm", "com.amazonaws.us-east-1.ssm", "interface", "available", "vpc-1",
        ("subnet-1",), ("sg-1",), True, {"Statement": []},
    )  # fmt: skip
    least = endpoint_of({"VpcEndpointId": "vpce-2", "PolicyDocument": "no JSON"})
    assert (least.kind, least.state, least.policy, least.label) == ("", "", {}, "vpce-2")
    gateway = replace(least, kind="gateway", service="com.amazonaws.us-east-1.ssm", vpc_id="vpc-1")
    assert VpcEndpoints((gateway,)).of("vpc-1", "ssm") == ()


def test_unknown_ways_name_the_missing_right() -> None:
    ways = scene(unknown=(VpcEndpoints,)).value(ApiPaths)
    assert ways is not None
    assert {(p.outcome, p.missing) for p in ways.all} == {
        (PathOutcome.UNKNOWN, "ec2:DescribeVpcEndpoints")
    }
