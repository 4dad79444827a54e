"""The IAM fixes call by call: names, documents, undo, and where there is advice instead."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from opskit.checks.catalogue import check_of
from opskit.checks.fix import Danger
from opskit.checks.fix_verification import verify_fix
from opskit.checks.interface import Finding, Status
from opskit.checks.run import run_check
from opskit.checks.shell_rendering import Caller
from opskit.commands import AwsCall, InstanceCommand
from opskit.config import Target
from opskit.facts.key import Key
from opskit.facts.key_policy import KeyPolicy
from opskit.facts.organization import Organization
from opskit.facts.policies import PolicyText, RolePolicies
from opskit.facts.simulation import SimulatedDecision, Simulation
from opskit.probe.response import Health
from opskit.workload.interface import WorkloadRole
from tests import builders as b
from tests.checks.iam.generated import ARN, PARAMETERS, PASSWORD, VIA

CALLER = Caller("us-east-1", "", "")
READ = ["ssm:GetParameter", "ssm:GetParameters"]
THROUGH_SSM = {"StringEquals": {"kms:ViaService": VIA}}
READ_STATEMENT = {"Effect": "Allow", "Action": READ, "Resource": PARAMETERS}
DECRYPT_STATEMENT = {
    "Effect": "Allow",
    "Action": "kms:Decrypt",
    "Resource": b.KEY_ARN,
    "Condition": THROUGH_SSM,
}
CEILING = "arn:aws:iam::123456789012:policy/ceiling"
S3 = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
NEEDED = [{**b.READS, "Sid": "R"}, {**b.DECRYPTS, "Sid": "D"}]


def proven(code: str, *facts: Any, unknown: tuple[type, ...] = ()) -> Finding:
    """A check's failure with its proven fix."""
    snapshot, check = b.snapshot(b.NOT_ASKED, *facts, unknown=unknown), check_of(code)
    finding = run_check(check, snapshot)
    assert finding.status is Status.FAIL, finding
    return verify_fix(check, finding, snapshot, CALLER)


def calls(finding: Finding) -> list[tuple[str, dict[str, Any]]]:
    """A fix's AWS calls."""
    assert finding.fix is not None, finding.advice
    return [
        (c.operation, dict(c.parameters)) for c in finding.fix.commands if isinstance(c, AwsCall)
    ]


def undo(finding: Finding) -> list[tuple[str, dict[str, Any]]]:
    """The calls that undo a fix."""
    assert finding.fix is not None
    return [(c.operation, dict(c.parameters)) for c in finding.fix.undo if isinstance(c, AwsCall)]


def policies(*texts: PolicyText, boundary: PolicyText | None = None) -> RolePolicies:
    """The role with these policies."""
    return RolePolicies(texts, boundary, "AROA1", {}, b.NOW)


def inline(name: str, *statements: dict[str, Any]) -> PolicyText:
    """An inline policy of the role."""
    return PolicyText(name, "", b.document(*statements), "role app-role")


def denying(deny: dict[str, Any], **more: Any) -> RolePolicies:
    """A role that is allowed what it needs, and denied something in a policy of its own."""
    text = replace(inline("hardening", {"Sid": "No", "Effect": "Deny", **deny}), **more)
    return policies(inline("app", *NEEDED), text)


def boundary(*statements: dict[str, Any], **more: Any) -> RolePolicies:
    """A role that is allowed what it needs, under a boundary."""
    text = PolicyText("ceiling", CEILING, b.document(*statements), version="v3")
    return policies(inline("app", *NEEDED), boundary=replace(text, **more))


# Grants


def test_reading_is_granted_on_the_parameters_alone() -> None:
    finding = proven("IAM002", policies(inline("app", b.DECRYPTS)))
    name = {"RoleName": "app-role", "PolicyName": "read-linkbox-parameters"}
    assert calls(finding) == [
        ("PutRolePolicy", {**name, "PolicyDocument": b.document(READ_STATEMENT)})
    ]
    assert undo(finding) == [("DeleteRolePolicy", name)]
    assert finding.fix is not None
    assert finding.fix.dangers == (Danger.WIDENS_ACCESS,)
    assert [change.before for change in finding.fix.changes] == [""]


