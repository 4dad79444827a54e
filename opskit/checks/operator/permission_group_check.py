"""Common code of the checks of the operator's permissions: each judges one permission group."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from opskit.checks.fix import Advice, Fix, Remedy
from opskit.checks.inline_policy import PolicyHolder
from opskit.checks.interface import (
    Evidence,
    Finding,
    derived,
    failed,
    passed,
    reported,
    skipped,
    undecided,
    warned,
)
from opskit.checks.seen import Seen, one_of
from opskit.errors import Alternatives, Missing
from opskit.facts.permissions import PermissionGroup
from opskit.policy.difference import WantedAccess, refused, unwanted_changes
from opskit.policy.document import parse
from opskit.policy.evaluate import Policies
from opskit.policy.explanation import DenialReason
from opskit.policy.limits import INLINE_SIZE
from opskit.policy.operator_access import OperatorAccess, OperatorNeed
from opskit.policy.rewrite import allow, document
from opskit.policy.role_access import parsed
from opskit.policy.unmet_conditions import unmet_conditions

Conditions = tuple[tuple[str, str], ...]
NEEDS_DECIDED = one_of(
    Seen(OperatorAccess, "needs", lambda needs: any(n.is_allowed for n in needs))
)
"""The evidence of a check of the operator's rights: needs that the policies or the simulator allow."""
MOST_NAMED = 6
"""Permissions that the sentence names at most; the fix contains all of them."""
VIA_SERVICE = "kms:ViaService"
IDENTITY_CENTER = ":role/aws-reserved/sso.amazonaws.com/"
LACKING = frozenset(
    {
        DenialReason.NO_STATEMENT,
        DenialReason.PATH,
        DenialReason.DOUBLE_SLASH,
        DenialReason.REGION_OR_ACCOUNT,
        DenialReason.ACTION,
    }
)
"""Denial reasons that another allow statement removes."""
UNREAD = "the policies it has could not be read, so a policy of the same name might be replaced"
TOO_LARGE = "its inline policies would exceed the size that IAM accepts: a managed policy is needed"


def check_group(access: OperatorAccess, group: PermissionGroup, *, is_needed: bool) -> Finding:
    """Judge one permission group.

    Args:
        is_needed: whether a diagnosis is of little use without it; otherwise a denial is a warning.
    """
    judged = [n for n in access.needs if n.permission.group is group]
    lacking = [n for n in judged if n.is_allowed is False]
    unknown = [n for n in judged if n.is_allowed is None]
    who = access.who.split(":", 5)[-1]
    if lacking:
        layers = dict.fromkeys(layer for n in lacking for layer in n.permission.needed_by)
        text = f"{who} may not {_named(lacking)}: not wholly judged without: {', '.join(layers)}"
        say = failed if is_needed else warned
        return say(text, *_evidence(lacking), fix=_remedy(access, lacking))
    if unknown:
        return undecided(f"whether {who} may {_named(unknown)}: {_why(unknown)}", _missing(unknown))
    if not judged:
        return skipped("nothing of that kind is needed here")
    return passed(f"{who} may {group}: {len(judged)} of {len(judged)} rights", *_sources(judged))


def _named(needs: list[OperatorNeed]) -> str:
    actions = list(dict.fromkeys(n.permission.action for n in needs))
    more = f" and {len(actions) - MOST_NAMED} more" if len(actions) > MOST_NAMED else ""
    return ", ".join(actions[:MOST_NAMED]) + more


def _why(needs: list[OperatorNeed]) -> str:
    keys = sorted({k for n in needs if n.decision for k in n.decision.depends_on})
    if keys:
        return f"that depends on {', '.join(keys)}"
    if any(n.decision and n.simulated for n in needs):
        return "IAM's simulator and the policies contradict each other"
    return "neither the policies nor IAM's simulator could be asked"


def _missing(needs: list[OperatorNeed]) -> Missing:
    if any(n.decision for n in needs):
        return "a try"
    return Alternatives(("iam:SimulatePrincipalPolicy", "the rights to read one's own policies"))


def _evidence(needs: list[OperatorNeed]) -> tuple[Evidence, ...]:
    reasons = dict.fromkeys(n.denial.description for n in needs if n.denial)
    answers = {n.simulated for n in needs if n.simulated}
    evidence = [derived(f"from the policies: {text}") for text in list(reasons)[:3]]
    if answers:
        evidence.append(reported(f"IAM's simulator says {', '.join(sorted(answers))}"))
    return tuple(evidence)


