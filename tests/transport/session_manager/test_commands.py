"""The mark of a command's end, and a session whose service misbehaves."""

from __future__ import annotations

import json
import re
import select
import shlex
import subprocess
import threading
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opskit.errors import Alternatives, AwsError, NotExecuted, OutcomeUnknown
from opskit.sandbox.session_manager.agent import VERSION, pack, pack_closed
from opskit.transport.fallback import FallbackTransport
from opskit.transport.interface import CommandResult
from opskit.transport.session_manager import base64_framing
from opskit.transport.session_manager import session as session_module
from opskit.transport.session_manager.commands import (
    MOST_OUTPUT,
    OutputCollector,
    SessionManager,
    wrap_script,
)
from opskit.transport.session_manager.data_channel import Channel, Stream
from tests.fake_aws import FakeClient

MARKED = b"hello\nworld\n\nopskit-exit:3\n"


@given(st.lists(st.integers(1, 9), max_size=len(MARKED)))
def test_the_mark_is_found_however_the_output_is_cut(cuts: list[int]) -> None:
    message: list[bytes] = []
    heard = OutputCollector(lambda _, data: message.append(data))
    rest = MARKED
    for length in [*cuts, len(MARKED)]:
        heard.take(Stream.ERR, rest[:length])
        rest = rest[length:]
    done = heard.result("", "i-1")
    assert (done.exit_status, done.stderr) == (3, "hello\nworld\n")
    assert b"".join(message) == b"hello\nworld\n"


@given(st.integers(0, len(MARKED) + 4))
def test_the_ends_of_a_terminals_lines_are_found_however_they_are_cut(cut: int) -> None:
    message = MARKED.replace(b"\n", b"\r\n")
    heard = OutputCollector(lambda *_: None)
    # Encrypted ones begin with a handshake, in which the agent tells its version.
    heard.is_terminal = heard.is_separate = True
    heard.take(Stream.OUT, message[:cut])
    heard.take(Stream.OUT, message[cut:])
    done = heard.result("", "i-1")
    assert (done.exit_status, done.stdout) == (3, "hello\nworld\n")


def test_without_a_terminal_every_byte_is_the_commands_own() -> None:
    heard = OutputCollector(lambda *_: None)
    heard.take(Stream.OUT, b"a\r\nb\r\n")
    heard.status = 0
    assert heard.result("", "i-1").stdout == "a\r\nb\r\n"


def test_what_only_looks_like_the_mark_comes_out_at_the_end() -> None:
    message: list[bytes] = []
    heard = OutputCollector(lambda _, data: message.append(data))
    heard.take(Stream.OUT, b"x\nopskit-exi")
    assert message == [b"x"]
    heard.status = 0
    assert heard.result("", "i-1").stdout == "x\nopskit-exi"


def test_output_is_capped_and_says_so() -> None:
    heard = OutputCollector(lambda *_: None)
    heard.take(Stream.OUT, b"x" * (MOST_OUTPUT + 5))
    heard.status = 0
    done = heard.result("", "i-1")
    assert (len(done.stdout), done.is_truncated) == (MOST_OUTPUT, True)


def test_a_session_that_ends_early_tells_its_reason() -> None:
    with pytest.raises(OutcomeUnknown, match="lookup x: no such host"):
        OutputCollector(lambda *_: None).result(
            "\n----------ERROR-------\nlookup x: no such host", "i-1"
        )


def test_a_session_that_ends_without_a_reason_says_what_may_bring_one() -> None:
    with pytest.raises(OutcomeUnknown, match="no reason was given") as caught:
        OutputCollector(lambda *_: None).result("", "i-1")
    assert caught.value.missing == "a later try"


