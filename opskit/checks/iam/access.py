"""What two checks of the instance role's rights have in common: three sources and their order.

The instance's own attempt outweighs the simulator, and the simulator a guess.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from opskit.checks.interface import Evidence, Fix, derived, observed, reported
from opskit.checks.remedy import aws
from opskit.facts.instance_role import InstanceRole
from opskit.facts.interface import Fact, Known
from opskit.facts.probe import InstanceProbe
from opskit.facts.simulation import Decision, Simulation

DENIED = ("AccessDeniedException", "AccessDenied")


def attempts_denied(probe: Fact[InstanceProbe], action: str) -> list[tuple[str, str]]:
    """(parameter, message) of the instance's own reads that were denied for `action`."""
    if not isinstance(probe, Known):
        return []
    return [
        (read.name, read.message)
        for read in probe.value.reads
        if read.code in DENIED
        and (action in read.message or (action != "kms:Decrypt" and "kms:" not in read.message))
    ]


def simulated(simulation: Fact[Simulation], action: str, arns: Iterable[str]) -> list[Decision]:
    """The simulator's certain refusals of an action."""
    if not isinstance(simulation, Known):
        return []
    found = (simulation.value.find(action, arn) for arn in arns)
    return [d for d in found if d and d.decision != "allowed" and not d.is_conditional]


def denial_evidence(denied: list[tuple[str, str]], refused: list[Decision]) -> tuple[Evidence, ...]:
    """The refusals, the observed first."""
    seen = [
        observed(f"the instance's own read of {name}: {message}") for name, message in denied[:2]
    ]
    said = [
        derived(f"the IAM simulator says {d.decision} for {d.action} on {d.resource}")
        for d in refused[:2]
    ]
    ceilings = {d.stopped_by for d in refused if d.stopped_by}
    return (
        *seen,
        *said,
        *(reported(f"the {c} denies it, not the role's policy") for c in ceilings),
    )


def grant(
    role: InstanceRole, name: str, statement: Mapping[str, object], restart: tuple[str, ...]
) -> Fix | None:
    """The smallest inline policy that gives the role what it lacks, and then `restart`."""
    if role.role_name is None:
        return None
    document = {"Version": "2012-10-17", "Statement": [statement]}
    return Fix(
        f"adds one inline policy to {role.role_name}, removes nothing",
        (
            aws(
                "iam",
                "put-role-policy",
                role_name=role.role_name,
                policy_name=name,
                policy_document=document,
            ),
            *restart,
        ),
        "A new policy needs some seconds until it is in force everywhere.",
    )


def is_explicit(denied: list[tuple[str, str]], refused: list[Decision]) -> bool:
    """Whether something denies outright, so that another Allow would not help."""
    return any("explicit deny" in message for _, message in denied) or any(
        d.decision == "explicitDeny" or d.stopped_by for d in refused
    )
