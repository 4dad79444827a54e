"""Plans a new version of a permissions boundary with exactly the missing allow added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from opskit.checks.fix import Advice, Fix, Remedy
from opskit.checks.fix_commands import call
from opskit.checks.iam.denial import AccessDenied
from opskit.checks.iam.fix_context import IamFixContext
from opskit.checks.iam.fixes import evaluation
from opskit.facts.policies import PolicyText
from opskit.policy.difference import WantedAccess, first_deny, refused
from opskit.policy.document import Document
from opskit.policy.evaluate import Policies
from opskit.policy.limits import MANAGED_SIZE, size
from opskit.policy.rewrite import allow, with_statements
from opskit.policy.unmet_conditions import UnmetCondition, unmet_conditions


def widen_boundary(context: IamFixContext, denials: Sequence[AccessDenied]) -> Remedy:
    """The boundary with the missing statements; advice where it denies, or is AWS managed."""
    wanted = _wanted(context, denials)
    text = context.policies.boundary if context.policies else None
    if text is None or context.access is None or not all(w.requests for w in wanted):
        return _unread(denials, wanted)
    boundary = context.access.policies.boundary
    if boundary is None:
        return _unread(denials, wanted)
    lacking = [w for w in wanted if refused(Policies(identity=(boundary,)), [w])]
    doubt = _doubt(text, boundary, lacking)
    if doubt is not None:
        return doubt
    document_after = with_statements(boundary.raw, *(_statement(w, boundary) for w in lacking))
    widened = evaluation.parsed(boundary, document_after)
    objection = _objection(boundary, widened, lacking) or evaluation.unsettled(
        replace(context.access.policies, boundary=widened), evaluation.wanted_of(denials), wanted
    )
    if objection:
        return _advice(text, lacking, objection)
    return _fix(context, text, document_after)


def _fix(context: IamFixContext, text: PolicyText, widened: Mapping[str, Any]) -> Fix:
    create = call(
        "iam", "CreatePolicyVersion", PolicyArn=text.arn, PolicyDocument=widened, SetAsDefault=True
    )
    undo = call("iam", "SetDefaultPolicyVersion", PolicyArn=text.arn, VersionId=text.version)
    return Fix(
        (create, *context.restart),
        f"makes a new version of the permissions boundary {text.name} that adds to it",
        undo=(undo,),
        ask=f"Ask the owner of {text.name} first: every role that carries it is limited by it",
        caution="The new version is the one read by this diagnosis and the added statements: a change made "
        f"since would be lost. {evaluation.MOST_VERSIONS}",
    )


def _wanted(context: IamFixContext, denials: Sequence[AccessDenied]) -> list[WantedAccess]:
    """The denied access and all that the app needs; a boundary grants nothing by itself."""
    needs = evaluation.wanted_of(denials)
    return [*needs, *(need for need in context.needs if need not in needs)]


def _doubt(text: PolicyText, boundary: Document, wanted: Sequence[WantedAccess]) -> Advice | None:
    if not wanted:
        return _advice(text, wanted, "the version that was read allows it: repeat the diagnosis")
    deny = first_deny(Policies(identity=(boundary,)), wanted)
    if deny is not None:
        return _advice(
            text, wanted, f"{deny.label} denies it, and a boundary's deny is its owner's"
        )
    unmet = next((g for w in wanted for g in _guards(w, boundary) if not g.is_fitted), None)
    if unmet is not None:
        return evaluation.guarded(unmet, f"the owner of the permissions boundary {text.name}")
    if text.is_amazons:
        return _advice(text, wanted, "it is a policy of AWS, which no one can change")
    if not text.arn or not text.version:
        return _advice(text, wanted, "its version in force is not known, so that it has no undo")
    return None


def _objection(boundary: Document, widened: Document, lacking: Sequence[WantedAccess]) -> str:
    if size(widened.raw) > MANAGED_SIZE:
        return "it would exceed the 6,144 characters that IAM accepts in a managed policy"
    before, after = Policies(identity=(boundary,)), Policies(identity=(widened,))
    return evaluation.objection(before, after, lacking) or evaluation.remaining(after, lacking)


def _statement(wanted: WantedAccess, boundary: Document) -> dict[str, Any]:
    guards = _guards(wanted, boundary)
    return allow(wanted, guards[0].conditions() if guards else None)


def _guards(wanted: WantedAccess, boundary: Document) -> list[UnmetCondition]:
    return [g for request in wanted.requests for g in unmet_conditions(request, (boundary,))]


def _advice(text: PolicyText, wanted: Sequence[WantedAccess], why: str) -> Advice:
    return evaluation.no_command(
        f"Ask the owner of the permissions boundary {text.name} ({text.arn or 'no ARN'}) to let "
        f"this through: {evaluation.access_text(wanted)}. Do not remove the boundary.",
        why,
    )


def _unread(denials: Sequence[AccessDenied], wanted: Sequence[WantedAccess]) -> Advice:
    role = denials[0].role
    return evaluation.no_command(
        f"iam:GetRole names the permissions boundary of {role}. Ask its owner to add this to it: "
        f"{evaluation.statements_text(wanted)}. Do not remove the boundary.",
        "the boundary's document or the key's policy could not be read",
    )
