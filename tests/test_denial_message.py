from __future__ import annotations

import pytest

from opskit.denial_message import (
    DenialMessage,
    PolicyType,
    find_action,
    names_denial,
    names_no_credentials,
    parse,
)

ROLE = "arn:aws:sts::123456789012:assumed-role/app-role/i-1"
USER = f"User: {ROLE} is not authorized to perform: "
PARAMETER = "ssm:GetParameter on resource: arn:aws:ssm:us-east-1:123456789012:parameter/a "
KEY = "kms:Decrypt on resource: arn:aws:kms:us-east-1:123456789012:key/k "


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", DenialMessage("", None, False, False)),
        (USER + PARAMETER, DenialMessage("ssm:GetParameter", None, False, False, ROLE)),
        (
            USER
            + PARAMETER
            + "because no identity-based policy allows the ssm:GetParameter action",
            DenialMessage("ssm:GetParameter", PolicyType.IDENTITY, False, False, ROLE),
        ),
        (
            USER + PARAMETER + "with an explicit deny in a service control policy",
            DenialMessage("ssm:GetParameter", PolicyType.SERVICE_CONTROL, True, False, ROLE),
        ),
        (
            USER + KEY + "because no resource-based policy allows the kms:Decrypt action",
            DenialMessage("kms:Decrypt", PolicyType.RESOURCE, False, True, ROLE),
        ),
        (
            "An error occurred (AccessDeniedException): no access to arn:aws:kms:us-east-1:1:key/k",
            DenialMessage("", None, False, True),
        ),
        (
            USER + PARAMETER + "because no permissions boundary allows the ssm:GetParameter action",
            DenialMessage("ssm:GetParameter", PolicyType.BOUNDARY, False, False, ROLE),
        ),
    ],
)
def test_parse(text: str, expected: DenialMessage) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("(AccessDenied) when calling the GetParameters operation", "ssm:GetParameters"),
        ("AccessDeniedException: GetParametersByPath", "ssm:GetParametersByPath"),
        ("AccessDenied GetParameter", "ssm:GetParameter"),
        ("no password", None),
    ],
)
def test_an_operation_is_found_as_a_whole_word(text: str, found: str | None) -> None:
    actions = ("ssm:GetParameter", "ssm:GetParameters", "ssm:GetParametersByPath")
    assert find_action(text, actions) == found


def test_a_denial_is_told_from_another_failure() -> None:
    assert names_denial("AccessDeniedException: GetParameter")
    assert not names_denial("ParameterNotFound: GetParameter")


@pytest.mark.parametrize(
    ("text", "who", "why"),
    [
        (USER + PARAMETER, "assumed-role/app-role/i-1", ""),
        (USER + PARAMETER + "because no identity-based policy allows the ssm:GetParameter action",
         "assumed-role/app-role/i-1", " (no identity-based policy allows it)"),
        ("You are not authorized to perform this operation. User: arn:aws:iam::1:user/oncall is not "
         "authorized to perform: ec2:DescribeInstances with an explicit deny in a service control policy",
         "user/oncall", " (explicit deny in a service control policy)"),
        ("You are not authorized to perform this operation.", "you", ""),
    ],
)  # fmt: skip
def test_the_identity_that_lacks_a_right_and_what_denies_it(text: str, who: str, why: str) -> None:
    assert (parse(text).who, parse(text).why) == (who, why)


@pytest.mark.parametrize(
    "text",
    [
        "botocore.exceptions.NoCredentialsError: Unable to locate credentials",
        "NoCredentialProviders: no valid providers in chain",
        "CredentialsProviderError: Could not load credentials from any providers",
        "SdkClientException: Unable to load credentials from any of the providers in the chain",
        "operation error ssm: no EC2 IMDS role found, operation error ec2imds: GetMetadata",
    ],
)
def test_each_sdk_says_in_its_own_words_that_it_finds_no_credentials(text: str) -> None:
    assert names_no_credentials(text)
    assert not names_denial(text)


def test_a_refused_identity_is_not_a_missing_one() -> None:
    assert not names_no_credentials(USER + PARAMETER)
