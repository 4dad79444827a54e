"""How `rotate-password` ends where nothing of AWS is needed to see it."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import click
import pytest

from opskit.cli import main, rotate_password
from opskit.cli.rotation_output import Output
from opskit.cli.terminal import Spinner
from opskit.config import Target
from opskit.errors import CannotProceed, ExitStatus, OpskitError
from opskit.rotation.planning.plan import ParameterOvertaken
from opskit.rotation.protocol.journal import Journal, Record
from opskit.rotation.protocol.record_verification import RecordVerification
from opskit.rotation.protocol.services import RotationResult
from opskit.rotation.protocol.state_machine import (
    REPLACED,
    DatabaseState,
    Direction,
    Observation,
    ParameterState,
)
from opskit.rotation.service import Service
from opskit.rotation.status import OpenWork, RotationStatus
from tests.rotation.test_records import intent

TARGET = Target("linkbox", {"password": "/l/p"}, "/l")
ENDING = RotationResult(Direction.FORWARD, "", (2,), 0.1, None, ())


def output() -> Output:
    return Output(TARGET, Spinner(quiet=True), as_json=False)


@pytest.mark.parametrize(
    "words",
    [
        ("--dry-run", "create-combined-parameter", "/l/both", "--yes"),
        ("--resume", "repair"),
        ("-y", "history"),
    ],
)
def test_what_a_subcommand_does_not_heed_is_refused(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """`--dry-run` before all: it would have written."""
    assert main.run(["rotate-password", "--prefix", "/l", *words]) == ExitStatus.USAGE
    assert "is about a rotation" in capsys.readouterr().err


def test_what_it_shares_counts_before_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}
    monkeypatch.setattr(
        rotate_password, "make_target", lambda options: (seen.update(options), TARGET)[1]
    )
    monkeypatch.setattr(Service, "__init__", lambda *_, **__: None)
    monkeypatch.setattr(Service, "close", lambda _: None)
    monkeypatch.setattr(rotate_password, "_create_combined_parameter", lambda *_: 0)
    words = [
        "rotate-password",
        "--output",
        "json",
        "--prefix",
        "/l",
        "--yes",
        "create-combined-parameter",
        "/l/both",
    ]
    assert main.run(words) == 0
    assert (seen["output"], seen["prefix"], seen["yes"]) == ("json", "/l", True)


def test_a_reader_that_goes_does_not_end_a_rotation(monkeypatch: pytest.MonkeyPatch) -> None:
    """`opskit rotate-password --yes | head`."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setattr(sys, "stderr", stream)
        message = output()
        message.say("the first line")
        message.say("the second line")
        assert message.interrupted(OpenWork.ROTATION) == ExitStatus.INTERRUPTED
        error = message.error(OpskitError("it stopped"), standing=OpenWork.ROTATION)
        assert error == ExitStatus.UNFINISHED


def test_ctrl_c_in_a_repair_does_not_promise_that_nothing_was_changed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output().interrupted(OpenWork.REPAIR)
    message = capsys.readouterr().err
    assert "nothing was changed" not in message
    assert "rotate-password --prefix /l repair" in message
    assert output().error(CannotProceed("x"), standing=OpenWork.REPAIR) == ExitStatus.NOT_JUDGED


