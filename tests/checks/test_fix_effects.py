"""The state after AWS calls: each call with its opposite, and calls that AWS would refuse."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from opskit.checks.fix_effects import EFFECTS, CallRejected, apply, apply_to
from opskit.commands import AwsCall, OpskitCommand
from opskit.facts.agent import SsmAgent
from opskit.facts.certificate import Certificate
from opskit.facts.dns import DatabaseHost, OperatorDns
from opskit.facts.interface import Known, Unknown
from opskit.facts.key import Key
from opskit.facts.login import ClientLogin, LoginAttemptResult
from opskit.facts.policies import RolePolicies
from opskit.facts.private_zones import PrivateZone, PrivateZones
from opskit.facts.probe import InstanceProbe
from opskit.facts.routes import RouteTables
from opskit.facts.security_groups import SecurityGroups
from opskit.facts.simulation import Simulation
from opskit.facts.snapshot import Snapshot
from opskit.facts.stored_credential import StoredCredential
from opskit.facts.subnets import NetworkAcls
from opskit.facts.target_health import TargetHealths
from opskit.facts.vpc import VpcDns
from opskit.workload.ec2_instance import Ec2InstanceWorkload
from opskit.workload.interface import NetworkInterface, Workload
from tests import builders as b

GROUP = "sg-db"
OLD_HOST = "linkbox-db-old.c123xyz.us-east-1.rds.amazonaws.com"
SHADOW = PrivateZones("vpc-1", "us-east-1", (PrivateZone("Z1", "rds.amazonaws.com", 2, False),))


def call(service: str, operation: str, /, **parameters: Any) -> AwsCall:
    return AwsCall(service, operation, parameters)


def after(*calls: AwsCall, before: Snapshot | None = None) -> Snapshot:
    return apply(before or b.snapshot(), calls)


def rule(port: int = 6432, group: str = "sg-web", **more: Any) -> list[dict[str, Any]]:
    pairs = {"UserIdGroupPairs": [{"GroupId": group}]} if group else {}
    return [{"IpProtocol": "tcp", "FromPort": port, "ToPort": port, **pairs, **more}]


def ingress(verb: str, permissions: Any, group: str = GROUP) -> AwsCall:
    operation = f"{verb}SecurityGroupIngress"
    return call("ec2", operation, GroupId=group, IpPermissions=permissions)


def entry(verb: str, number: int = 90, **more: Any) -> AwsCall:
    location = {"NetworkAclId": "acl-db", "Egress": False, "RuleNumber": number}
    content = {"Protocol": "6", "CidrBlock": "10.0.2.0/24", "RuleAction": "allow"}
    asked = location if verb == "Delete" else {**location, **content, **more}
    return call("ec2", f"{verb}NetworkAclEntry", **asked)


def route(verb: str, destination: str = "10.1.0.0/16", **more: Any) -> AwsCall:
    target = {} if verb == "Delete" else {"VpcPeeringConnectionId": "pcx-1"}
    asked = {"RouteTableId": "rtb-main", "DestinationCidrBlock": destination, **target, **more}
    return call("ec2", f"{verb}Route", **asked)


def policy(verb: str, name: str = "more", **more: Any) -> AwsCall:
    content = {} if verb == "Delete" else {"PolicyDocument": b.document(b.READS)}
    asked = {"RoleName": "app-role", "PolicyName": name, **content, **more}
    return call("iam", f"{verb}RolePolicy", **asked)


def put(value: str, name: str = "endpoint", **more: Any) -> AwsCall:
    asked = {"Name": b.NAMES[name], "Value": value, "Type": "String", **more}
    return call("ssm", "PutParameter", **asked)


def interface_groups(*groups: str) -> AwsCall:
    asked = {"NetworkInterfaceId": "eni-1", "Groups": list(groups)}
    return call("ec2", "ModifyNetworkInterfaceAttribute", **asked)


def hostnames(is_on: bool) -> AwsCall:
    return call("ec2", "ModifyVpcAttribute", VpcId="vpc-1", EnableDnsHostnames={"Value": is_on})


OPPOSITES = {
    "rule": (ingress("Authorize", rule()), ingress("Revoke", rule()), SecurityGroups),
    "range": (
        ingress("Authorize", rule(5432, "", IpRanges=[{"CidrIp": "10.0.9.0/24"}])),
        ingress("Revoke", rule(5432, "", IpRanges=[{"CidrIp": "10.0.9.0/24"}])),
        SecurityGroups,
    ),
    "entry": (entry("Create"), entry("Delete"), NetworkAcls),
    "route": (route("Create"), route("Delete"), RouteTables),
    "policy": (policy("Put"), policy("Delete"), RolePolicies),
    "key": (call("kms", "DisableKey", KeyId="k"), call("kms", "EnableKey", KeyId="k"), Key),
    "names": (hostnames(False), hostnames(True), VpcDns),
}


@pytest.mark.parametrize("name", OPPOSITES)
def test_a_call_and_its_opposite_lead_back(name: str) -> None:
    there, back, kind = OPPOSITES[name]
    before = b.snapshot()
    changed = after(there, before=before)
    assert changed.value(kind) != before.value(kind)
    assert after(back, before=changed).value(kind) == before.value(kind)
    assert b.snapshot().value(kind) == before.value(kind), "the snapshot itself is not changed"


OTHER_VERSION = {"PolicyArn": "arn:x", "VersionId": "v1"}
FOREIGN = {"PolicyArn": "arn:x", "PolicyDocument": {}, "SetAsDefault": True}
ENTRY_OF_ANOTHER = {"NetworkAclId": "acl-x", "Egress": True, "RuleNumber": 1}
REFUSED = [
    ("has that rule already", ingress("Authorize", rule(5432))),
    ("there is no such rule to revoke", ingress("Revoke", rule(3306))),
    ("there is no such rule to revoke", ingress("Revoke", rule(5432, "sg-alb"))),
    ("sg-foreign was not read", ingress("Authorize", rule(), "sg-foreign")),
    ("has an entry 100", entry("Create", 100)),
    ("has no entry 7", entry("Delete", 7)),
    ("acl-x was not read", call("ec2", "DeleteNetworkAclEntry", **ENTRY_OF_ANOTHER)),
    ("has a route to 10.0.0.0/16", route("Create", "10.0.0.0/16")),
    ("has no route to 10.1.0.0/16", route("Replace")),
    ("rtb-x was not read", route("Create", RouteTableId="rtb-x")),
    ("has no inline policy more", policy("Delete")),
    ("version v1 of arn:x was not read", call("iam", "SetDefaultPolicyVersion", **OTHER_VERSION)),
    ("arn:x is no policy of the role", call("iam", "CreatePolicyVersion", **FOREIGN)),
    ("db-endpoint exists", put("x")),
    ("/other was not read", put("x", Name="/other")),
    ("/other does not exist", call("ssm", "DeleteParameter", Name="/other")),
    ("eni-1 is no interface", interface_groups("sg-web")),
    ("zone Z9 was not read", call("route53", "AssociateVPCWithHostedZone", HostedZoneId="Z9")),
    ("is not modelled", call("ssm", "SendCommand", DocumentName="AWS-RunShellScript")),
    ("is not modelled", call("rds", "DeleteDBInstance")),
]


@pytest.mark.parametrize(("words", "refused"), REFUSED)
def test_a_call_that_aws_would_refuse(words: str, refused: AwsCall) -> None:
    with pytest.raises(CallRejected, match=words):
        after(refused)


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ((), "one to 5 security groups"),
        (tuple(f"sg-{n}" for n in range(6)), "one to 5 security groups"),
        (("sg-web", "sg-far"), "far .sg-far. belongs to vpc-2, not to vpc-1"),
    ],
)
def test_groups_that_an_interface_cannot_have(groups: tuple[str, ...], words: str) -> None:
    known = b.groups(())
    far = replace(known.by_id["sg-web"], group_id="sg-far", name="far", vpc_id="vpc-2")
    app = b.snapshot().value(Workload)
    assert isinstance(app, Ec2InstanceWorkload)
    own = NetworkInterface("eni-1", 0, "10.0.2.45", (), "subnet-app", ("sg-web",))
    app = replace(app, instance=replace(app.instance, interfaces=(own,)))
    before = b.snapshot(replace(known, by_id={**known.by_id, "sg-far": far}), app)
    changed = after(interface_groups("sg-web", "sg-alb"), before=before).value(Workload)
    assert changed is not None
    assert changed.group_ids == ("sg-web", "sg-alb")
    with pytest.raises(CallRejected, match=words):
        after(interface_groups(*groups), before=before)


def test_state_that_was_not_read_is_not_guessed() -> None:
    for there, _, kind in OPPOSITES.values():
        with pytest.raises(CallRejected, match="was not read"):
            after(there, before=b.snapshot(unknown=(kind,)))


class TestGroups:
    def test_only_the_named_peer_is_revoked(self) -> None:
        both = b.groups((b.rule(5432, "sg-web", "sg-alb", cidrs=("10.0.0.0/8",)),))
        changed = after(ingress("Revoke", rule(5432)), before=b.snapshot(both))
        groups = changed.value(SecurityGroups)
        assert groups is not None
        assert groups.by_id[GROUP].ingress == (b.rule(5432, "sg-alb", cidrs=("10.0.0.0/8",)),)

    def test_egress_and_ingress_are_apart(self) -> None:
        asked = {"GroupId": GROUP, "IpPermissions": rule()}
        groups = after(call("ec2", "AuthorizeSecurityGroupEgress", **asked)).value(SecurityGroups)
        assert groups is not None
        assert len(groups.by_id[GROUP].egress) == 2
        assert len(groups.by_id[GROUP].ingress) == 1


class TestKeys:
    def test_a_key_that_waits_for_its_deletion_is_first_kept(self) -> None:
        waiting = b.snapshot(Key(b.KEY_ARN, "k", "", "PendingDeletion", False, b.NOW))
        enable, cancel = (call("kms", o, KeyId="k") for o in ("EnableKey", "CancelKeyDeletion"))
        with pytest.raises(CallRejected):
            after(enable, before=waiting)
        key = after(cancel, enable, before=waiting).value(Key)
        assert key is not None
        assert (key.state, key.deleted_at) == ("Enabled", None)


class TestParameters:
    def test_another_endpoint_is_another_host_that_nobody_has_looked_at(self) -> None:
        changed = after(put(OLD_HOST, Overwrite=True))
        host = changed.value(DatabaseHost)
        assert host is not None
        assert host.name == OLD_HOST
        assert isinstance(changed.get(OperatorDns), Unknown)
        assert isinstance(changed.get(Certificate), Unknown)

    def test_the_same_endpoint_leaves_them(self) -> None:
        changed = after(put(b.HOST, Overwrite=True))
        assert isinstance(changed.get(Certificate), Known)

    def test_a_missing_one_is_created_once(self) -> None:
        create = put("linkbox", "database")
        changed = after(create, before=b.snapshot(b.parameters(database=None)))
        parameters = changed.value(StoredCredential)
        assert parameters is not None
        assert (parameters.value("database"), parameters.missing) == ("linkbox", ())
        with pytest.raises(CallRejected):
            after(create, before=changed)

    def test_a_repair_counts_as_done_only_beside_other_calls(self) -> None:
        repair, before = OpskitCommand(("rotate-password", "repair")), b.parameters(password=None)
        alone = apply(b.snapshot(before), (repair,)).value(StoredCredential)
        beside = apply(b.snapshot(before), (hostnames(True), repair)).value(StoredCredential)
        assert alone is not None
        assert beside is not None
        assert (alone.get("password"), bool(beside.get("password"))) == (None, True)


class TestUndo:
    def test_a_zone_that_was_taken_away_comes_back(self) -> None:
        before = b.snapshot(SHADOW)
        asked = {"HostedZoneId": "Z1", "VPC": {"VPCRegion": "us-east-1", "VPCId": "vpc-1"}}
        gone = apply(before, (call("route53", "DisassociateVPCFromHostedZone", **asked),))
        assert gone.value(PrivateZones) == PrivateZones("vpc-1", "us-east-1", ())
        back = apply(gone, (call("route53", "AssociateVPCWithHostedZone", **asked),), before)
        assert back.value(PrivateZones) == SHADOW

    def test_the_version_before_a_fix_comes_back(self) -> None:
        before = b.snapshot(b.role_policies(b.READS, boundary={**b.READS, "Action": "s3:*"}))
        arn = "arn:aws:iam::123456789012:policy/ceiling"
        new = {"PolicyArn": arn, "PolicyDocument": b.document(b.READS), "SetAsDefault": True}
        changed = apply(before, (call("iam", "CreatePolicyVersion", **new),))
        policies = changed.value(RolePolicies)
        assert policies is not None
        assert policies.boundary is not None
        assert policies.boundary.document == b.document(b.READS)
        old = call("iam", "SetDefaultPolicyVersion", PolicyArn=arn, VersionId="v3")
        assert apply(changed, (old,), before).value(RolePolicies) == before.value(RolePolicies)


class TestObservations:
    """What was seen before a change is no evidence afterwards."""

    @pytest.mark.parametrize("there", [c[0] for c in OPPOSITES.values()], ids=list(OPPOSITES))
    def test_logins_and_health_are_always_dropped(self, there: AwsCall) -> None:
        changed = after(there)
        for kind in (LoginAttemptResult, ClientLogin, TargetHealths):
            assert isinstance(changed.get(kind), Unknown)
        probe = changed.value(InstanceProbe)
        assert probe is not None
        assert (probe.result.attempts, probe.result.health) == ((), None)

    @pytest.mark.parametrize(
        ("name", "kept"),
        [
            ("rule", {"reads", "resolutions"}),
            ("policy", {"connections", "resolutions"}),
            ("key", {"connections", "resolutions"}),
            ("names", {"reads"}),
        ],
    )
    def test_others_only_where_the_call_may_change_them(self, name: str, kept: set[str]) -> None:
        probe = after(OPPOSITES[name][0]).value(InstanceProbe)
        assert probe is not None
        rows = ("reads", "connections", "resolutions")
        assert {row for row in rows if getattr(probe.result, row)} == kept

    @pytest.mark.parametrize(
        ("there", "kept"),
        [
            (call("route53", "DeleteHostedZone", Id="Z1"), {"reads"}),
            (
                call("rds", "ModifyDBInstance", DBInstanceIdentifier="linkbox-db", PubliclyAccessible=True),
                {"reads"},
            ),
            (
                call("rds", "ModifyDBInstance", DBInstanceIdentifier="linkbox-db", BackupRetentionPeriod=1),
                {"reads", "resolutions"},
            ),
        ],
    )  # fmt: skip
    def test_names_resolve_differently_after_a_zone_or_a_public_address(
        self, there: AwsCall, kept: set[str]
    ) -> None:
        changed = after(there, before=b.snapshot(SHADOW))
        probe = changed.value(InstanceProbe)
        assert probe is not None
        rows = ("reads", "connections", "resolutions")
        assert {row for row in rows if getattr(probe.result, row)} == kept
        assert isinstance(changed.get(OperatorDns), Known) is ("resolutions" in kept)

    def test_the_simulator_answered_for_other_policies(self) -> None:
        assert isinstance(after(policy("Put")).get(Simulation), Unknown)
        assert isinstance(after(ingress("Authorize", rule())).get(Simulation), Known)

    def test_without_a_call_everything_stays(self) -> None:
        before = b.snapshot()
        assert apply(before, ()).facts.keys() == before.facts.keys()
        assert isinstance(apply(before, ()).get(LoginAttemptResult), Known)


def test_some_facts_alone_can_be_changed() -> None:
    groups = b.groups(())
    changed = apply_to([groups], [ingress("Authorize", rule(5432))])
    assert changed[SecurityGroups] == b.groups((b.rule(5432, "sg-web"),))
    assert changed.keys() == {SecurityGroups}


def test_a_deployment_changes_nothing_that_aws_describes() -> None:
    task = b.snapshot(b.task())
    asked = {"cluster": "apps", "service": "shop", "forceNewDeployment": True}
    assert ("ecs", "UpdateService") in EFFECTS
    changed = after(call("ecs", "UpdateService", **asked), before=task)
    assert changed.value(Workload) == task.value(Workload)


class TestInstances:
    START = call("ec2", "StartInstances", InstanceIds=["i-1"])
    STOP = call("ec2", "StopInstances", InstanceIds=["i-1"])

    def test_a_stopped_one_is_started_and_stopped_again(self) -> None:
        stopped = b.snapshot(b.instance(state="stopped", state_reason="User initiated"))
        started = after(self.START, before=stopped)
        app = started.value(Workload)
        assert app is not None
        assert app.reported_state is None
        assert isinstance(started.get(SsmAgent), Unknown), "its agent has yet to connect"
        app = after(self.STOP, before=started).value(Workload)
        assert app is not None
        assert app.reported_state is not None

    def test_the_hop_limit_is_raised_and_lowered_again(self) -> None:
        for limit in (2, 1):
            own = {"InstanceId": "i-1", "HttpPutResponseHopLimit": limit}
            before = b.snapshot(b.instance(metadata_tokens="required", metadata_hop_limit=3))
            app = after(call("ec2", "ModifyInstanceMetadataOptions", **own), before=before).value(
                Workload
            )
            assert app is not None
            assert app.token_hop_limit == limit

    @pytest.mark.parametrize("state", ["running", "terminated", "pending", "stopping"])
    def test_no_other_is_started(self, state: str) -> None:
        with pytest.raises(CallRejected, match=state):
            after(self.START, before=b.snapshot(b.instance(state=state)))

    def test_only_the_one_that_was_judged(self) -> None:
        with pytest.raises(CallRejected, match="i-2"):
            after(call("ec2", "StartInstances", InstanceIds=["i-2"]))
