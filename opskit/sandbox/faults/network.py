"""Faults in security groups, network ACLs and route tables."""

from __future__ import annotations

from typing import Any

from opskit.sandbox import fixture, topology
from opskit.sandbox.faults.interface import Fault, FaultAction, FaultContext

PORT = 5432
"""With real packets, PostgreSQL has its standard port."""


def _rule(port: int, **peer: Any) -> dict[str, Any]:
    return {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, **peer}


def _from_group(field: str, port: int = PORT) -> FaultAction:
    """Let the database's group allow one group only, on one port."""

    def action(h: FaultContext) -> None:
        _admit(h, _rule(port, UserIdGroupPairs=[{"GroupId": getattr(h.ids, field)}]))

    return action


def _admit(h: FaultContext, *rules: dict[str, Any]) -> None:
    """Replace the ingress rules of the database's group by exactly these."""
    ec2, group = h.client("ec2"), h.ids.database_group
    present = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"]
    if present:
        ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=present)
    if rules:
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=list(rules))


def _egress(*rules: dict[str, Any]) -> FaultAction:
    """Replace the egress rules of the app's group by exactly these."""

    def action(h: FaultContext) -> None:
        ec2, group = h.client("ec2"), h.ids.web_group
        row = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]
        present = row["IpPermissionsEgress"]
        if present:
            ec2.revoke_security_group_egress(GroupId=group, IpPermissions=present)
        if rules:
            ec2.authorize_security_group_egress(GroupId=group, IpPermissions=list(rules))

    return action


def _balancer_rule(field: str) -> FaultAction:
    """Let the app's group allow one group only, on the app's port."""

    def action(h: FaultContext) -> None:
        ec2, group = h.client("ec2"), h.ids.web_group
        row = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]
        if row["IpPermissions"]:
            ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=row["IpPermissions"])
        pair = [{"GroupId": getattr(h.ids, field)}]
        rule = _rule(topology.APP_PORT, UserIdGroupPairs=pair)
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])

    return action


def _entry(
    h: FaultContext, number: int, ports: tuple[int, int], cidr: str, verb: str, *, egress: bool
) -> None:
    h.client("ec2").create_network_acl_entry(
        NetworkAclId=h.ids.database_acl,
        RuleNumber=number,
        Egress=egress,
        Protocol="6",
        RuleAction=verb,
        CidrBlock=cidr,
        PortRange={"From": ports[0], "To": ports[1]},
    )


def _without_reply(h: FaultContext) -> None:
    h.client("ec2").delete_network_acl_entry(
        NetworkAclId=h.ids.database_acl, RuleNumber=100, Egress=True
    )


def _narrow_reply(h: FaultContext) -> None:
    _without_reply(h)
    # The usual mistake: the ephemeral port range of older systems.
    _entry(h, 100, (1024, 5000), "10.0.2.0/24", "allow", egress=True)
    _entry(h, 105, (49152, 65535), "10.0.2.0/24", "allow", egress=True)


def _deny(h: FaultContext) -> None:
    _entry(h, 50, (5000, 6000), "10.0.0.0/16", "deny", egress=False)


def _strict_second_subnet(h: FaultContext) -> None:
    """Give the second database subnet its own ACL, which lacks the replies."""
    ec2 = h.client("ec2")
    acl = ec2.create_network_acl(VpcId=h.ids.vpc)["NetworkAcl"]["NetworkAclId"]
    ec2.create_network_acl_entry(
        NetworkAclId=acl, RuleNumber=100, Egress=False, Protocol="6", RuleAction="allow",
        CidrBlock="10.0.2.0/24", PortRange={"From": PORT, "To": PORT},
    )  # fmt: skip
    _associate_acl(h, h.ids.second_database_subnet, acl)


def _associate_acl(h: FaultContext, subnet: str, acl: str) -> None:
    ec2 = h.client("ec2")
    filters = [{"Name": "association.subnet-id", "Values": [subnet]}]
    present = ec2.describe_network_acls(Filters=filters)["NetworkAcls"][0]
    old = next(a for a in present["Associations"] if a["SubnetId"] == subnet)
    ec2.replace_network_acl_association(
        AssociationId=old["NetworkAclAssociationId"], NetworkAclId=acl
    )


def _acls_back(h: FaultContext) -> None:
    _associate_acl(h, h.ids.second_database_subnet, h.ids.database_acl)
    for acl, entries in (
        (h.ids.app_acl, fixture.app_acl()),
        (h.ids.database_acl, fixture.database_acl()),
    ):
        fixture.write_acl(h.client("ec2"), acl, entries)


def _second_home(h: FaultContext) -> None:
    """Add a second instance of the app in the other zone, where the ACL blocks its egress."""
    ec2 = h.client("ec2")
    acl = ec2.create_network_acl(VpcId=h.ids.vpc)["NetworkAcl"]["NetworkAclId"]
    _associate_acl(h, h.ids.second_app_subnet, acl)
    # The name differs from linkbox, so that the user need not say which instance is meant.
    ec2.run_instances(
        ImageId=fixture.IMAGE, InstanceType="t3.micro", MinCount=1, MaxCount=1,
        PrivateIpAddress="10.0.3.46", SubnetId=h.ids.second_app_subnet,
        SecurityGroupIds=[h.ids.web_group],
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "spare-2"}]}],
    )  # fmt: skip


