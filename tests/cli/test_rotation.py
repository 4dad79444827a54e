"""How `rotate-password` ends where nothing of AWS is needed to see it."""

from __future__ import annotations

import os
import sys
from typing import Any

import pytest

from opskit.cli import main, rotate_password
from opskit.cli.rotation_output import Output
from opskit.cli.terminal import Spinner
from opskit.config import Target
from opskit.errors import AwsError, ExitStatus, Incomplete, OpskitError
from opskit.rotation.decide import Direction
from opskit.rotation.fence import Fence
from opskit.rotation.plan import Plan
from opskit.rotation.runner import Ending
from opskit.rotation.service import Service
from opskit.rotation.situation import Standing
from tests.rotation.test_records import opening

TARGET = Target("linkbox", {"password": "/l/p"}, "/l")
ENDING = Ending(Direction.FORWARD, "", (2,), 0.1, None, ())


def output() -> Output:
    return Output(TARGET, Spinner(quiet=True), as_json=False)


@pytest.mark.parametrize(
    "words",
    [("--dry-run", "combine", "/l/both", "--yes"), ("--resume", "repair"), ("-y", "history")],
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
    monkeypatch.setattr(rotate_password, "_combine", lambda *_: 0)
    words = ["rotate-password", "--output", "json", "--prefix", "/l", "--yes", "combine", "/l/both"]
    assert main.run(words) == 0
    assert (seen["output"], seen["prefix"], seen["yes"]) == ("json", "/l", True)


def test_a_reader_that_goes_does_not_end_a_rotation(monkeypatch: pytest.MonkeyPatch) -> None:
    """`opskit rotate-password --yes | head`."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setattr(sys, "stderr", stream)
        said = output()
        said.say("the first line")
        said.say("the second line")
        assert said.interrupted(Standing.ROTATION) == ExitStatus.INTERRUPTED
        error = said.error(OpskitError("it stopped"), standing=Standing.ROTATION)
        assert error == ExitStatus.UNFINISHED


def test_ctrl_c_in_a_repair_does_not_promise_that_nothing_was_changed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output().interrupted(Standing.REPAIR)
    said = capsys.readouterr().err
    assert "nothing was changed" not in said
    assert "rotate-password --prefix /l repair" in said
    assert output().error(Incomplete("x"), standing=Standing.REPAIR) == ExitStatus.NOT_JUDGED


def test_ctrl_c_after_the_end_changes_nothing_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    class Done:
        standing = Standing.ROTATION

        def prune(self) -> None:
            raise KeyboardInterrupt

    status = rotate_password._end(Done(), output(), ENDING, wanted="forward")  # type: ignore[arg-type]
    assert status == ExitStatus.HEALTHY
    assert "rotated" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("standing", "status"),
    [(Standing.ROTATION, ExitStatus.UNFINISHED), (Standing.NOTHING, ExitStatus.BUG)],
)
def test_a_bug_in_the_middle_names_the_way_on(
    standing: Standing,
    status: ExitStatus,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fails(service: Service, *_: object) -> int:
        service.standing = standing
        raise KeyError("ours")

    monkeypatch.setattr(rotate_password, "make_target", lambda _: TARGET)
    monkeypatch.setattr(Service, "__init__", lambda *_, **__: None)
    monkeypatch.setattr(Service, "close", lambda _: None)
    monkeypatch.setattr(rotate_password, "_rotate", fails)
    assert main.run(["rotate-password", "--prefix", "/l"]) == status
    said = capsys.readouterr().err
    assert "a bug in opskit itself (KeyError" in said
    assert ("--resume" in said) is (standing is Standing.ROTATION)


@pytest.mark.parametrize(("words", "warns"), [(["--fence", "30"], True), ([], False)])
def test_a_shorter_fence_says_what_is_risked(
    words: list[str],
    warns: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(rotate_password, "make_target", lambda _: TARGET)
    monkeypatch.setattr(Service, "__init__", lambda *_, **__: None)
    monkeypatch.setattr(Service, "close", lambda _: None)
    monkeypatch.setattr(Service, "standing", Standing.NOTHING, raising=False)
    monkeypatch.setattr(Service, "unfinished", lambda _: None)
    assert main.run(["rotate-password", "--prefix", "/l", "--resume", *words]) == 0
    assert ("may undo this one" in capsys.readouterr().out.replace("\n           ", "")) is warns


class Accounts:
    """Parameter Store that ends every write in the same way."""

    region = "us-east-1"

    def __init__(self, *errors: AwsError) -> None:
        self._errors = list(errors)

    def client(self, _: str) -> Accounts:
        return self

    def changing(self, *_: object) -> Accounts:
        return self

    def put_parameter(self, **_: object) -> None:
        raise self._errors.pop(0)


DENIED = AwsError("ssm:PutParameter", "AccessDeniedException", "not authorized")
LOST = AwsError("ssm:PutParameter", "Timeout", "")


@pytest.mark.parametrize(
    ("errors", "standing"), [((DENIED,), Standing.NOTHING), ((LOST, DENIED), Standing.ROTATION)]
)
def test_a_rotation_that_was_not_opened_does_not_stand_open(
    errors: tuple[AwsError, ...], standing: Standing
) -> None:
    service = Service(
        TARGET, Accounts(*errors), Fence(1200.0), ca_file=None, wait_s=1, healthy_within_s=1,
        stops_on_unhealthy=False, on_event=lambda _: None,
    )  # type: ignore[arg-type]  # fmt: skip
    with pytest.raises(Incomplete, match="not authorized"):
        service.begin(Plan(opening=opening(), number=1))
    assert service.standing is standing
