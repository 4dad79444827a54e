"""The fix for an operator who lacks rights: a free name, an undo, and advice where an allow does not help."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from opskit.checks.catalogue import check_of
from opskit.checks.fix_verification import verify_fix
from opskit.checks.interface import Finding
from opskit.checks.run import run_check
from opskit.checks.shell_rendering import Caller
from opskit.facts.identity import Identity
from opskit.facts.operator_policies import OperatorPolicies
from opskit.facts.operator_simulation import OperatorNeeds, OperatorSimulation
from opskit.facts.permissions import PermissionGroup, ResourceScope
from opskit.facts.policies import PolicyText
from opskit.facts.simulation import SimulatedDecision, Simulation
from tests import builders as b

NEEDS = OperatorNeeds(
    tuple(
        (p, b.KEY_ARN if p.on is ResourceScope.KEY else b.PARAMETERS[:-1] + "db-name")
        for p in b.PERMISSIONS
        if p.group is PermissionGroup.PARAMETERS
    )
)
NAME = {"UserName": "oncall", "PolicyName": "opskit-the-parameters"}
S3 = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
ACCOUNT = "arn:aws:iam::123456789012:"


def operator(*texts: PolicyText, **more: Any) -> OperatorPolicies:
    return replace(b.operator_policies(S3), **{"identity": texts, **more})


def inline(name: str, *statements: dict[str, Any], holder: str = "user oncall") -> PolicyText:
    return PolicyText(name, "", b.document(*(statements or (S3,))), holder)


def proven(*facts: Any, unknown: tuple[type, ...] = ()) -> Finding:
    snapshot, check = b.snapshot(NEEDS, *facts, unknown=unknown), check_of("OPR002")
    return verify_fix(check, run_check(check, snapshot), snapshot, Caller("us-east-1", "", ""))


def commands(finding: Finding) -> list[tuple[str, dict[str, Any]]]:
    assert finding.fix is not None, finding.advice
    calls = [b.aws_call(c) for c in (*finding.fix.commands, *finding.fix.undo)]
    return [(c.operation, dict(c.parameters)) for c in calls]


def test_the_missing_rights_are_given_and_taken_back() -> None:
    (put, asked), (delete, gone) = commands(proven(operator(inline("own"))))
    assert (put, delete) == ("PutUserPolicy", "DeleteUserPolicy")
    assert gone == NAME
    reads, decrypts = asked["PolicyDocument"]["Statement"]
    assert reads["Resource"] == b.PARAMETERS[:-1] + "db-name"
    assert decrypts == {
        "Effect": "Allow",
        "Action": "kms:Decrypt",
        "Resource": b.KEY_ARN,
        "Condition": {"StringEquals": {"kms:ViaService": "ssm.us-east-1.amazonaws.com"}},
    }


def test_an_earlier_policy_is_not_replaced() -> None:
    finding = proven(operator(inline("opskit-the-parameters")))
    assert [asked["PolicyName"] for _, asked in commands(finding)] == [
        "opskit-the-parameters-2"
    ] * 2
    assert finding.fix is not None
    assert all(not change.before for change in finding.fix.changes)


def test_a_role_is_named_as_a_role() -> None:
    finding = proven(operator(inline("own", holder="role ops"), arn=f"{ACCOUNT}role/team/ops"))
    assert [asked.get("RoleName") for _, asked in commands(finding)] == ["ops", "ops"]


def test_a_policy_of_a_group_takes_no_name() -> None:
    finding = proven(operator(inline("opskit-the-parameters", holder="group ops")))
    assert commands(finding)[0][1]["PolicyName"] == "opskit-the-parameters"


@pytest.mark.parametrize(
    ("own", "words"),
    [
        (operator(inline("own", S3, {"Sid": "No", "Effect": "Deny", "Action": "ssm:*", "Resource": "*"})),
         "statement No of own denies it"),
        (operator(inline("own", {"Effect": "Allow", "Action": "*", "Resource": "*"}),
                  boundary=PolicyText("ceiling", ACCOUNT + "policy/c", b.document(S3))),
         "permissions boundary ceiling"),
        (operator(inline("own", {"Sid": "Mfa", "Effect": "Allow", "Action": "ssm:*", "Resource": "*",
                                 "Condition": {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}})),
         "aws:RequestedRegion StringEquals eu-west-1"),
        (operator(arn=f"{ACCOUNT}role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_x"), "permission set"),
        (operator(inline("large", {**S3, "Resource": "x" * 1_900})), "managed policy"),
    ],
    ids=["deny", "boundary", "guard", "identity-center", "size"],
)  # fmt: skip
def test_where_another_allow_does_not_help_there_is_advice(
    own: OperatorPolicies, words: str
) -> None:
    finding = proven(own)
    assert finding.fix is None
    assert words in finding.advice
    assert "ssm:GetParameter" in finding.advice


def test_unread_policies_leave_the_statement() -> None:
    simulated = OperatorSimulation(
        Simulation(
            tuple(
                SimulatedDecision(p.action, resource, "implicitDeny", False, None)
                for p, resource in NEEDS.all
            )
        )
    )
    who = Identity("123456789012", f"{ACCOUNT}user/oncall", 0.0)
    finding = proven(simulated, who, unknown=(OperatorPolicies,))
    assert finding.fix is None
    assert "might be replaced" in finding.advice
    assert '"Effect": "Allow"' in finding.advice
