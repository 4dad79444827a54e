"""The state after each call, and the words of a refusal; `test_fix_effects.py` has what calls have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from opskit.checks.fix_effects import EFFECTS, CallRejected, apply_to
from opskit.checks.fix_effects.parameters import repair_password
from opskit.checks.fix_effects.state import STALE, State
from opskit.commands import AwsCall
from opskit.facts.agent import SsmAgent
from opskit.facts.certificate import Certificate
from opskit.facts.database import Database
from opskit.facts.instances import Instances
from opskit.facts.interface import fact_type
from opskit.facts.key import Key
from opskit.facts.key_policy import KeyPolicy
from opskit.facts.operator_policies import OperatorPolicies
from opskit.facts.policies import PolicyText, RolePolicies
from opskit.facts.private_zones import PrivateZone, PrivateZones
from opskit.facts.rds import DbInstances
from opskit.facts.routes import Route, RouteTables
from opskit.facts.security_groups import IpPermission, SecurityGroups
from opskit.facts.stored_credential import StoredCredential
from opskit.facts.subnets import AclEntry, NetworkAcls
from opskit.facts.value_form import SOUND
from opskit.facts.vpc import VpcDns
from opskit.workload.ec2_instance import Ec2InstanceWorkload, InstanceRole
from opskit.workload.interface import NetworkInterface, Workload, WorkloadRole
from tests import builders as b

GROUPS = b.groups((b.rule(5432, "sg-web"),))
LOCAL = ("10.0.0.0/16", "local")
APP = b.healthy(Ec2InstanceWorkload)
ROLE = b.healthy(InstanceRole)
KEY = b.healthy(Key)
ALLOW = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
DOCUMENT, OTHER = b.document(ALLOW), b.document(b.READS)
ZONES = PrivateZones(
    "vpc-1", "us-east-1", (PrivateZone("Z1", "a", 2, False), PrivateZone("Z2", "b", 2, False))
)


ENTRY = {"Protocol": 6, "RuleAction": "allow", "CidrBlock": "10.0.2.0/24"}
PROFILE = {"IamInstanceProfile": {"Name": "linkbox-profile"}, "InstanceId": "i-1"}


def changed(
    values: tuple[Any, ...], service: str, operation: str, /, **arguments: Any
) -> Mapping[type, Any]:
    """The facts after one call, by type."""
    return apply_to(values, [AwsCall(service, operation, arguments)])


def refusal(values: tuple[Any, ...], service: str, operation: str, /, **arguments: Any) -> str:
    with pytest.raises(CallRejected) as caught:
        changed(values, service, operation, **arguments)
    return str(caught.value)


class TestRules:
    def permission(self, **more: Any) -> dict[str, Any]:
        return {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, **more}

    @pytest.mark.parametrize("direction", ["Ingress", "Egress"])
    def test_rules_are_added_behind_the_others_and_revoked(self, direction: str) -> None:
        permissions = [
            self.permission(UserIdGroupPairs=[{"GroupId": "sg-x"}]),
            self.permission(
                IpRanges=[{"CidrIp": "10.0.9.0/24"}], PrefixListIds=[{"PrefixListId": "pl-1"}]
            ),
        ]
        asked = {"GroupId": "sg-db", "IpPermissions": permissions}
        groups = changed((GROUPS,), "ec2", f"AuthorizeSecurityGroup{direction}", **asked)[
            SecurityGroups
        ]
        old, new = (getattr(g.by_id["sg-db"], direction.lower()) for g in (GROUPS, groups))
        assert new == (
            *old, b.rule(5432, "sg-x"), b.rule(5432, cidrs=("10.0.9.0/24",), lists=("pl-1",)),
        )  # fmt: skip
        other = "egress" if direction == "Ingress" else "ingress"
        assert getattr(groups.by_id["sg-db"], other) == getattr(GROUPS.by_id["sg-db"], other)
        assert groups.by_id["sg-web"] == GROUPS.by_id["sg-web"]
        assert (
            changed((groups,), "ec2", f"RevokeSecurityGroup{direction}", **asked)[SecurityGroups]
            == GROUPS
        )

    @pytest.mark.parametrize(
        "more",
        [
            {"UserIdGroupPairs": [{"GroupId": "sg-web"}]},
            {"IpRanges": [{"CidrIp": "10.0.0.0/8"}]},
            {"PrefixListIds": [{"PrefixListId": "pl-1"}]},
        ],
    )
    def test_a_peer_is_taken_out_of_an_entry_with_others(self, more: dict[str, Any]) -> None:
        entry = IpPermission(
            "tcp", 5432, 5432, ("sg-web", "sg-alb"), ("10.0.0.0/8", "10.1.0.0/16"), ("pl-1", "pl-2")
        )
        other = b.rule(3306, "sg-web", cidrs=("10.0.0.0/8",))
        before = b.groups((entry, other))
        asked = {"GroupId": "sg-db", "IpPermissions": [self.permission(**more)]}
        message = refusal((before,), "ec2", "AuthorizeSecurityGroupIngress", **asked)
        assert message == "database-sg (sg-db) has that rule already"
        groups = changed((before,), "ec2", "RevokeSecurityGroupIngress", **asked)[SecurityGroups]
        left, same = groups.by_id["sg-db"].ingress
        assert same == other
        counts = [len(x) for x in (left.group_ids, left.cidrs, left.prefix_list_ids)]
        assert sorted(counts) == [1, 2, 2]
        again = refusal((groups,), "ec2", "RevokeSecurityGroupIngress", **asked)
        assert again == "there is no such rule to revoke"

    @pytest.mark.parametrize(
        "change", [{"FromPort": 5431}, {"ToPort": 5433}, {"IpProtocol": "udp"}]
    )
    def test_a_rule_for_other_ports_is_another(self, change: dict[str, Any]) -> None:
        permission = self.permission(UserIdGroupPairs=[{"GroupId": "sg-web"}], **change)
        asked = {"GroupId": "sg-db", "IpPermissions": [permission]}
        assert refusal((GROUPS,), "ec2", "RevokeSecurityGroupIngress", **asked)
        groups = changed((GROUPS,), "ec2", "AuthorizeSecurityGroupIngress", **asked)[SecurityGroups]
        assert len(groups.by_id["sg-db"].ingress) == 2

    def test_an_unread_group(self) -> None:
        asked = {"GroupId": "sg-x", "IpPermissions": []}
        for operation in ("AuthorizeSecurityGroupIngress", "RevokeSecurityGroupEgress"):
            assert (
                refusal((GROUPS,), "ec2", operation, **asked) == "security group sg-x was not read"
            )
        assert refusal((), "ec2", operation, **asked) == "SecurityGroups was not read"


class TestInterfaceGroups:
    OWN = NetworkInterface("eni-1", 0, "10.0.2.45", (), "subnet-app", ("sg-web",))
    WITH = replace(APP, instance=replace(APP.instance, interfaces=(OWN,)))

    def test_the_instance_is_changed_in_the_list_too(self) -> None:
        other = replace(self.WITH.instance, instance_id="i-2")
        listed = Instances((other, self.WITH.instance))
        after = changed(
            (GROUPS, self.WITH, listed), "ec2", "ModifyNetworkInterfaceAttribute",
            NetworkInterfaceId="eni-1", Groups=["sg-alb", "sg-x"],
        )  # fmt: skip
        assert after[Workload].interfaces == (replace(self.OWN, group_ids=("sg-alb", "sg-x")),)
        untouched, own = after[Instances].all
        assert untouched == other
        assert own.interfaces == after[Workload].interfaces
        assert own.group_ids == after[Workload].group_ids

    @pytest.mark.parametrize(
        ("interface", "groups", "message"),
        [
            ("eni-2", ["sg-web"], f"eni-2 is no interface of {APP.label}"),
            ("eni-1", [], "an interface carries one to 5 security groups"),
            ("eni-1", ["sg-x"] * 6, "an interface carries one to 5 security groups"),
        ],
    )
    def test_refusals(self, interface: str, groups: list[str], message: str) -> None:
        asked = {"NetworkInterfaceId": interface, "Groups": groups}
        values = (GROUPS, self.WITH)
        assert refusal(values, "ec2", "ModifyNetworkInterfaceAttribute", **asked) == message
        asked = {"NetworkInterfaceId": "eni-1", "Groups": ["sg-a"] * 5}
        assert changed(values, "ec2", "ModifyNetworkInterfaceAttribute", **asked)


class TestAcls:
    def asked(self, number: int = 90, **more: Any) -> dict[str, Any]:
        return {"NetworkAclId": "acl-db", "Egress": False, "RuleNumber": number, **more}

    @pytest.mark.parametrize(
        ("more", "entry"),
        [
            ({"PortRange": {"From": 1024, "To": 5432}}, AclEntry(90, False, True, "6", "10.0.2.0/24", (1024, 5432))),
            ({"RuleAction": "deny", "Protocol": "-1"}, AclEntry(90, False, False, "-1", "10.0.2.0/24", None)),
            ({"CidrBlock": None, "Ipv6CidrBlock": "fd00::/8"}, AclEntry(90, False, True, "6", "fd00::/8", None)),
            ({"Egress": True}, AclEntry(90, True, True, "6", "10.0.2.0/24", None)),
        ],
    )  # fmt: skip
    def test_an_entry_is_created_in_its_place(self, more: dict[str, Any], entry: AclEntry) -> None:
        before = b.acls()
        after = changed(
            (before,), "ec2", "CreateNetworkAclEntry", **self.asked(**{**ENTRY, **more})
        )[NetworkAcls]
        app, db, rest = after.all
        assert (app, rest) == (before.all[0], before.all[2])
        assert db.entries == (entry, *before.all[1].entries)
        gone = self.asked(Egress=entry.is_egress)
        assert changed((after,), "ec2", "DeleteNetworkAclEntry", **gone)[NetworkAcls] == before

    def test_an_entry_is_replaced(self) -> None:
        asked = self.asked(100, **ENTRY)
        after = changed((b.acls(),), "ec2", "ReplaceNetworkAclEntry", **asked)[NetworkAcls]
        outbound, inbound = sorted(after.all[1].entries, key=lambda e: not e.is_egress)
        assert inbound == AclEntry(100, False, True, "6", "10.0.2.0/24", None)
        assert outbound == b.entry(100, "out", "0.0.0.0/0", None)

    @pytest.mark.parametrize(
        ("operation", "number", "message"),
        [
            ("CreateNetworkAclEntry", 100, "db-acl (acl-db) has an entry 100"),
            ("ReplaceNetworkAclEntry", 90, "db-acl (acl-db) has no entry 90"),
            ("DeleteNetworkAclEntry", 90, "db-acl (acl-db) has no entry 90"),
        ],
    )
    def test_refusals(self, operation: str, number: int, message: str) -> None:
        assert refusal((b.acls(),), "ec2", operation, **self.asked(number, **ENTRY)) == message
        other = self.asked(NetworkAclId="acl-x")
        assert refusal((b.acls(),), "ec2", operation, **other) == "network ACL acl-x was not read"


class TestRoutes:
    TABLES = b.tables(
        b.table("app", LOCAL, ("10.1.0.0/16", "pcx-1"), subnets=("subnet-app",)),
        b.table("db", LOCAL),
    )
    PROPAGATED = Route("10.3.0.0/16", "vgw-1", "active", True)

    def asked(self, destination: str = "10.2.0.0/16", **more: Any) -> dict[str, Any]:
        return {
            "RouteTableId": "rtb-app",
            "DestinationCidrBlock": destination,
            "VpcPeeringConnectionId": "pcx-2",
            **more,
        }

    def test_a_route_is_created_replaced_and_deleted(self) -> None:
        created = changed((self.TABLES,), "ec2", "CreateRoute", **self.asked())[RouteTables]
        app, *others = created.all
        assert app.routes == (
            *self.TABLES.all[0].routes,
            Route("10.2.0.0/16", "pcx-2", "active", False),
        )
        assert tuple(others) == self.TABLES.all[1:]
        assert changed((created,), "ec2", "DeleteRoute", **self.asked())[RouteTables] == self.TABLES
        replaced = changed((self.TABLES,), "ec2", "ReplaceRoute", **self.asked("10.1.0.0/16"))[
            RouteTables
        ]
        assert replaced.all[0].routes == (
            Route("10.0.0.0/16", "local", "active", False),
            Route("10.1.0.0/16", "pcx-2", "active", False),
        )

    @pytest.mark.parametrize(
        ("argument", "destination"),
        [("DestinationIpv6CidrBlock", "fd00::/8"), ("DestinationPrefixListId", "pl-1")],
    )
    def test_other_destinations(self, argument: str, destination: str) -> None:
        asked = {"RouteTableId": "rtb-db", "VpcPeeringConnectionId": "pcx-2", argument: destination}
        after = changed((self.TABLES,), "ec2", "CreateRoute", **asked)[RouteTables]
        assert after.all[1].routes[-1].destination == destination

    def test_a_static_route_goes_beside_a_propagated_one(self) -> None:
        app = self.TABLES.all[0]
        before = replace(
            self.TABLES, all=(replace(app, routes=(self.PROPAGATED,)), *self.TABLES.all[1:])
        )
        asked = self.asked("10.3.0.0/16")
        assert (
            refusal((before,), "ec2", "DeleteRoute", **asked)
            == "app (rtb-app) has no route to 10.3.0.0/16"
        )
        after = changed((before,), "ec2", "CreateRoute", **asked)[RouteTables]
        assert after.all[0].routes == (
            self.PROPAGATED,
            Route("10.3.0.0/16", "pcx-2", "active", False),
        )

    @pytest.mark.parametrize(
        ("operation", "destination", "message"),
        [
            ("CreateRoute", "10.1.0.0/16", "app (rtb-app) has a route to 10.1.0.0/16"),
            ("ReplaceRoute", "10.9.0.0/16", "app (rtb-app) has no route to 10.9.0.0/16"),
            ("DeleteRoute", "10.9.0.0/16", "app (rtb-app) has no route to 10.9.0.0/16"),
        ],
    )
    def test_refusals(self, operation: str, destination: str, message: str) -> None:
        assert refusal((self.TABLES,), "ec2", operation, **self.asked(destination)) == message
        other = self.asked(destination, RouteTableId="rtb-x")
        assert (
            refusal((self.TABLES,), "ec2", operation, **other) == "route table rtb-x was not read"
        )

    def test_a_subnet_gets_a_table(self) -> None:
        asked = {"RouteTableId": "rtb-app", "SubnetId": "subnet-db-a"}
        after = changed((self.TABLES,), "ec2", "AssociateRouteTable", **asked)[RouteTables]
        assert [t.subnet_ids for t in after.all[:2]] == [("subnet-app", "subnet-db-a"), ()]
        asked = {"RouteTableId": "rtb-db", "SubnetId": "subnet-app"}
        message = refusal((self.TABLES,), "ec2", "AssociateRouteTable", **asked)
        assert message == "subnet-app has a route table of its own"


class TestDns:
    @pytest.mark.parametrize(
        ("arguments", "after"),
        [
            ({"EnableDnsHostnames": {"Value": False}}, VpcDns(True, False)),
            ({"EnableDnsSupport": {"Value": False}}, VpcDns(False, True)),
        ],
    )
    def test_a_setting_of_the_vpc(self, arguments: dict[str, Any], after: VpcDns) -> None:
        asked = {"VpcId": "vpc-1", **arguments}
        assert changed((VpcDns(True, True),), "ec2", "ModifyVpcAttribute", **asked)[VpcDns] == after

    @pytest.mark.parametrize(
        ("operation", "arguments"),
        [
            ("DisassociateVPCFromHostedZone", {"HostedZoneId": "Z1"}),
            ("DeleteHostedZone", {"Id": "Z1"}),
        ],
    )
    def test_a_zone_is_taken_away(self, operation: str, arguments: dict[str, Any]) -> None:
        after = changed((ZONES,), "route53", operation, **arguments)[PrivateZones]
        assert after == replace(ZONES, covering=ZONES.covering[1:])

    def test_a_zone_that_nobody_has_read_does_not_come_back(self) -> None:
        message = refusal((ZONES,), "route53", "AssociateVPCWithHostedZone", HostedZoneId="Z1")
        assert message == "zone Z1 was not read"


class TestDatabase:
    BEFORE = b.database(
        pending=("class",),
        status="stopped",
        restarts_at=b.NOW,
        parameter_groups=(("a", "pending-reboot"), ("b", "in-sync")),
    )

    def after(self, operation: str, before: Database = BEFORE, **arguments: Any) -> Database:
        asked = {"DBInstanceIdentifier": "linkbox-db", **arguments}
        other = b.db_instance(identifier="other")
        listed = DbInstances((other, before.instance))
        certificate = b.healthy(Certificate)
        facts = changed((before, listed, GROUPS, certificate), "rds", operation, **asked)
        assert facts[DbInstances].all == (other, facts[Database].instance)
        database: Database = facts[Database]
        return database

    @pytest.mark.parametrize(
        ("arguments", "changes"),
        [
            ({"ApplyImmediately": True}, {"pending": ()}),
            ({"ApplyImmediately": False}, {}),
            ({"PubliclyAccessible": True}, {"is_public": True}),
            ({"BackupRetentionPeriod": 0}, {"backup_days": 0}),
            ({"VpcSecurityGroupIds": ["sg-web", "sg-x"]}, {"security_group_ids": ("sg-web", "sg-x")}),
            ({"AllocatedStorage": 40}, {"allocated_gib": 40, "status": "available"}),
        ],
    )  # fmt: skip
    def test_a_setting(self, arguments: dict[str, Any], changes: dict[str, Any]) -> None:
        instance = replace(self.BEFORE.instance, **changes)
        assert self.after("ModifyDBInstance", **arguments) == replace(
            self.BEFORE, instance=instance
        )

    def test_another_authority_has_another_certificate(self) -> None:
        values = (self.BEFORE, b.healthy(Certificate))
        state = State({fact_type(v): b.known(v) for v in values})
        asked = {
            "DBInstanceIdentifier": "linkbox-db",
            "CACertificateIdentifier": "rds-ca-ecc384-g1",
        }
        EFFECTS["rds", "ModifyDBInstance"](state, asked)
        instance = state.value(Database).instance
        assert (instance.ca_identifier, instance.certificate_valid_till) == (
            "rds-ca-ecc384-g1",
            None,
        )
        assert state.facts[Certificate] is STALE

    def test_start_stop_and_reboot(self) -> None:
        started = self.after("StartDBInstance").instance
        assert started == replace(self.BEFORE.instance, status="available", restarts_at=None)
        stopped = self.after("StopDBInstance", b.database()).instance
        assert stopped == b.db_instance(status="stopped")
        rebooted = self.after("RebootDBInstance").instance
        groups = (("a", "in-sync"), ("b", "in-sync"))
        assert rebooted == replace(self.BEFORE.instance, parameter_groups=groups, pending=())

    @pytest.mark.parametrize(
        "status", ["stopping", "inaccessible-encryption-credentials-recoverable"]
    )
    def test_other_states_that_can_be_started(self, status: str) -> None:
        assert (
            self.after("StartDBInstance", b.database(status=status)).instance.status == "available"
        )

    def test_refusals(self) -> None:
        asked = {"DBInstanceIdentifier": "linkbox-db"}
        message = refusal((b.database(status="available"),), "rds", "StartDBInstance", **asked)
        assert message == "linkbox-db is available"
        for operation in (
            "ModifyDBInstance",
            "StartDBInstance",
            "StopDBInstance",
            "RebootDBInstance",
        ):
            message = refusal((self.BEFORE,), "rds", operation, DBInstanceIdentifier="other")
            assert message == "other is not the database that was judged"
        far = SecurityGroups(
            {
                "sg-far": replace(
                    GROUPS.by_id["sg-web"], group_id="sg-far", name="far", vpc_id="vpc-2"
                )
            }
        )
        message = refusal(
            (self.BEFORE, far), "rds", "ModifyDBInstance", VpcSecurityGroupIds=["sg-far"], **asked
        )
        assert message == "far (sg-far) belongs to vpc-2, not to vpc-1"


class TestPolicies:
    OWN = b.role_policies(ALLOW)
    OPERATOR = b.operator_policies(ALLOW)

    def test_an_inline_policy_of_the_role_is_added_and_replaced(self) -> None:
        asked = {"RoleName": "app-role", "PolicyName": "more", "PolicyDocument": OTHER}
        after = changed((ROLE, self.OWN, self.OPERATOR), "iam", "PutRolePolicy", **asked)
        [first, more] = after[RolePolicies].identity
        assert (first, more) == (
            self.OWN.identity[0],
            PolicyText("more", "", OTHER, "role app-role"),
        )
        assert after[OperatorPolicies] == self.OPERATOR
        asked["PolicyName"] = "app-policy"
        after = changed((ROLE, after[RolePolicies]), "iam", "PutRolePolicy", **asked)
        assert [p.document for p in after[RolePolicies].identity] == [OTHER, OTHER]
        after = changed(
            (ROLE, after[RolePolicies]),
            "iam",
            "DeleteRolePolicy",
            RoleName="app-role",
            PolicyName="app-policy",
        )
        assert after[RolePolicies].identity == (more,)

    @pytest.mark.parametrize(
        ("kind", "argument", "name"),
        [("User", "UserName", "oncall"), ("Role", "RoleName", "oncall")],
    )
    def test_an_inline_policy_of_the_operator(self, kind: str, argument: str, name: str) -> None:
        asked = {argument: name, "PolicyName": "more"}
        values = (ROLE, self.OWN, self.OPERATOR)
        after = changed(values, "iam", f"Put{kind}Policy", **asked, PolicyDocument=OTHER)
        holder = f"{kind.lower()} {name}"
        assert after[OperatorPolicies].identity[1:] == (PolicyText("more", "", OTHER, holder),)
        assert after[RolePolicies] == self.OWN
        back = changed((ROLE, after[OperatorPolicies]), "iam", f"Delete{kind}Policy", **asked)
        assert back[OperatorPolicies] == self.OPERATOR
        message = refusal(values, "iam", f"Delete{kind}Policy", **asked)
        assert message == f"{holder} has no inline policy more"

    def test_a_policy_of_another_holder_or_a_managed_one_of_that_name_stays(self) -> None:
        group = PolicyText("own", "", DOCUMENT, "group admins")
        managed = PolicyText("own", "arn:p", DOCUMENT, "user oncall")
        before = replace(self.OPERATOR, identity=(group, managed))
        asked = {"UserName": "oncall", "PolicyName": "own"}
        after = changed((before,), "iam", "PutUserPolicy", **asked, PolicyDocument=OTHER)[
            OperatorPolicies
        ]
        assert after.identity == (group, managed, PolicyText("own", "", OTHER, "user oncall"))
        assert changed((after,), "iam", "DeleteUserPolicy", **asked)[OperatorPolicies] == before

    def test_a_version_of_a_managed_policy_or_the_boundary(self) -> None:
        managed = PolicyText("m", "arn:m", DOCUMENT, version="v1")
        before = replace(
            b.role_policies(ALLOW, boundary=ALLOW), identity=(*self.OWN.identity, managed)
        )
        assert before.boundary is not None
        for arn in ("arn:m", before.boundary.arn):
            asked = {"PolicyArn": arn, "PolicyDocument": OTHER, "SetAsDefault": True}
            after = changed((before,), "iam", "CreatePolicyVersion", **asked)[RolePolicies]
            new = [p for p in (*after.identity, after.boundary) if p.document == OTHER]
            assert [(p.arn, p.version) for p in new] == [(arn, "next")]
            assert after.identity[0] == before.identity[0]
            asked["SetAsDefault"] = False
            assert changed((before,), "iam", "CreatePolicyVersion", **asked)[RolePolicies] == before
        message = refusal(
            (before,),
            "iam",
            "CreatePolicyVersion",
            PolicyArn="arn:x",
            PolicyDocument=OTHER,
            SetAsDefault=True,
        )
        assert message == "arn:x is no policy of the role"
        message = refusal(
            (before,), "iam", "SetDefaultPolicyVersion", PolicyArn="arn:m", VersionId="v1"
        )
        assert message == "version v1 of arn:m was not read"


class TestKeys:
    def test_its_policy(self) -> None:
        after = changed((KeyPolicy(DOCUMENT),), "kms", "PutKeyPolicy", Policy=OTHER)
        assert after[KeyPolicy] == KeyPolicy(OTHER)
        assert refusal((), "kms", "PutKeyPolicy", Policy=OTHER) == "KeyPolicy was not read"

    @pytest.mark.parametrize(
        ("operation", "before", "after"),
        [
            ("DisableKey", "Enabled", "Disabled"),
            ("EnableKey", "Disabled", "Enabled"),
            ("CancelKeyDeletion", "PendingDeletion", "Disabled"),
        ],
    )
    def test_its_state(self, operation: str, before: str, after: str) -> None:
        key = replace(KEY, state=before, deleted_at=b.NOW)
        expected = replace(KEY, state=after, deleted_at=None)
        assert changed((key,), "kms", operation, KeyId="k")[Key] == expected

    def test_one_that_waits_for_its_deletion_is_not_enabled(self) -> None:
        key = replace(KEY, state="PendingDeletion")
        message = refusal((key,), "kms", "EnableKey", KeyId="k")
        assert message == "a key that waits for its deletion cannot be enabled"


class TestProfile:
    BARE = replace(APP, instance=replace(APP.instance, profile_arn=None))
    NONE = InstanceRole(None, None, None, candidates=("linkbox-profile",))

    def test_the_instance_has_it_and_a_role(self) -> None:
        after = changed((self.BARE, self.NONE), "ec2", "AssociateIamInstanceProfile", **PROFILE)
        assert after[Workload].profile_arn == "linkbox-profile"
        role = after[WorkloadRole]
        assert (role.profile_name, role.role_name) == (
            "linkbox-profile",
            "the role of linkbox-profile",
        )

    @pytest.mark.parametrize(
        ("app", "role", "message"),
        [
            (APP, NONE, f"{APP.label} has a profile"),
            (BARE, replace(NONE, candidates=()), "profile linkbox-profile was not read"),
            (b.task(), NONE, f"{b.task().label} takes no instance profile"),
        ],
    )
    def test_refusals(self, app: Workload, role: InstanceRole, message: str) -> None:
        values = (app, role)
        assert refusal(values, "ec2", "AssociateIamInstanceProfile", **PROFILE) == message


class TestInstance:
    def test_refusals(self) -> None:
        message = refusal((APP,), "ec2", "StopInstances", InstanceIds=["i-2"])
        assert message == "['i-2'] is not the instance that was judged"
        message = refusal((b.task(),), "ec2", "StopInstances", InstanceIds=[b.task().identifier])
        assert message.endswith("is not the instance that was judged")
        limit = {"InstanceId": "i-2", "HttpPutResponseHopLimit": 2}
        message = refusal((APP,), "ec2", "ModifyInstanceMetadataOptions", **limit)
        assert message == "['i-2'] is not the instance that was judged"
        message = refusal((APP,), "ec2", "StartInstances", InstanceIds=["i-1"])
        assert message == f"{APP.label} is running"

    def test_the_agent_is_updated(self) -> None:
        after = changed(
            (b.healthy(SsmAgent),), "ssm", "SendCommand", DocumentName="AWS-UpdateSSMAgent"
        )
        assert after[SsmAgent] == replace(b.healthy(SsmAgent), version="3.3.0.0")
        message = refusal(
            (b.healthy(SsmAgent),), "ssm", "SendCommand", DocumentName="AWS-RunShellScript"
        )
        assert message == "the effect of AWS-RunShellScript is not modelled"


class TestParameters:
    def test_a_parameter_is_deleted(self) -> None:
        before = b.parameters(username=None)
        after = changed((before,), "ssm", "DeleteParameter", Name=b.NAMES["endpoint"])[
            StoredCredential
        ]
        assert [p.purpose for p in after.existing] == ["password", "database"]
        assert after.missing == (
            ("endpoint", b.NAMES["endpoint"]),
            ("username", b.NAMES["username"]),
        )
        message = refusal((before,), "ssm", "DeleteParameter", Name=b.NAMES["username"])
        assert message == f"{b.NAMES['username']} does not exist"

    def test_a_parameter_is_written(self) -> None:
        asked = {"Name": b.NAMES["database"], "Value": "shop", "Type": "String"}
        message = refusal((b.parameters(),), "ssm", "PutParameter", **asked)
        assert message == f"{b.NAMES['database']} exists"
        after = changed((b.parameters(),), "ssm", "PutParameter", **asked, Overwrite=True)[
            StoredCredential
        ]
        written = after.get("database")
        assert written is not None
        assert (written.value, written.version) == ("shop", 2)
        assert [p.purpose for p in after.existing] == [
            "database",
            "endpoint",
            "password",
            "username",
        ]
        assert after.value("username") == "linkbox"

    def test_a_missing_one_is_created_and_another_is_unknown(self) -> None:
        before = b.parameters(database=None, username=None)
        asked = {"Name": b.NAMES["database"], "Value": "shop", "Type": "String"}
        after = changed((before,), "ssm", "PutParameter", **asked)[StoredCredential]
        created = after.get("database")
        assert created is not None
        assert (created.name, created.kind, created.version, created.value) == (
            b.NAMES["database"], "String", 1, "shop",
        )  # fmt: skip
        assert after.missing == (("username", b.NAMES["username"]),)
        message = refusal((before,), "ssm", "PutParameter", **{**asked, "Name": "/x"})
        assert message == "/x was not read"

    @pytest.mark.parametrize(
        "password", [b.parameter("password", format_problems=("a quote",)), None]
    )
    def test_a_repaired_password_is_sound(self, password: Any) -> None:
        before = b.parameters(password=password, username=None)
        state = State({StoredCredential: b.known(before)})
        repair_password(state)
        after = state.value(StoredCredential)
        repaired = after.get("password")
        assert repaired is not None
        assert (repaired.name, repaired.kind) == (b.NAMES["password"], "SecureString")
        assert (repaired.version, repaired.format_problems, repaired.form) == (
            2 if password else 1,
            (),
            SOUND,
        )
        assert after.missing == (("username", b.NAMES["username"]),)
        assert [p.purpose for p in after.existing] == ["database", "endpoint", "password"]
        assert after.value("endpoint") == b.HOST