def _sources(needs: list[OperatorNeed]) -> tuple[Evidence, ...]:
    by_policies = all(n.decision for n in needs)
    by_simulator = all(n.simulated for n in needs)
    names = [
        *(["the policies"] if by_policies else []),
        *(["IAM's simulator"] if by_simulator else []),
    ]
    return (derived(f"{' and '.join(names)} agree"),) if len(names) > 1 else ()


def _remedy(access: OperatorAccess, needs: list[OperatorNeed]) -> Remedy:
    """One inline policy with all missing permissions; advice where that does not suffice or is unknown."""
    wanted = _wanted(needs)
    policy = document(*(allow(w) for w in wanted))
    holder = _holder(access)
    obstacle = _obstacle(access, needs)
    if holder is None or obstacle:
        return _advice(access, policy, obstacle or UNREAD)
    if not holder.has_room_for(policy):
        return _advice(access, policy, TOO_LARGE)
    added = parse(policy, kind="identity-based", name="the new policy")
    present = tuple(parsed(p, "identity-based") for p in holder.policies)
    if unwanted_changes(Policies(), Policies(identity=(added,)), wanted):
        return _advice(access, policy, "a resource in it would be read as a pattern")
    if refused(Policies(identity=(*present, added)), wanted):
        return _advice(
            access, policy, "a deny or a condition of another policy would still refuse it"
        )
    group = needs[0].permission.group.split(" ", 1)[1].replace(" ", "-")
    put, delete = holder.add(f"opskit-{group}", policy)
    return Fix(
        (put,),
        f"gives {holder.label} the rights that are missing, removes nothing",
        undo=(delete,),
        ask="An administrator has to run it",
    )


def _holder(access: OperatorAccess) -> PolicyHolder | None:
    """The user or role; None where its policies, and so the used policy names, are not known."""
    kind, _, path = access.who.split(":", 5)[-1].partition("/")
    if access.own is None or kind not in INLINE_SIZE:
        return None
    return PolicyHolder(kind, path.rsplit("/", 1)[-1], access.own.identity)


def _obstacle(access: OperatorAccess, needs: list[OperatorNeed]) -> str:
    """Why another allow in the operator's own policies does not help; empty where it does."""
    if access.own is None:
        return UNREAD
    if IDENTITY_CENTER in access.who:
        return "it is a role of IAM Identity Center, whose policies come from its permission set"
    for need in needs:
        if need.denial is None:
            return (
                f"IAM's simulator refuses {need.permission.action}, which no policy that was read "
                "explains"
            )
        if need.denial.denial not in LACKING:
            return f"another allow beside it is not the remedy: {need.denial.description}"
    present = [parsed(p, "identity-based") for p in access.own.identity]
    conditions = (
        g for need in needs if need.request for g in unmet_conditions(need.request, present)
    )
    unmet = next(conditions, None)
    return f"an allow beside it would go around a condition: {unmet.sentence}" if unmet else ""


def _advice(access: OperatorAccess, policy: Mapping[str, Any], why: str) -> Advice:
    statements = ", ".join(json.dumps(s, separators=(", ", ": ")) for s in policy["Statement"])
    return Advice(
        f"Ask an administrator to allow {access.who.split(':', 5)[-1]} this, in its own policies or in the "
        f"permission set of IAM Identity Center: {statements}. No command is offered: {why}."
    )


def _wanted(needs: list[OperatorNeed]) -> list[WantedAccess]:
    """The missing permissions, grouped by resources and conditions."""
    by_resource: dict[tuple[str, Conditions], list[OperatorNeed]] = {}
    for need in needs:
        by_resource.setdefault((need.resource, _conditions(need)), []).append(need)
    grouped: dict[tuple[tuple[str, ...], Conditions], list[OperatorNeed]] = {}
    for (_, conditions), group in by_resource.items():
        actions = tuple(dict.fromkeys(n.permission.action for n in group))
        grouped.setdefault((actions, conditions), []).extend(group)
    return [
        WantedAccess(
            actions,
            tuple(dict.fromkeys(n.resource for n in group)),
            dict(conditions),
            tuple(n.request for n in group if n.request),
            has_wildcards=True,
        )
        for (actions, conditions), group in grouped.items()
    ]


def _conditions(need: OperatorNeed) -> Conditions:
    """The condition keys that the call carries and that limit its allow."""
    region = need.request.context.values.get(VIA_SERVICE.lower()) if need.request else None
    return (*need.context, *(((VIA_SERVICE, region[0]),) if region else ()))