def _one_home(h: FaultContext) -> None:
    ec2 = h.client("ec2")
    filters = [{"Name": "private-ip-address", "Values": ["10.0.3.46"]}]
    for reservation in ec2.describe_instances(Filters=filters)["Reservations"]:
        ids = [i["InstanceId"] for i in reservation["Instances"]]
        ec2.terminate_instances(InstanceIds=ids)
    _associate_acl(h, h.ids.second_app_subnet, h.ids.app_acl)


def _dead_appliance(h: FaultContext) -> None:
    """Leave a route to a firewall appliance that was deleted after a trial."""
    ec2 = h.client("ec2")
    reply = ec2.create_network_interface(
        SubnetId=h.ids.second_app_subnet, Description="firewall trial"
    )
    interface = reply["NetworkInterface"]["NetworkInterfaceId"]
    ec2.create_route(
        RouteTableId=h.ids.app_table,
        DestinationCidrBlock="10.0.5.0/24",
        NetworkInterfaceId=interface,
    )
    ec2.delete_network_interface(NetworkInterfaceId=interface)


def _no_appliance(h: FaultContext) -> None:
    ec2 = h.client("ec2")
    table = ec2.describe_route_tables(RouteTableIds=[h.ids.app_table])["RouteTables"][0]
    if any(r.get("DestinationCidrBlock") == "10.0.5.0/24" for r in table["Routes"]):
        ec2.delete_route(RouteTableId=h.ids.app_table, DestinationCidrBlock="10.0.5.0/24")


def _app_groups(name: str) -> FaultAction:
    """Replace the groups of the app's interface by one group."""

    def action(h: FaultContext) -> None:
        ec2 = h.client("ec2")
        filters = [
            {"Name": "group-name", "Values": [name]},
            {"Name": "vpc-id", "Values": [h.ids.vpc]},
        ]
        group = ec2.describe_security_groups(Filters=filters)["SecurityGroups"][0]["GroupId"]
        reservation = ec2.describe_instances(InstanceIds=[h.ids.instance])["Reservations"][0]
        interface = reservation["Instances"][0]["NetworkInterfaces"][0]["NetworkInterfaceId"]
        ec2.modify_network_interface_attribute(NetworkInterfaceId=interface, Groups=[group])

    return action


def _database_groups(name: str) -> FaultAction:
    """Give the database one group, as a restore without group arguments does."""

    def action(h: FaultContext) -> None:
        filters = [
            {"Name": "group-name", "Values": [name]},
            {"Name": "vpc-id", "Values": [h.ids.vpc]},
        ]
        rows = h.client("ec2").describe_security_groups(Filters=filters)["SecurityGroups"]
        h.client("rds").modify_db_instance(
            DBInstanceIdentifier=topology.DATABASE_IDENTIFIER,
            VpcSecurityGroupIds=[rows[0]["GroupId"]],
            ApplyImmediately=True,
        )

    return action


_ALL_OUT = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
_HTTPS_OUT = _rule(443, IpRanges=[{"CidrIp": "0.0.0.0/0"}])
_OTHER_RANGE = _rule(PORT, IpRanges=[{"CidrIp": "10.0.3.0/24"}, {"CidrIp": "10.0.12.0/24"}])
_AS_BUILT = _from_group("web_group")

FAULTS = (
    Fault("ingress-removed", "someone removed the database group's only rule", "NET001",
          lambda h: _admit(h), _AS_BUILT),
    Fault("ingress-wrong-group", "the database's rule names the load balancer's group", "NET002",
          _from_group("balancer_group"), _AS_BUILT),
    Fault("app-group-lost", "the app's interface got the batch workers' group in place of its own", "NET002",
          _app_groups("batch-sg"), _app_groups("web-sg")),
    Fault("database-default-group", "the database was restored with the VPC's default group", "NET001",
          _database_groups("default"), _database_groups("database-sg")),
    Fault("ingress-wrong-port", "the database's rule is for MySQL's port", "NET003",
          _from_group("web_group", 3306), _AS_BUILT),
    Fault("nacl-reply-dropped", "the ACL of the database's subnet lost its allow for replies", "NET004",
          _without_reply, _acls_back),
    Fault("egress-missing", "someone narrowed the app's egress to HTTPS", "NET005",
          _egress(_HTTPS_OUT), _egress(_ALL_OUT)),
    Fault("ingress-wrong-range", "the database's rule names address ranges, with a mistyped one", "NET006",
          lambda h: _admit(h, _OTHER_RANGE), _AS_BUILT),
    Fault("nacl-deny-first", "a deny was added to the database's ACL with a lower number", "NET007",
          _deny, _acls_back),
    Fault("nacl-reply-narrow", "the ACL admits replies on a part of the ephemeral ports only", "NET008",
          _narrow_reply, _acls_back),
    Fault("route-blackhole", "a route to a firewall appliance outlived the appliance", "NET009",
          _dead_appliance, _no_appliance),
    Fault("nacl-second-subnet", "the second database subnet got a stricter ACL", "NET012",
          _strict_second_subnet, _acls_back, status="warn"),
    Fault("nacl-second-app-subnet", "the app's second subnet got an ACL that lets nothing out", "NET013",
          _second_home, _one_home, status="warn"),
    Fault("balancer-shut-out", "the app's rule names another group than the load balancer's", "NET014",
          _balancer_rule("database_group"), _balancer_rule("balancer_group"),
          # The load balancer waits for an answer first.
          shows_after_s=4.5),
)  # fmt: skip
