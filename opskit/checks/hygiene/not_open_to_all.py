"""The database's security groups admit no whole internet.

Means: anybody may try passwords, if a path from outside exists or comes to be.
Found by: ingress rules with 0.0.0.0/0 or ::/0 that cover the database's port.
Looks alike: a wide rule on the load balancer's group, which is right there.
Fix: a rule for the app's group in its place, then revoke the wide one.
Not the fix: another port.
"""

from __future__ import annotations

from opskit.checks.interface import Finding, Fix, passed, reported, warned
from opskit.checks.remedy import aws
from opskit.facts.database import Database
from opskit.facts.security_groups import SecurityGroups

EVERYBODY = ("0.0.0.0/0", "::/0")


def check(database: Database, groups: SecurityGroups) -> Finding:
    """Look for rules that name everybody."""
    for group_id in database.instance.security_group_ids:
        for rule in groups.ingress_of([group_id]):
            wide = [c for c in rule.cidrs if c in EVERYBODY]
            if wide and rule.covers(database.port):
                ports = (
                    {} if rule.from_port is None else {"port": f"{rule.from_port}-{rule.to_port}"}
                )
                revoke = aws(
                    "ec2",
                    "revoke-security-group-ingress",
                    group_id=group_id,
                    protocol=rule.protocol,
                    **ports,
                    cidr=wide[0],
                )
                return warned(
                    f"{groups.label(group_id)} admits {wide[0]} on {database.port}",
                    reported("ec2:DescribeSecurityGroups"),
                    fix=Fix("removes the wide rule; add the app's own rule first", (revoke,)),
                )
    return passed("no rule of the database admits everybody")
