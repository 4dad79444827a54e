"""Common code of the checks of the role's access: each judges its own reasons for a denial."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from opskit.checks.iam.called_operation import CalledOperation
from opskit.checks.iam.denial import AccessDenied
from opskit.checks.iam.effective_permissions import EffectivePermission, EffectivePermissions
from opskit.checks.iam.fix_context import IamFixContext, wanted_of
from opskit.checks.iam.fixes import build_fix
from opskit.checks.interface import (
    Evidence,
    Finding,
    failed,
    not_reached,
    passed,
    skipped,
    undecided,
)
from opskit.config import Target
from opskit.facts.interface import Fact, Known
from opskit.policy.difference import WantedAccess
from opskit.policy.explanation import DenialReason
from opskit.symptom import SymptomKind, place
from opskit.workload.interface import WorkloadRole


@dataclass(frozen=True, slots=True)
class _Row:
    """One kind of access, with the denial reasons that the check judges."""

    permission: EffectivePermission
    reasons: tuple[DenialReason, ...]
    what: str
    refused: str
    wanted: WantedAccess | None

    def denial(self, role: str) -> AccessDenied | None:
        """The denial for one of the reasons; None where there is none."""
        explanation = self.permission.denial
        if explanation is None or explanation.denial not in self.reasons:
            return None
        return AccessDenied(role, self.refused, explanation, self.permission, self.wanted)


OF_STATEMENT = frozenset(
    {
        DenialReason.EXPLICIT,
        DenialReason.CONDITION,
        DenialReason.BOUNDARY,
        DenialReason.ORGANIZATION,
    }
)
"""Reasons that a check of their own names, also where they deny one read operation of several."""


def called_denial(
    called: CalledOperation, role: str, standing: EffectivePermissions, context: IamFixContext
) -> AccessDenied:
    """The denial of the operation that the app calls, with the access that it lacks."""
    is_shared = called.denial.denial in OF_STATEMENT and called.needs
    is_named = called.action in context.source.actions.read
    wanted = context.read if is_named and not is_shared else wanted_of(called.needs)
    what = f"call {called.action}"
    return AccessDenied(role, what, called.denial, standing.read, wanted)


def name_of(role: Fact[WorkloadRole], target: Target) -> str:
    """The role's name, or a description where it could not be read."""
    named = role.value.role_name if isinstance(role, Known) else None
    return named or f"{target.workload_kind.definite}'s role"


def check_permission(
    standing: EffectivePermissions,
    role: Fact[WorkloadRole],
    context: IamFixContext,
    *,
    reading: tuple[DenialReason, ...] = (),
    decrypting: tuple[DenialReason, ...] = (),
) -> Finding:
    """Judge reading and decrypting for the denial reasons of one check.

    Args:
        reading, decrypting: the reasons for each of the two.
    """
    if isinstance(role, Known) and role.value.role_name is None:
        text = f"{context.target.workload_kind.definite} has no role"
        return not_reached(text, (SymptomKind.NO_CREDENTIALS,), "a role")
    name = name_of(role, context.target)
    rows = _rows(standing, context, reading, decrypting)
    denials = [d for d in (row.denial(name) for row in rows) if d is not None]
    called = standing.called
    seen: tuple[Evidence, ...] = ()
    if not denials and called is not None and called.denial.denial in {*reading} & OF_STATEMENT:
        denials, seen = [called_denial(called, name, standing, context)], (called.evidence,)
    if denials:
        evidence = (*seen, *_evidence(d.permission for d in denials))
        return failed(
            denials[0].sentence,
            *evidence,
            fix=build_fix(context, denials),
            place=place(roles=[name]),
        )
    for row in rows:
        if row.permission.is_allowed is None:
            return undecided(row.permission.unknown_reason, *row.permission.missing)
    if any(row.permission.is_allowed is False for row in rows):
        return skipped("the refusal is judged under another code")
    if not rows:
        usual = context.source.actions.read[0]
        return skipped(f"AWS's own key needs no statement: {usual} is enough")
    whats = " and ".join(f"may {row.what}" for row in rows)
    return passed(f"{name} {whats}", *_evidence(row.permission for row in rows))


def _rows(
    standing: EffectivePermissions,
    context: IamFixContext,
    reading: tuple[DenialReason, ...],
    decrypting: tuple[DenialReason, ...],
) -> list[_Row]:
    rows = []
    if reading:
        what = "read the parameters"
        refused = f"read {', '.join(standing.read.names)}" if standing.read.names else what
        rows.append(_Row(standing.read, reading, what, refused, context.read))
    if decrypting and standing.decrypt is not None:
        what = "decrypt the password"
        with_key = f" with {context.key.named_as} ({context.key.key_id})" if context.key else ""
        row = _Row(standing.decrypt, decrypting, what, what + with_key, context.decrypt)
        rows.append(row)
    return rows


def _evidence(stands: Iterable[EffectivePermission]) -> tuple[Evidence, ...]:
    return tuple(dict.fromkeys(e for permission in stands for e in permission.evidence))