def test_decrypting_is_granted_through_parameter_store_alone() -> None:
    finding = proven("IAM003", policies(inline("app", b.READS)))
    name = {"RoleName": "app-role", "PolicyName": "decrypt-linkbox-parameters"}
    assert calls(finding) == [
        ("PutRolePolicy", {**name, "PolicyDocument": b.document(DECRYPT_STATEMENT)})
    ]
    assert undo(finding) == [("DeleteRolePolicy", name)]


@pytest.mark.parametrize(
    ("taken", "name"),
    [
        (("read-linkbox-parameters",), "read-linkbox-parameters-2"),
        (("READ-LINKBOX-PARAMETERS", "read-linkbox-parameters-2"), "read-linkbox-parameters-3"),
        (("read-other-parameters",), "read-linkbox-parameters"),
    ],
)
def test_a_second_repair_does_not_replace_the_first(taken: tuple[str, ...], name: str) -> None:
    finding = proven("IAM002", policies(*(inline(t, b.DECRYPTS) for t in taken)))
    assert calls(finding)[0][1]["PolicyName"] == name
    assert finding.fix is not None
    assert all(change.before == "" for change in finding.fix.changes)
    assert undo(finding)[0][1]["PolicyName"] == name


def test_a_managed_policy_of_that_name_takes_no_name_away() -> None:
    managed = PolicyText("read-linkbox-parameters", CEILING, b.document(b.DECRYPTS), version="v1")
    finding = proven("IAM002", policies(managed))
    assert calls(finding)[0][1]["PolicyName"] == "read-linkbox-parameters"


def test_a_policy_name_has_only_characters_that_iam_accepts() -> None:
    target = Target("Größe/x y", b.NAMES, "/linkbox")
    finding = proven("IAM002", policies(inline("app", b.DECRYPTS)), target)
    assert calls(finding)[0][1]["PolicyName"] == "read-Gr-e-x-y-parameters"


def test_parameters_outside_the_path_are_not_granted() -> None:
    names = {**b.NAMES, "database": "/shared/name"}
    finding = proven("IAM002", policies(inline("app", b.DECRYPTS)), Target("linkbox", names, None))
    granted = calls(finding)[0][1]["PolicyDocument"]["Statement"][0]["Resource"]
    assert granted == sorted(ARN + name for name in names.values())


def test_without_the_roles_policies_there_is_the_statement_and_no_command() -> None:
    finding = run_refused("IAM002", "ssm:GetParameter", unknown=(RolePolicies,))
    assert finding.fix is None
    assert "app-role" in finding.advice
    assert f'"Action": ["{READ[0]}", "{READ[1]}"]' in finding.advice
    assert "a policy of the same name would be replaced" in finding.advice


def run_refused(
    code: str, action: str, reason: str = "", unknown: tuple[type, ...] = ()
) -> Finding:
    """A failure that only AWS's message to the instance tells of."""
    snapshot = b.snapshot(b.refused(action, reason), unknown=unknown)
    finding = run_check(check_of(code), snapshot)
    assert finding.status is Status.FAIL, finding
    return verify_fix(check_of(code), finding, snapshot, CALLER)


def test_an_allow_beside_policies_that_allow_already_is_no_fix() -> None:
    finding = run_refused("IAM002", "ssm:GetParameter")
    assert finding.fix is None
    assert "No allow is lacking" in finding.advice


def test_a_grant_that_does_not_fit_into_the_inline_policies_is_advice() -> None:
    filler = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "x" * 9_900}
    finding = proven("IAM002", policies(inline("app", b.DECRYPTS), inline("large", filler)))
    assert finding.fix is None
    assert "managed policy" in finding.advice
    assert PASSWORD in finding.advice


