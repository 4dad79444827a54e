"""Faults in security groups, network ACLs and route tables."""

from __future__ import annotations

from typing import Any

from opskit.sandbox import topology
from opskit.sandbox.faults.interface import FaultContext
from tests.accuracy.interface import Action, fault

PORT = 5432


def rule(
    port: int, peers: dict[str, Any], *, last: int | None = None, protocol: str = "tcp"
) -> dict[str, Any]:
    """A rule of a security group."""
    return {"IpProtocol": protocol, "FromPort": port, "ToPort": last or port, **peers}


def ranges(*cidrs: str) -> dict[str, Any]:
    """Peers by address ranges."""
    return {"IpRanges": [{"CidrIp": cidr} for cidr in cidrs]}


def admitting(*rules: dict[str, Any], at: str = "database_group") -> Action:
    """Replace the ingress rules of a group, which is named by a field of the sandbox's ids."""

    def action(h: FaultContext) -> None:
        ec2, group = h.client("ec2"), getattr(h.ids, at)
        row = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]
        ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=row["IpPermissions"])
        if rules:
            ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=list(rules))

    return action


def sending(*rules: dict[str, Any]) -> Action:
    """Replace the egress rules of the app's group."""

    def action(h: FaultContext) -> None:
        ec2, group = h.client("ec2"), h.ids.web_group
        row = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]
        ec2.revoke_security_group_egress(GroupId=group, IpPermissions=row["IpPermissionsEgress"])
        if rules:
            ec2.authorize_security_group_egress(GroupId=group, IpPermissions=list(rules))

    return action


def from_web(port: int, last: int | None = None) -> Action:
    """Let the database's group allow the app's group on these ports only."""

    def action(h: FaultContext) -> None:
        pair = {"UserIdGroupPairs": [{"GroupId": h.ids.web_group}]}
        admitting(rule(port, pair, last=last))(h)

    return action


def udp_from_web(h: FaultContext) -> None:
    """Let the database's group allow the port of another protocol."""
    pair = {"UserIdGroupPairs": [{"GroupId": h.ids.web_group}]}
    admitting(rule(PORT, pair, protocol="udp"))(h)


def from_itself(h: FaultContext) -> None:
    """Let the database's group allow only itself."""
    pair = {"UserIdGroupPairs": [{"GroupId": h.ids.database_group}]}
    admitting(rule(PORT, pair))(h)


def group_on_the_instance(h: FaultContext) -> None:
    """Attach the database's group to the app in place of the database."""
    groups = h.client("ec2").describe_security_groups(
        Filters=[{"Name": "group-name", "Values": ["batch-sg"]}]
    )["SecurityGroups"]
    h.client("rds").modify_db_instance(
        DBInstanceIdentifier=topology.DATABASE_IDENTIFIER,
        VpcSecurityGroupIds=[groups[0]["GroupId"]],
        ApplyImmediately=True,
    )


def entry(
    tier: str, number: int, verb: str, ports: tuple[int, int], cidr: str, *, egress: bool
) -> Action:
    """Write an entry of an ACL, in place of the one of that number."""

    def action(h: FaultContext) -> None:
        ec2 = h.client("ec2")
        acl = h.ids.app_acl if tier == "app" else h.ids.database_acl
        present = ec2.describe_network_acls(NetworkAclIds=[acl])["NetworkAcls"][0]["Entries"]
        if any(e["RuleNumber"] == number and e["Egress"] == egress for e in present):
            ec2.delete_network_acl_entry(NetworkAclId=acl, RuleNumber=number, Egress=egress)
        ec2.create_network_acl_entry(
            NetworkAclId=acl, RuleNumber=number, Egress=egress, Protocol="6", RuleAction=verb,
            CidrBlock=cidr, PortRange={"From": ports[0], "To": ports[1]},
        )  # fmt: skip

    return action


def without_entry(tier: str, number: int, *, egress: bool) -> Action:
    """Delete an entry of an ACL."""

    def action(h: FaultContext) -> None:
        acl = h.ids.app_acl if tier == "app" else h.ids.database_acl
        h.client("ec2").delete_network_acl_entry(NetworkAclId=acl, RuleNumber=number, Egress=egress)

    return action


