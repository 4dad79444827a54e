"""Signing the upgrade to a data channel."""

from __future__ import annotations

import re

import pytest

from opskit.aws import Aws
from opskit.config import Target
from tests import builders as b

URL = "wss://ssmmessages.us-east-1.amazonaws.com/v1/data-channel/s-1?role=publish_subscribe&cell-number=AA+/B="


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Aws:
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_SESSION_TOKEN", "token"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)
    return Aws(Target("x", b.NAMES))


def test_the_upgrade_is_signed_for_the_message_gateway(aws: Aws) -> None:
    headers = aws.client("ssmmessages").upgrade_headers(URL)
    assert set(headers) == {"Authorization", "X-Amz-Date", "X-Amz-Security-Token"}
    assert re.match(
        r"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/\d{8}/us-east-1/ssmmessages/aws4_request, ",
        headers["Authorization"],
    )
    assert "secret" not in headers["Authorization"]


def test_characters_of_the_query_are_signed_escaped(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed: list[str] = []
    monkeypatch.setattr(aws, "sign", lambda url, service: signed.append(f"{service} {url}") or {})
    aws.client("ssmmessages").upgrade_headers(URL)
    assert signed == [
        "ssmmessages https://ssmmessages.us-east-1.amazonaws.com/v1/data-channel/s-1"
        "?cell-number=AA%20%2FB%3D&role=publish_subscribe"
    ]


def test_a_url_that_is_signed_already_is_left_alone(aws: Aws) -> None:
    assert aws.client("ssmmessages").upgrade_headers(URL + "&X-Amz-Signature=abc") == {}
