"""Symptoms of which no cause was determined, and what could not be judged of their causes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from opskit.checks.catalogue import CODES, default_checks
from opskit.checks.interface import Check, CheckResult, Status
from opskit.errors import Missing
from opskit.symptom import Place, Symptom, SymptomKind

ACTION = re.compile(r"[a-z0-9-]+:[A-Z]\w*")
"""The form of an IAM action, which an operator lacks; anything else is needed."""


@dataclass(frozen=True, slots=True)
class UnexplainedSymptom:
    """A symptom of which no fault was found, and the checks that could have found one.

    Attributes:
        not_judged: their unknown results.
        not_run: those that were not part of this diagnosis.
    """

    result: CheckResult
    not_judged: tuple[CheckResult, ...]
    not_run: tuple[Check, ...]

    @property
    def missing(self) -> tuple[Missing, ...]:
        """The permissions or conditions that would have told the cause."""
        all_missing = (m for r in (self.result, *self.not_judged) for m in r.finding.missing)
        return tuple(dict.fromkeys(all_missing))

    def sentence(self, operator: str | None) -> str:
        """The symptom, and why its cause is not determined.

        Args:
            operator: the ARN of the operator's identity, where it is known.
        """
        symptom = self.result.finding.symptom
        shown = _words(symptom) if symptom else self.result.finding.summary
        return f"{shown}; {self._why(operator or 'your identity')}"

    def _why(self, operator: str) -> str:
        layers = ", ".join(dict.fromkeys(r.check.layer for r in self.not_judged))
        what = f"its causes ({layers}) could not be judged" if layers else "rules could not be read"
        actions = [str(m) for m in self.missing if ACTION.match(str(m))]
        if actions:
            return f"{what}: {operator} lacks {', '.join(actions)}"
        if self.not_judged:
            return f"{what}: {self.not_judged[0].finding.summary}"
        if self.missing:
            return f"its causes could not be judged without {', '.join(map(str, self.missing))}"
        if self.not_run:
            layers = ", ".join(dict.fromkeys(c.layer for c in self.not_run))
            return f"its causes ({layers}) were not part of this diagnosis"
        return "every check of its causes was judged, and none failed"


def unexplained_symptoms(judged: Sequence[CheckResult]) -> tuple[UnexplainedSymptom, ...]:
    """The failures that are neither root causes nor explained."""
    return tuple(
        _unexplained(result, result.finding.symptom, judged)
        for result in judged
        if result.finding.status is Status.FAIL
        and result.finding.symptom is not None
        and not result.is_root_cause
        and result.caused_by is None
    )


def _unexplained(
    result: CheckResult, symptom: Symptom, judged: Sequence[CheckResult]
) -> UnexplainedSymptom:
    ran = {j.check.code for j in judged}
    others = (c for c in default_checks() if c.code not in ran)
    return UnexplainedSymptom(
        result,
        tuple(_unknown(symptom, judged)),
        tuple(c for c in others if _is_before(c, result.check) and _may_lead(c, symptom)),
    )


def _is_before(check: Check, other: Check) -> bool:
    """Whether a check comes before another one in causal order."""
    order = list(CODES)
    return order.index(check.code) < order.index(other.code)


def _unknown(symptom: Symptom, judged: Iterable[CheckResult]) -> Iterator[CheckResult]:
    """The results that lack a permission or an input; those that wait for a symptom tell nothing."""
    for result in judged:
        is_unknown = result.finding.status is Status.UNKNOWN and result.finding.symptom is None
        if is_unknown and _may_lead(result.check, symptom):
            yield result


def _may_lead(check: Check, symptom: Symptom) -> bool:
    return bool({symptom.kind, *symptom.through} & {*check.leads_to, *check.symptoms})


def _words(symptom: Symptom) -> str:
    """The symptom as a clause, by its kind and place."""
    port, host = _port(symptom.place), ", ".join(sorted(symptom.place.hosts)) or "the database"
    return {
        SymptomKind.DROPPED: f"traffic to {port} is dropped",
        SymptomKind.UNREACHABLE: f"{host} cannot be reached",
        SymptomKind.REFUSED: f"connections to {port} are refused",
        SymptomKind.NOT_RESOLVED: f"{host} does not resolve",
        SymptomKind.OTHER_SERVER: f"another server than the database answers on {port}",
        SymptomKind.UNHEALTHY: "the app says that it is unhealthy",
        SymptomKind.TARGET_UNHEALTHY: "the load balancer finds the app unhealthy",
    }.get(symptom.kind, symptom.kind.value.replace("_", " "))


def _port(place: Place) -> str:
    addresses, ports = sorted(place.addresses), sorted(place.ports)
    if not ports:
        return "the database's port"
    return f"{addresses[0]}:{ports[0]}" if addresses else str(ports[0])
