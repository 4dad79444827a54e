"""The command line of `rotate-password`: options become a request, a terminal is asked, output survives."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable
from typing import Any

import click
import pytest

from opskit.cli import main, rotate_password
from opskit.cli.rotation_terminal import RotationTerminal
from opskit.cli.terminal import Spinner
from opskit.config import Target
from opskit.errors import ExitStatus, UsageError
from opskit.rotation import workflow
from opskit.rotation.interaction import Declined
from opskit.rotation.protocol.fence import DEFAULT_S
from opskit.rotation.protocol.services import Event, RotationResult
from opskit.rotation.protocol.state_machine import Direction
from opskit.rotation.repair import workflow as repair_workflow
from opskit.rotation.service import Service
from opskit.rotation.status import OpenWork
from opskit.rotation.workflow import RequestedAction, RotationRequest

TARGET = Target("linkbox", {"password": "/l/p"}, "/l")


def terminal(output_format: str = "text", *, assumes_yes: bool = False) -> RotationTerminal:
    return RotationTerminal(TARGET, Spinner(quiet=True), output_format, assumes_yes=assumes_yes)


@pytest.fixture
def no_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command create a service that connects to nothing."""
    monkeypatch.setattr(rotate_password, "make_target", lambda _: TARGET)
    monkeypatch.setattr(Service, "__init__", lambda *_, **__: None)
    monkeypatch.setattr(Service, "close", lambda _: None)
    monkeypatch.setattr(Service, "open_work", OpenWork.NOTHING, raising=False)
    monkeypatch.delenv("OPSKIT_ROTATION_FENCE", raising=False)


@pytest.fixture
def requests(no_aws: None, monkeypatch: pytest.MonkeyPatch) -> list[RotationRequest]:
    """Collect the requests that the command makes."""
    made: list[RotationRequest] = []

    class Recorded:
        def __init__(self, _: Any, request: RotationRequest, *__: Any) -> None:
            made.append(request)

        def run(self) -> ExitStatus:
            return ExitStatus.FAULT

    monkeypatch.setattr(workflow, "RotationWorkflow", Recorded)
    return made


def run(*words: str) -> int:
    return main.run(["rotate-password", "--prefix", "/l", *words])


@pytest.mark.parametrize(
    ("words", "request_"),
    [
        ((), RotationRequest()),
        (("--status",), RotationRequest(RequestedAction.STATUS)),
        (
            ("--resume", "--take-over", "--restart", "none"),
            RotationRequest(RequestedAction.RESUME, take_over=True, restart=("none",)),
        ),
        (
            ("--rollback", "--fence", "30"),
            RotationRequest(RequestedAction.ROLLBACK, fence_s=30.0, fence_origin="--fence"),
        ),
        (
            ("--dry-run", "--strategy", "role", "--no-wait", "--password-length", "40"),
            RotationRequest(dry_run=True, strategy="role", no_wait=True, password_length=40),
        ),
        (
            ("--password-stdin", "--admin-parameter", "/admin"),
            RotationRequest(password_from_stdin=True, admin_parameter="/admin"),
        ),
        (("--previous-password",), RotationRequest(previous_password=True)),
    ],
)
def test_options_become_a_request(
    words: tuple[str, ...], request_: RotationRequest, requests: list[RotationRequest]
) -> None:
    assert run(*words) == ExitStatus.FAULT, "the workflow gives the exit status"
    assert requests == [request_]


