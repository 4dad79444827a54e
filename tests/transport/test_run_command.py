"""Run Command against a service that misbehaves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from opskit.errors import AwsError, NotExecuted, OutcomeUnknown
from opskit.transport.run_command import MOST_OUTPUT, RunCommand
from tests.fake_aws import FakeClient


class Ssm(FakeClient):
    """Answers GetCommandInvocation with what it is given, one after the other."""

    def __init__(self, *answers: Any, send: Exception | None = None) -> None:
        self.answers: Iterator[Any] = iter(answers)
        self.send, self.cancelled = send, False
        self.sent: dict[str, Any] = {}

    def send_command(self, **arguments: Any) -> Any:
        if self.send:
            raise self.send
        self.sent = arguments
        return {"Command": {"CommandId": "c-1"}}

    def get_command_invocation(self, **_: Any) -> Any:
        answer = next(self.answers)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def cancel_command(self, **_: Any) -> Any:
        self.cancelled = True
        return {}


NOT_YET = AwsError("ssm:GetCommandInvocation", "InvocationDoesNotExist", "")
BUSY = {"Status": "InProgress", "StatusDetails": "InProgress"}


def ended(status: str, **more: Any) -> dict[str, Any]:
    return {"Status": status, "StatusDetails": status, "ResponseCode": 0, **more}


def run(ssm: Ssm, timeout_s: float = 5) -> Any:
    return RunCommand(ssm, "i-1", sleep=lambda _: None).run("true", timeout_s=timeout_s)


def test_it_waits_through_the_first_moments() -> None:
    ssm = Ssm(
        NOT_YET, BUSY, ended("Success", StandardOutputContent="hello", StandardErrorContent="e")
    )
    done = run(ssm)
    assert (done.exit_status, done.stdout, done.stderr, done.is_truncated) == (
        0,
        "hello",
        "e",
        False,
    )
    assert ssm.sent["Parameters"]["executionTimeout"] == ["5"]


def test_a_failed_script_is_an_answer() -> None:
    assert run(Ssm({**ended("Failed"), "ResponseCode": 42})).exit_status == 42


def test_cut_output_is_marked() -> None:
    assert run(Ssm(ended("Success", StandardOutputContent="x" * MOST_OUTPUT))).is_truncated


@pytest.mark.parametrize("word", ["Undeliverable", "Delivery Timed Out", "Access Denied"])
def test_what_never_ran_is_refused(word: str) -> None:
    with pytest.raises(NotExecuted):
        run(Ssm({"Status": "Failed", "StatusDetails": word}))


def test_what_may_have_run_is_lost_and_cancelled() -> None:
    ssm = Ssm(*[BUSY] * 1000)
    with pytest.raises(OutcomeUnknown):
        run(ssm, timeout_s=0)
    assert ssm.cancelled


def test_interrupted_it_is_cancelled() -> None:
    ssm = Ssm(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        run(ssm)
    assert ssm.cancelled


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("AccessDeniedException", "ssm:SendCommand"),
        ("InvalidInstanceId", "agent is offline"),
        ("Odd", "Odd"),
    ],
)
def test_refusals_say_why(code: str, words: str) -> None:
    with pytest.raises(NotExecuted) as caught:
        run(Ssm(send=AwsError("ssm:SendCommand", code, "")))
    assert words in caught.value.sentence
