"""Signing the upgrade to a data channel, and what of a call may be read afterwards."""

from __future__ import annotations

import logging
import re
from typing import Any

import pytest
from botocore.exceptions import ClientError, UnauthorizedSSOTokenError
from moto import mock_aws

from opskit.aws import Aws
from opskit.config import Target
from opskit.errors import AwsError, TargetError
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

    def sign(url: str, service: str) -> dict[str, str]:
        signed.append(f"{service} {url}")
        return {}

    monkeypatch.setattr(aws, "sign", sign)
    aws.client("ssmmessages").upgrade_headers(URL)
    assert signed == [
        "ssmmessages https://ssmmessages.us-east-1.amazonaws.com/v1/data-channel/s-1"
        "?cell-number=AA%20%2FB%3D&role=publish_subscribe"
    ]


def test_a_url_that_is_signed_already_is_left_alone(aws: Aws) -> None:
    assert aws.client("ssmmessages").upgrade_headers(URL + "&X-Amz-Signature=abc") == {}


def test_credentials_that_cannot_be_renewed_are_told_as_such(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An hour later the upgrade of the next connection is what first needs new ones."""

    class Expired:
        def get_frozen_credentials(self) -> None:
            raise UnauthorizedSSOTokenError

    monkeypatch.setattr("boto3.Session.get_credentials", lambda _: Expired())
    with pytest.raises(TargetError, match="credentials cannot be used"):
        aws.client("ssmmessages").upgrade_headers(URL)


SECRET = "A-password-that-nobody-reads-1"


def test_the_sdk_writes_no_value_into_its_log(
    aws: Aws, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would, at DEBUG: the request with what is written, the reply with what is read."""
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    caplog.set_level(logging.DEBUG)
    with mock_aws():
        writing: Any = aws.write_client("ssm", lambda: None)
        writing.put_parameter(Name="/a", Value=SECRET, Type="SecureString")
        reading: Any = aws.client("ssm")
        reply = reading.get_parameter(Name="/a", WithDecryption=True)
    assert reply["Parameter"]["Value"] == SECRET
    assert "ssm:PutParameter" in caplog.text, "our own log is seen"
    assert SECRET not in caplog.text


def test_a_proxys_page_is_no_excerpt() -> None:
    assert AwsError("x:Y", "502", " <html>Bad gateway</html>").excerpt == ""
    assert AwsError("x:Y", "502", "z" * 300).excerpt == "z" * 200


def test_an_error_that_repeats_the_value_is_shown_without_it(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a validation does that says what missed its pattern."""
    writing: Any = aws.write_client("ssm", lambda: None)

    def refuse(**_: Any) -> None:
        text = f"Parameter value, {SECRET}, cannot be validated by allowedPattern: [0-9]+"
        answer = {"Error": {"Code": "ParameterPatternMismatchException", "Message": text}}
        raise ClientError(answer, "PutParameter")

    monkeypatch.setattr(writing._client, "put_parameter", refuse)
    with pytest.raises(AwsError) as caught:
        writing.put_parameter(Name="/a", Value=SECRET, Type="SecureString")
    assert SECRET not in str(caught.value) + caught.value.message
    assert "(the value), cannot be validated by allowedPattern" in caught.value.message