@pytest.mark.parametrize(
    ("value", "fence_s", "origin"),
    [
        ("30", 30.0, "OPSKIT_ROTATION_FENCE"),
        ("", DEFAULT_S, ""),
        ("soon", None, ""),
        ("0", None, ""),
    ],
)
def test_the_fence_of_the_environment(
    value: str,
    fence_s: float | None,
    origin: str,
    requests: list[RotationRequest],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("OPSKIT_ROTATION_FENCE", value)
    status = run()
    if fence_s is None:
        assert status == ExitStatus.USAGE
        assert f"OPSKIT_ROTATION_FENCE='{value}'" in capsys.readouterr().err
        return
    assert [(r.fence_s, r.fence_origin) for r in requests] == [(fence_s, origin)]


def test_two_actions_exclude_each_other(requests: list[RotationRequest]) -> None:
    assert run("--resume", "--rollback") == ExitStatus.USAGE
    assert requests == []


@pytest.mark.parametrize(
    "words",
    [
        ("--dry-run", "create-combined-parameter", "/l/both", "--yes"),
        ("--resume", "repair"),
        ("-y", "history"),
    ],
)
def test_options_of_a_rotation_are_refused_before_a_subcommand(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """`--dry-run` before all: it would have written."""
    assert run(*words) == ExitStatus.USAGE
    assert "is about a rotation" in capsys.readouterr().err


def test_shared_options_count_before_a_subcommand(
    no_aws: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: dict[str, Any] = {}

    def make_target(options: dict[str, Any]) -> Target:
        seen.update(options)
        return TARGET

    def create(_: Service, name: str, terminal: RotationTerminal, *__: Any) -> ExitStatus:
        terminal.confirm("Create it?")
        terminal.say(name)
        return ExitStatus.HEALTHY

    monkeypatch.setattr(rotate_password, "make_target", make_target)
    monkeypatch.setattr(repair_workflow, "create_combined_parameter", create)
    assert run("--output", "json", "--yes", "create-combined-parameter", "/l/both") == 0
    assert (seen["output"], seen["prefix"]) == ("json", "/l")
    assert json.loads(capsys.readouterr().out)["text"] == "/l/both"


def test_options_before_repair_reach_its_request(
    no_aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []

    def repair_password(_: object, request: Any, *__: object) -> int:
        made.append(request)
        return 0

    monkeypatch.setattr(repair_workflow, "repair_password", repair_password)
    assert run("--password-stdin", "repair", "--key-id", "key-1") == 0
    assert made == [repair_workflow.RepairRequest(password_from_stdin=True, key_id="key-1")]


@pytest.mark.parametrize(
    ("open_work", "status"),
    [(OpenWork.ROTATION, ExitStatus.UNFINISHED), (OpenWork.NOTHING, ExitStatus.BUG)],
)
def test_a_bug_in_the_middle_names_the_way_on(
    open_work: OpenWork,
    status: ExitStatus,
    no_aws: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fails(service: Service) -> None:
        service.open_work = open_work
        raise KeyError("ours")

    monkeypatch.setattr(Service, "unfinished", fails)
    assert run() == status
    message = capsys.readouterr().err
    assert "a bug in opskit itself (KeyError" in message
    assert ("--resume" in message) is (open_work is OpenWork.ROTATION)


def test_a_reader_that_goes_does_not_end_a_rotation(monkeypatch: pytest.MonkeyPatch) -> None:
    """`opskit rotate-password --yes | head`."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setattr(sys, "stderr", stream)
        screen = terminal()
        screen.say("the first line")
        screen.say("the second line")
        screen.error("it stopped", "go on")
        terminal("json").error("it stopped", "go on")


def test_errors_are_json_on_stdout_or_text_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    terminal().error("it stopped", "--status\n--resume")
    output = capsys.readouterr()
    assert (output.out, output.err) == (
        "",
        "opskit: it stopped\n        --status\n        --resume\n",
    )
    terminal("json").error("it stopped", "--status")
    output = capsys.readouterr()
    assert output.err == ""
    assert json.loads(output.out) == {
        "schema": "opskit.rotation/1",
        "event": "error",
        "error": "it stopped",
        "next_step": "--status",
    }


@pytest.mark.parametrize("output_format", ["text", "json"])
def test_a_long_wait_is_written_once(
    output_format: str, capsys: pytest.CaptureFixture[str]
) -> None:
    screen = terminal(output_format)
    for left in (20, 15, 10):
        screen.event(Event("wait", "hold", f"closed in {left} s", is_long=True))
    screen.event(Event("wait", "settle", "RDS applies it"))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    assert "closed in 20 s" in lines[0]


@pytest.mark.parametrize(
    ("is_app_verified", "warns"), [(True, False), (False, True)], ids=["restarted", "not restarted"]
)
def test_a_result_without_a_restart_warns(
    is_app_verified: bool, warns: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    verified = ("login from here",)
    terminal().result(
        RotationResult(
            Direction.FORWARD, "", (2,), 0.1, None, verified, is_app_verified=is_app_verified
        )
    )
    output = capsys.readouterr().out
    assert "DONE  rotated" in output
    assert ("the app was not restarted" in output) is warns


class Keyboard(io.StringIO):
    """A terminal as stdin."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("answer", [True, False])
def test_a_terminal_is_asked(answer: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Keyboard())
    questions: list[str] = []

    def confirm(text: str, **_: object) -> bool:
        questions.append(text)
        return answer

    monkeypatch.setattr(click, "confirm", confirm)
    screen = terminal()
    assert screen.is_interactive
    if answer:
        screen.confirm("Rotate now?")
    else:
        with pytest.raises(Declined):
            screen.confirm("Rotate now?")
    assert questions == ["Rotate now?"]
    given = terminal(assumes_yes=True)
    given.confirm("Rotate now?")
    assert not given.is_interactive
    assert questions == ["Rotate now?"]


def test_without_a_terminal_consent_has_to_be_given_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(UsageError) as caught:
        terminal().confirm("Rotate now?")
    assert "--yes" in caught.value.next_step
    terminal(assumes_yes=True).confirm("Rotate now?")


PASSWORD = "Given-Password_1"


@pytest.mark.parametrize("stdin", [io.StringIO, Keyboard])
def test_a_password_is_read_without_echo_and_newline(
    stdin: Callable[[str], io.StringIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(sys, "stdin", stdin(f"{PASSWORD}\r\n"))

    def prompt(_: str, **options: Any) -> str:
        asked.append(options)
        return PASSWORD

    monkeypatch.setattr(click, "prompt", prompt)
    assert terminal().password("Password").reveal() == PASSWORD
    assert asked == ([{"hide_input": True, "err": True}] if stdin is Keyboard else [])


def test_an_empty_stdin_is_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
    with pytest.raises(UsageError, match="stdin is empty"):
        terminal().password("Password")
