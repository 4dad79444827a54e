"""The instance's role may read the parameters.

Means: the app cannot read its settings at its next start; until then it goes on with what it read.
Found by: the instance's own attempt under its role, and IAM's simulator.
Looks alike: a missing right to decrypt (IAM003): there the message names kms:Decrypt. A resource
written `parameter//linkbox/*` matches nothing: there is one slash after `parameter`.
Fix: one statement that allows ssm:GetParameter on exactly these parameters.
Not the fix: ssm:* or Resource "*".
"""

from __future__ import annotations

from opskit.checks.iam.access import attempts_denied, denial_evidence, grant, is_explicit, simulated
from opskit.checks.interface import Finding, failed, observed, passed, reported, undecided
from opskit.checks.remedy import restart_if_unhealthy
from opskit.config import Target
from opskit.facts.app_instance import AppInstance
from opskit.facts.identity import Identity
from opskit.facts.instance_role import InstanceRole
from opskit.facts.interface import Fact, Known, Unknown
from opskit.facts.probe import InstanceProbe
from opskit.facts.region import Region
from opskit.facts.simulation import READ, Simulation, parameter_arn

explains = ("auth", "app", "IAM003")
is_essential = True


def check(
    target: Target,
    region: Region,
    identity: Identity,
    role: InstanceRole,
    simulation: Fact[Simulation],
    probe: Fact[InstanceProbe],
    app: Fact[AppInstance],
) -> Finding:
    """Weigh the attempt and the simulation."""
    if role.role_name is None:
        return undecided("the instance has no role", "an instance profile")
    arns = [parameter_arn(region, identity, name) for name in target.parameters.values()]
    denied, refused = attempts_denied(probe, READ[0]), simulated(simulation, READ[0], arns)
    if isinstance(probe, Known) and probe.value.reads and not denied:
        return _read_worked(role, probe.value)
    if not denied and not refused:
        if isinstance(simulation, Known):
            return passed(
                f"{role.role_name} may read the parameters",
                reported("the IAM simulator allows it; the instance itself could not be asked"),
            )
        return _nobody_knows(simulation, probe)
    names = ", ".join(dict.fromkeys([n for n, _ in denied] or [d.resource for d in refused]))
    allow = {
        "Effect": "Allow",
        "Action": [*READ, "ssm:GetParametersByPath"],
        "Resource": _resources(arns),
    }
    explicit = is_explicit(denied, refused)
    return failed(
        f"{role.role_name} may not read {names}"
        + (": something denies it explicitly" if explicit else ""),
        *denial_evidence(denied, refused),
        fix=None
        if explicit
        else grant(role, "read-parameters", allow, restart_if_unhealthy(app, probe)),
    )


def _read_worked(role: InstanceRole, probe: InstanceProbe) -> Finding:
    good = [read.name for read in probe.reads if read.fingerprint]
    if good:
        return passed(
            f"{role.role_name} reads the parameters",
            observed(f"the instance read {len(good)} of {len(probe.reads)} under its own role"),
        )
    codes = ", ".join(sorted({read.code for read in probe.reads}))
    return undecided(f"the instance's reads failed otherwise ({codes})")


def _nobody_knows(simulation: Unknown, probe: Fact[InstanceProbe]) -> Finding:
    reasons = [simulation.reason]
    missing = list(simulation.missing)
    if isinstance(probe, Unknown):
        reasons.append(probe.reason)
        missing += probe.missing
    return undecided("; ".join(dict.fromkeys(reasons)), *missing)


def _resources(arns: list[str]) -> list[str]:
    """One pattern when all parameters share a path, else each by name."""
    paths = {arn.rsplit("/", 1)[0] for arn in arns}
    return [f"{paths.pop()}/*"] if len(paths) == 1 else sorted(arns)