def to_balancer_only(h: FaultContext) -> None:
    """Narrow what the app's subnets may send to replies for the load balancer."""
    without_entry("app", 100, egress=True)(h)
    entry("app", 120, "allow", (1024, 65535), "10.0.1.0/24", egress=True)(h)


def new_acl(h: FaultContext) -> None:
    """Give the app's subnet a new ACL, which denies everything."""
    ec2 = h.client("ec2")
    acl = ec2.create_network_acl(VpcId=h.ids.vpc)["NetworkAcl"]["NetworkAclId"]
    filters = [{"Name": "association.subnet-id", "Values": [h.ids.app_subnet]}]
    present = ec2.describe_network_acls(Filters=filters)["NetworkAcls"][0]["Associations"]
    old = next(a for a in present if a["SubnetId"] == h.ids.app_subnet)
    ec2.replace_network_acl_association(
        AssociationId=old["NetworkAclAssociationId"], NetworkAclId=acl
    )


def egress_to_group(name: str) -> Action:
    """Let the app's group send to another group than the database's."""

    def action(h: FaultContext) -> None:
        filters = [{"Name": "group-name", "Values": [name]}]
        row = h.client("ec2").describe_security_groups(Filters=filters)["SecurityGroups"][0]
        https = rule(443, ranges("0.0.0.0/0"))
        sending(https, rule(PORT, {"UserIdGroupPairs": [{"GroupId": row["GroupId"]}]}))(h)

    return action


def balancer(port: int) -> Action:
    """Let the app's group allow the load balancer on another port."""

    def action(h: FaultContext) -> None:
        pair = {"UserIdGroupPairs": [{"GroupId": h.ids.balancer_group}]}
        admitting(rule(port, pair), at="web_group")(h)

    return action


CASES = (
    fault("ingress-ports-below", "NET003", from_web(5000, 5431)),
    fault("ingress-ssh-only", "NET003", from_web(22)),
    fault("ingress-udp", "NET001", udp_from_web),
    fault("ingress-from-itself", "NET002", from_itself),
    fault("ingress-second-subnet-only", "NET006", admitting(rule(PORT, ranges("10.0.3.0/24")))),
    fault("ingress-neighbour-address", "NET006", admitting(rule(PORT, ranges("10.0.2.44/32")))),
    fault("ingress-public-address", "NET006", admitting(rule(PORT, ranges("203.0.113.7/32")))),
    fault("ingress-ipv6-only", "NET006", admitting(
        rule(PORT, {"Ipv6Ranges": [{"CidrIpv6": "::/0"}]}))),
    fault("database-batch-group", "NET001", group_on_the_instance),
    fault("egress-empty", "NET005", sending()),
    fault("egress-mysql-only", "NET005", sending(
        rule(443, ranges("0.0.0.0/0")), rule(3306, ranges("10.0.0.0/16")))),
    fault("egress-to-other-subnet", "NET005", sending(
        rule(443, ranges("0.0.0.0/0")), rule(PORT, ranges("10.0.6.0/24")))),
    fault("egress-to-balancer-group", "NET005", egress_to_group("alb-public-sg")),
    fault("acl-app-without-egress", "NET004", to_balancer_only),
    fault("acl-app-without-replies", "NET004", without_entry("app", 110, egress=False)),
    fault("acl-database-without-ingress", "NET004", without_entry("db", 100, egress=False)),
    fault("acl-app-denies-out", "NET007", entry("app", 10, "deny", (5432, 5432), "10.0.5.0/24", egress=True)),
    fault("acl-app-denies-replies", "NET007",
          entry("app", 20, "deny", (1024, 65535), "10.0.5.0/24", egress=False)),
    fault("acl-database-denies-app", "NET007",
          entry("db", 20, "deny", (0, 65535), "10.0.2.0/24", egress=False)),
    fault("acl-database-denies-replies", "NET007",
          entry("db", 30, "deny", (1024, 65535), "10.0.2.0/24", egress=True)),
    fault("acl-replies-narrow-at-app", "NET008",
          entry("app", 110, "allow", (1024, 40000), "10.0.5.0/24", egress=False)),
    fault("acl-new-on-app-subnet", "NET004", new_acl),
    fault("balancer-other-port", "NET014", balancer(8080), shows_after_s=3),
)  # fmt: skip
