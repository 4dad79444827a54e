"""The app's security group lets it out to the database.

Means: the packet never leaves the instance's interface.
Found by: the egress rules of the instance's groups; a new group allows everything out, so somebody
took that away.
Looks alike: every other silent drop on the way.
Fix: one egress rule to the database's group on its port.
Not the fix: egress to 0.0.0.0/0 on all ports, if it was narrowed on purpose.
"""

from __future__ import annotations

from opskit.checks.interface import Finding, Fix, derived, failed, passed, undecided
from opskit.checks.remedy import aws
from opskit.facts.app_instance import AppInstance
from opskit.facts.database import Database
from opskit.facts.interface import Fact, Known
from opskit.facts.probe import InstanceProbe
from opskit.facts.security_groups import SecurityGroups, admits

explains = ("tcp", "tls", "auth", "app")


def check(
    app: AppInstance, database: Database, groups: SecurityGroups, probe: Fact[InstanceProbe]
) -> Finding:
    """Judge the egress rules against the database's groups and today's address."""
    own = [groups.by_id[g] for g in app.instance.group_ids if g in groups.by_id]
    address = None
    if isinstance(probe, Known) and database.host:
        address = next(iter(probe.value.addresses_of(database.host)), None)
    wanted = database.instance.security_group_ids
    rules = [rule for group in own for rule in group.egress]
    allowed = admits(rules, database.port, wanted, address)
    labels = ", ".join(group.label for group in own)
    if allowed:
        return passed(f"{labels} lets the app out to the database")
    by_range = any(rule.cidrs and rule.covers(database.port) for rule in rules)
    if allowed is None or (by_range and address is None):
        return undecided(
            f"whether {labels} lets the app out depends on the database's address or a prefix list",
            "the database's address as the instance sees it",
        )
    return failed(
        f"{labels} lets nothing out to the database on {database.port}",
        derived(f"no egress rule of {labels} covers {database.port} to {', '.join(wanted)}"),
        fix=Fix(
            "adds one egress rule, removes none",
            (
                aws(
                    "ec2",
                    "authorize-security-group-egress",
                    group_id=own[0].group_id if own else app.instance.group_ids[0],
                    ip_permissions=[
                        {
                            "IpProtocol": "tcp",
                            "FromPort": database.port,
                            "ToPort": database.port,
                            "UserIdGroupPairs": [{"GroupId": wanted[0]}],
                        }
                    ],
                ),
            ),
        ),
    )
