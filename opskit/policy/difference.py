"""Requests that two versions of a policy decide differently, to prove that a change only does its task.

Policies are compared on requests derived from them: every action and resource that they name, those near
the wanted ones, and the wanted calls with each condition key unchanged, absent, and with other values.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product

from opskit.policy import statement as one
from opskit.policy.actions import EXPANSIONS, KNOWN_ACTIONS
from opskit.policy.document import Document, Statement
from opskit.policy.evaluate import EvaluationResult, MatchedStatement, Policies, decide
from opskit.policy.pattern import Pattern, fits_resource, glob
from opskit.policy.request import Principal, Request

MOST_PAIRS = 400
"""Pairs of action and resource that are compared at most; wanted and differing ones come first."""
VARIABLE = re.compile(r"\$\{[^}]*\}")
OTHER = "opskit-other"
"""A value that no policy names."""


@dataclass(frozen=True, slots=True)
class WantedAccess:
    """Access that a change has to grant: every action on every resource, and nothing else.

    Attributes:
        conditions: condition keys that these calls carry, and that limit the granted access.
        requests: the calls themselves, for evaluation; empty where the caller's policies are not known.
        has_wildcards: whether `*` in a resource is meant as a wildcard, as for operations that list.
    """

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: Mapping[str, str] = field(default_factory=dict)
    requests: tuple[Request, ...] = ()
    has_wildcards: bool = False

    def covers(self, request: Request) -> bool:
        """Whether a request is one of the wanted calls."""
        return (
            request.action in self.actions
            and any(self._is(resource, request.resource) for resource in self.resources)
            and any(request.principal == r.principal for r in self.requests)
            and all(
                request.context.values.get(key.lower()) == (value,)
                for key, value in self.conditions.items()
            )
        )

    def _is(self, wanted: str, resource: str) -> bool:
        if self.has_wildcards:
            return fits_resource(Pattern(((wanted, False),)), resource)
        return wanted == resource


def refused(policies: Policies, wanted: Iterable[WantedAccess]) -> list[Request]:
    """The wanted requests that the policies do not definitely allow."""
    return [
        request
        for access in wanted
        for request in access.requests
        if decide(request, policies).result is not EvaluationResult.ALLOWED
    ]


def first_deny(policies: Policies, wanted: Iterable[WantedAccess]) -> MatchedStatement | None:
    """A statement that definitely denies a wanted request; None where none does."""
    for access in wanted:
        for request in access.requests:
            decision = decide(request, policies)
            if decision.result is EvaluationResult.EXPLICIT_DENY:
                return decision.matched
    return None


def unwanted_changes(
    before: Policies, after: Policies, wanted: Sequence[WantedAccess]
) -> list[Request]:
    """The requests that are not wanted and that the two versions decide differently."""
    differing, _ = _statements(_documents(before), _documents(after))
    return [
        request
        for request in universe(before, after, wanted)
        # Where no differing statement applies, both versions decide alike: few requests need a decision.
        if any(_applies(statement, request) for statement in differing)
        and not any(access.covers(request) for access in wanted)
        and decide(request, before).result is not decide(request, after).result
    ]


def universe(
    before: Policies, after: Policies, wanted: Sequence[WantedAccess]
) -> Iterator[Request]:
    """Requests on which two versions of policies are compared."""
    differing, common = _statements(_documents(before), _documents(after))
    of_key = after.key is not None
    actions = _actions(differing, common, wanted)
    # `*` in a key policy is the key itself, so no other resource is compared.
    resources = _own(wanted) if of_key else _resources(differing, common, wanted)
    bases = list(_bases(wanted))
    for action, resource in _nearest_pairs(actions, resources):
        for base in bases:
            yield replace(base, action=action, resource=resource)
    keys = _keys(differing, common, wanted)
    for base in bases:
        yield from _varied(base, keys, _nearest_pairs(actions[:8], resources[:4]))
        if of_key:
            yield from _of_others(base, actions)


def _documents(policies: Policies) -> list[Document]:
    key = [policies.key] if policies.key else []
    return [*policies.identity, *key]


def _applies(statement: Statement, request: Request) -> bool:
    """Whether action and resource match, without regard to the conditions."""
    if one.action(statement, request).value is False:
        return False
    return one.resource(statement, request).value is not False


def _statements(
    before: Sequence[Document], after: Sequence[Document]
) -> tuple[list[Statement], list[Statement]]:
    """The statements of only one side, and those of both."""
    mine = [s for document in before for s in document.statements]
    theirs = [s for document in after for s in document.statements]
    differing = [s for s in mine if s not in theirs] + [s for s in theirs if s not in mine]
    return differing, [s for s in mine if s in theirs]


def _bases(wanted: Sequence[WantedAccess]) -> Iterator[Request]:
    """One call of each wanted kind, with everything known about it."""
    for access in wanted:
        if access.requests:
            first = access.requests[0]
            context = replace(first.context, others_unknown=False, unknown=frozenset())
            yield replace(first, context=context)


def _nearest_pairs(first: Sequence[str], second: Sequence[str]) -> list[tuple[str, str]]:
    """The pairs of two lists, those early in both first, at most `MOST_PAIRS`."""
    ranked = sorted(product(enumerate(first), enumerate(second)), key=lambda p: p[0][0] + p[1][0])
    return [(a, b) for (_, a), (_, b) in ranked[:MOST_PAIRS]]


# Actions


def _actions(
    differing: Sequence[Statement], common: Sequence[Statement], wanted: Sequence[WantedAccess]
) -> list[str]:
    actions = [a for access in wanted for a in access.actions]
    actions += [a for s in differing for p in s.actions for a in _named(p)]
    actions += KNOWN_ACTIONS
    actions += [a for s in common for p in s.actions for a in _named(p)]
    return list(dict.fromkeys(actions))


def _named(pattern: str) -> list[str]:
    """Actions that a pattern matches: all where it can be expanded, else known ones and a made-up one."""
    if pattern.lower() in EXPANSIONS:
        return list(EXPANSIONS[pattern.lower()])
    known = [a for a in KNOWN_ACTIONS if glob(pattern, a)]
    # The wanted spelling, so that no action is compared twice.
    return known if pattern.lower() in {a.lower() for a in known} else [*known, _sample(pattern)]


def _sample(pattern: str) -> str:
    """A text that matches a pattern."""
    return VARIABLE.sub("x", pattern).replace("*", "x").replace("?", "x")


# Resources


def _own(wanted: Sequence[WantedAccess]) -> list[str]:
    return list(dict.fromkeys(r for a in wanted for r in a.resources))


def _resources(
    differing: Sequence[Statement], common: Sequence[Statement], wanted: Sequence[WantedAccess]
) -> list[str]:
    resources = [a.resources[0] for a in wanted]
    resources += [n for a in wanted for n in neighbours(a.resources[0])]
    resources += [_sample(p) for s in differing for p in s.resources or ()]
    resources += [r for a in wanted for r in a.resources[1:]]
    resources += [_sample(p) for s in common for p in s.resources or ()]
    return list(dict.fromkeys(resources))


def neighbours(arn: str) -> list[str]:
    """Resources near an ARN: beside, below and above it, and the same name in another place."""
    *location, name = arn.split(":", 5)
    if len(location) != len(ARN_FIELDS):
        return [OTHER]
    parent, _, _ = name.rpartition("/")
    names = (f"{parent}/{OTHER}", f"{name}/{OTHER}", f"{name}-{OTHER}", parent)
    context = [f"{parent}-{OTHER}/x", "parameter/x", f"parameter/{OTHER}/x"]
    arns = [":".join([*location, n]) for n in (*names, *context) if n]
    for index in (3, 4):
        arns.append(":".join([*location[:index], OTHER, *location[index + 1 :], name]))
    return arns


ARN_FIELDS = ("arn", "partition", "service", "Region", "account")


# Condition keys and callers


def _varied(
    base: Request, keys: Mapping[str, Sequence[str]], pairs: Sequence[tuple[str, str]]
) -> Iterator[Request]:
    """Requests with each condition key absent, and with other values."""
    for key, values in keys.items():
        others = {k: v for k, v in base.context.values.items() if k != key}
        contexts = [others, *({**others, key: (value,)} for value in (OTHER, *values))]
        for context, (action, resource) in product(contexts, pairs):
            changed = replace(base.context, values=context)
            yield replace(base, action=action, resource=resource, context=changed)


def _of_others(base: Request, actions: Sequence[str]) -> Iterator[Request]:
    """The same calls by other callers: another role, a user, and another account's role."""
    partition, account = base.principal.partition, base.principal.account
    for owner, name in ((account, "role"), (account, "user"), ("999999999999", "role")):
        caller = Principal(f"arn:{partition}:iam::{owner}:{name}/{OTHER}", owner)
        for action in actions:
            yield replace(base, principal=caller, action=action)


def _keys(
    differing: Sequence[Statement], common: Sequence[Statement], wanted: Sequence[WantedAccess]
) -> dict[str, list[str]]:
    """Condition keys in lower case -> values that policies compare them with."""
    values_by_key: dict[str, list[str]] = {k.lower(): [] for a in wanted for k in a.conditions}
    for statement in (*differing, *common):
        for condition in statement.conditions:
            values = values_by_key.setdefault(condition.key.lower(), [])
            values += [v for v in map(_sample, condition.values) if v not in values]
    return {key: values[:3] for key, values in values_by_key.items()}
