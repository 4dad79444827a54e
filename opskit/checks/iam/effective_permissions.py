"""The role's effective permissions on the parameters and their key, combined from three sources.

The instance's own attempt outweighs the others. Without one, IAM's simulator and the policies as opskit
evaluates them have to agree, except for a key's policy, which the simulator does not evaluate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from opskit import denial_message
from opskit.checks.iam.called_operation import CalledOperation, find_called
from opskit.checks.interface import Basis, Evidence, derived, observed, reported
from opskit.config import Target
from opskit.credential_source import source_of
from opskit.credential_source.interface import DECRYPT
from opskit.denial_message import DenialMessage, PolicyType
from opskit.errors import Missing
from opskit.facts.interface import Fact, FactUnavailable, Known, Unknown
from opskit.facts.key import Key
from opskit.facts.location_descriptions import LocationDescriptions
from opskit.facts.probe import InstanceProbe
from opskit.facts.simulation import (
    SimulatedDecision,
    Simulation,
    SimulatorLimit,
)
from opskit.policy.evaluate import EvaluationResult
from opskit.policy.explanation import DenialExplanation, DenialReason, explain_observed
from opskit.policy.role_access import KEY_POLICY, RequiredPermission, RoleAccess
from opskit.symptom import SymptomKind
from opskit.workload.interface import WorkloadRole

ATTEMPT = "an attempt from where the app runs"
DENIED = ("AccessDeniedException", "AccessDenied")
REASONS = {
    PolicyType.SERVICE_CONTROL: DenialReason.ORGANIZATION,
    PolicyType.BOUNDARY: DenialReason.BOUNDARY,
    SimulatorLimit.ORGANIZATION: DenialReason.ORGANIZATION,
    SimulatorLimit.BOUNDARY: DenialReason.BOUNDARY,
}
"""The denying policy's type, by AWS's message or by the simulator, and the reason that it means."""
DESCRIPTIONS = {
    DenialReason.ORGANIZATION: "a service control policy denies it",
    DenialReason.BOUNDARY: "its permissions boundary does not allow it",
    DenialReason.EXPLICIT: "something denies it explicitly",
    DenialReason.NO_STATEMENT: "",
}


@dataclass(frozen=True, slots=True)
class EffectivePermission:
    """The role's effective permission for one action.

    Attributes:
        is_allowed: None when that is not known.
        denial: the explanation of a denial, as far as the policies show it.
        names: the parameters whose access is denied.
        evidence: of every source with a result.
        unknown_reason: a clause; empty when the permission is known.
        missing: the permissions or probes that would make it known.
        conflict: the contradiction between two sources; empty when they agree.
        policy_type: the type of the denying policy that AWS's message to the instance names; None
            without a message, or where it names none.
    """

    is_allowed: bool | None
    denial: DenialExplanation | None = None
    evidence: tuple[Evidence, ...] = ()
    names: tuple[str, ...] = ()
    unknown_reason: str = ""
    missing: tuple[Missing, ...] = ()
    conflict: str = ""
    policy_type: PolicyType | None = None


@dataclass(frozen=True, slots=True)
class EffectivePermissions:
    """The role's effective permissions to read the parameters and to decrypt the password.

    Attributes:
        decrypt: None where no statement is needed: an AWS managed key, or no encryption.
        denied_operations: each denied read operation, where another is allowed; the likeliest first.
        called: the denied operation that the app calls; None where it shows none.
    """

    read: EffectivePermission
    decrypt: EffectivePermission | None
    denied_operations: Mapping[str, DenialExplanation]
    called: CalledOperation | None


def analyze(
    role: Fact[WorkloadRole],
    access: Fact[RoleAccess],
    simulation: Fact[Simulation],
    probe: Fact[InstanceProbe],
    key: Fact[Key],
    metadata: Fact[LocationDescriptions],
    target: Target,
) -> EffectivePermissions:
    """Combine the sources into the effective permissions."""
    if isinstance(role, Known) and role.value.role_name is None:
        raise FactUnavailable(
            f"{target.workload_kind.definite} has no role",
            "a role",
            waits_for=(SymptomKind.NO_CREDENTIALS,),
        )
    noun = target.workload_kind.definite
    needs = access.value.reads if isinstance(access, Known) else ()
    source = source_of(target)
    usual = source.actions.read[0]
    first = tuple(n for n in needs if n.action == usual)
    read = _permission(usual, first, access, simulation, probe, noun)
    siblings = [n for n in needs if n.action != usual and n.denial is not None]
    refused = _denied_operations(read, siblings, usual)
    called = find_called(refused, siblings, source.actions, probe)
    if isinstance(metadata, Known) and metadata.value.is_plain(source.location("password").name):
        return EffectivePermissions(read, None, refused, called)
    if isinstance(key, Known) and key.value.is_aws_managed:
        # The AWS managed key's policy allows every principal of the account: only a deny could matter.
        denied = attempts_denied(probe, DECRYPT)
        decrypt = _attempted_denied(DECRYPT, denied, (), None, noun) if denied else None
        return EffectivePermissions(read, decrypt, refused, called)
    decrypts = access.value.decrypts if isinstance(access, Known) else ()
    decrypt = _permission(DECRYPT, decrypts, access, simulation, probe, noun)
    if decrypt.is_allowed is None and isinstance(key, Unknown):
        decrypt = EffectivePermission(None, unknown_reason=key.reason, missing=key.missing)
    return EffectivePermissions(read, decrypt, refused, called)


def _denied_operations(
    read: EffectivePermission, others: Iterable[RequiredPermission], usual: str
) -> Mapping[str, DenialExplanation]:
    """The denied operations, where another read operation is allowed.

    Args:
        others: the denied needs of other operations than the usual one.
    """
    if read.denial is not None and read.denial.denial is DenialReason.ACTION:
        return {usual: read.denial}
    if read.is_allowed is not True:
        return {}
    denied: dict[str, DenialExplanation] = {}
    for need in others:
        if need.denial is not None:
            denied.setdefault(need.action, need.denial)
    return denied


def attempts_denied(probe: Fact[InstanceProbe], action: str) -> list[tuple[str, str]]:
    """(parameter, message) of the instance's own reads that were denied for `action`, by name."""
    if not isinstance(probe, Known):
        return []
    return sorted(
        (read.name, read.message)
        for read in probe.value.reads
        if read.code in DENIED and _denies(denial_message.parse(read.message), action)
    )