def test_by_path_is_granted_on_the_path() -> None:
    app = b.probe(
        containers=(b.container(settings=()),),
        health=Health("u", 503, 1.0, "AccessDenied when calling the GetParametersByPath operation"),
    )
    snapshot, check = b.snapshot(app), check_of("IAM007")
    finding = verify_fix(check, run_check(check, snapshot), snapshot, CALLER)
    statement = {
        "Effect": "Allow",
        "Action": "ssm:GetParametersByPath",
        "Resource": f"{ARN}/linkbox",
    }
    assert calls(finding)[0][1]["PolicyDocument"] == b.document(statement)
    assert finding.fix is not None
    assert "every parameter under the path" in finding.fix.caution


def test_an_operation_that_is_denied_is_not_answered_by_an_allow() -> None:
    app = b.probe(
        containers=(b.container(settings=()),),
        health=Health("u", 503, 1.0, "AccessDenied when calling the GetParameters operation"),
    )
    own = denying({"Action": ["ssm:GetParameters"], "Resource": "*"})
    snapshot, check = b.snapshot(app, own), check_of("IAM010")
    finding = verify_fix(check, run_check(check, snapshot), snapshot, CALLER)
    assert run_check(check_of("IAM007"), snapshot).status is Status.SKIP
    assert [c[1]["PolicyName"] for c in calls(finding) if "PolicyName" in c[1]] == ["hardening"]


def test_an_app_that_runs_without_its_settings_is_restarted() -> None:
    app = b.probe(reads=(), health=Health("u", 503, 1.0, "no settings"))
    snapshot, check = b.snapshot(app, policies(inline("app", b.DECRYPTS))), check_of("IAM002")
    finding = verify_fix(check, run_check(check, snapshot), snapshot, CALLER)
    assert finding.fix is not None
    assert [type(c) for c in finding.fix.commands] == [AwsCall, InstanceCommand]
    assert Danger.RESTARTS_APP in finding.fix.dangers


def test_a_denied_part_of_the_wanted_access_is_named() -> None:
    deny = {"Sid": "No", "Effect": "Deny", "Action": "ssm:GetParameters", "Resource": "*"}
    finding = proven("IAM002", policies(inline("app", b.DECRYPTS, deny)))
    assert finding.fix is None
    assert "statement No of app denies it, whatever allows it" in finding.advice


def test_a_key_policy_that_could_not_be_read_leaves_advice() -> None:
    finding = run_refused("IAM003", "kms:Decrypt", unknown=(KeyPolicy,))
    assert finding.fix is None
    assert "kms:GetKeyPolicy" in finding.advice
    assert '"kms:ViaService"' in finding.advice


def test_a_doubtful_deny_elsewhere_leaves_advice() -> None:
    deny = {"Effect": "Deny", "Action": "ssm:*", "Resource": "*",
            "Condition": {"StringNotEquals": {"aws:SourceVpce": "vpce-1"}}}  # fmt: skip
    finding = proven("IAM002", policies(inline("app", b.DECRYPTS, deny)))
    assert finding.fix is None
    assert "not be allowed for certain" in finding.advice


def test_a_doubtful_deny_in_another_layer_is_named() -> None:
    deny = {"Effect": "Deny", "Action": "ssm:*", "Resource": "*",
            "Condition": {"StringEquals": {"aws:SourceVpce": "vpce-1"}}}  # fmt: skip
    own = boundary({"Effect": "Allow", "Action": "*", "Resource": "*"}, deny)
    finding = proven("IAM002", replace(own, identity=(inline("app", b.DECRYPTS),)))
    assert finding.fix is None
    assert "whether it is enough depends on aws:SourceVpce" in finding.advice


# Conditions


