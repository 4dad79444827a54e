"""`opskit rotate-password repair` as a command: what it asks, what it prints, how it ends."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace
from typing import Any

import click
import pytest

from opskit.cli import main, rotate_password, rotation_repair
from opskit.config import Target
from opskit.errors import ExitStatus
from opskit.rotation.planning.context import MISSING, RotationContext
from opskit.rotation.protocol.interface import DatabaseCredential
from opskit.rotation.repair import Repair
from opskit.rotation.service import Service
from opskit.rotation.status import OpenWork
from opskit.secret import Secret
from tests import builders as b
from tests.rotation.test_preflight import context as context

NAME = "/linkbox/db-password"
GIVEN = "Given-Password_1"
TARGET = Target("linkbox", b.NAMES, "/linkbox", origins={"prefix": "--prefix"})
FOUND = Repair(
    NAME,
    "linkbox",
    DatabaseCredential("linkbox", Secret(GIVEN)),
    proposal="create it",
    writes_parameter=True,
)
NONE = replace(FOUND, proposal="", writes_parameter=False, sentence="no password", advice="ask")


class Fake:
    """What the command asks of the service, and what it was told to do."""

    def __init__(self, around: RotationContext) -> None:
        self.context, self.supplied, self.applied = around, list[Any](), list[RotationContext]()

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(rotate_password, "make_target", lambda _: TARGET)
        for name, value in {
            "__init__": lambda *_, **__: None,
            "close": lambda _: None,
            "unfinished": lambda _: None,
            "load_context": lambda *_, **__: self.context,
            "repairs": self,
            "apply_repair": lambda _, __, around: self.applied.append(around),
        }.items():
            monkeypatch.setattr(Service, name, value, raising=False)
        monkeypatch.setattr(Service, "open_work", OpenWork.NOTHING, raising=False)

    def with_key(self, around: RotationContext, key_id: str) -> tuple[RotationContext, str]:
        return replace(around, row={**around.row, "KeyId": key_id}), "it was named"

    def propose(
        self, _: RotationContext, supplied: Secret | None = None, *, makes_new: bool = False
    ) -> Repair:
        self.supplied.append(supplied.reveal() if supplied else None)
        return FOUND if supplied is not None or makes_new else NONE


class Terminal(io.StringIO):
    """Someone to ask."""

    def isatty(self) -> bool:
        return True


def run(*words: str) -> int:
    return main.run(["rotate-password", "repair", "--prefix", "/linkbox", *words])


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    made = Fake(replace(context(target=TARGET), row=MISSING, text=Secret(""), password=Secret("")))
    made.install(monkeypatch)
    return made


def test_a_missing_password_is_asked_for_without_showing_it(
    fake: Fake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Typed as told, the old fix stored a newline, echoed it and lost the key."""
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(click, "prompt", lambda text, **how: (asked.append(how), GIVEN)[1])
    monkeypatch.setattr(click, "confirm", lambda *_, **__: True)
    assert run("--key-id", "key-1") == ExitStatus.HEALTHY
    assert asked[0]["hide_input"] is True
    assert fake.supplied == [None, GIVEN]
    assert fake.applied[0].key == {"KeyId": "key-1"}
    message = capsys.readouterr()
    assert "under the key key-1: it was named" in message.out
    assert "opskit diagnose db --prefix /linkbox" in message.out
    assert GIVEN not in message.out + message.err


def test_without_a_terminal_the_next_step_is_said(
    fake: Fake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert run() == ExitStatus.NOT_JUDGED
    assert "ask" in capsys.readouterr().err
    assert fake.applied == []


def test_a_password_comes_from_stdin_without_its_newline(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{GIVEN}\n"))
    assert run("--password-stdin", "--yes", "--key-id", "key-1") == ExitStatus.HEALTHY
    assert fake.supplied == [GIVEN]


def test_an_existing_parameter_keeps_its_key(fake: Fake) -> None:
    fake.context = context(target=TARGET)
    assert run("--key-id", "key-1", "--yes") == ExitStatus.USAGE
    assert run("--new-password", "--yes") == ExitStatus.HEALTHY
    assert fake.applied == [fake.context]


def test_an_end_without_a_repair_is_no_circle(
    fake: Fake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.context = context(target=TARGET)
    assert run("--yes", "--output", "json") == ExitStatus.NOT_JUDGED
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert events[-1] == {
        "schema": "opskit.rotation/1", "event": "error", "error": "no password", "next_step": "ask",
    }  # fmt: skip


def test_two_sources_exclude_each_other(fake: Fake) -> None:
    assert run("--password-stdin", "--new-password") == ExitStatus.USAGE


def test_an_open_rotation_is_gone_on_with(
    fake: Fake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Service, "unfinished", lambda _: object())
    monkeypatch.setattr(rotation_repair, "_is_repairable", lambda *_: False)
    assert run("--yes") == ExitStatus.UNFINISHED
    assert "--status" in capsys.readouterr().err
