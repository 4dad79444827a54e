"""RDS Proxies and stacks, as the emulated AWS describes them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from opskit.config import Target
from opskit.credential_source import source_of
from opskit.errors import AwsError
from opskit.facts.interface import Unknown
from opskit.rotation.planning.external_references import read_proxies, read_stack

REGION = "us-east-1"
NAME = "/linkbox/db-password"
SOURCE = source_of(Target("linkbox", {"password": NAME}))


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        yield {
            n: boto3.client(n, region_name=REGION) for n in ("rds", "secretsmanager", "ssm", "ec2")
        }


def make_proxy(account: dict[str, Any], name: str, auth: list[dict[str, str]]) -> None:
    vpc = account["ec2"].create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        account["ec2"].create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24")["Subnet"]["SubnetId"]
        for n in (1, 2)
    ]
    account["rds"].create_db_proxy(
        DBProxyName=name,
        EngineFamily="POSTGRESQL",
        Auth=auth,
        RoleArn="arn:aws:iam::123456789012:role/proxy",
        VpcSubnetIds=subnets,
    )


def test_a_proxy_names_its_users(account: dict[str, Any]) -> None:
    make = account["secretsmanager"].create_secret
    told = make(Name="told", SecretString=json.dumps({"username": "app", "password": "p"}))["ARN"]
    other = make(Name="other", SecretString="no JSON")["ARN"]
    make_proxy(
        account,
        "linkbox-proxy",
        [
            {"AuthScheme": "SECRETS", "SecretArn": arn, "IAMAuth": "DISABLED"}
            for arn in (told, other)
        ],
    )
    make_proxy(account, "elsewhere", [{"AuthScheme": "SECRETS", "SecretArn": told}])
    account["rds"].create_db_instance(
        DBInstanceIdentifier="linkbox-db",
        DBInstanceClass="db.t3.micro",
        Engine="postgres",
        MasterUsername="linkbox",
        MasterUserPassword="password",
        AllocatedStorage=20,
    )
    account["rds"].register_db_proxy_targets(
        DBProxyName="linkbox-proxy", DBInstanceIdentifiers=["linkbox-db"]
    )
    found = read_proxies(account["rds"], account["secretsmanager"], ["linkbox-db"])
    assert not isinstance(found, Unknown)
    [proxy] = found
    assert proxy.name == "linkbox-proxy"
    assert {s.arn: s.user for s in proxy.secrets} == {told: "app", other: ""}
    app, unsure = proxy.secret_of("app"), proxy.secret_of("somebody")
    assert app is not None
    assert unsure is not None
    assert (app.arn, unsure.arn) == (told, other)


def test_a_stack_shows_in_the_parameters_tags(account: dict[str, Any]) -> None:
    account["ssm"].put_parameter(Name=NAME, Value="x", Type="String")
    assert read_stack(SOURCE, account["ssm"], NAME) == ""
    tags = [{"Key": "aws:cloudformation:stack-name", "Value": "shop"}]
    account["ssm"].add_tags_to_resource(ResourceType="Parameter", ResourceId=NAME, Tags=tags)
    assert read_stack(SOURCE, account["ssm"], NAME) == "shop"


class Refusing:
    """A client that is denied everything."""

    def __getattr__(self, operation: str) -> Any:
        def call(**_: Any) -> None:
            raise AwsError(f"aws:{operation}", "AccessDenied", "no")

        return call


def test_what_may_not_be_read_is_not_known() -> None:
    for found in (
        read_proxies(Refusing(), Refusing(), ["d"]),
        read_stack(SOURCE, Refusing(), NAME),
    ):
        assert isinstance(found, Unknown)
        assert "AccessDenied" in found.reason
