"""Evaluates a planned IAM change, and describes the result."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from opskit.checks.fix import Advice
from opskit.checks.iam.denial import AccessDenied
from opskit.checks.iam.fix_context import IamFixContext
from opskit.policy.difference import WantedAccess, refused, unwanted_changes
from opskit.policy.document import Document, parse
from opskit.policy.evaluate import Evaluation, EvaluationResult, Policies, decide
from opskit.policy.explanation import explain
from opskit.policy.request import Request
from opskit.policy.rewrite import allow
from opskit.policy.unmet_conditions import UnmetCondition

SECONDS = "IAM needs some seconds until a change is in force everywhere."
MOST_VERSIONS = "A managed policy holds five versions: if it has five, delete an old one first."


def wanted_of(denials: Iterable[AccessDenied]) -> list[WantedAccess]:
    """The access that is missing by all denials together."""
    return [d.wanted for d in denials if d.wanted is not None]


def as_text(*statements: Mapping[str, Any]) -> str:
    """Statements as JSON text to paste into a policy."""
    return ", ".join(json.dumps(s, separators=(", ", ": ")) for s in statements)


def statements_text(wanted: Iterable[WantedAccess]) -> str:
    """The smallest statements for the wanted access, as JSON text to paste into a policy."""
    return as_text(*(allow(w) for w in wanted))


def access_text(wanted: Iterable[WantedAccess]) -> str:
    """The description of the wanted access, for a sentence."""
    return " and ".join(
        f"{' and '.join(w.actions)} on {', '.join(w.resources)}"
        + "".join(f" where {k} is {v}" for k, v in w.conditions.items())
        for w in wanted
    )


def no_command(do: str, why: str) -> Advice:
    """Advice with the reason why no command is offered."""
    return Advice(f"{do} No command is offered: {why}.")


def guarded(unmet: UnmetCondition, owner: str) -> Advice:
    """Advice for an allow statement with a condition that guards something else than the object."""
    return no_command(
        f"{unmet.sentence}. Ask {owner} whether this call is meant to be kept out; if it is not, "
        f"correct the condition where it is.",
        "an allow beside that statement would go around its condition",
    )


def parsed(document: Document, raw: Mapping[str, Any]) -> Document:
    """A document parsed from another version's text."""
    return parse(raw, kind=document.kind, name=document.name, arn=document.arn)


def objection(before: Policies, after: Policies, wanted: Sequence[WantedAccess]) -> str:
    """Why a change is not offered: it changes other access, or leaves some denied; empty if exact.

    Args:
        before, after: the changed documents alone, so that no other policy hides a difference.
    """
    changed = unwanted_changes(before, after, wanted)
    if changed:
        first = changed[0]
        return f"it would also change the decision on {first.action} for {first.resource}"
    return ""


def remaining(after: Policies, wanted: Iterable[WantedAccess]) -> str:
    """The wanted access that policies still do not definitely allow, as a clause; empty if none."""
    left = refused(after, wanted)
    if not left:
        return ""
    return f"{left[0].action} on {left[0].resource} would still not be allowed for certain"


def unsettled(
    after: Policies, wanted: Iterable[WantedAccess], judged: Iterable[WantedAccess]
) -> str:
    """Why a change might not end a finding, as a clause; empty where it does.

    Args:
        after: all policies, of which some are changed.
        wanted: the access that the finding is about.
        judged: all access that its check judges.
    """
    for request in (r for access in wanted for r in access.requests):
        decision, policies = _decided(request, after)
        # A check judges only the first read operation; other policies may deny the others.
        is_first = any(request.action == access.actions[0] for access in wanted)
        explanation = explain(request, policies, decision) if is_first else None
        if explanation is not None:
            then = "Have that changed first, then repeat the diagnosis"
            return f"it would still be refused: {explanation.description}. {then}"
    for request in (r for access in judged for r in access.requests):
        decision, _ = _decided(request, after)
        if decision.result is EvaluationResult.DEPENDS:
            keys = ", ".join(decision.depends_on)
            return f"whether it is enough depends on {keys}, which is not known here"
    return ""


def _decided(request: Request, policies: Policies) -> tuple[Evaluation, Policies]:
    """The decision and the policies that apply to it: a key's only for actions of KMS."""
    if not request.action.startswith("kms:"):
        policies = replace(policies, key=None, grants=())
    return decide(request, policies), policies


def unread_key_policy(context: IamFixContext, wanted: Iterable[WantedAccess]) -> bool:
    """Whether wanted access decrypts with a customer managed key whose policy could not be read."""
    return any(w.conditions and not w.requests for w in wanted) and context.access is not None
