"""Errors, notices, progress and rotations: no foreign text acts on the terminal or forges a line."""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from opskit.cli import diagnose, main, terminal
from opskit.cli.rotation_terminal import RotationTerminal
from opskit.cli.terminal import Spinner
from opskit.config import Target
from opskit.errors import (
    AwsError,
    CannotProceed,
    NotExecuted,
    OpskitError,
    OutcomeUnknown,
    RotationUnfinished,
    TargetError,
    UsageError,
)
from opskit.escaping import for_terminal, to_json, visible
from opskit.facts.app_instance import _named
from opskit.facts.instances import Instances
from opskit.redaction import RedactingStream
from opskit.report import ROTATION_FORMATS
from opskit.rotation.planning.plan import Plan
from opskit.rotation.protocol.interface import ControlPlaneState
from opskit.rotation.protocol.journal import JournalEntry, Record
from opskit.rotation.protocol.record_verification import RecordVerification
from opskit.rotation.protocol.services import Event, RotationResult
from opskit.rotation.protocol.state_machine import (
    CredentialState,
    DatabaseState,
    Direction,
    Observation,
)
from opskit.rotation.status import RotationStatus
from opskit.workload.ec2_instance import Ec2InstanceWorkload
from tests import builders as b
from tests.report.hostile import FORGED, HOSTILE, poisoned_everywhere, problems
from tests.rotation.test_records import intent

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
TARGET = Target(f"app{HOSTILE}", {"password": f"/l/p{HOSTILE}"}, f"/l{HOSTILE}")
ONE_LINE = HOSTILE.replace("\n", "\r")
"""For next steps, whose lines are opskit's own."""
JOIN = JournalEntry("join-1", {"kind": "join", "by": HOSTILE, "where": HOSTILE}, NOW)
CLOSE = {
    "kind": "close",
    "direction": "forward",
    "by": HOSTILE,
    "strategy": HOSTILE,
    "versions": [HOSTILE],
}
SIGHT = Observation(
    Direction.ROLLBACK,
    False,
    True,
    DatabaseState.NEW,
    True,
    False,
    CredentialState.OLD,
    True,
    False,
)


class Screen(io.StringIO):
    """A terminal that keeps what is written."""

    def isatty(self) -> bool:
        return True