def _denies(message: DenialMessage, action: str) -> bool:
    return message.action == DECRYPT if action == DECRYPT else not message.concerns_key


def _permission(
    action: str,
    needs: tuple[RequiredPermission, ...],
    access: Fact[RoleAccess],
    simulation: Fact[Simulation],
    probe: Fact[InstanceProbe],
    noun: str,
) -> EffectivePermission:
    refused = [
        n
        for n in needs
        if n.decision.result in (EvaluationResult.EXPLICIT_DENY, EvaluationResult.IMPLICIT_DENY)
    ]
    explanation = next((n.denial for n in refused if n.denial), None)
    simulated = _simulated(simulation, needs)
    attempt = _attempt(probe, action)
    denied = attempts_denied(probe, action)
    evidence = (*_local_words(needs, refused), *_simulated_words(simulated))
    if denied:
        explanation = explanation or _explain_attempt(needs, access, denied[0][1])
        is_allowed = _allows_locally(needs) or _allows_simulated(simulated)
        return _attempted_denied(
            action, denied, evidence, explanation, noun, is_allowed_elsewhere=is_allowed
        )
    if attempt:
        contradicted = (
            explanation.description
            if explanation and explanation.denial is not DenialReason.ACTION
            else ""
        )
        text = f"{noun} did it, although {contradicted}" if contradicted else ""
        return EffectivePermission(True, None, (observed(attempt), *evidence), conflict=text)
    return _without_attempt(
        needs, refused, explanation, simulated, access, simulation, probe, evidence
    )


