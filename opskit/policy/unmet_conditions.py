"""Conditions that keep an allow statement from applying to a request, and those that a fix may change.

A condition is a decision of its author. A fix may only correct one that should name the request's own
object and names another by mistake; all others guard something else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from opskit.policy import condition
from opskit.policy import statement as one
from opskit.policy.document import Condition, Document, Statement
from opskit.policy.evaluate import MatchedStatement
from opskit.policy.request import Presence, Request

ENCRYPTION_CONTEXT = "kms:encryptioncontext:"
VIA_SERVICE = "kms:viaservice"
FITTED_OPERATORS = frozenset(
    {"stringequals", "stringlike", "stringequalsignorecase", "arnequals", "arnlike"}
)


@dataclass(frozen=True, slots=True)
class UnmetCondition:
    """An allow statement that matches a request except for its conditions.

    Attributes:
        failing: the conditions that do not hold, or that are indeterminate.
    """

    hit: MatchedStatement
    failing: tuple[Condition, ...]
    request: Request

    @property
    def sentence(self) -> str:
        """A sentence with the statement, each failing condition, and the value that the call carries."""
        wanted = "; ".join(
            f"{c.key} {c.operator} {', '.join(c.values)} (the call {self._carried(c.key)})"
            for c in self.failing
        )
        return f"{self.hit.label} allows {self.request.action} only where {wanted}"

    @property
    def is_fitted(self) -> bool:
        """Whether every failing condition is about the request's own object, but has another's value."""
        return all(_names_the_object(c, self.request) for c in self.failing)

    def conditions(self) -> dict[str, Any]:
        """The statement's conditions with the failing keys set to the call's values."""
        failing = {(c.operator, c.key) for c in self.failing}
        kept: dict[str, Any] = {}
        for operator, pairs in self.hit.statement.raw.get("Condition", {}).items():
            rest = {key: value for key, value in pairs.items() if (operator, key) not in failing}
            if rest:
                kept[operator] = rest
        for failing_condition in self.failing:
            value = self.request.context.get(failing_condition.key)[0]
            kept["StringEquals"] = {**kept.get("StringEquals", {}), failing_condition.key: value}
        return kept

    def _carried(self, key: str) -> str:
        presence = self.request.context.presence(key)
        if presence is Presence.KNOWN:
            return f"carries {', '.join(self.request.context.get(key))}"
        return "does not carry it" if presence is Presence.ABSENT else "may carry it: not known"


def unmet_conditions(
    request: Request, documents: Iterable[Document], *, of_key: bool = False
) -> list[UnmetCondition]:
    """The allow statements that match a request in all but their conditions.

    Args:
        of_key: whether they are of a key policy, so that they must name the caller too.
    """
    unmet = []
    for document in documents:
        for statement in document.statements:
            if not statement.allows or not _is_meant(statement, request, of_key=of_key):
                continue
            failing = tuple(c for c in statement.conditions if not _holds(c, statement, request))
            if failing:
                unmet.append(
                    UnmetCondition(MatchedStatement(document, statement), failing, request)
                )
    return unmet


def _is_meant(statement: Statement, request: Request, *, of_key: bool) -> bool:
    caller = request.principal
    if of_key and not one.names(statement, request, (*caller.names, *caller.account_names)).value:
        return False
    acts, fits = one.action(statement, request), one.resource(statement, request)
    return acts.value is True and fits.value is not False


def _holds(one_condition: Condition, statement: Statement, request: Request) -> bool:
    truth = condition.holds(one_condition, request.context, has_variables=statement.has_variables)
    return truth.value is True


def _names_the_object(one_condition: Condition, request: Request) -> bool:
    key = one_condition.key.lower()
    if request.context.presence(key) is not Presence.KNOWN:
        return False
    if one_condition.operator.lower() not in FITTED_OPERATORS:
        return False
    if key == VIA_SERVICE:
        return all(value.startswith("ssm.") for value in one_condition.values)
    return key.startswith(ENCRYPTION_CONTEXT)
