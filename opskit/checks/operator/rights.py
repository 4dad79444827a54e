"""What the checks of the operator's rights share: one group of rights each."""

from __future__ import annotations

from opskit.checks.fix import Fix
from opskit.checks.fix_commands import call
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
from opskit.facts.permissions import Group
from opskit.policy.operator import OperatorAccess, OperatorNeed

Conditions = tuple[tuple[str, str], ...]
MOST_NAMED = 6
"""Rights named in the sentence; all of them stand in the fix."""


def verdict(access: OperatorAccess, group: Group, *, is_needed: bool) -> Finding:
    """Judge one group of rights.

    Args:
        is_needed: whether a diagnosis is of little use without it; otherwise a lack is a warning.
    """
    asked = [n for n in access.needs if n.permission.group is group]
    lacking = [n for n in asked if n.is_allowed is False]
    unknown = [n for n in asked if n.is_allowed is None]
    who = access.who.split(":", 5)[5]
    if lacking:
        layers = dict.fromkeys(layer for n in lacking for layer in n.permission.without)
        text = f"{who} may not {_named(lacking)}: not wholly judged without: {', '.join(layers)}"
        say = failed if is_needed else warned
        return say(text, *_evidence(lacking), fix=_fix(access, lacking))
    if unknown:
        return undecided(
            f"whether {who} may {_named(unknown)}: {_why(unknown)}", *_missing(unknown)
        )
    if not asked:
        return skipped("nothing of that kind is needed here")
    return passed(f"{who} may {group}: {len(asked)} of {len(asked)} rights", *_sources(asked))


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


def _missing(needs: list[OperatorNeed]) -> tuple[str, ...]:
    if any(n.decision for n in needs):
        return ("a try",)
    return ("iam:SimulatePrincipalPolicy", "or the rights to read one's own policies")


def _evidence(needs: list[OperatorNeed]) -> tuple[Evidence, ...]:
    words = dict.fromkeys(n.miss.words for n in needs if n.miss)
    said = {n.simulated for n in needs if n.simulated}
    found = [derived(f"from the policies: {text}") for text in list(words)[:3]]
    if said:
        found.append(reported(f"IAM's simulator says {', '.join(sorted(said))}"))
    return tuple(found)


def _sources(needs: list[OperatorNeed]) -> tuple[Evidence, ...]:
    by_policies = all(n.decision for n in needs)
    by_simulator = all(n.simulated for n in needs)
    words = [
        *(["the policies"] if by_policies else []),
        *(["IAM's simulator"] if by_simulator else []),
    ]
    return (derived(f"{' and '.join(words)} agree"),) if len(words) > 1 else ()


def _fix(access: OperatorAccess, needs: list[OperatorNeed]) -> Fix | None:
    """One inline policy with everything that is missing."""
    kind, _, name = access.who.split(":", 5)[5].partition("/")
    if kind not in ("user", "role"):
        return None
    by_resource: dict[tuple[str, Conditions], list[str]] = {}
    for need in needs:
        by_resource.setdefault((need.resource, need.context), []).append(need.permission.action)
    rows: dict[tuple[tuple[str, ...], Conditions], list[str]] = {}
    for (resource, context), actions in by_resource.items():
        rows.setdefault((tuple(dict.fromkeys(actions)), context), []).append(resource)
    statements = [
        {
            "Effect": "Allow",
            "Action": list(actions),
            "Resource": resources,
            **({"Condition": {"StringEquals": dict(context)}} if context else {}),
        }
        for (actions, context), resources in rows.items()
    ]
    document = {"Version": "2012-10-17", "Statement": statements}
    policy = f"opskit-{needs[0].permission.group.split(' ', 1)[1].replace(' ', '-')}"
    last = name.rsplit("/", 1)[-1]
    named = {"UserName": last} if kind == "user" else {"RoleName": last}
    operation = f"{kind.capitalize()}Policy"
    return Fix(
        (
            call(
                "iam",
                f"Put{operation}",
                **named,
                PolicyName=policy,
                PolicyDocument=document,
            ),
        ),
        f"gives {kind} {last} the rights that are missing",
        undo=(call("iam", f"Delete{operation}", **named, PolicyName=policy),),
        ask="An administrator has to run it. Roles of IAM Identity Center get it in their permission set",
    )
