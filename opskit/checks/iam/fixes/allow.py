"""Plans an inline policy that grants the role the access that its policies lack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from opskit.checks.fix import Advice, Fix, Remedy
from opskit.checks.iam.denial import AccessDenied
from opskit.checks.iam.fix_context import IamFixContext
from opskit.checks.iam.fixes import evaluation
from opskit.checks.iam.fixes.by_message import advise
from opskit.checks.inline_policy import PolicyHolder
from opskit.credential_source.interface import DECRYPT
from opskit.denial_message import PolicyType
from opskit.policy.difference import WantedAccess, first_deny, refused
from opskit.policy.document import Document, parse
from opskit.policy.evaluate import Policies
from opskit.policy.explanation import DenialReason
from opskit.policy.rewrite import allow, document
from opskit.policy.unmet_conditions import UnmetCondition, unmet_conditions


def grant(context: IamFixContext, denials: Sequence[AccessDenied]) -> Remedy:
    """A new inline policy with exactly the missing access; advice where that is not certain."""
    wanted = evaluation.wanted_of(denials)
    holder = context.holder
    if (
        holder is None
        or context.access is None
        or not all(w.requests for w in wanted)
        or not wanted
    ):
        return _unread(context, denials, wanted)
    present = context.access.policies.identity
    doubt = _doubt(context, denials, wanted, present)
    if doubt is not None:
        return doubt
    policy = document(*(_statement(w, present) for w in wanted))
    if not holder.has_room_for(policy):
        return _no_room(holder, policy)
    added = parse(policy, kind="identity-based", name="the new policy")
    after = replace(context.access.policies, identity=(*present, added))
    is_condition = denials[0].denial.denial is DenialReason.CONDITION
    objection = (
        evaluation.objection(Policies(), Policies(identity=(added,)), wanted)
        or evaluation.remaining(Policies(identity=after.identity), wanted)
        or evaluation.unsettled(after, wanted, context.needs if is_condition else wanted)
    )
    if objection:
        return evaluation.no_command(_do(denials, wanted), objection)
    return _fix(context, holder, denials, policy)


def _fix(
    context: IamFixContext,
    holder: PolicyHolder,
    denials: Sequence[AccessDenied],
    policy: Mapping[str, Any],
) -> Fix:
    wanted = evaluation.wanted_of(denials)
    verb = "decrypt" if all(w.actions == (DECRYPT,) for w in wanted) else "read"
    put, delete = holder.add(f"{verb}-{context.target.name}-parameters", policy)
    return Fix(
        (put, *context.restart),
        f"adds one inline policy to {holder.name}, removes nothing",
        undo=(delete,),
        caution=_caution(context, denials, wanted),
    )


def _caution(
    context: IamFixContext, denials: Sequence[AccessDenied], wanted: Sequence[WantedAccess]
) -> str:
    hit = denials[0].denial.matched
    sentences = [f"Or correct {hit.label}, where it is."] if hit is not None else []
    if any(context.source.actions.read_path in w.actions for w in wanted):
        sentences.append("GetParametersByPath reads every parameter under the path.")
    return " ".join([*sentences, evaluation.SECONDS])


def _statement(wanted: WantedAccess, present: Sequence[Document]) -> dict[str, Any]:
    guards = _guards(wanted, present)
    return allow(wanted, guards[0].conditions() if guards else None)


def _guards(wanted: WantedAccess, present: Sequence[Document]) -> list[UnmetCondition]:
    return [g for request in wanted.requests for g in unmet_conditions(request, present)]


def _doubt(
    context: IamFixContext,
    denials: Sequence[AccessDenied],
    wanted: Sequence[WantedAccess],
    present: tuple[Document, ...],
) -> Advice | None:
    """Advice where another allow does not help: the access is allowed, denied, or under a condition."""
    policies = Policies(identity=present)
    if not refused(policies, wanted):
        return advise(context, denials)
    deny = first_deny(policies, wanted)
    if deny is not None:
        return evaluation.no_command(
            _do(denials, wanted), f"{deny.label} denies it, whatever allows it"
        )
    guards = [g for w in wanted for g in _guards(w, present)]
    unmet = next((g for g in guards if not g.is_fitted), None)
    if unmet is None:
        return None
    return evaluation.guarded(unmet, f"the owner of policy {unmet.hit.policy.name}")


def _do(denials: Sequence[AccessDenied], wanted: Sequence[WantedAccess]) -> str:
    return f"Allow {denials[0].role} exactly this: {evaluation.statements_text(wanted)}."


def _unread(
    context: IamFixContext, denials: Sequence[AccessDenied], wanted: Sequence[WantedAccess]
) -> Advice:
    """Advice where the present policies were not read: a new one might replace one, or not help."""
    if not wanted:
        return evaluation.no_command(
            f"Allow {denials[0].role} kms:Decrypt on the password's key, for calls through Parameter Store.",
            f"which key that is could not be read ({context.source.actions.describe}, kms:DescribeKey)",
        )
    if context.key is not None and context.key.is_aws_managed and wanted[0].conditions:
        return advise(context, denials)
    if context.holder is not None and evaluation.unread_key_policy(context, wanted):
        return evaluation.no_command(
            _do(denials, wanted),
            "the key's own policy could not be read (kms:GetKeyPolicy), and where it does not leave the key "
            "to IAM policies, this would not be enough",
        )
    if denials[0].policy_type not in (None, PolicyType.IDENTITY):
        return advise(context, denials)
    return evaluation.no_command(
        _do(denials, wanted),
        "the role's policies could not be read (iam:ListRolePolicies, iam:GetRolePolicy), and a policy of "
        "the same name would be replaced",
    )


def _no_room(holder: PolicyHolder, policy: Mapping[str, Any]) -> Advice:
    return evaluation.no_command(
        f"Put {evaluation.as_text(*policy['Statement'])} into a customer managed policy and attach that to "
        f"{holder.label}.",
        "with it the role's inline policies would exceed the size that IAM accepts (10,240 characters "
        "in all)",
    )