def conditioned(statement: dict[str, Any], condition: dict[str, Any]) -> RolePolicies:
    rest = b.DECRYPTS if statement is b.READS else b.READS
    return policies(inline("app", {**rest, "Sid": "Rest"}, {**statement, "Condition": condition}))


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (
            {"StringEquals": {"kms:EncryptionContext:PARAMETER_ARN": f"{ARN}/linkbox/old"}},
            {
                "StringEquals": {
                    "kms:EncryptionContext:PARAMETER_ARN": PASSWORD,
                    "kms:ViaService": VIA,
                }
            },
        ),
        (
            {
                "StringLike": {"kms:EncryptionContext:PARAMETER_ARN": f"{ARN}/prod/*"},
                "Bool": {"aws:SecureTransport": "true"},
            },
            {
                "Bool": {"aws:SecureTransport": "true"},
                "StringEquals": {
                    "kms:EncryptionContext:PARAMETER_ARN": PASSWORD,
                    "kms:ViaService": VIA,
                },
            },
        ),
        (
            {"StringEquals": {"kms:ViaService": "ssm.eu-west-1.amazonaws.com"}},
            {"StringEquals": {"kms:ViaService": VIA}},
        ),
    ],
)
def test_a_condition_on_the_wrong_object_is_fitted_and_others_are_kept(
    condition: dict[str, Any], expected: dict[str, Any]
) -> None:
    finding = proven("IAM013", conditioned(b.DECRYPTS, condition))
    statement = {**DECRYPT_STATEMENT, "Condition": expected}
    assert calls(finding)[0][1]["PolicyDocument"] == b.document(statement)


