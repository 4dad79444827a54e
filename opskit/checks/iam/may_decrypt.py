"""The instance's role may decrypt the password.

Means: the role can read the parameter but not its value; the app has no password at its next start.
Found by: the instance's own attempt, whose error names kms:Decrypt, and IAM's simulator. With the
AWS managed key alias/aws/ssm no kms statement is needed.
Looks alike: a disabled key (PAR003), which nobody can use. AWS's message blames one policy only;
with a customer managed key the role's policy or the key's policy can be the one to mend.
Fix: one statement that allows kms:Decrypt on this key, for calls through SSM.
Not the fix: storing the password as a plain String.
"""

from __future__ import annotations

from opskit.checks.iam.access import attempts_denied, denial_evidence, grant, is_explicit, simulated
from opskit.checks.interface import Finding, failed, observed, passed, reported, skipped, undecided
from opskit.checks.remedy import restart_if_unhealthy
from opskit.facts.app_instance import AppInstance
from opskit.facts.instance_role import InstanceRole
from opskit.facts.interface import Fact, Known, Unknown
from opskit.facts.key import Key
from opskit.facts.probe import InstanceProbe
from opskit.facts.region import Region
from opskit.facts.simulation import DECRYPT, Simulation

explains = ("auth", "app")
is_essential = True


def check(
    region: Region,
    role: InstanceRole,
    key: Fact[Key],
    simulation: Fact[Simulation],
    probe: Fact[InstanceProbe],
    app: Fact[AppInstance],
) -> Finding:
    """Weigh the attempt and the simulation."""
    if role.role_name is None:
        return undecided("the instance has no role", "an instance profile")
    denied = attempts_denied(probe, DECRYPT)
    if isinstance(probe, Known) and probe.value.read_password:
        return passed(f"{role.role_name} decrypts the password", observed("the instance did it"))
    if isinstance(key, Unknown):
        if denied:
            return failed(
                f"{role.role_name} may not decrypt the password", *denial_evidence(denied, [])
            )
        return undecided(key.reason, *key.missing)
    if key.value.is_aws_managed and not denied:
        return skipped(f"{key.value.named_as} is AWS's own key: ssm:GetParameter is enough")
    refused = simulated(simulation, DECRYPT, [key.value.arn])
    if not denied and not refused:
        return _no_refusal(role, key.value, simulation)
    allow = {
        "Effect": "Allow",
        "Action": DECRYPT,
        "Resource": key.value.arn,
        "Condition": {"StringEquals": {"kms:ViaService": f"ssm.{region.name}.amazonaws.com"}},
    }
    explicit = is_explicit(denied, refused)
    return failed(
        f"{role.role_name} may not decrypt with {key.value.named_as} ({key.value.key_id})"
        + (": something denies it explicitly" if explicit else ""),
        *denial_evidence(denied, refused),
        fix=None
        if explicit
        else grant(role, "decrypt-parameters", allow, restart_if_unhealthy(app, probe)),
    )


def _no_refusal(role: InstanceRole, key: Key, simulation: Fact[Simulation]) -> Finding:
    if key.state != "Enabled":
        return skipped(f"{key.named_as} is {key.state}: nobody can decrypt with it")
    if isinstance(simulation, Known):
        return passed(
            f"{role.role_name} may decrypt with {key.named_as}",
            reported(
                "the IAM simulator allows it; it knows no key policy, and the instance was not asked"
            ),
        )
    return undecided(simulation.reason, *simulation.missing)