def _attempt(probe: Fact[InstanceProbe], action: str) -> str:
    """A description of the instance's own reads under its role; empty when none was tried."""
    if not isinstance(probe, Known):
        return ""
    if action == DECRYPT:
        return (
            f"{probe.value.workload_noun} decrypted the password"
            if probe.value.read_password
            else ""
        )
    good = [read.name for read in probe.value.reads if read.fingerprint]
    # A read that failed in KMS was allowed by Systems Manager.
    good += [name for name, _ in attempts_denied(probe, DECRYPT)]
    if not good:
        return ""
    return f"{probe.value.workload_noun} read {len(good)} of {len(probe.value.reads)} under its own role"


def _attempted_denied(
    action: str,
    denied: list[tuple[str, str]],
    other_evidence: tuple[Evidence, ...],
    explanation: DenialExplanation | None,
    noun: str,
    *,
    is_allowed_elsewhere: bool = False,
) -> EffectivePermission:
    """The permission that the instance's own attempt shows to be denied.

    Args:
        is_allowed_elsewhere: the policies or IAM's simulator allow the action.
    """
    seen = [observed(f"{noun}'s own read of {name}: {text}") for name, text in denied[:2]]
    messages = [denial_message.parse(text) for _, text in denied[:2]]
    disagreement = ""
    if explanation is None:
        explanation = _explanation(messages[0].policy_type, is_explicit=messages[0].is_explicit)
        if is_allowed_elsewhere:
            disagreement = f"{noun} is refused {action}, although its policies allow it"
    names = tuple(sorted({name for name, _ in denied}))
    types = {message.policy_type for message in messages}
    policy_type = next((kind for kind in PolicyType if kind in types), None)
    evidence = (*seen, *other_evidence)
    return EffectivePermission(
        False, explanation, evidence, names, conflict=disagreement, policy_type=policy_type
    )


def _explain_attempt(
    needs: Iterable[RequiredPermission], access: Fact[RoleAccess], message: str
) -> DenialExplanation | None:
    """The statement behind a denial that the policies leave open; None where none is certain to be it."""
    if not isinstance(access, Known):
        return None
    answer, policies = denial_message.parse(message), access.value.policies
    if needs and not answer.concerns_key:
        policies = replace(policies, key=None, grants=())
    explanations = (
        explain_observed(n.request, policies, n.decision, is_explicit=answer.is_explicit)
        for n in needs
    )
    explanation = next((e for e in explanations if e is not None), None)
    if explanation is None or answer.policy_type in (None, PolicyType.IDENTITY):
        return explanation
    return explanation if REASONS.get(answer.policy_type) is explanation.denial else None


def _without_attempt(
    needs: tuple[RequiredPermission, ...],
    refused: list[RequiredPermission],
    explanation: DenialExplanation | None,
    simulated: list[SimulatedDecision],
    access: Fact[RoleAccess],
    simulation: Fact[Simulation],
    probe: Fact[InstanceProbe],
    evidence: tuple[Evidence, ...],
) -> EffectivePermission:
    by_simulator = [d for d in simulated if d.decision != "allowed" and not d.is_conditional]
    knows_local = bool(needs) and all(
        n.decision.result is not EvaluationResult.DEPENDS for n in needs
    )
    simulator_allows = (
        bool(simulated) and not by_simulator and not any(d.is_conditional for d in simulated)
    )
    if refused and explanation is not None:
        if simulator_allows and explanation.denial is not DenialReason.KEY_POLICY:
            text = f"IAM's simulator allows it, although {explanation.description}"
            return _contradiction(evidence, text)
        return EffectivePermission(False, explanation, evidence, tuple(n.name for n in refused))
    if by_simulator and not _allowed_by_key(needs):
        if knows_local and not by_simulator[0].limited_by:
            text = "IAM's simulator refuses it, although the policies that can be read allow it"
            return _contradiction(evidence, text)
        return EffectivePermission(False, _miss_of(by_simulator[0]), evidence)
    if simulator_allows or knows_local:
        return EffectivePermission(True, None, evidence)
    keys = sorted({key for n in needs for key in n.decision.depends_on})
    if keys:
        text = f"it depends on {', '.join(keys)}, which is not known here"
        return _unknown(evidence, text, ATTEMPT)
    reasons = [f.reason for f in (access, simulation, probe) if isinstance(f, Unknown)]
    missing = [m for f in (access, simulation, probe) if isinstance(f, Unknown) for m in f.missing]
    text = "; ".join(dict.fromkeys(reasons)) or "nothing could tell"
    return _unknown(evidence, text, *dict.fromkeys(missing))


