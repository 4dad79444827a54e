"""Faults around a database that moved into its own VPC, peered with the app's."""

from __future__ import annotations

from typing import Any

from opskit.sandbox import topology
from opskit.sandbox.faults.interface import Fault, FaultAction, FaultContext

SUBNET_GROUP = "linkbox-data-subnets"
NAME = "linkbox-data"


def move(h: FaultContext) -> dict[str, str]:
    """Move the database into the data VPC, with all the resources that this needs.

    Returns:
        the ids of the new resources.
    """
    ec2, rds = h.client("ec2"), h.client("rds")
    vpc = ec2.create_vpc(CidrBlock=topology.DATA_CIDR)["Vpc"]["VpcId"]
    ec2.create_tags(Resources=[vpc], Tags=[{"Key": "Name", "Value": NAME}])
    subnets = [
        ec2.create_subnet(
            VpcId=vpc, CidrBlock=f"10.1.{n}.0/24", AvailabilityZone=f"{topology.REGION}{zone}"
        )["Subnet"]["SubnetId"]
        for n, zone in ((5, "a"), (6, "b"))
    ]
    reply = ec2.create_vpc_peering_connection(VpcId=h.ids.vpc, PeerVpcId=vpc)
    peering = reply["VpcPeeringConnection"]["VpcPeeringConnectionId"]
    ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=peering)
    group = ec2.create_security_group(GroupName="data-sg", Description="database", VpcId=vpc)[
        "GroupId"
    ]
    pair = {"GroupId": h.ids.web_group, "UserId": topology.ACCOUNT}
    rule = {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "UserIdGroupPairs": [pair]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    table = _main_table(ec2, vpc)
    ec2.create_route(
        RouteTableId=table, DestinationCidrBlock=topology.VPC_CIDR, VpcPeeringConnectionId=peering
    )
    ec2.create_route(
        RouteTableId=h.ids.app_table,
        DestinationCidrBlock=topology.DATA_CIDR,
        VpcPeeringConnectionId=peering,
    )
    for egress, first, last in ((True, 5432, 5432), (False, 1024, 65535)):
        ec2.create_network_acl_entry(
            NetworkAclId=h.ids.app_acl, RuleNumber=200, Egress=egress, Protocol="6",
            RuleAction="allow", CidrBlock=topology.DATA_CIDR, PortRange={"From": first, "To": last},
        )  # fmt: skip
    rds.create_db_subnet_group(
        DBSubnetGroupName=SUBNET_GROUP, DBSubnetGroupDescription="data", SubnetIds=subnets
    )
    _location(rds, SUBNET_GROUP, group)
    return {"vpc": vpc, "peering": peering, "table": table}


def move_back(h: FaultContext) -> None:
    """Move the database back to LinkBox's VPC, and delete everything else."""
    ec2, rds = h.client("ec2"), h.client("rds")
    _associate_app(h)
    _location(rds, "linkbox-db-subnets", h.ids.database_group)
    filters = [{"Name": "tag:Name", "Values": [NAME]}]
    for vpc in [v["VpcId"] for v in ec2.describe_vpcs(Filters=filters)["Vpcs"]]:
        _delete(h, vpc)
    for egress in (True, False):
        ec2.delete_network_acl_entry(NetworkAclId=h.ids.app_acl, RuleNumber=200, Egress=egress)
    rds.delete_db_subnet_group(DBSubnetGroupName=SUBNET_GROUP)
    h.restart_app()


def _delete(h: FaultContext, vpc: str) -> None:
    ec2 = h.client("ec2")
    here = [{"Name": "vpc-id", "Values": [vpc]}]
    _remove_route(ec2, h.ids.app_table, topology.DATA_CIDR)
    for peering in ec2.describe_vpc_peering_connections()["VpcPeeringConnections"]:
        if peering["AccepterVpcInfo"]["VpcId"] == vpc and peering["Status"]["Code"] == "active":
            ec2.delete_vpc_peering_connection(
                VpcPeeringConnectionId=peering["VpcPeeringConnectionId"]
            )
    for group in ec2.describe_security_groups(Filters=here)["SecurityGroups"]:
        if group["GroupName"] != "default":
            ec2.delete_security_group(GroupId=group["GroupId"])
    for subnet in ec2.describe_subnets(Filters=here)["Subnets"]:
        ec2.delete_subnet(SubnetId=subnet["SubnetId"])
    ec2.delete_vpc(VpcId=vpc)


def _location(rds: Any, subnet_group: str, group: str) -> None:
    rds.modify_db_instance(
        DBInstanceIdentifier=topology.DATABASE_IDENTIFIER,
        DBSubnetGroupName=subnet_group,
        VpcSecurityGroupIds=[group],
        ApplyImmediately=True,
    )


def _main_table(ec2: Any, vpc: str) -> str:
    filters = [
        {"Name": "vpc-id", "Values": [vpc]},
        {"Name": "association.main", "Values": ["true"]},
    ]
    return str(ec2.describe_route_tables(Filters=filters)["RouteTables"][0]["RouteTableId"])


def _remove_route(ec2: Any, table: str, cidr: str) -> None:
    row = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]
    if any(r.get("DestinationCidrBlock") == cidr for r in row["Routes"]):
        ec2.delete_route(RouteTableId=table, DestinationCidrBlock=cidr)


def _associations(h: FaultContext) -> list[dict[str, Any]]:
    row = h.client("ec2").describe_route_tables(RouteTableIds=[h.ids.app_table])["RouteTables"][0]
    return [a for a in row["Associations"] if a.get("SubnetId") == h.ids.app_subnet]


def _associate_app(h: FaultContext) -> None:
    if not _associations(h):
        h.client("ec2").associate_route_table(
            RouteTableId=h.ids.app_table, SubnetId=h.ids.app_subnet
        )


def _forgetting(what: str) -> FaultAction:
    """Move the database, and leave out one step."""

    def action(h: FaultContext) -> None:
        ids, ec2 = move(h), h.client("ec2")
        if what == "way there":
            _remove_route(ec2, h.ids.app_table, topology.DATA_CIDR)
        elif what == "way back":
            _remove_route(ec2, ids["table"], topology.VPC_CIDR)
        else:
            for association in _associations(h):
                ec2.disassociate_route_table(AssociationId=association["RouteTableAssociationId"])
        h.restart_app()

    return action


FAULTS = (
    Fault("peer-route-missing", "the database moved to a peered VPC, no one added the app's route", "NET010",
          _forgetting("way there"), move_back),
    Fault("peer-route-back-missing", "the same, and the data VPC lacks its route back", "NET010",
          _forgetting("way back"), move_back),
    Fault("main-table", "the same, and the app's subnet lost the association with its route table", "NET011",
          _forgetting("association"), move_back),
)  # fmt: skip
