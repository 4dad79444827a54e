"""The engine against what AWS documents, and against the sandbox's own evaluator."""

from __future__ import annotations

from typing import Any

import pytest

from opskit.policy.document import parse
from opskit.policy.evaluate import Policies, decide
from opskit.policy.request import Context, Principal, Request
from tests.policy.cases import ACCOUNT, CASES, ROLE, SESSION, Case


def request_of(case: Case) -> Request:
    """A case's request, with the keys that every request carries."""
    given = {
        "aws:PrincipalArn": ROLE,
        "aws:PrincipalAccount": ACCOUNT,
        "aws:PrincipalType": "AssumedRole",
        **case.context,
    }
    values = {
        key.lower(): tuple(value) if isinstance(value, list) else (value,)
        for key, value in given.items()
    }
    context = Context(values, frozenset(key.lower() for key in case.unknown))
    return Request(Principal(ROLE, ACCOUNT, SESSION), case.action, case.resource, context)


def policies_of(case: Case) -> Policies:
    """A case's policies, parsed."""

    def read(document: Any, kind: str) -> Any:
        return parse(document, kind=kind, name=kind)

    return Policies(
        identity=tuple(read(d, "identity-based") for d in case.identity),
        boundary=read(case.boundary, "boundary") if case.boundary else None,
        organization=tuple(tuple(read(d, "scp") for d in level) for level in case.scps),
        key=read(case.key_policy, "key") if case.key_policy is not None else None,
        grants=case.grants,
    )


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_documented_outcome(case: Case) -> None:
    decision = decide(request_of(case), policies_of(case))
    assert str(decision.result) == case.expected, (case.page, decision)
    assert bool(decision.depends_on) == (case.expected == "depends")


def test_the_table_is_large_and_names_are_given_once() -> None:
    names = [case.name for case in CASES]
    assert len(names) == len(set(names)) >= 150
    assert all(" Guide, " in case.page for case in CASES)
