"""The owners of network interfaces, fed with replies as EC2 gives them."""

from __future__ import annotations

from typing import Any

import pytest

from opskit.facts import interface_owners
from opskit.facts.interface_owners import InterfaceOwner
from opskit.facts.vpc_scope import VpcScope
from tests.facts.test_networks import Fake

HERE = VpcScope("vpc-1", ("vpc-2",))


def interface(description: str, *, number: int = 1, **more: Any) -> dict[str, Any]:
    row = {
        "NetworkInterfaceId": f"eni-{number}",
        "Description": description,
        "Status": "in-use",
        "Groups": [{"GroupId": "sg-a", "GroupName": "a"}],
    }
    return {**row, **more}


def owners(*rows: dict[str, Any]) -> tuple[InterfaceOwner, ...]:
    return interface_owners.read(
        Fake(describe_network_interfaces={"NetworkInterfaces": rows}), HERE
    ).all


@pytest.mark.parametrize(
    ("description", "label"),
    [
        ("AWS Lambda VPC ENI-report-0a1b2c3d-1111-2222-3333-0123456789ab", "Lambda report"),
        ("AWS Lambda VPC ENI-report", "Lambda report"),
        ("ELB app/shop/0123456789abcdef", "load balancer shop"),
        ("ELB net/shop/0123456789abcdef", "load balancer shop"),
        ("ELB classic", "load balancer classic"),
        ("VPC Endpoint Interface vpce-01", "VPC endpoint vpce-01"),
        ("Network interface for DBProxy shop-proxy", "RDS Proxy shop-proxy"),
        ("EFS mount target for fs-01 (fsmt-02)", "EFS fs-01"),
        ("arn:aws:ecs:us-east-1:123456789012:attachment/0123", "an ECS task"),
        ("arn:aws-cn:ecs:cn-north-1:123456789012:attachment/0123", "an ECS task"),
        ("Amazon EKS prod", "Amazon EKS prod (eni-1)"),
        ("", "eni-1"),
    ],
)
def test_the_owner_is_named_by_the_description_that_aws_gives(description: str, label: str) -> None:
    assert owners(interface(description)) == (InterfaceOwner("eni-1", label, ("sg-a",)),)


def test_a_task_of_a_service_with_managed_tags_names_it() -> None:
    tags = [
        {"Key": "aws:ecs:clusterName", "Value": "prod"},
        {"Key": "aws:ecs:serviceName", "Value": "web"},
    ]
    task = "arn:aws:ecs:us-east-1:123456789012:attachment/0123"
    (known,) = owners(interface(task, TagSet=tags))
    assert (known.label, known.ecs_service) == ("ECS service prod/web", "prod/web")
    (half,) = owners(interface(task, TagSet=tags[1:]))
    assert (half.label, half.ecs_service) == ("an ECS task", "")


def test_what_is_counted_elsewhere_or_carries_nothing_is_left_out() -> None:
    """Instances and databases are read by their own calls; a free interface sends nothing."""
    assert (
        owners(
            interface("", Attachment={"InstanceId": "i-1"}),
            interface("RDSNetworkInterface"),
            interface("Interface for NAT Gateway nat-1", Groups=[]),
            interface("left over", Status="available"),
        )
        == ()
    )


def test_the_vpcs_of_the_database_and_its_peers_are_asked() -> None:
    fake = Fake(describe_network_interfaces={"NetworkInterfaces": []})
    interface_owners.read(fake, HERE)
    [(_, arguments)] = fake.asked
    assert arguments["Filters"] == [{"Name": "vpc-id", "Values": ["vpc-1", "vpc-2"]}]
