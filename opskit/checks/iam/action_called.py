"""The role is allowed the very operation that the app calls.

Means: GetParameter, GetParameters and GetParametersByPath are three permissions; a policy that names
one of them leaves an app that calls another without its settings.
Found by: the role's policies for each operation, and an app that runs without a database password.
An app that is healthy calls what it may; nothing else shows which operation it uses.
Looks alike: no statement at all (IAM002).
Fix: one statement that allows all three on these parameters.
Not the fix: ssm:*.
"""

from __future__ import annotations

from opskit.checks.iam import repair
from opskit.checks.iam.repair import Bench
from opskit.checks.iam.standing import Standing
from opskit.checks.iam.verdict import Broken
from opskit.checks.interface import (
    Finding,
    derived,
    failed,
    observed,
    passed,
    skipped,
    undecided,
)
from opskit.facts.instance_role import InstanceRole
from opskit.facts.interface import Fact, Known
from opskit.facts.probe import InstanceProbe
from opskit.policy.nearest import Denial, Miss

explains = ("auth", "app")


def check(
    standing: Standing, role: InstanceRole, bench: Bench, probe: Fact[InstanceProbe]
) -> Finding:
    """Judge what is allowed for one operation and not for another."""
    if role.role_name is None:
        return undecided("the instance has no role", "an instance profile")
    if bench.access is None:
        return undecided("the role's policies could not be read", "iam:GetRolePolicy")
    miss = _mismatch(standing)
    if miss is None:
        return skipped("every way to read is allowed, or none")
    lacks = _lacks_settings(probe)
    if not lacks:
        return passed(f"{role.role_name} is allowed what the app calls", derived(miss.words))
    broken = Broken(role.role_name, "read the parameters", False, miss, standing.read)
    return failed(
        f"{role.role_name} is not allowed the operation that the app calls: {miss.words}",
        observed(lacks),
        *standing.read.evidence,
        fix=repair.grant(bench, broken),
    )


def _mismatch(standing: Standing) -> Miss | None:
    """The miss, where one way to read is allowed and another is not."""
    own = standing.read.miss
    if own is not None and own.denial is Denial.ACTION:
        return own
    if standing.read.is_allowed is not True or not standing.siblings:
        return None
    return standing.siblings[0].miss


def _lacks_settings(probe: Fact[InstanceProbe]) -> str:
    """How an app shows that it runs without a password; empty when it does not."""
    if not isinstance(probe, Known) or probe.value.health is None:
        return ""
    health = probe.value.health
    has_password = any(c.setting("password") for c in probe.value.containers)
    if has_password or health.status == 200:
        return ""
    return f"the app has no database password and says: {health.body or health.status}"
