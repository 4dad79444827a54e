"""The engine against what AWS documents, and against the sandbox's own evaluator."""

from __future__ import annotations

from typing import Any

import pytest

from opskit.policy.document import parse
from opskit.policy.evaluate import (
    Evaluation,
    EvaluationResult,
    PermissionLimit,
    Policies,
    decide,
)
from opskit.policy.request import Context, Principal, Request
from tests.policy.cases import (
    ACCOUNT,
    CASES,
    DECRYPT,
    KEY,
    PASSWORD,
    ROLE,
    ROOT,
    SESSION,
    Case,
    allow,
    deny,
    key_case,
    policy,
    when,
)


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


def reads(*identity: Any, **more: Any) -> Case:
    """Reading the password."""
    return Case("x", "", "", identity, **more)


def decrypts(key_policy: Any, *identity: Any, **more: Any) -> Case:
    """Decrypting it; `grants` None where they could not be read."""
    return key_case("x", "", "", identity, key_policy, **more)


def decided(case: Case) -> Evaluation:
    return decide(request_of(case), policies_of(case))


def label(decision: Evaluation) -> str | None:
    return decision.matched.label if decision.matched else None


VPCE, SOURCE = "aws:SourceVpce", "aws:SourceIp"
EITHER = when("StringEquals", VPCE, "v")
MAY_DENY = when("StringEquals", SOURCE, "10.0.0.1", effect="Deny")
OF_S3 = allow(Action="s3:*", Resource="*")
TO_ROLE: dict[str, Any] = {
    "Effect": "Allow",
    "Principal": {"AWS": ROLE},
    "Action": DECRYPT,
    "Resource": "*",
}
TO_ACCOUNT = {**TO_ROLE, "Principal": {"AWS": ROOT}}
TO_OTHER = {**TO_ROLE, "Principal": {"AWS": ROLE + "x"}}
DESCRIBES = {**TO_ROLE, "Action": "kms:DescribeKey", "Sid": "Describe"}
WITH_KEY = allow(Action=DECRYPT, Resource=KEY, Sid="Mine")
GRANT = {"GranteePrincipal": ROLE, "Operations": ["Encrypt", "Decrypt"]}