def written(action: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> str:
    """What an action writes to both streams, without the net that `main.run` puts under them."""
    screen = Screen()
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, screen)
    for variable in ("CI", "NO_COLOR"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    action()
    return screen.getvalue()


@pytest.mark.parametrize(
    "kind",
    [
        UsageError,
        TargetError,
        CannotProceed,
        RotationUnfinished,
        NotExecuted,
        OutcomeUnknown,
        OpskitError,
    ],
)
def test_an_error(
    kind: type[OpskitError], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def command(*_: object, **__: object) -> int:
        raise kind(f"it failed: {HOSTILE}", f"--one {ONE_LINE}\n--two {ONE_LINE}")

    monkeypatch.setattr(main, "cli", type("Cli", (), {"main": staticmethod(command)}))
    assert main.run(["diagnose"]) == kind.exit_status
    output = capfd.readouterr().err
    assert problems(output) == []
    assert [line[:14] for line in output.splitlines()] == [
        "opskit: it fai",
        *["        --one ", "        --two "],
    ]
    assert r"it failed: x\x1b[2J" in output


def test_an_error_without_the_net(monkeypatch: pytest.MonkeyPatch) -> None:
    error = NotExecuted(HOSTILE, f"--one {ONE_LINE}\n--two {ONE_LINE}")
    assert problems(written(lambda: main.say_error(error), monkeypatch)) == []


def test_an_error_as_json_is_exact(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> int:
        raise TargetError(f"it failed: {HOSTILE}", HOSTILE)

    monkeypatch.setattr(diagnose, "_diagnose", fail)
    assert main.run(["diagnose", "db", "--output", "json"]) == 4
    output = capfd.readouterr().out
    assert problems(output) == []
    assert json.loads(output)["error"] == f"it failed: {HOSTILE}"
    assert json.loads(output)["next_step"] == HOSTILE


def test_the_list_of_instances_in_an_error() -> None:
    """Their names are tags; a line of the list is a suggestion."""
    instance = b.healthy(Ec2InstanceWorkload).instance
    named = replace(instance, name=f"web\n{FORGED}")
    target = replace(b.healthy(Target), instance="i-2")
    with pytest.raises(UsageError) as caught:
        _named(target, Instances((named,)), "account 1, us-east-1")
    assert len(caught.value.next_step.splitlines()) == len(("above it", "head", "the instance"))


def test_notices_and_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    def act() -> None:
        with Spinner(quiet=False) as spinner:
            spinner.update(f"{HOSTILE[:20]}{HOSTILE}")
            spinner.note(HOSTILE)
            time.sleep(0.25)
            spinner.pause()
        terminal.say(HOSTILE)

    output = written(act, monkeypatch)
    assert output.count(FORGED) > 2
    own = "\r\033[K"
    assert own in output
    assert problems(output.replace(own, "\n")) == []


def plan() -> Plan:
    lines = [("database", HOSTILE), ("app", HOSTILE)]
    return Plan(lines, [HOSTILE], [(HOSTILE, f"--one {ONE_LINE}")], wait_s=3.0)


STATUS = RotationStatus(
    Record(1, NOW, (JOIN,), NOW),
    poisoned_everywhere(intent(), HOSTILE),
    SIGHT,
    ControlPlaneState(True, HOSTILE, HOSTILE),
)
REPORTS: dict[str, Callable[[RotationTerminal], None]] = {
    "sentence": lambda terminal: terminal.say(HOSTILE),
    "wait": lambda terminal: terminal.waiting(HOSTILE, key="fence"),
    "step": lambda terminal: terminal.event(
        Event("step", HOSTILE, HOSTILE, 1.0, {"outcome": HOSTILE, "versions": [HOSTILE]})
    ),
    "hold": lambda terminal: terminal.event(Event("wait", "hold", HOSTILE, is_long=True)),
    "plan": lambda terminal: terminal.plan(plan(), dry_run=True),
    "rollback": lambda terminal: terminal.result(
        RotationResult(Direction.ROLLBACK, HOSTILE, (2,), 0.1, 1.0, (HOSTILE, HOSTILE))
    ),
    "forward": lambda terminal: terminal.result(
        RotationResult(Direction.FORWARD, "", (2,), 0.1, None, (HOSTILE,))
    ),
    "status": lambda terminal: terminal.status(
        STATUS, 30.0, f"{ONE_LINE}\n{ONE_LINE}", RecordVerification((), (HOSTILE,), HOSTILE)
    ),
    "history": lambda terminal: terminal.history(
        [Record(1, NOW, (JOIN, JournalEntry("close", CLOSE, NOW)), NOW)], {2: (HOSTILE, HOSTILE)}
    ),
    "no history": lambda terminal: terminal.history([], {}),
    "error": lambda terminal: terminal.error(HOSTILE, f"{ONE_LINE}\n{ONE_LINE}"),
}


@pytest.mark.parametrize("name", REPORTS)
@pytest.mark.parametrize("output_format", ROTATION_FORMATS)
def test_a_rotation(name: str, output_format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    output = written(
        lambda: REPORTS[name](
            RotationTerminal(TARGET, Spinner(quiet=True), output_format, assumes_yes=False)
        ),
        monkeypatch,
    )
    assert problems(output.replace("\r\033[K", "")) == []
    if output_format == "json":
        schemas = [json.loads(line)["schema"] for line in output.splitlines()]
        assert schemas == ([] if name == "no history" else ["opskit.rotation/1"])


def test_what_nobody_made_visible_is_stopped_by_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    def act() -> None:
        monkeypatch.setattr(sys, "stdout", RedactingStream(sys.stdout))
        print(f"\033[1mbold\033[0m\t{HOSTILE[:90]}")

    output = written(act, monkeypatch)
    assert output.startswith("\033[1mbold\033[0m\t" r"x\x1b[2J\x1b]52;c;Zm9v\x07\x9b31m\x85\u202e")
    assert r"\x1b[8m" in for_terminal("\033[8mhidden")
    assert r"\r\x1b[K" in for_terminal("a forged \r\033[K line")


def test_the_output_of_a_remote_command_is_not_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    below = io.BytesIO()
    stream = RedactingStream(io.TextIOWrapper(below, encoding="utf-8"))
    data = HOSTILE.encode("utf-8", "surrogatepass") + bytes(range(256)) + b"postgres://a:b@c"
    stream.buffer.write(data)
    stream.buffer.flush()
    assert below.getvalue() == data


EMPTY_PLANES = (*range(0x40000, 0xE0000, 0x10000), 0xF0000, 0x100000)
"""Planes of 65,536 unassigned or private characters; of each, the first 4,096 stand for the others."""


def test_every_character() -> None:
    """Each is shown, and JSON gives each of them back."""
    alike = {plane + start for plane in EMPTY_PLANES for start in range(0x1000, 0x10000, 0x1000)}
    for start in sorted({*range(0, 0x110000, 0x1000)} - alike):
        text = "".join(map(chr, range(start, start + 0x1000)))
        shown = visible(text)
        assert shown.isprintable()
        assert visible(shown) == shown
        # Two surrogates in a row are one character in JSON: each stands alone here.
        apart = " ".join(text)
        assert json.loads(to_json(apart)) == apart
        assert to_json(apart).isprintable()
    assert visible("é ✓ 漢字 x") == "é ✓ 漢字 x"


def test_an_aws_error_keeps_its_text() -> None:
    """Facts and errors are exact; only what is written for people is changed."""
    assert AwsError("x:Y", "Z", HOSTILE).message == HOSTILE