@pytest.mark.parametrize(
    "script", ["echo 'it''s'; exit 5", 'printf "%s" "$0 \\" $HOME"; exit 5', "false\nexit 5\n"]
)
def test_a_wrapped_script_survives_being_split_into_words(script: str) -> None:
    plain = subprocess.run(["sh", "-c", script], capture_output=True, check=False)
    done = subprocess.run(shlex.split(wrap_script(script, 30)), capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (5, plain.stdout)
    assert done.stderr.endswith(b"\nopskit-exit:5\n")


@pytest.mark.parametrize("make", [wrap_script, base64_framing.command])
def test_what_an_ended_session_leaves_behind_ends_by_itself(make: Any) -> None:
    """The agent kills the first process of a session, and no other."""
    words = shlex.split(make("echo there >&2; echo there; sleep 600", 0.5))
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.kill()
        # The end of its output is the end of all who hold it.
        assert select.select([process.stdout], [], [], 60)[0]
        started = time.monotonic()
        process.stdout.read()
        assert time.monotonic() - started < 60


def test_a_line_is_whole_as_soon_as_it_came() -> None:
    message: list[bytes] = []
    heard = OutputCollector(lambda _, data: message.append(data))
    heard.is_separate = True
    heard.take(Stream.OUT, b"a line\n")
    assert message == [b"a line\n"]


class Ssm(FakeClient):
    """A service that answers StartSession with what it is given."""

    def __init__(self, start: Any) -> None:
        self.start = start
        self.asked: list[dict[str, Any]] = []
        self.ended: list[str] = []
        self.resumed: list[str] = []

    def start_session(self, **arguments: Any) -> Any:
        self.asked.append(arguments)
        if isinstance(self.start, Exception):
            raise self.start
        return self.start

    def terminate_session(self, SessionId: str) -> Any:  # noqa: N803
        self.ended.append(SessionId)
        return {}

    def resume_session(self, SessionId: str) -> Any:  # noqa: N803
        self.resumed.append(SessionId)
        return {}


class Unconnected(Ssm):
    """A service that says that the target is not connected, and what it knows of it."""

    def __init__(self, nodes: Any, statuses: tuple[str, ...] = ("notconnected",)) -> None:
        super().__init__(AwsError("ssm:StartSession", "TargetNotConnected", ""))
        self.nodes, self.statuses = nodes, list(statuses)

    def get_connection_status(self, Target: str) -> Any:  # noqa: N803
        return {"Target": Target, "Status": self.statuses.pop(0)}

    def describe_instance_information(self, Filters: Any) -> Any:  # noqa: N803
        if self.nodes is None:
            raise AwsError("ssm:DescribeInstanceInformation", "AccessDeniedException", "")
        return {"InstanceInformationList": self.nodes}


LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        (None, "offline or not registered"),
        ([], "never registered"),
        ([{"PingStatus": "Online"}], "holds no connection to ssmmessages"),
        (
            [{"PingStatus": "ConnectionLost", "LastPingDateTime": LONG_AGO}],
            r"last heard \d{6,} min ago",
        ),
        ([{"PingStatus": "Inactive"}], "last heard at a time that is not known"),
    ],
)
def test_a_target_that_is_not_connected_is_told_with_its_reason(nodes: Any, words: str) -> None:
    ssm = Unconnected(nodes)
    with pytest.raises(NotExecuted) as caught:
        SessionManager(ssm, Unsigned(), ssm, "i-1").run("true", timeout_s=5)
    assert re.search(words, caught.value.sentence)
    assert "opskit diagnose operator" in caught.value.next_step
    assert "an online SSM agent on i-1" in str(caught.value.missing)
    assert len(ssm.asked) == 1


def test_an_agent_that_is_back_is_asked_once_more() -> None:
    ssm = Unconnected([], ("connected", "connected"))
    with pytest.raises(NotExecuted, match="that it is connected and that it is not"):
        SessionManager(ssm, Unsigned(), ssm, "i-1").run("true", timeout_s=5)
    assert len(ssm.asked) == 2


class Unsigned:
    """A gateway that signs nothing."""

    def upgrade_headers(self, url: str) -> dict[str, str]:
        return {"X-Url": url}


@pytest.mark.parametrize(
    ("code", "words", "missing"),
    [
        ("AccessDeniedException", "may not start sessions", "ssm:StartSession on i-1"),
        ("InternalServerError", "InternalServerError", ""),
    ],
)
def test_refusals(code: str, words: str, missing: str) -> None:
    ssm = Ssm(AwsError("ssm:StartSession", code, ""))
    with pytest.raises(NotExecuted) as caught:
        SessionManager(ssm, Unsigned(), ssm, "i-1").run("true", timeout_s=5)
    assert words in caught.value.sentence
    assert missing in str(caught.value.missing)
    assert len(ssm.asked) == 1


def test_without_the_usual_document_a_terminal_is_asked_for() -> None:
    ssm = Ssm(AwsError("ssm:StartSession", "InvalidDocument", ""))
    with pytest.raises(NotExecuted):
        SessionManager(ssm, Unsigned(), ssm, "i-1").run("true", timeout_s=5)
    assert [a["DocumentName"] for a in ssm.asked] == [
        "AWS-StartNonInteractiveCommand",
        "AWS-StartInteractiveCommand",
    ]


def test_a_gateway_that_cannot_be_reached_ends_the_session() -> None:
    reply = {"SessionId": "s-1", "TokenValue": "t", "StreamUrl": "ws://127.0.0.1:9/v1/x"}
    ssm = Ssm(reply)
    with pytest.raises(NotExecuted) as caught:
        SessionManager(ssm, Unsigned(), ssm, "i-1").run("true", timeout_s=5)
    assert "127.0.0.1" in str(caught.value.missing)
    assert ssm.ended == ["s-1"]


