"""The answers about names: zones of Route 53, CNAMEs and aliases, and what hides what."""

from __future__ import annotations

from typing import Any

import boto3
import pytest

from opskit.sandbox import topology
from opskit.sandbox.aws.dns_records import resolve
from opskit.sandbox.network.dns_server import Answer

pytestmark = pytest.mark.usefixtures("aws_in_memory")


def zone(name: str, *rows: dict[str, Any], vpc: str = "") -> None:
    """Create a zone with these records: a private one for a VPC, or a public one."""
    route53: Any = boto3.client("route53", region_name=topology.REGION)
    private: dict[str, Any] = {
        "VPC": {"VPCRegion": topology.REGION, "VPCId": vpc},
        "HostedZoneConfig": {"PrivateZone": True, "Comment": ""},
    }
    zone_id = route53.create_hosted_zone(
        Name=name, CallerReference=f"{name} {vpc}", **(private if vpc else {})
    )["HostedZone"]["Id"]
    changes = [{"Action": "CREATE", "ResourceRecordSet": row} for row in rows]
    if changes:
        route53.change_resource_record_sets(HostedZoneId=zone_id, ChangeBatch={"Changes": changes})


def record(name: str, kind: str, *values: str) -> dict[str, Any]:
    return {
        "Name": name,
        "Type": kind,
        "TTL": 60,
        "ResourceRecords": [{"Value": v} for v in values],
    }


@pytest.fixture
def vpc() -> str:
    ec2: Any = boto3.client("ec2", region_name=topology.REGION)
    return str(ec2.create_vpc(CidrBlock=topology.VPC_CIDR)["Vpc"]["VpcId"])


def inside(name: str) -> Answer:
    return resolve(name, inside=True)


def test_a_cname_is_followed_through_zones(vpc: str) -> None:
    zone("linkbox.internal", record("db.linkbox.internal", "CNAME", "Writer.example.com."), vpc=vpc)
    zone("example.com", record("writer.example.com", "A", "192.0.2.1", "192.0.2.2"))
    assert inside("db.linkbox.internal") == (
        "NOERROR",
        [
            ("db.linkbox.internal", "CNAME", "Writer.example.com"),
            ("writer.example.com", "A", "192.0.2.1"),
            ("writer.example.com", "A", "192.0.2.2"),
        ],
    )
    assert resolve("db.linkbox.internal", inside=False) == ("NXDOMAIN", [])


def test_a_cname_that_leads_nowhere_or_in_a_circle(vpc: str) -> None:
    zone(
        "linkbox.internal",
        record("gone.linkbox.internal", "CNAME", "no.linkbox.internal"),
        record("a.linkbox.internal", "CNAME", "b.linkbox.internal"),
        record("b.linkbox.internal", "CNAME", "a.linkbox.internal"),
        vpc=vpc,
    )
    rcode, records = inside("gone.linkbox.internal")
    assert (rcode, len(records)) == ("NXDOMAIN", 1)
    assert inside("a.linkbox.internal") == ("SERVFAIL", [])


def test_a_private_zone_hides_the_public_one_even_where_it_has_no_record(vpc: str) -> None:
    zone("example.com", record("db.example.com", "A", "192.0.2.1"))
    assert inside("db.example.com")[0] == "NOERROR"
    zone("example.com", vpc=vpc)
    assert inside("db.example.com") == ("NXDOMAIN", [])
    assert resolve("db.example.com", inside=False)[0] == "NOERROR"


def test_other_types_wildcards_and_aliases(vpc: str) -> None:
    alias = {
        "HostedZoneId": "Z1",
        "DNSName": "x.w.linkbox.internal.",
        "EvaluateTargetHealth": False,
    }
    zone(
        "linkbox.internal",
        record("text.linkbox.internal", "TXT", '"a"'),
        record("*.w.linkbox.internal", "A", "10.0.5.10"),
        {"Name": "alias.linkbox.internal", "Type": "A", "AliasTarget": alias},
        vpc=vpc,
    )
    assert inside("text.linkbox.internal") == ("NOERROR", [])
    assert inside("x.w.linkbox.internal") == (
        "NOERROR",
        [("x.w.linkbox.internal", "A", "10.0.5.10")],
    )
    assert inside("alias.linkbox.internal") == (
        "NOERROR",
        [("alias.linkbox.internal", "A", "10.0.5.10")],
    )


def test_without_dns_support_the_resolver_is_silent(vpc: str) -> None:
    ec2: Any = boto3.client("ec2", region_name=topology.REGION)
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsSupport={"Value": False})
    assert inside("db.linkbox.internal") == ("SILENT", [])
