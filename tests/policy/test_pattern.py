"""Wildcards and variables of policies, as the IAM User Guide describes them."""

from __future__ import annotations

import pytest

from opskit.policy.pattern import Pattern, fill, fits, fits_arn, fits_resource, glob
from opskit.policy.request import Context

CONTEXT = Context(
    {"aws:username": ("an*na",), "aws:principaltag/team": ("red",)},
    unknown=frozenset({"aws:sourcevpce"}),
)


def filled(text: str) -> Pattern:
    return fill(text, CONTEXT, has_variables=True)


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("*", "", True),
        ("a?", "a", False),
        ("a?", "ab", True),
        ("a?", "abc", False),
        ("a*c", "a:b/\nc", True),
        ("a.c", "abc", False),
        ("[a]", "a", False),
        ("a", "A", False),
    ],
)
def test_fits(pattern: str, text: str, expected: bool) -> None:
    assert fits(filled(pattern), text) is expected


@pytest.mark.parametrize(
    ("pattern", "action", "expected"),
    [
        ("*", "ssm:GetParameter", True),
        ("ssm:get*", "ssm:GetParameter", True),
        ("SSM:GETPARAMETER", "ssm:GetParameter", True),
        ("ssm:GetParameter", "ssm:GetParameters", False),
        ("ssm:GetParameter?", "ssm:GetParameters", True),
        ("ssm", "ssm:GetParameter", False),
    ],
)
def test_actions_are_compared_in_any_case(pattern: str, action: str, expected: bool) -> None:
    assert glob(pattern, action) is expected


ARN = "arn:aws:ssm:us-east-1:1:parameter/linkbox/db-name"


@pytest.mark.parametrize(
    ("pattern", "arn", "expected"),
    [
        ("*", ARN, True),
        ("arn:aws:ssm:us-east-1:1:parameter/linkbox/*", ARN, True),
        ("arn:aws:ssm:*:*:parameter/linkbox/db-name", ARN, True),
        ("arn:aws:ssm:*", ARN, True),
        ("arn:aws:s*m:us-east-1:1:parameter/linkbox/db-name", ARN, True),
        ("arn:aws:s*m:1:parameter/linkbox/db-name", ARN, False),
        ("arn:aws:*:parameter/linkbox/db-name", ARN, True),
        ("arn:aws:ssm:us-east-1:1:parameter/linkbox", ARN, False),
        ("arn:aws:ssm:us-east-1:1:parameter/linkbox/db-nam?", ARN, True),
        ("arn:aws:ssm:us-east-1:1:Parameter/linkbox/db-name", ARN, False),
        ("arn:aws:ssm:us-east-1:1:parameter*name", "arn:aws:ssm:us-east-1:1:parameter:name", False),
    ],
)
def test_a_resource_crosses_a_colon_only_at_the_end_of_a_segment(
    pattern: str, arn: str, expected: bool
) -> None:
    assert fits_resource(filled(pattern), arn) is expected


@pytest.mark.parametrize(
    ("pattern", "arn", "expected"),
    [
        ("*", "anything", True),
        ("arn:aws:iam::1:role/*", "arn:aws:iam::1:role/a:b", True),
        ("arn:*:iam::1:role/*", "arn:aws-cn:iam::1:role/a", True),
        ("arn:*:role/*", "arn:aws:iam::1:role/a", False),
        ("arn:aws:iam::1:role/a", "not an arn", False),
        ("arn:aws:iam:*:1:role/a", "arn:aws:iam::1:role/a", True),
    ],
)
def test_an_arn_is_compared_part_by_part(pattern: str, arn: str, expected: bool) -> None:
    assert fits_arn(filled(pattern), arn) is expected


class TestFill:
    def test_a_value_is_literal_even_with_wildcards(self) -> None:
        pattern = filled("arn:aws:s3:::home/${aws:username}/*")
        assert pattern.text == "arn:aws:s3:::home/an*na/*"
        assert fits_resource(pattern, "arn:aws:s3:::home/an*na/x")
        assert not fits_resource(pattern, "arn:aws:s3:::home/annna/x")
        assert not fits_arn(pattern, "arn:aws:s3:::home/annna/x")
        assert not fits(pattern, "arn:aws:s3:::home/annna/x")

    @pytest.mark.parametrize("sign", ["*", "?", "$"])
    def test_signs_can_be_written_literally(self, sign: str) -> None:
        pattern = filled("a${" + sign + "}")
        assert fits(pattern, f"a{sign}")
        assert not fits(pattern, "ab")

    def test_names_of_keys_are_read_in_any_case(self) -> None:
        assert filled("${AWS:PrincipalTag/Team}").text == "red"

    def test_a_default_is_used_only_without_a_value(self) -> None:
        assert filled("${aws:PrincipalTag/team, 'blue'}").text == "red"
        assert filled("${aws:PrincipalTag/unit, 'blue*'}").parts[1] == ("blue*", True)

    def test_without_value_and_default_nothing_matches(self) -> None:
        pattern = filled("*${aws:gone}*")
        assert pattern.is_void
        for matches in (fits, fits_resource, fits_arn):
            assert not matches(pattern, ARN)

    def test_an_unknown_value_is_named(self) -> None:
        pattern = filled("${aws:SourceVpce}-${aws:username}")
        assert pattern.depends_on == {"aws:SourceVpce"}
        assert not pattern.is_void

    def test_old_documents_have_no_variables(self) -> None:
        pattern = fill("${aws:username}", CONTEXT, has_variables=False)
        assert pattern.text == "${aws:username}"
        assert fits(pattern, "${aws:username}")

    def test_a_colon_in_a_value_does_not_move_the_parts_of_an_arn(self) -> None:
        context = Context({"aws:userid": ("AIDA:session",)})
        pattern = fill("arn:aws:s3:::home/${aws:userid}", context, has_variables=True)
        assert fits_arn(pattern, "arn:aws:s3:::home/AIDA:session")
