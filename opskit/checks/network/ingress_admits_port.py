"""The database's security group admits the app on the database's port.

Means: the rule is there but for another port or protocol.
Found by: the groups' rules, and a connection tried from the instance; a security group drops in
silence, so the client sees a time-out.
Looks alike: a network ACL's drop (NET004), a stopped database (RDS001), a stale address (PAR007).
Fix: one rule that names the app's group, for the database's port.
Not the fix: 0.0.0.0/0, a public address, or the whole VPC's range.
"""

from __future__ import annotations

from opskit.checks.interface import Finding
from opskit.checks.network.ingress import Case, Ingress, classify, judged_elsewhere, verdict
from opskit.facts.app_instance import AppInstance
from opskit.facts.database import Database
from opskit.facts.interface import Fact
from opskit.facts.probe import InstanceProbe
from opskit.facts.security_groups import Permission, SecurityGroups

explains = ("tcp", "tls", "auth", "app")


def check(
    app: AppInstance, database: Database, groups: SecurityGroups, probe: Fact[InstanceProbe]
) -> Finding:
    """Judge the class of the case that is this check's own."""
    c = Case(app, database, groups)
    ingress = classify(c)
    if ingress is not Ingress.OTHER_PORT:
        return judged_elsewhere(c, ingress)
    ports = ", ".join(_ports(r) for r in c.own_rules)
    return verdict(
        c, f"{c.database_label} admits the app on {ports} only, not on {c.database.port}", probe
    )


def _ports(rule: Permission) -> str:
    return (
        str(rule.from_port)
        if rule.from_port == rule.to_port
        else f"{rule.from_port}-{rule.to_port}"
    )