@pytest.mark.parametrize(
    ("statement", "condition", "words"),
    [
        (b.READS, {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}},
         "aws:RequestedRegion StringEquals eu-west-1 (the call carries us-east-1)"),
        (b.READS, {"Bool": {"aws:MultiFactorAuthPresent": "true"}}, "the call does not carry it"),
        (b.DECRYPTS, {"StringEquals": {"kms:ViaService": "secretsmanager.us-east-1.amazonaws.com"}},
         "secretsmanager.us-east-1.amazonaws.com"),
        (b.DECRYPTS, {"StringNotEquals": {"kms:ViaService": VIA}}, "StringNotEquals"),
        (b.DECRYPTS, {"DateLessThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}, "aws:CurrentTime"),
    ],
)  # fmt: skip
def test_a_guard_is_named_and_not_gone_around(
    statement: dict[str, Any], condition: dict[str, Any], words: str
) -> None:
    finding = proven("IAM013", conditioned(statement, condition))
    assert finding.fix is None
    assert words in finding.advice
    assert f"statement {statement['Sid']} of app" in finding.advice
    assert "the owner of policy app" in finding.advice


def test_a_guard_by_an_unknown_key_is_not_gone_around() -> None:
    own = conditioned(b.READS, {"StringEquals": {"aws:SourceVpce": "vpce-1"}})
    snapshot = b.snapshot(b.refused("ssm:GetParameter"), own)
    finding = run_check(check_of("IAM013"), snapshot)
    assert run_check(check_of("IAM002"), snapshot).status is Status.SKIP
    assert "only where aws:SourceVpce StringEquals vpce-1" in finding.summary
    assert finding.fix is None
    assert "aws:SourceVpce StringEquals vpce-1" in finding.advice


# Denies


def spared(**more: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Action": READ, "NotResource": PARAMETERS, **more}


@pytest.mark.parametrize(
    ("deny", "parts"),
    [
        (
            {"Action": ["ssm:GetParameter*", "secretsmanager:GetSecretValue"], "Resource": "*"},
            [
                {"Sid": "No", "Effect": "Deny", "Resource": "*",
                 "Action": ["ssm:GetParametersByPath", "ssm:GetParameterHistory", "secretsmanager:GetSecretValue"]},
                spared(Sid="No2"),
            ],
        ),
        ({"Action": READ, "Resource": ["*"]}, [spared(Sid="No")]),
        (
            {"Action": ["ssm:GetParameter", "s3:*"], "Resource": "*"},
            [{"Sid": "No", "Effect": "Deny", "Action": "s3:*", "Resource": "*"},
             spared(Sid="No2", Action="ssm:GetParameter")],
        ),
        (
            {"Action": READ, "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "true"}}},
            [spared(Sid="No", Condition={"Bool": {"aws:SecureTransport": "true"}})],
        ),
    ],
)  # fmt: skip
def test_a_listed_deny_on_everything_is_split(deny: Any, parts: list[dict[str, Any]]) -> None:
    own = denying(deny)
    finding = proven("IAM010", own)
    (operation, asked), *others = calls(finding)
    assert (operation, asked["RoleName"], asked["PolicyName"]) == (
        "PutRolePolicy",
        "app-role",
        "hardening",
    )
    assert asked["PolicyDocument"] == b.document(*parts)
    assert others == []
    document = own.identity[1].document
    assert undo(finding) == [
        (
            "PutRolePolicy",
            {"RoleName": "app-role", "PolicyName": "hardening", "PolicyDocument": document},
        )
    ]
    assert finding.fix is not None
    assert Danger.GUARDRAIL in finding.fix.dangers
    assert "author of statement No of hardening" in finding.fix.ask


def test_a_deny_of_decryption_spares_only_calls_through_parameter_store() -> None:
    finding = proven("IAM010", denying({"Action": "kms:Decrypt", "Resource": "*"}))
    assert calls(finding)[0][1]["PolicyDocument"] == b.document(
        {"Sid": "No", "Effect": "Deny", "Action": "kms:Decrypt", "NotResource": b.KEY_ARN},
        {
            "Sid": "No2",
            "Effect": "Deny",
            "Action": "kms:Decrypt",
            "Resource": b.KEY_ARN,
            "Condition": {"StringNotEquals": {"kms:ViaService": VIA}},
        },
    )


def test_reading_and_decrypting_that_are_both_denied_are_spared_at_once() -> None:
    finding = proven(
        "IAM010", denying({"Action": ["ssm:GetParameter", "kms:Decrypt"], "Resource": "*"})
    )
    statements = calls(finding)[0][1]["PolicyDocument"]["Statement"]
    assert [s["Action"] for s in statements] == ["ssm:GetParameter", "kms:Decrypt", "kms:Decrypt"]


def test_every_denying_statement_is_split() -> None:
    own = policies(
        inline("app", *NEEDED, {"Effect": "Deny", "Action": "ssm:GetParameter", "Resource": "*"}),
        inline("more", {"Effect": "Deny", "Action": READ, "Resource": "*"}),
    )
    finding = proven("IAM010", own)
    assert [asked["PolicyName"] for _, asked in calls(finding)] == ["app", "more"]
    assert calls(finding)[0][1]["PolicyDocument"]["Statement"][:2] == NEEDED


@pytest.mark.parametrize(
    "deny",
    [
        {"Action": READ, "Resource": f"{ARN}/*"},
        {"Action": READ, "Resource": [f"{ARN}/linkbox/*", f"{ARN}/prod/*"]},
        {"Action": READ, "NotResource": f"{ARN}/prod/*"},
        {"Action": "ssm:*", "Resource": "*"},
        {"Action": ["ssm:Get*"], "Resource": "*"},
        {"Action": "*", "Resource": "*"},
        {"NotAction": "s3:*", "Resource": "*"},
    ],
)
def test_a_deny_by_pattern_is_left_to_its_author(deny: dict[str, Any]) -> None:
    finding = proven("IAM010", denying(deny))
    assert finding.fix is None
    assert "statement No of hardening" in finding.advice
    assert "ssm:GetParameter and ssm:GetParameters on" in finding.advice
    assert "Another allow does not help" in finding.advice


@pytest.mark.parametrize("owner", ["123456789012", "aws"])
def test_a_deny_in_a_managed_policy_is_left_to_its_owner(owner: str) -> None:
    arn = f"arn:aws:iam::{owner}:policy/hardening"
    deny = {"Action": READ, "Resource": "*"}
    finding = proven("IAM010", denying(deny, arn=arn, holder="", version="v1"))
    assert finding.fix is None
    assert arn in finding.advice
    assert ("no one can change" in finding.advice) is (owner == "aws")


def test_a_managed_policy_is_not_taken_for_an_inline_one_of_its_name() -> None:
    deny = {"Effect": "Deny", "Action": READ, "Resource": "*"}
    managed = PolicyText(
        "app", "arn:aws:iam::123456789012:policy/app", b.document(deny), version="v1"
    )
    finding = proven("IAM010", policies(inline("app", *NEEDED), managed))
    assert finding.fix is None
    assert managed.arn in finding.advice


def test_a_split_without_an_allow_is_not_enough() -> None:
    own = policies(inline("h", S3, {"Effect": "Deny", "Action": READ, "Resource": "*"}))
    finding = proven("IAM010", own)
    assert finding.fix is None
    assert "would still not be allowed" in finding.advice


# Boundary


def test_a_boundary_without_the_allow_gets_exactly_it() -> None:
    finding = proven("IAM009", boundary(S3))
    assert calls(finding) == [
        (
            "CreatePolicyVersion",
            {
                "PolicyArn": CEILING,
                "PolicyDocument": b.document(S3, READ_STATEMENT, DECRYPT_STATEMENT),
                "SetAsDefault": True,
            },
        )
    ]
    assert undo(finding) == [("SetDefaultPolicyVersion", {"PolicyArn": CEILING, "VersionId": "v3"})]
    assert finding.fix is not None
    assert set(finding.fix.dangers) == {Danger.GUARDRAIL, Danger.WIDENS_ACCESS}
    assert "owner of ceiling" in finding.fix.ask


def test_a_boundary_gets_only_what_it_lacks() -> None:
    finding = proven(
        "IAM009", boundary(S3, {"Effect": "Allow", "Action": "kms:*", "Resource": "*"})
    )
    statements = calls(finding)[0][1]["PolicyDocument"]["Statement"]
    assert statements[2:] == [READ_STATEMENT]


@pytest.mark.parametrize(
    ("own", "words"),
    [
        (boundary(S3, arn="arn:aws:iam::aws:policy/ceiling"), "no one can change"),
        (boundary(S3, version=""), "no undo"),
        (boundary({"Effect": "Allow", "Action": "*", "Resource": "*"},
                  {"Sid": "No", "Effect": "Deny", "Action": READ, "Resource": "*"}), "statement No of ceiling denies it"),
        (boundary(S3, {**b.READS, "Condition": {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}}),
         "the owner of the permissions boundary ceiling"),
        (boundary({**S3, "Resource": "x" * 6_000}), "6,144"),
    ],
    ids=["of-aws", "no-version", "deny", "guard", "size"],
)  # fmt: skip
def test_a_boundary_is_left_to_its_owner(own: RolePolicies, words: str) -> None:
    finding = proven("IAM009", own)
    assert finding.fix is None
    assert words in finding.advice


# Key policy

ONCALL = {
    "Sid": "OnCall",
    "Effect": "Allow",
    "Principal": {"AWS": "arn:aws:iam::123456789012:user/oncall"},
    "Action": "kms:*",
    "Resource": "*",
}


def test_the_role_gets_one_statement_in_the_key_policy() -> None:
    document = b.document(ONCALL)
    finding = proven("IAM012", KeyPolicy(document))
    added = {
        **DECRYPT_STATEMENT,
        "Sid": "AllowLinkboxDecrypt",
        "Principal": {"AWS": b.ROLE_ARN},
        "Resource": "*",
    }
    named = {"KeyId": "k", "PolicyName": "default"}
    assert calls(finding) == [("PutKeyPolicy", {**named, "Policy": b.document(ONCALL, added)})]
    assert undo(finding) == [("PutKeyPolicy", {**named, "Policy": document})]
    assert finding.fix is not None
    assert Danger.GUARDRAIL in finding.fix.dangers
    assert "whole document is replaced" in finding.fix.caution
    assert "administrators of key alias/linkbox" in finding.fix.ask


def test_a_statement_id_of_the_key_policy_is_free() -> None:
    finding = proven("IAM012", KeyPolicy(b.document({**ONCALL, "Sid": "AllowLinkboxDecrypt"})))
    added = calls(finding)[0][1]["Policy"]["Statement"][1]
    assert added["Sid"] == "AllowLinkboxDecrypt2"


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        ([{"Sid": "No", "Effect": "Deny", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*"}],
         "statement No of the key policy denies it"),
        ([{"Sid": "App", "Effect": "Allow", "Principal": {"AWS": b.ROLE_ARN}, "Action": "kms:Decrypt", "Resource": "*",
           "Condition": {"StringEquals": {"kms:CallerAccount": "999999999999"}}}],
         "kms:CallerAccount StringEquals 999999999999 (the call carries 123456789012)"),
        ([{**ONCALL, "Sid": "Gone", "Principal": {"AWS": "AROAEXAMPLE123"}}], "AROAEXAMPLE123"),
    ],
    ids=["deny", "guard", "deleted-principal"],
)  # fmt: skip
def test_a_key_policy_is_left_to_its_administrators(
    statements: list[dict[str, Any]], words: str
) -> None:
    finding = proven("IAM012", KeyPolicy(b.document(ONCALL, *statements)))
    assert finding.fix is None
    assert words in finding.advice
    assert "administrators of key alias/linkbox" in finding.advice


def test_a_key_of_another_account_is_left_to_its_administrators() -> None:
    key = replace(b.healthy(Key), arn=b.KEY_ARN.replace("123456789012", "9" * 12))
    finding = proven("IAM012", KeyPolicy(b.document(ONCALL)), key)
    assert finding.fix is None
    assert "another account" in finding.advice


# Organization and messages


def test_a_service_control_policy_is_never_changed() -> None:
    deny = {"Sid": "Guard", "Effect": "Deny", "Action": READ, "Resource": "*"}
    level = (PolicyText("guardrail", "p-123", b.document(S3, deny)),)
    finding = proven("IAM011", Organization((level,), ("r-1",)))
    assert finding.fix is None
    for words in ("statement Guard of guardrail", "p-123", "management account", b.ROLE_ARN):
        assert words in finding.advice


def test_a_service_control_policy_that_allows_too_little_is_named() -> None:
    level = (PolicyText("narrow", "p-9", b.document(S3)),)
    finding = proven("IAM011", Organization((level,), ("r-1",)))
    assert finding.fix is None
    assert "narrow (p-9)" in finding.advice


@pytest.mark.parametrize(
    ("code", "reason", "words"),
    [
        ("IAM010", "with an explicit deny in a session policy", "sts:AssumeRole"),
        ("IAM010", "with an explicit deny in a VPC endpoint policy", "ec2:DescribeVpcEndpoints"),
        ("IAM010", "with an explicit deny in a resource control policy", "organization's administrators"),
        ("IAM010", "with an explicit deny in an identity-based policy", "iam:ListRolePolicies"),
        ("IAM009", "because no permissions boundary allows it", "iam:GetRole"),
        ("IAM011", "with an explicit deny in a service control policy", "organizations:DescribePolicy"),
        ("IAM002", "because no VPC endpoint policy allows it", "ec2:DescribeVpcEndpoints"),
        ("IAM002", "because no session policy allows it", "sts:AssumeRole"),
    ],
)  # fmt: skip
def test_a_message_alone_leads_to_its_own_advice(code: str, reason: str, words: str) -> None:
    for unknown in ((), (RolePolicies,)):
        finding = run_refused(code, "ssm:GetParameter", reason, unknown)
        assert finding.fix is None
        assert words in finding.advice
        assert PASSWORD in finding.advice
        assert "No command is offered" in finding.advice


# Several layers

SCP_DENY = {"Sid": "Guard", "Effect": "Deny", "Action": "ssm:*", "Resource": "*"}
FULL = {"Effect": "Allow", "Action": "*", "Resource": "*"}
GUARDED = Organization(((PolicyText("guardrail", "p-123", b.document(FULL, SCP_DENY)),),), ("r-1",))
ORGANIZATION_FIRST = "1. the organization's administrators (statement Guard of guardrail"
LOW = boundary({**S3, "Sid": "Low"})
KEY_FOR_ONCALL = KeyPolicy(b.document(ONCALL))


@pytest.mark.parametrize(
    ("code", "facts", "words"),
    [
        ("IAM011", (GUARDED, LOW), (
            "2 layers", ORGANIZATION_FIRST,
            "2. the owner of the permissions boundary ceiling (the permissions boundary ceiling does not allow "
            "ssm:GetParameter)")),
        ("IAM010", (GUARDED, denying({"Action": READ, "Resource": "*"})), (
            "2 layers", ORGANIZATION_FIRST, "2. the administrators of app-role (statement No of hardening denies it)")),
        ("IAM011", (GUARDED, replace(LOW, identity=(inline("app", b.DECRYPTS),))), (
            "3 layers", ORGANIZATION_FIRST, "2. the owner of the permissions boundary", "3. the administrators of app-role (")),
        ("IAM002", (replace(LOW, identity=(inline("app", b.DECRYPTS),)),), (
            "2 layers", "1. the owner of the permissions boundary ceiling", "2. the administrators of app-role (no statement allows")),
        ("IAM012", (KEY_FOR_ONCALL, boundary(b.READS)), (
            "2 layers", "1. the administrators of key alias/linkbox (", "2. the owner of the permissions boundary ceiling (")),
    ],
)  # fmt: skip
def test_every_layer_that_refuses_is_named_with_its_owner_in_order(
    code: str, facts: tuple[Any, ...], words: tuple[str, ...]
) -> None:
    finding = proven(code, *facts)
    assert finding.fix is None
    positions = [finding.advice.find(w) for w in words]
    assert -1 not in positions, finding.advice
    assert positions == sorted(positions)


def test_one_layer_that_refuses_is_not_counted() -> None:
    for code, facts in (("IAM009", (LOW,)), ("IAM012", (KEY_FOR_ONCALL,))):
        assert proven(code, *facts).fix is not None
    assert "layers" not in proven("IAM011", GUARDED).advice


def test_a_policy_that_only_the_message_names_is_a_layer_too() -> None:
    """An allow in the role's policies ends nothing while the VPC endpoint refuses as well."""
    own = policies(inline("app", b.DECRYPTS))
    refused = b.refused("ssm:GetParameter", "because no VPC endpoint policy allows it")
    snapshot, check = b.snapshot(refused, own), check_of("IAM002")
    finding = verify_fix(check, run_check(check, snapshot), snapshot, CALLER)
    assert finding.fix is None
    assert (
        "1. the owner of the VPC endpoint (AWS's message names a VPC endpoint policy"
        in finding.advice
    )
    assert (
        "2. the administrators of app-role (no statement allows ssm:GetParameter)" in finding.advice
    )
    assert "a change of one layer does not end this" in finding.advice


@pytest.mark.parametrize(
    ("arn", "words"),
    [
        ("arn:aws:iam::1:user/deploy", "AWS_ACCESS_KEY_ID"),
        ("arn:aws:sts::1:assumed-role/ci/x", "~/.aws/config"),
    ],
)
def test_foreign_credentials_are_traced(arn: str, words: str) -> None:
    finding = run_check(check_of("IAM004"), b.snapshot(b.probe(caller_arn=arn)))
    assert words in finding.advice
    assert "app-role" in finding.advice


SIMULATED = Simulation(
    tuple(SimulatedDecision("ssm:GetParameter", a, "allowed", False, None) for a in PARAMETERS)
)


def test_each_contradiction_has_its_next_step() -> None:
    advices = {
        run_check(check_of("IAM014"), b.snapshot(*facts)).advice
        for facts in (
            (b.refused("ssm:GetParameter"),),
            (policies(inline("app", b.DECRYPTS)),),
            (b.NOT_ASKED, policies(inline("app", b.DECRYPTS)), SIMULATED),
        )
    }
    assert len(advices) == 3
    assert all("No command is offered" in advice for advice in advices)


def test_an_unknown_role_leaves_advice() -> None:
    finding = run_refused("IAM002", "ssm:GetParameter", unknown=(WorkloadRole, RolePolicies))
    assert finding.fix is None
    assert "the instance's role" in finding.advice