def test_ctrl_c_after_the_end_changes_nothing_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    class Done:
        standing = OpenWork.ROTATION

        def prune(self) -> None:
            raise KeyboardInterrupt

    status = rotate_password._end(Done(), output(), ENDING, wanted="forward")  # type: ignore[arg-type]
    assert status == ExitStatus.HEALTHY
    assert "rotated" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("standing", "status"),
    [(OpenWork.ROTATION, ExitStatus.UNFINISHED), (OpenWork.NOTHING, ExitStatus.BUG)],
)
def test_a_bug_in_the_middle_names_the_way_on(
    standing: OpenWork,
    status: ExitStatus,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fails(service: Service, *_: object) -> int:
        service.open_work = standing
        raise KeyError("ours")

    monkeypatch.setattr(rotate_password, "make_target", lambda _: TARGET)
    monkeypatch.setattr(Service, "__init__", lambda *_, **__: None)
    monkeypatch.setattr(Service, "close", lambda _: None)
    monkeypatch.setattr(rotate_password, "_rotate", fails)
    assert main.run(["rotate-password", "--prefix", "/l"]) == status
    message = capsys.readouterr().err
    assert "a bug in opskit itself (KeyError" in message
    assert ("--resume" in message) is (standing is OpenWork.ROTATION)


@pytest.mark.parametrize(
    ("words", "environment", "source"),
    [(["--fence", "30"], "", "--fence 30"), ([], "1", "OPSKIT_ROTATION_FENCE 1"), ([], "", "")],
)
def test_a_shorter_fence_says_what_is_risked(
    words: list[str],
    environment: str,
    source: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(rotate_password, "make_target", lambda _: TARGET)
    monkeypatch.setattr(Service, "__init__", lambda *_, **__: None)
    monkeypatch.setattr(Service, "close", lambda _: None)
    monkeypatch.setattr(Service, "open_work", OpenWork.NOTHING, raising=False)
    monkeypatch.setattr(Service, "unfinished", lambda _: None)
    monkeypatch.setenv("OPSKIT_ROTATION_FENCE", environment)
    assert main.run(["rotate-password", "--prefix", "/l", "--resume", *words]) == 0
    message = capsys.readouterr().out.replace("\n           ", "")
    assert ("may undo this one" in message) is bool(source)
    assert source in message


HER = "arn:aws:iam::1:user/her"
SIGHT = Observation(
    None, False, False, DatabaseState.OLD, False, True, ParameterState.OLD, False, False, held="1"
)
RECORD = Record(1, None, (), datetime(2026, 1, 1, tzinfo=UTC))


class Open:
    """A service with an open rotation: what it was told to do, and what it then says."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, trust: RecordVerification, *endings: RotationResult
    ) -> None:
        self.trust, self.endings, self.asked = trust, list(endings), list[dict[str, Any]]()
        monkeypatch.setattr(rotate_password, "make_target", lambda _: TARGET)
        for name, value in {
            "__init__": lambda *_, **__: None,
            "close": lambda _: None,
            "unfinished": lambda _: RECORD,
            "verify": lambda *_: self.trust,
            "status": lambda *_: RotationStatus(RECORD, intent(), SIGHT, ""),
            "advise": lambda *_: "",
            "prune": lambda _: [],
            "journal": Journal(None, None, "/l/p"),  # type: ignore[arg-type]
            "resume": lambda _, __, direction, **how: self.go_on(direction=direction, **how),
        }.items():
            monkeypatch.setattr(Service, name, value, raising=False)
        monkeypatch.setattr(Service, "open_work", OpenWork.NOTHING, raising=False)

    def go_on(self, **how: Any) -> RotationResult:
        self.asked.append(how)
        return self.endings.pop(0)


def run(*words: str) -> int:
    return main.run(["rotate-password", "--prefix", "/l", *words])


def test_somebody_elses_rotation_is_joined_by_consent_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = Open(
        monkeypatch, RecordVerification(writer=HER, doubts=("it goes through i-9",)), ENDING
    )
    assert run("--resume", "--yes") == ExitStatus.UNFINISHED
    message = capsys.readouterr()
    assert fake.asked == [], "--yes is no consent to that"
    assert HER in message.err
    assert "--take-over" in message.err
    assert "it goes through i-9" in message.out
    assert run("--resume", "--yes", "--take-over") == ExitStatus.HEALTHY
    assert [how["takes_over"] for how in fake.asked] == [True]


def test_on_a_terminal_it_is_shown_and_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = Open(monkeypatch, RecordVerification(writer=HER), ENDING)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    questions: list[str] = []
    monkeypatch.setattr(click, "confirm", lambda text, **_: (questions.append(text), True)[1])
    assert run("--resume") == ExitStatus.HEALTHY
    assert HER in questions[0]
    assert len(fake.asked) == 1
    message = capsys.readouterr().out
    assert "container web on i-1" in message
    assert "h:5432" in message


def test_a_forged_record_is_never_obeyed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = Open(
        monkeypatch, RecordVerification(problems=("it writes /other/secret",), writer=HER), ENDING
    )
    assert run("--resume", "--yes", "--take-over") == ExitStatus.UNFINISHED
    assert fake.asked == []
    assert "it writes /other/secret" in capsys.readouterr().err
    monkeypatch.setattr(Service, "status", lambda *_: pytest.fail("it looked by it"))
    assert run("--status") == ExitStatus.UNFINISHED
    assert HER in capsys.readouterr().err


OVERTAKEN = RotationResult(
    None, f"{REPLACED}: version 7 by {HER}", (7,), None, None, (), stop=REPLACED
)
SUPERSEDED = RotationResult(Direction.SUPERSEDED, "replaced", (7,), None, None, ())
OURS = RecordVerification(writer="me", is_ours=True)


def test_what_others_have_replaced_is_ended_by_consent(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Open(monkeypatch, OURS, OVERTAKEN)
    assert run("--resume", "--yes") == ExitStatus.UNFINISHED
    assert HER in capsys.readouterr().err
    fake = Open(monkeypatch, OURS, OVERTAKEN, SUPERSEDED)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(click, "confirm", lambda *_, **__: True)
    assert run("--resume") == ExitStatus.HEALTHY
    assert [how["takes_over"] for how in fake.asked] == [False, True]
    assert "superseded" in capsys.readouterr().out
    Open(monkeypatch, OURS, SUPERSEDED)
    assert run("--resume", "--yes") == ExitStatus.FAULT, "it went another way than was asked for"


@pytest.mark.parametrize("is_over", [False, True])
def test_two_people_seconds_apart(
    is_over: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second finds none open, and when the plan is made there is one."""
    Open(monkeypatch, OURS)
    seen = [None, None if is_over else RECORD]
    monkeypatch.setattr(Service, "unfinished", lambda _: seen.pop(0))
    monkeypatch.setattr(rotate_password, "_begin", raise_overtaken)
    assert run("--yes") == ExitStatus.UNFINISHED
    message = capsys.readouterr()
    assert "another user has just started a rotation" in message.out + message.err
    assert "bug" not in message.out + message.err
    assert ("UNFINISHED  rotation 1" in message.out) is not is_over


def raise_overtaken(*_: object) -> int:
    raise ParameterOvertaken


def test_an_open_rotation_restarts_what_it_was_begun_with(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    unverified = replace(ENDING, verified=("app: not verified", "login from here"))
    fake = Open(monkeypatch, OURS, unverified)
    assert run("--resume", "--yes", "--restart", "container:web") == ExitStatus.USAGE
    assert run("--resume", "--yes", "--restart", "none") == ExitStatus.HEALTHY
    assert [how["restarts"] for how in fake.asked] == [False]
    message = capsys.readouterr().out
    assert "app: not verified" in message
    assert "the app was not restarted" in message


def test_two_sources_of_a_password_exclude_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    Open(monkeypatch, OURS)
    monkeypatch.setattr(Service, "unfinished", lambda _: None)
    assert run("--password-stdin", "--previous-password") == ExitStatus.USAGE
