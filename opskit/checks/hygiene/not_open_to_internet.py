"""The database's security groups do not allow the whole internet.

Means: anyone can try passwords, if a path from outside exists now or later.
Found by: ingress rules with 0.0.0.0/0 or ::/0 that cover the database's port.
Looks alike: a wide rule on the load balancer's group, where it is right.
Fix: a rule for the app's group instead, then revoke the wide one.
Not the fix: another port.
"""

from __future__ import annotations

from opskit.checks.fix import Fix
from opskit.checks.fix_commands import call
from opskit.checks.interface import Finding, passed, reported, undecided, warned
from opskit.checks.seen import Seen, one_of
from opskit.facts.database import Database
from opskit.facts.security_groups import IpPermission, SecurityGroups

EVERYBODY = ("0.0.0.0/0", "::/0")
passes_on = one_of((Seen(Database, "instance.security_group_ids"), Seen(SecurityGroups, "by_id")))


def check(database: Database, groups: SecurityGroups) -> Finding:
    """Look for rules that allow every address."""
    for group_id in database.instance.security_group_ids:
        for rule in groups.ingress_of([group_id]):
            wide = [c for c in rule.cidrs if c in EVERYBODY]
            if wide and rule.covers(database.port):
                return warned(
                    f"{groups.label(group_id)} admits {wide[0]} on {database.port}",
                    reported("ec2:DescribeSecurityGroups"),
                    fix=_fix(group_id, rule, wide[0]),
                )
    unread = [i for i in database.instance.security_group_ids if i not in groups.by_id]
    if unread or not database.instance.security_group_ids:
        return undecided(
            f"the rules of {' and '.join(unread) or 'the database'} were not read",
            "ec2:DescribeSecurityGroups",
        )
    return passed("no rule of the database admits every address")


def _fix(group_id: str, rule: IpPermission, cidr: str) -> Fix:
    """Revoke the wide rule; the verification of the fix shows whether the app needs it."""
    ranges = (
        {"Ipv6Ranges": [{"CidrIpv6": cidr}]} if ":" in cidr else {"IpRanges": [{"CidrIp": cidr}]}
    )
    ports = {} if rule.from_port is None else {"FromPort": rule.from_port, "ToPort": rule.to_port}
    arguments = {
        "GroupId": group_id,
        "IpPermissions": [{"IpProtocol": rule.protocol, **ports, **ranges}],
    }
    return Fix(
        (call("ec2", "RevokeSecurityGroupIngress", **arguments),),
        "removes the wide rule",
        undo=(call("ec2", "AuthorizeSecurityGroupIngress", **arguments),),
        caution="Clients that no other rule admits cannot connect any more.",
    )
