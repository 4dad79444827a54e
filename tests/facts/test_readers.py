"""Facts from replies of AWS as its API references describe them, without AWS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from opskit.config import Target
from opskit.credential_source.interface import LocationDescription
from opskit.facts import (
    agent,
    certificate,
    key,
    private_zones,
    simulation,
    target_health,
    tls_setting,
    unfinished_rotation,
    vpc,
)
from opskit.facts.database_engine import DatabaseEngine
from opskit.facts.dns import DatabaseHost
from opskit.facts.identity import Identity
from opskit.facts.instances import TargetGroup, TargetGroups
from opskit.facts.interface import FactUnavailable
from opskit.facts.location_descriptions import LocationDescriptions
from opskit.facts.region import Region
from opskit.facts.simulation import SimulatedDecision, SimulatorLimit
from opskit.facts.unfinished_rotation import UnfinishedRotation
from opskit.workload.interface import Workload, WorkloadRole
from tests import builders as b
from tests.fake_aws import FakeClient

REGION = Region("us-east-1")
TARGET = Target("linkbox", b.NAMES, "/linkbox")
HOST = DatabaseHost(b.HOST, 5432, "x", is_from_rds=True)


class Client(FakeClient):
    """A client that answers each operation with a reply, or with what a function of its arguments returns."""

    def __init__(self, **replies: Any) -> None:
        self.replies = replies
        self.asked: list[dict[str, Any]] = []

    def __getattr__(self, operation: str) -> Any:
        reply = self.replies[operation]

        def answer(**asked: Any) -> Any:
            self.asked.append(asked)
            return reply(**asked) if callable(reply) else reply

        return answer


def app() -> Workload:
    workload = b.snapshot().value(Workload)
    assert workload is not None
    return workload


class TestKey:
    def read(self, row: Mapping[str, Any], key_id: str = "alias/linkbox") -> key.Key:
        location = LocationDescription(b.NAMES["password"], "SecureString", key_id, "")
        usual = {"Arn": b.KEY_ARN, "KeyId": "k", "KeyState": "Enabled"}
        kms = Client(describe_key={"KeyMetadata": {**usual, **row}})
        made = key.read(kms, LocationDescriptions((location,)), TARGET)
        assert kms.asked == [{"KeyId": key_id}]
        return made

    @pytest.mark.parametrize(
        ("row", "key_id", "is_aws_managed"),
        [
            ({"KeyManager": "CUSTOMER"}, "alias/linkbox", False),
            ({"KeyManager": "AWS"}, "k", True),
            ({}, "alias/aws/ssm", True),
        ],
    )
    def test_whose_key_it_is(self, row: Any, key_id: str, is_aws_managed: bool) -> None:
        made = self.read(row, key_id)
        assert (made.named_as, made.is_aws_managed) == (key_id, is_aws_managed)

    def test_when_it_will_be_deleted(self) -> None:
        made = self.read({"KeyState": "PendingDeletion", "DeletionDate": b.NOW})
        assert (made.state, made.deleted_at) == ("PendingDeletion", b.NOW)

    def test_a_parameter_without_a_key(self) -> None:
        with pytest.raises(FactUnavailable, match="is not encrypted, or does not exist"):
            key.read(Client(), LocationDescriptions(()), TARGET)


class TestPrivateZones:
    def read(self, *names: str, records: int = 2) -> private_zones.PrivateZones:
        rows = [{"HostedZoneId": f"Z{n}", "Name": name} for n, name in enumerate(names)]
        zone = {"VPCs": [{}, {}], "HostedZone": {"ResourceRecordSetCount": records}}
        route53 = Client(
            list_hosted_zones_by_vpc={"HostedZoneSummaries": rows}, get_hosted_zone=zone
        )
        return private_zones.read(route53, HOST, b.database(), REGION)

    def test_those_that_cover_the_host_the_longest_first(self) -> None:
        zones = self.read("amazonaws.com.", "US-EAST-1.rds.amazonaws.com.", "internal.", "ws.com.")
        assert [z.name for z in zones.covering] == ["US-EAST-1.rds.amazonaws.com", "amazonaws.com"]
        assert (zones.vpc_id, zones.region) == ("vpc-1", "us-east-1")

    @pytest.mark.parametrize(("records", "is_empty"), [(2, True), (3, False)])
    def test_a_zone_s_own_two_records_do_not_count(self, records: int, is_empty: bool) -> None:
        [zone] = self.read(f"{b.HOST}.", records=records).covering
        assert (zone.is_empty, zone.vpcs) == (is_empty, 2)


class TestTargetHealth:
    def read(self, groups: Sequence[TargetGroup], *targets: tuple[str, dict[str, str]]) -> Any:
        rows = [{"Target": {"Id": i}, "TargetHealth": health} for i, health in targets]
        self.elb = Client(describe_target_health={"TargetHealthDescriptions": rows})
        near = b.known(b.database())
        return target_health.read(self.elb, TargetGroups(tuple(groups)), app(), near).all

    def test_the_app_by_id_or_address(self) -> None:
        healths = self.read(
            [b.TARGETS],
            ("i-1", {"State": "healthy"}),
            (
                "10.0.2.45",
                {"State": "unhealthy", "Reason": "Target.Timeout", "Description": "late"},
            ),
            ("i-2", {"State": "healthy"}),
        )
        assert [(h.state, h.reason, h.description) for h in healths] == [
            ("healthy", "", ""),
            ("unhealthy", "Target.Timeout", "late"),
        ]

    def test_groups_of_other_vpcs_are_not_asked(self) -> None:
        assert self.read([replace(b.TARGETS, vpc_id="vpc-9")], ("i-1", {"State": "healthy"})) == ()
        assert self.elb.asked == []

    def test_groups_that_share_a_word_with_the_app_come_first(self) -> None:
        far = [replace(b.TARGETS, arn=f"arn:{n}", name="other") for n in range(50)]
        self.read([*far, b.TARGETS])
        assert self.elb.asked[0] == {"TargetGroupArn": b.TARGETS.arn}
        assert len(self.elb.asked) == target_health.MOST_GROUPS


class TestTlsSetting:
    ENGINE = b.snapshot().value(DatabaseEngine)

    def read(self, *rows: Mapping[str, str], **changes: Any) -> tls_setting.TlsSetting:
        assert self.ENGINE is not None
        rds = Client(describe_db_parameters={"Parameters": rows})
        return tls_setting.read(rds, b.database(**changes), self.ENGINE)

    @pytest.mark.parametrize(("value", "is_forced"), [("1", True), ("0", False), ("", False)])
    def test_its_value(self, value: str, is_forced: bool) -> None:
        rows = [
            {"ParameterName": "rds.force_ssl_too", "ParameterValue": "1"},
            {"ParameterName": "rds.force_ssl", "ParameterValue": value},
        ]
        made = self.read(*rows)
        assert (made.value, made.is_forced) == (value, is_forced)
        assert (made.group, made.apply_status) == ("linkbox-postgres17", "in-sync")

    @pytest.mark.parametrize("rows", [(), ({"ParameterName": "rds.force_ssl"},)])
    def test_a_group_that_does_not_set_it(self, rows: tuple[Mapping[str, str], ...]) -> None:
        made = self.read(*rows)
        assert (made.value, made.is_forced) == (None, False)

    def test_no_group(self) -> None:
        with pytest.raises(FactUnavailable, match="names no parameter group"):
            self.read(parameter_groups=())


class TestAgent:
    def read(self, status: str, *rows: Mapping[str, Any], workload: Any = None) -> agent.SsmAgent:
        ssm = Client(
            describe_instance_information={"InstanceInformationList": rows},
            get_connection_status={"Status": status},
        )
        return agent.read(ssm, workload or app())

    def test_one_that_is_registered(self) -> None:
        row = {"PingStatus": "Online", "LastPingDateTime": b.NOW, "AgentVersion": "3.3.987.0"}
        made = agent.SsmAgent("Online", b.NOW, "3.3.987.0", takes_sessions=True)
        assert self.read("connected", row) == made
        assert not self.read("notconnected", row).takes_sessions

    def test_one_that_never_registered(self) -> None:
        assert self.read("notconnected") == agent.SsmAgent(None, None, "", takes_sessions=False)

    def test_a_task_has_none(self) -> None:
        with pytest.raises(FactUnavailable, match="is no managed node"):
            self.read("connected", workload=b.task())


class TestVpc:
    @pytest.mark.parametrize(
        ("row", "cidrs"),
        [
            ({"CidrBlock": "10.0.0.0/16"}, ("10.0.0.0/16",)),
            (
                {
                    "CidrBlock": "10.0.0.0/16",
                    "CidrBlockAssociationSet": [
                        {"CidrBlock": "10.0.0.0/16"},
                        {"CidrBlock": "100.64.0.0/16"},
                    ],
                },
                ("10.0.0.0/16", "100.64.0.0/16"),
            ),
        ],
    )
    def test_all_its_ranges(self, row: Mapping[str, Any], cidrs: tuple[str, ...]) -> None:
        made = vpc.read(Client(describe_vpcs={"Vpcs": [{"VpcId": "vpc-1", **row}]}), b.database())
        assert made == vpc.Vpc("vpc-1", cidrs)

    def test_one_that_does_not_exist(self) -> None:
        with pytest.raises(FactUnavailable, match="vpc-1 does not exist"):
            vpc.read(Client(describe_vpcs={"Vpcs": []}), b.database())

    def test_its_two_attributes_come_one_by_one(self) -> None:
        def attribute(**asked: Any) -> Any:
            name = asked["Attribute"]
            return {name[0].upper() + name[1:]: {"Value": name == "enableDnsSupport"}}

        made = vpc.read_dns(Client(describe_vpc_attribute=attribute), b.database())
        assert made == vpc.VpcDns(is_supported=True, gives_hostnames=False)


class TestCertificate:
    def shown(self, *names: str) -> bytes:
        own = Ed25519PrivateKey.generate()
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "db")])
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(own.public_key())
            .serial_number(1)
            .not_valid_before(b.NOW)
            .not_valid_after(b.NOW + timedelta(days=1))
        )
        if names:
            alternative = x509.SubjectAlternativeName([x509.DNSName(n) for n in names])
            builder = builder.add_extension(alternative, critical=False)
        return builder.sign(own, None).public_bytes(Encoding.DER)

    def read(self, *chain: bytes) -> certificate.Certificate:
        greeting = replace(b.probe().greeting, certificates=chain)
        return certificate.read(b.probe(greeting))

    def test_names_and_dates_of_the_first(self) -> None:
        made = self.read(self.shown(b.HOST, "*.other"), self.shown("of its authority"))
        assert made.names == (b.HOST, "*.other")
        assert (made.subject, made.issuer) == ("CN=db", "CN=db")
        assert (made.not_before, made.not_after) == (b.NOW, b.NOW + timedelta(days=1))

    def test_one_without_names(self) -> None:
        made = self.read(self.shown())
        assert made.names == ()
        assert not made.names_host("db"), "a common name is none (RFC 9525)"

    @pytest.mark.parametrize(
        ("name", "host", "expected"),
        [
            ("db.internal", "DB.internal", True),
            ("*.internal", "db.INTERNAL", True),
            ("*.internal", "a.db.internal", False),
            ("*.internal", "internal", False),
            ("d*.internal", "db.internal", False),
            ("*", "db", False),
        ],
    )
    def test_a_wildcard_is_one_label(self, name: str, host: str, expected: bool) -> None:
        made = certificate.Certificate("", "", (name,), b.NOW, b.NOW)
        assert made.names_host(host) is expected

    @pytest.mark.parametrize("chain", [(), (b"no certificate",)])
    def test_none_that_can_be_read(self, chain: tuple[bytes, ...]) -> None:
        with pytest.raises(FactUnavailable):
            self.read(*chain)


class TestUnfinishedRotation:
    PATH = f"/opskit/rotation{b.NAMES['password']}"
    AT = datetime(2026, 1, 2, tzinfo=UTC)

    def read(self, **records: str) -> UnfinishedRotation:
        rows = [
            {
                "Name": f"{self.PATH}/{name[1:].replace('_', '/')}",
                "Value": text,
                "LastModifiedDate": self.AT,
            }
            for name, text in records.items()
        ]
        ssm = Client(get_parameters_by_path={"Parameters": rows})
        made = unfinished_rotation.read(ssm, TARGET)
        assert ssm.asked[0]["WithDecryption"] is False
        return made

    def test_none(self) -> None:
        assert self.read() == UnfinishedRotation(0)

    @pytest.mark.parametrize(
        ("records", "number"),
        [
            ({"r1_open": ""}, 1),
            ({"r1_open": "", "r1_decision": '{"direction": "forward"}'}, 1),
            ({"r1_open": "", "r1_done": ""}, 0),
            ({"r1_open": "", "r1_slot-2": '{"kind": "close"}'}, 0),
            ({"r1_open": "", "r1_slot-2": '{"kind": "join"}'}, 1),
            ({"r1_open": "", "r1_slot-2": "no JSON"}, 1),
            ({"r9_open": "", "r9_done": "", "r10_open": ""}, 10),
            ({"r9_open": "", "r10_open": "", "r10_done": ""}, 0),
        ],
    )
    def test_only_the_newest_counts(self, records: dict[str, str], number: int) -> None:
        made = self.read(**records)
        assert made.number == number
        assert not number or made.opened_at == self.AT

    def test_one_whose_opening_is_not_visible_yet(self) -> None:
        assert self.read(**{"r1_slot-2": '{"kind": "join"}'}) == UnfinishedRotation(1, None)


class TestSimulation:
    GET = "ssm:GetParameter"

    def decided(self, **row: Any) -> list[SimulatedDecision]:
        usual = {"EvalActionName": self.GET, "EvalDecision": "implicitDeny"}
        return simulation.decisions_of({"EvaluationResults": [{**usual, **row}]})

    def test_without_resources_it_is_one_for_all(self) -> None:
        assert self.decided() == [SimulatedDecision(self.GET, "*", "implicitDeny", False, None)]

    def test_each_resource_has_its_own(self) -> None:
        rows = [
            {"EvalResourceName": "a", "EvalResourceDecision": "allowed"},
            {
                "EvalResourceName": "b",
                "EvalResourceDecision": "explicitDeny",
                "MissingContextValues": ["aws:SourceIp"],
            },
        ]
        assert [
            (d.resource, d.decision, d.is_conditional)
            for d in self.decided(ResourceSpecificResults=rows)
        ] == [
            ("a", "allowed", False),
            ("b", "explicitDeny", True),
        ]

    @pytest.mark.parametrize(
        ("row", "limit"),
        [
            (
                {"PermissionsBoundaryDecisionDetail": {"AllowedByPermissionsBoundary": False}},
                SimulatorLimit.BOUNDARY,
            ),
            (
                {"OrganizationsDecisionDetail": {"AllowedByOrganizations": False}},
                SimulatorLimit.ORGANIZATION,
            ),
            ({"OrganizationsDecisionDetail": {"AllowedByOrganizations": True}}, None),
        ],
    )
    def test_what_limits_the_identity(self, row: dict[str, Any], limit: Any) -> None:
        [own] = self.decided(**row)
        assert own.limited_by is limit

    def test_the_key_is_asked_for_where_it_is_not_aws_s(self) -> None:
        iam = Client(simulate_principal_policy={"EvaluationResults": []})
        role = b.snapshot().value(WorkloadRole)
        assert role is not None
        identity = Identity("123456789012", "arn", 0.0)
        simulation.read(iam, role, identity, REGION, b.linkbox()[key.Key], TARGET)
        [asked] = iam.asked
        assert "kms:Decrypt" in asked["ActionNames"]
        assert b.KEY_ARN in asked["ResourceArns"]
        assert asked["PolicySourceArn"] == b.ROLE_ARN
        names = [entry["ContextKeyName"] for entry in asked["ContextEntries"]]
        assert names == ["kms:ViaService", "kms:EncryptionContext:PARAMETER_ARN"]