def _allowed_by_key(needs: tuple[RequiredPermission, ...]) -> bool:
    """Whether the key policy or a grant alone allows, which the simulator does not evaluate."""
    return bool(needs) and all(
        n.decision.result is EvaluationResult.ALLOWED
        and (n.decision.matched is None or n.decision.matched.policy.kind == KEY_POLICY)
        for n in needs
    )


def _unknown(evidence: tuple[Evidence, ...], why: str, *missing: Missing) -> EffectivePermission:
    return EffectivePermission(None, evidence=evidence, unknown_reason=why, missing=missing)


def _contradiction(evidence: tuple[Evidence, ...], text: str) -> EffectivePermission:
    return EffectivePermission(
        None, evidence=evidence, unknown_reason=text, missing=(ATTEMPT,), conflict=text
    )


def _miss_of(decision: SimulatedDecision) -> DenialExplanation:
    """The explanation for the simulator's denial."""
    return _explanation(decision.limited_by, is_explicit=decision.decision == "explicitDeny")


def _explanation(
    policy: PolicyType | SimulatorLimit | None, *, is_explicit: bool
) -> DenialExplanation:
    """The explanation for a denial of which only the policy's type is known."""
    default = DenialReason.EXPLICIT if is_explicit else DenialReason.NO_STATEMENT
    reason = REASONS.get(policy, default) if policy else default
    return DenialExplanation(reason, None, DESCRIPTIONS[reason])


def _allows_locally(needs: tuple[RequiredPermission, ...]) -> bool:
    return bool(needs) and all(n.decision.result is EvaluationResult.ALLOWED for n in needs)


def _allows_simulated(simulated: list[SimulatedDecision]) -> bool:
    return bool(simulated) and all(d.decision == "allowed" for d in simulated)


def _simulated(
    simulation: Fact[Simulation], needs: tuple[RequiredPermission, ...]
) -> list[SimulatedDecision]:
    if not isinstance(simulation, Known):
        return []
    decisions = (simulation.value.find(n.action, n.resource) for n in needs)
    return [d for d in decisions if d is not None]


def _simulated_words(simulated: list[SimulatedDecision]) -> list[Evidence]:
    refused = [d for d in simulated if d.decision != "allowed"]
    evidence = []
    for decision in refused[:1] or simulated[:1]:
        by = f", stopped by the {decision.limited_by}" if decision.limited_by else ""
        unsure = ", some context unknown" if decision.is_conditional else ""
        unsure += " (it knows no key policies)" if decision.action == DECRYPT else ""
        evidence.append(
            reported(f"IAM's simulator says {decision.decision} for {decision.action}{by}{unsure}")
        )
    return evidence


def _local_words(
    needs: tuple[RequiredPermission, ...], refused: list[RequiredPermission]
) -> list[Evidence]:
    if refused and refused[0].denial is not None:
        return [derived(f"from the policies: {refused[0].denial.description}")]
    if _allows_locally(needs):
        by = needs[0].decision.matched
        return [
            Evidence(f"from the policies: {by.label if by else 'a grant'} allows it", Basis.DERIVED)
        ]
    return []
