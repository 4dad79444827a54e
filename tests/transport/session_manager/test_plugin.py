"""The official plugin's road, with a stand-in that holds opskit to the AWS CLI's contract."""

from __future__ import annotations

import os
import socket
import stat
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from opskit.errors import AwsError, NotExecuted, OutcomeUnknown
from opskit.transport.session_manager import plugin as plugin_module
from opskit.transport.session_manager import plugin_tunnel
from opskit.transport.session_manager.plugin import PROGRAM, Plugin, find
from opskit.transport.session_manager.plugin_tunnel import PluginTunnel
from tests.fake_aws import FakeClient
from tests.pace import scaled

STANDIN = Path(__file__).with_name("standin_plugin.py")
TOKEN = "t0ken-that-nobody-may-see"


def install(directory: Path, path_before: str) -> str:
    """Install the stand-in; the PATH that finds it."""
    path = directory / PROGRAM
    path.write_text(f'#!/bin/sh\nexec {sys.executable} {STANDIN} "$@"\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return f"{directory}:{path_before}"


class Ssm(FakeClient):
    """A service that starts sessions and notes their ends."""

    def __init__(self, error: AwsError | None = None) -> None:
        self.error = error
        self.asked: list[dict[str, Any]] = []
        self.ended: list[str] = []

    def start_session(self, **arguments: Any) -> Any:
        self.asked.append(arguments)
        if self.error is not None:
            raise self.error
        return {
            "SessionId": "oncall-1", "TokenValue": TOKEN, "StreamUrl": "wss://host/x",
            "ResponseMetadata": {},
        }  # fmt: skip

    def terminate_session(self, SessionId: str) -> Any:  # noqa: N803
        self.ended.append(SessionId)
        return {}


class Gateway:
    """What knows the caller."""

    def caller(self) -> tuple[str, str, str]:
        return "us-east-1", "", "https://ssm.us-east-1.amazonaws.com"


@pytest.fixture
def ssm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ssm:
    """The plugin is installed and runs commands here."""
    monkeypatch.setenv("PATH", install(tmp_path, os.environ["PATH"]))
    monkeypatch.setenv("STANDIN", "local")
    return Ssm()


def transport(ssm: Ssm) -> Plugin:
    return Plugin(ssm, Gateway(), "i-1")


def test_streams_status_and_no_chatter(ssm: Ssm) -> None:
    heard: list[tuple[bool, bytes]] = []
    done = transport(ssm).run(
        "echo out; printf 'err' >&2; exit 42", timeout_s=60, on_output=lambda *o: heard.append(o)
    )
    assert (done.exit_status, done.stdout, done.stderr) == (42, "out\n", "err")
    assert b"".join(data for is_error, data in heard if not is_error) == b"out\n"
    assert ssm.ended == ["oncall-1"]


@pytest.mark.parametrize("code", [0, 3])
def test_bytes_and_large_output(ssm: Ssm, code: int) -> None:
    done = transport(ssm).run(f"head -c 100000 /dev/zero | tr '\\0' x; exit {code}", timeout_s=60)
    assert (done.exit_status, done.stdout) == (code, "x" * 100_000)


def test_not_installed_is_said_before_a_session_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    ssm = Ssm()
    with pytest.raises(NotExecuted, match="is not installed") as caught:
        transport(ssm).run("true", timeout_s=5)
    assert "docs.aws.amazon.com" in caught.value.next_step
    assert ssm.asked == []


def test_a_version_that_wants_the_token_as_an_argument_is_refused(
    ssm: Ssm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STANDIN", "old")
    with pytest.raises(NotExecuted, match=r"1\.2\.497\.0 takes the session's token"):
        find()


def test_one_that_does_not_run_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / PROGRAM).write_text("#!/no/such/interpreter\n")
    (tmp_path / PROGRAM).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotExecuted, match="does not run"):
        find()


def test_silence_ends_after_the_limit_and_ends_the_session(
    ssm: Ssm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STANDIN", "silent")
    monkeypatch.setattr(plugin_module, "READY_WITHIN_S", 0.6)
    started = time.monotonic()
    with pytest.raises(OutcomeUnknown, match="brought no session"):
        transport(ssm).run("true", timeout_s=60)
    assert time.monotonic() - started < min(scaled(40), 60)
    assert ssm.ended == ["oncall-1"]


def test_what_it_says_at_its_end_is_told_without_the_token(
    ssm: Ssm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STANDIN", "dies")
    with pytest.raises(OutcomeUnknown, match="something is wrong") as caught:
        transport(ssm).run("true", timeout_s=60)
    assert TOKEN not in caught.value.sentence
    assert ssm.ended == ["oncall-1"]


def test_a_refused_session_starts_no_plugin(ssm: Ssm) -> None:
    ssm.error = AwsError("ssm:StartSession", "AccessDeniedException", "")
    with pytest.raises(NotExecuted, match="may not start sessions"):
        transport(ssm).run("true", timeout_s=5)
    assert ssm.ended == []


def tunnel(ssm: Ssm) -> PluginTunnel:
    return PluginTunnel(ssm, Gateway(), "i-1", "db", 5432, lambda _: None)


def test_a_tunnel_that_does_not_open_ends(ssm: Ssm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STANDIN", "silent")
    monkeypatch.setattr(plugin_tunnel, "READY_WITHIN_S", 0.6)
    with pytest.raises(OutcomeUnknown, match="opened no port"):
        tunnel(ssm).start(0)
    assert ssm.ended == ["oncall-1"]
    monkeypatch.setattr(plugin_tunnel, "READY_WITHIN_S", 60)
    monkeypatch.setenv("STANDIN", "dies")
    with pytest.raises(OutcomeUnknown, match="something is wrong") as caught:
        tunnel(ssm).start(0)
    assert TOKEN not in caught.value.sentence


def test_a_taken_port_starts_nothing(ssm: Ssm) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        tunnel(ssm).start(taken.getsockname()[1])
    assert ssm.asked == []