def test_silence_after_the_start_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from websockets.sync.server import serve

    monkeypatch.setattr(session_module, "READY_WITHIN_S", 0.3)
    is_over = threading.Event()

    def wait(_: object) -> None:
        is_over.wait(60)

    with serve(wait, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.socket.getsockname()[1]
        reply = {"SessionId": "s-1", "TokenValue": "t", "StreamUrl": f"ws://127.0.0.1:{port}/x"}
        ssm = Ssm(reply)
        with pytest.raises(OutcomeUnknown, match="nothing came through"):
            SessionManager(ssm, Unsigned(), ssm, "i-1").run("true", timeout_s=60)
        is_over.set()
        server.shutdown()
    assert ssm.ended == ["s-1"]


def test_a_gateway_that_hangs_up_at_once_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for a token that it does not take: the upgrade is done, and the opening goes nowhere."""
    from websockets.sync.server import serve

    original, is_closed = Channel.open_data_channel_message, threading.Event()

    def hang_up(connection: Any) -> None:
        connection.close()
        is_closed.set()

    def late(self: Channel, token: str) -> str:
        assert is_closed.wait(60)
        return original(self, token)

    monkeypatch.setattr(Channel, "open_data_channel_message", late)
    with serve(hang_up, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.socket.getsockname()[1]
        ssm = Ssm({"SessionId": "s-1", "TokenValue": "t", "StreamUrl": f"ws://127.0.0.1:{port}/x"})
        with pytest.raises(NotExecuted, match=r"connection to 127.* failed: ConnectionClosed"):
            SessionManager(ssm, Unsigned(), ssm, "i-1").run("true", timeout_s=5)
        server.shutdown()
    assert ssm.ended == ["s-1"]


class SlowKms(FakeClient):
    """A KMS that answers only after the agent has ended the session."""

    def __init__(self) -> None:
        self.has_ended = threading.Event()

    def generate_data_key(self, **_: Any) -> Any:
        assert self.has_ended.wait(30)
        return {"Plaintext": bytes(64), "CiphertextBlob": b"sealed"}


def test_the_last_word_of_an_agent_is_read_also_when_nothing_can_be_written_any_more() -> None:
    """A busy machine answers late: the connection is closed by then, with the reason unread in it."""
    from websockets.sync.server import serve

    kms, asked_for_it = SlowKms(), {"KMSKeyId": "arn:aws:kms:us-east-1:123456789012:key/k"}
    actions = [{"ActionType": "KMSEncryption", "ActionParameters": asked_for_it}]
    request = {"AgentVersion": VERSION, "RequestedClientActions": actions}
    message = "Fetching data key failed: Unable to retrieve data key, AccessDeniedException: no"

    def agent(connection: Any) -> None:
        connection.recv()
        connection.send(pack("output_stream_data", 0, 5, json.dumps(request).encode()))
        connection.send(pack_closed(f"Encountered error while initiating handshake. {message}"))
        # It returns when the other side has taken the end in.
        connection.close()
        kms.has_ended.set()

    with serve(agent, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.socket.getsockname()[1]
        ssm = Ssm({"SessionId": "s-1", "TokenValue": "t", "StreamUrl": f"ws://127.0.0.1:{port}/x"})
        with pytest.raises(NotExecuted, match="may not use") as caught:
            SessionManager(ssm, Unsigned(), kms, "i-1").run("true", timeout_s=40)
        server.shutdown()
    assert str(caught.value.missing).startswith("kms:Decrypt on arn:aws:kms:")
    assert ssm.resumed == []


class FakeTransport:
    """A road that ends in a fixed way."""

    def __init__(self, name: str, end: Any) -> None:
        self.name, self.end, self.runs = name, end, 0

    def run(self, script: str, *, timeout_s: float, on_output: Any = None) -> CommandResult:
        self.runs += 1
        if isinstance(self.end, Exception):
            raise self.end
        assert isinstance(self.end, CommandResult)
        return self.end


FINE = CommandResult(0, "", "")


def test_auto_goes_on_after_a_refusal_and_names_the_road_that_was_taken() -> None:
    second = FakeTransport("b", FINE)
    auto = FallbackTransport(
        (FakeTransport("a", NotExecuted("no")), second, FakeTransport("c", FINE))
    )
    assert auto.run("true", timeout_s=1) is FINE
    assert auto.name == "b"


def test_auto_never_repeats_what_may_have_run() -> None:
    second = FakeTransport("b", FINE)
    with pytest.raises(OutcomeUnknown):
        FallbackTransport((FakeTransport("a", OutcomeUnknown("gone")), second)).run(
            "true", timeout_s=1
        )
    assert second.runs == 0


def test_auto_tells_every_refusal() -> None:
    transports = (
        FakeTransport("a", NotExecuted("first", missing="x:A")),
        FakeTransport("b", NotExecuted("second", missing="x:B")),
    )
    with pytest.raises(NotExecuted) as caught:
        FallbackTransport(transports).run("true", timeout_s=1)
    assert caught.value.sentence == "first; second"
    assert caught.value.missing == Alternatives(("x:A", "x:B"))
