"""Splits an explicit deny in the role's own inline policy so that it exempts the app's calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from opskit.checks.fix import Advice, Danger, Fix, Remedy
from opskit.checks.iam.denial import AccessDenied
from opskit.checks.iam.fix_context import IamFixContext
from opskit.checks.iam.fixes import evaluation
from opskit.checks.iam.fixes.by_message import advise
from opskit.checks.inline_policy import PolicyHolder
from opskit.commands import AwsCall
from opskit.facts.policies import PolicyText
from opskit.policy.difference import WantedAccess, first_deny
from opskit.policy.document import Document
from opskit.policy.evaluate import MatchedStatement, Policies
from opskit.policy.limits import has_room
from opskit.policy.rewrite import split_deny

Documents = dict[int, Document]
"""Index in the role's policies -> the new version."""
NOT_LISTED = "the deny is not one of listed actions on exactly `*`, so its author has to change it"


def narrow_deny(context: IamFixContext, denials: Sequence[AccessDenied]) -> Remedy:
    """The inline policies with each deny split; advice where one is another policy's, or not exact."""
    wanted = evaluation.wanted_of(denials)
    holder = context.holder
    if holder is None or context.access is None or denials[0].denial.matched is None:
        return advise(context, denials)
    policies = context.access.policies
    changed = _split_all(holder, policies.identity, wanted)
    if isinstance(changed, Advice):
        return changed
    if not changed:
        return _conditional(holder, policies.identity, denials[0].denial.matched, wanted)
    after = tuple(changed.get(i, document) for i, document in enumerate(policies.identity))
    objection = (
        _objection(holder, policies.identity, changed, wanted)
        or evaluation.remaining(Policies(identity=after), wanted)
        or evaluation.unsettled(replace(policies, identity=after), wanted, context.needs)
    )
    if objection:
        return _advice(denials[0].denial.matched, holder.policies[min(changed)], wanted, objection)
    texts = [holder.policies[location] for location in changed]
    label = denials[0].denial.matched.label
    return Fix(
        (
            *(holder.put(holder.policies[i].name, d.raw) for i, d in changed.items()),
            *context.restart,
        ),
        f"splits the deny so that it spares {evaluation.access_text(wanted)}; all else stays denied",
        undo=_undo(holder, texts),
        dangers=(Danger.GUARDRAIL,),
        ask=f"Ask the author of {label} first: the deny was written on purpose",
        caution=f"Another allow does not help against a deny. {evaluation.SECONDS}",
    )


def _undo(holder: PolicyHolder, texts: Sequence[PolicyText]) -> tuple[AwsCall, ...]:
    return tuple(holder.put(text.name, text.document) for text in texts)


def _split_all(
    holder: PolicyHolder, before: Sequence[Document], wanted: Sequence[WantedAccess]
) -> Documents | Advice:
    """Every policy that denies wanted access, rewritten; advice at the first that cannot be."""
    present, changed = list(before), Documents()
    while (deny := first_deny(Policies(identity=tuple(present)), wanted)) is not None:
        location = next(i for i, document in enumerate(present) if document is deny.policy)
        text = holder.policies[location]
        if text.arn or text.holder != holder.label:
            return _advice(deny, text, wanted, _foreign(text))
        index = deny.policy.statements.index(deny.statement)
        raw = split_deny(deny.policy.raw, index, wanted)
        if raw is None:
            return _advice(deny, text, wanted, NOT_LISTED)
        present[location] = changed[location] = evaluation.parsed(deny.policy, raw)
    return changed


def _objection(
    holder: PolicyHolder,
    before: Sequence[Document],
    changed: Documents,
    wanted: Sequence[WantedAccess],
) -> str:
    """Why the new versions are not offered; empty if they change nothing else and IAM accepts them."""
    for location, document in changed.items():
        before_alone, after_alone = (
            Policies(identity=(before[location],)),
            Policies(identity=(document,)),
        )
        problem = evaluation.objection(before_alone, after_alone, wanted)
        if problem:
            return problem
    kept = [p for i, p in enumerate(holder.policies) if i not in changed]
    grown = [PolicyText("", "", d.raw, holder.label) for d in list(changed.values())[1:]]
    if changed and not has_room(changed[min(changed)].raw, [*kept, *grown], holder.label):
        return "the role's inline policies would exceed the size that IAM accepts"
    return ""


def _conditional(
    holder: PolicyHolder,
    identity: Sequence[Document],
    deny: MatchedStatement,
    wanted: Sequence[WantedAccess],
) -> Advice:
    """Advice for a deny whose condition is not evaluated here; AWS's answer shows that it holds."""
    index = next((i for i, document in enumerate(identity) if document is deny.policy), 0)
    keys = ", ".join(dict.fromkeys(c.key for c in deny.statement.conditions))
    why = f"the deny has a condition ({keys}) whose value in the call is not known here"
    return _advice(deny, holder.policies[index], wanted, why)


def _foreign(text: PolicyText) -> str:
    if text.is_amazons:
        return "it is a policy of AWS, which no one can change: the administrator who attached it decides"
    return (
        "a managed policy may be attached to others too, and a deny in it is its owner's decision"
    )


def _advice(
    deny: MatchedStatement, text: PolicyText, wanted: Sequence[WantedAccess], why: str
) -> Advice:
    where = f"managed policy {text.arn}" if text.arn else f"inline policy {text.name}"
    owner = f"owner of {text.arn}" if text.arn else f"author of {text.name}"
    return evaluation.no_command(
        f"{deny.label} ({where}) denies it. Ask the {owner} for this exception: the statement "
        f"must not deny {evaluation.access_text(wanted)}. Another allow does not help.",
        why,
    )
