"""The limits of Systems Manager's requests, which the sandbox enforces as AWS documents them."""

from __future__ import annotations

from typing import Any

import pytest

from opskit.errors import NotExecuted
from opskit.sandbox.aws.ssm import AgentConnection
from opskit.sandbox.session_manager.gateway import Sessions
from opskit.transport.session_manager.commands import MOST_COMMAND, SessionManager, wrap_script


class Agent(AgentConnection):
    """An agent that takes commands and runs none."""

    def __init__(self) -> None:
        super().__init__(lambda *_: None, lambda: None, lambda: ("", True))  # type: ignore[arg-type]

    def takes_commands(self, instance_id: str) -> bool:
        return True

    def _execute(self, record: dict[str, Any]) -> None:
        record["Status"] = "Success"


@pytest.mark.parametrize(("length", "status"), [(65_000, 200), (65_536, 400)])
def test_a_command_is_a_document_of_64_kilobytes_at_most(length: int, status: int) -> None:
    parameters = {"commands": ["x" * length]}
    body = {"InstanceIds": ["i-1"], "DocumentName": "AWS-RunShellScript", "Parameters": parameters}
    answer = Agent().answer("SendCommand", body)
    assert answer is not None
    assert answer[0] == status
    assert (answer[1].get("__type") == "MaxDocumentSizeExceeded") is (status == 400)


@pytest.mark.parametrize(("length", "status"), [(65_535, 200), (65_536, 400)])
def test_a_sessions_parameter_has_a_length(length: int, status: int) -> None:
    sessions = Sessions(None, None, lambda _: True, "ws://127.0.0.1:9")  # type: ignore[arg-type]
    parameters = {"command": ["x" * length]}
    body = {
        "Target": "i-1",
        "DocumentName": "AWS-StartNonInteractiveCommand",
        "Parameters": parameters,
    }
    answer = sessions.answer("StartSession", body, "arn:aws:iam::123456789012:user/op")
    assert answer is not None
    assert answer[0] == status
    assert (answer[1].get("__type") == "ValidationException") is (status == 400)


def test_a_command_too_long_for_a_session_is_not_sent() -> None:
    frame = len(wrap_script("", 5))
    fits = "x" * ((MOST_COMMAND - frame) // 4 * 3)
    assert len(wrap_script(fits, 5)) <= MOST_COMMAND
    transport = SessionManager(None, None, None, "i-1")  # type: ignore[arg-type]
    with pytest.raises(NotExecuted, match=r"Session Manager takes 65,535"):
        transport.run(f"{fits}xxxx", timeout_s=5)