class TestReason:
    """The statement, the limit and the unknown keys that a decision names."""

    @pytest.mark.parametrize(
        ("case", "result", "matched"),
        [
            (reads(OF_S3, allow(Sid="Mine")), EvaluationResult.ALLOWED, "statement Mine of identity-based"),
            (reads(allow(), deny(Sid="No")), EvaluationResult.EXPLICIT_DENY, "statement No of identity-based"),
            (reads(EITHER, unknown=(VPCE,)), EvaluationResult.DEPENDS, "statement 1 of identity-based"),
            (reads(EITHER, allow(Sid="Mine"), unknown=(VPCE,)), EvaluationResult.ALLOWED, "statement Mine of identity-based"),
            (reads(policy(allow(Sid="Mine")["Statement"][0], MAY_DENY["Statement"][0]), unknown=(SOURCE,)),
             EvaluationResult.DEPENDS, "statement 2 of identity-based"),
            (decrypts(policy(DESCRIBES, TO_ROLE)), EvaluationResult.ALLOWED, "statement 2 of key"),
            (decrypts(policy(DESCRIBES), grants=(GRANT,)), EvaluationResult.ALLOWED, None),
            (decrypts(policy(TO_OTHER, TO_ROLE), WITH_KEY), EvaluationResult.ALLOWED, "statement Mine of identity-based"),
            (decrypts(policy({**TO_ROLE, "Principal": "*"})), EvaluationResult.ALLOWED, "statement 1 of key"),
            (decrypts(policy({**TO_ROLE, "Principal": {"AWS": SESSION}})), EvaluationResult.ALLOWED, "statement 1 of key"),
            (decrypts(policy(TO_ROLE, {**TO_ROLE, "Effect": "Deny", "Sid": "No"})), EvaluationResult.EXPLICIT_DENY, "statement No of key"),
            (decrypts(policy(DESCRIBES, {**TO_ROLE, "Condition": {"StringEquals": {VPCE: "v"}}}), unknown=(VPCE,)),
             EvaluationResult.DEPENDS, "statement 2 of key"),
        ],
    )  # fmt: skip
    def test_the_deciding_statement(
        self, case: Case, result: EvaluationResult, matched: str | None
    ) -> None:
        decision = decided(case)
        assert (decision.result, label(decision)) == (result, matched)

    @pytest.mark.parametrize(
        ("case", "keys"),
        [
            (reads(EITHER, unknown=(VPCE, SOURCE)), (VPCE,)),
            (reads(allow(), MAY_DENY, unknown=(VPCE, SOURCE)), (SOURCE,)),
            (reads(EITHER, MAY_DENY, unknown=(VPCE, SOURCE)), (SOURCE, VPCE)),
            (reads(EITHER, MAY_DENY, unknown=(VPCE,), context={SOURCE: "10.0.0.2"}), (VPCE,)),
            (decrypts(policy(TO_OTHER), WITH_KEY, grants=None), ("kms:ListGrants",)),
            (decrypts(policy(TO_OTHER), grants=({**GRANT, "Constraints": {"EncryptionContextSubset": {"app": "x"}}},), unknown=("kms:EncryptionContext:app",)),
             ("kms:EncryptionContext:app",)),
            (decrypts(policy(TO_ROLE, {"Effect": "Deny", "NotPrincipal": {"AWS": ROLE}, "Action": DECRYPT, "Resource": "*"})),
             ("NotPrincipal without the account",)),
        ],
    )  # fmt: skip
    def test_the_unknown_keys_that_decide(self, case: Case, keys: tuple[str, ...]) -> None:
        assert decided(case).depends_on == keys

    @pytest.mark.parametrize(
        ("case", "limit"),
        [
            (reads(), None),
            (reads(allow(), boundary=OF_S3), PermissionLimit.BOUNDARY),
            (reads(boundary=OF_S3), None),
            (reads(allow(), scps=((OF_S3,),)), PermissionLimit.ORGANIZATION),
            (reads(allow(), scps=((allow(),), (OF_S3,)), boundary=OF_S3), PermissionLimit.ORGANIZATION),
            (reads(scps=((allow(),),)), None),
            (decrypts(policy(TO_OTHER), WITH_KEY), PermissionLimit.KEY),
            (decrypts(policy(TO_OTHER)), PermissionLimit.KEY),
            (decrypts(policy(TO_ACCOUNT)), None),
            (decrypts(policy(TO_ACCOUNT), WITH_KEY, boundary=OF_S3), PermissionLimit.BOUNDARY),
            (decrypts(policy(TO_ROLE), boundary=OF_S3), PermissionLimit.BOUNDARY),
            (decrypts(policy(TO_ACCOUNT), boundary=OF_S3), None),
        ],
    )  # fmt: skip
    def test_the_limit_that_does_not_allow(self, case: Case, limit: PermissionLimit | None) -> None:
        decision = decided(case)
        assert decision.result is EvaluationResult.IMPLICIT_DENY
        assert decision.limited_by is limit


@pytest.mark.parametrize(
    ("constraints", "is_allowed"),
    [
        (None, True),
        ({"EncryptionContextSubset": {"PARAMETER_ARN": PASSWORD}}, True),
        ({"EncryptionContextEquals": {"PARAMETER_ARN": PASSWORD}}, True),
        ({"EncryptionContextEquals": {"PARAMETER_ARN": PASSWORD + "x"}}, False),
        ({"EncryptionContextSubset": {"app": "x"}}, False),
    ],
)
@pytest.mark.parametrize("more", [{}, {"kms:EncryptionContext:stage": "prod"}])
def test_a_grant_with_constraints(
    constraints: dict[str, Any] | None, is_allowed: bool, more: dict[str, str]
) -> None:
    """`Equals` refuses a call with more in its context than the grant names."""
    grants = ({**GRANT, "Constraints": constraints},)
    decision = decided(decrypts(policy(TO_OTHER), grants=grants, context=more))
    is_exact = "EncryptionContextEquals" in (constraints or {})
    expected = is_allowed and not (is_exact and more)
    assert (decision.result is EvaluationResult.ALLOWED) is expected


@pytest.mark.parametrize(
    "grant",
    [
        {"GranteePrincipal": ROLE},
        {"GranteePrincipal": ROLE, "Operations": ["Encrypt"]},
        {"Operations": ["Decrypt"]},
        {"GranteePrincipal": f"{ROLE}x", "Operations": ["Decrypt"]},
    ],
)
def test_a_grant_of_something_else(grant: dict[str, Any]) -> None:
    decision = decided(decrypts(policy(TO_OTHER), grants=(grant,)))
    assert decision.result is EvaluationResult.IMPLICIT_DENY
