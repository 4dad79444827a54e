"""The channel against an agent over a link that loses, doubles, delays, swaps and damages frames."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from opskit.sandbox.session_manager.agent import AgentSide, pack, pack_closed
from opskit.transport.session_manager.data_channel import (
    CLIENT_VERSION,
    GIVE_UP_AFTER_S,
    WITHOUT_SMUX,
    Channel,
    Closed,
    Data,
    Event,
    ExitCode,
    Flag,
    Notice,
    Ready,
    Stream,
)

KEY = os.urandom(64)
RUNS = 1_000


@dataclass
class Link:
    """A connection that misbehaves at random, in virtual time.

    Attributes:
        loss, double, damage: how often, of all frames.
        delay_s: the longest way of a frame; different ways put frames out of order.
    """

    rng: random.Random
    loss: float = 0.0
    double: float = 0.0
    damage: float = 0.0
    delay_s: float = 0.0
    _under_way: list[tuple[float, int, bytes]] = field(default_factory=list)
    _count: int = 0

    def put(self, frame: bytes, now: float) -> None:
        for _ in range(2 if self.rng.random() < self.double else 1):
            if self.rng.random() < self.loss:
                continue
            if self.rng.random() < self.damage:
                # What the digest covers; below the header lies TCP.
                at = self.rng.randrange(80, 112)
                frame = frame[:at] + bytes([frame[at] ^ 1]) + frame[at + 1 :]
            self._count += 1
            self._under_way.append((now + self.rng.random() * self.delay_s, self._count, frame))

    def take(self, now: float) -> list[bytes]:
        arrived = sorted(x for x in self._under_way if x[0] <= now)
        self._under_way = [x for x in self._under_way if x[0] > now]
        return [frame for _, _, frame in arrived]


@dataclass
class Wired:
    """A channel and an agent with a link each way, and what came out on both sides."""

    channel: Channel
    agent: AgentSide
    there: Link
    back: Link
    events: list[Event] = field(default_factory=list)
    now: float = 1000.0

    def run(self, until: Callable[[], bool], limit_s: float) -> bool:
        """Let virtual time pass in steps of 10 ms until something is so."""
        end = self.now + limit_s
        while not until() and self.now < end:
            for frame in self.back.take(self.now):
                self.events += self.channel.receive(frame, self.now)
            for frame in self.there.take(self.now):
                self.agent.receive(frame, self.now)
            self.events += self.channel.tick(self.now)
            self.agent.tick(self.now)
            for frame in self.channel.frames():
                self.there.put(frame, self.now)
            for frame in self.agent.frames():
                self.back.put(frame, self.now)
            self.now += 0.01
        return until()

    def output(self, stream: Stream = Stream.OUT) -> bytes:
        return b"".join(e.data for e in self.events if isinstance(e, Data) and e.stream is stream)


def wired(
    session_type: str = "NonInteractiveCommands",
    seed: int = 0,
    *,
    encrypted: bool = False,
    **link: Any,
) -> tuple[Wired, list[tuple[int, bytes]]]:
    """Both sides over links of the same kind, and the list of what the agent is given."""
    given: list[tuple[int, bytes]] = []
    rng = random.Random(seed)
    key = ("key-1", lambda *_: KEY) if encrypted else None
    agent = AgentSide(session_type, lambda kind, data: given.append((kind, data)), key=key)
    channel = Channel("s-1", "i-1", (lambda *_: (KEY, b"sealed")) if encrypted else None)
    made = Wired(channel, agent, Link(rng, **link), Link(rng, **link))
    agent.begin(made.now)
    return made, given


@pytest.mark.parametrize("part", range(10))
def test_every_byte_arrives_once_and_in_order(part: int) -> None:
    for run in range(RUNS // 10):
        exchange(1000 * part + run)


def exchange(seed: int) -> None:
    """Bytes both ways over a link of a random kind."""
    rng = random.Random(seed)
    link = {
        "loss": rng.choice((0, 0.05, 0.25)),
        "double": rng.choice((0, 0.2)),
        "damage": rng.choice((0, 0, 0.1)),
        "delay_s": rng.choice((0, 0.05, 0.4)),
    }
    both, given = wired("Port", seed, encrypted=rng.random() < 0.3, **link)
    up = rng.randbytes(rng.randrange(0, 6000))
    down = [(rng.choice((1, 11)), rng.randbytes(rng.randrange(1, 3000))) for _ in range(3)]
    both.channel.send(up, both.now)
    assert both.run(lambda: both.agent.is_open, 60), (seed, link)
    for kind, data in down:
        both.agent.send(kind, data, both.now)
    out, err = (b"".join(d for k, d in down if k == kind) for kind in (1, 11))
    done = both.run(
        lambda: (
            b"".join(d for _, d in given) == up
            and both.output() == out
            and both.output(Stream.ERR) == err
            and both.channel.unsent == 0
            and both.agent.is_settled
        ),
        240,
    )
    assert done, (seed, link)
    assert [type(e) for e in both.events].count(Ready) == 1


def test_handshake_tells_type_version_and_notice() -> None:
    both, _ = wired("Port", encrypted=True)
    assert both.run(lambda: both.channel.is_ready, 5)
    assert both.events[0] == Ready("Port", {}, "3.3.987.0")
    assert both.events[1] == Notice("This session is encrypted using AWS KMS.")
    assert both.agent.client_version == "1.2.764.0"


@pytest.mark.parametrize("challenge", ["YXNrZWQgYnkgdGhlIGFnZW50", ""])
def test_a_challenge_is_acknowledged_where_the_agent_sent_one(challenge: str) -> None:
    contexts = []

    def make(key_id: str, context: Any) -> tuple[bytes, bytes]:
        contexts.append(dict(context))
        return KEY, b"sealed"

    asked = {"KMSKeyId": "k", **({"Challenge": challenge} if challenge else {})}
    action = {"ActionType": "KMSEncryption", "ActionParameters": asked}
    request = {"AgentVersion": "3.3.987.0", "RequestedClientActions": [action]}
    channel = Channel("s-1", "i-1", make)
    channel.receive(pack("output_stream_data", 0, 5, json.dumps(request).encode()), 1.0)
    done = json.loads(channel.frames()[1][120:])["ProcessedClientActions"][0]
    expected = {"aws:ssm:SessionId": "s-1", "aws:ssm:TargetId": "i-1"}
    more = {"aws:ssm:RandomChallenge": challenge} if challenge else {}
    assert contexts == [expected | more]
    assert done["ActionStatus"] == 1
    assert done["ActionResult"].get("ChallengeAcknowledgement") == (True if challenge else None)


def test_a_key_that_cannot_be_had_is_remembered_and_not_told_in_full() -> None:
    def make(*_: Any) -> tuple[bytes, bytes]:
        raise RuntimeError("secret detail")

    asked = {"KMSKeyId": "key-1"}
    action = {"ActionType": "KMSEncryption", "ActionParameters": asked}
    channel = Channel("s-1", "i-1", make)
    request = json.dumps({"RequestedClientActions": [action]}).encode()
    channel.receive(pack("output_stream_data", 0, 5, request), 1.0)
    message = channel.frames()[1]
    assert b'"ActionStatus": 2' in message
    assert b"secret detail" not in message
    assert (channel.key_id, str(channel.key_error)) == ("key-1", "secret detail")


def test_a_shell_begins_without_a_handshake() -> None:
    both, given = wired("")
    both.channel.send(b"early", both.now)
    both.agent.send(1, b"$ ", both.now)
    assert both.run(lambda: given == [(1, b"early")], 5)
    assert both.events == [Ready("", {}, ""), Data(Stream.OUT, b"$ ")]


def test_nothing_is_sent_before_the_handshake_is_complete() -> None:
    """The agent would acknowledge it and throw it away."""
    both, given = wired()
    both.channel.send(b"hello", both.now)
    assert both.channel.frames() == []
    assert both.run(lambda: bool(given), 5)
    assert given == [(1, b"hello")]


def test_what_the_agent_is_not_ready_for_is_repeated() -> None:
    ready_at = 1003.0
    both, given = wired("Port")
    both.agent._accepts_input = lambda: both.now >= ready_at
    both.channel.send(b"hello", both.now)
    assert not both.run(lambda: bool(given), 2)
    assert both.run(lambda: bool(given), 3)
    assert given == [(1, b"hello")]


def test_output_streams_exit_code_flag_and_end() -> None:
    both, _ = wired()
    assert both.run(lambda: both.channel.is_ready, 5)
    for kind, data in ((1, b"out"), (11, b"err"), (12, b"EXIT_CODE: 3"), (10, b"\0\0\0\3")):
        both.agent.send(kind, data, both.now)
    assert both.run(lambda: Flag(3) in both.events, 5)
    assert ExitCode(3) in both.events
    assert (both.output(), both.output(Stream.ERR)) == (b"out", b"err")
    assert both.channel.receive(pack_closed("\n----------ERROR-------\nno"), both.now) == [
        Closed("\n----------ERROR-------\nno")
    ]
    assert both.channel.is_closed


def test_a_killed_command_and_a_code_that_is_none() -> None:
    both, _ = wired()
    both.run(lambda: both.channel.is_ready, 5)
    both.agent.send(12, b"EXIT_CODE: -1", both.now)
    both.agent.send(12, b"EXIT_CODE: many", both.now)
    both.agent.send(1, b"end", both.now)
    assert both.run(lambda: both.output() == b"end", 5)
    assert [e for e in both.events if isinstance(e, ExitCode)] == [ExitCode(-1)]


def test_duplicates_are_acknowledged_again() -> None:
    both, _ = wired("")
    frame = pack("output_stream_data", 0, 1, b"x")
    assert len(both.channel.receive(frame, 1.0)) == 2
    assert both.channel.receive(frame, 1.1) == []
    assert len(both.channel.frames()) == 2, "the first acknowledgement may have been lost"


def test_unknown_messages_and_types_are_let_pass() -> None:
    both, _ = wired("")
    assert both.channel.receive(pack("interactive_shell", 0, 1, b"x"), 1.0) == []
    assert both.channel.receive(b"noise", 1.0) == []
    events = both.channel.receive(pack("output_stream_data", 0, 99, b"x"), 1.0)
    assert events == [Ready("", {}, "")]


def test_a_pause_stops_repeating_and_any_word_ends_it() -> None:
    both, _ = wired("")
    both.channel.receive(pack("output_stream_data", 0, 1, b"$"), 1.0)
    both.channel.send(b"x", 1.0)
    both.channel.frames()
    both.channel.receive(pack("pause_publication", 0, 0, b"{}"), 1.0)
    assert both.channel.tick(1.0 + GIVE_UP_AFTER_S * 2) == []
    assert both.channel.frames() == []
    both.channel.receive(pack("start_publication", 0, 0, b"{}"), 200.0)
    both.channel.tick(200.0)
    assert len(both.channel.frames()) == 1


def test_silence_ends_the_channel_within_its_limit() -> None:
    both, _ = wired("Port", loss=0.0)
    assert both.run(lambda: both.channel.is_ready, 5)
    both.there.loss = 1.0
    both.channel.send(b"x", both.now)
    started = both.now
    assert both.run(lambda: both.channel.is_closed, GIVE_UP_AFTER_S + 5)
    assert both.now - started <= GIVE_UP_AFTER_S + 1
    assert isinstance(both.events[-1], Closed)


def test_an_unknown_action_and_a_missing_key_are_said_to_the_agent() -> None:
    request = {
        "AgentVersion": "3.3.987.0",
        "RequestedClientActions": [
            {
                "ActionType": "SessionType",
                "ActionParameters": {"SessionType": "Port", "Properties": None},
            },
            {"ActionType": "Dance", "ActionParameters": {}},
            {"ActionType": "KMSEncryption", "ActionParameters": {"KMSKeyId": "k"}},
        ],
    }
    channel = Channel("s", "i-1")
    channel.receive(pack("output_stream_data", 0, 5, json.dumps(request).encode()), 1.0)
    answer = json.loads(channel.frames()[1][120:])
    assert [a["ActionStatus"] for a in answer["ProcessedClientActions"]] == [1, 3, 2]


@pytest.mark.parametrize(
    "message",
    [b"[]", b"no JSON", b'{"RequestedClientActions": [{}]}', b'{"RequestedClientActions": [{"ActionType": "SessionType"}]}'],
)  # fmt: skip
def test_a_handshake_that_is_none_ends_the_session(message: bytes) -> None:
    channel = Channel("s", "i-1")
    [end] = channel.receive(pack("output_stream_data", 0, 5, message), 1.0)
    assert isinstance(end, Closed)
    assert "handshake" in end.reason


@pytest.mark.parametrize(
    ("session_type", "agent", "told"),
    [("Port", "3.3.987.0", CLIENT_VERSION), ("Port", "3.3.987", WITHOUT_SMUX),
     ("Port", "next", WITHOUT_SMUX), ("NonInteractiveCommands", "3.3.987", CLIENT_VERSION)],
)  # fmt: skip
def test_the_version_that_is_told_makes_the_agent_choose_as_we_do(
    session_type: str, agent: str, told: str
) -> None:
    action = {"ActionType": "SessionType", "ActionParameters": {"SessionType": session_type}}
    request = json.dumps({"AgentVersion": agent, "RequestedClientActions": [action]}).encode()
    channel = Channel("s", "i-1")
    channel.receive(pack("output_stream_data", 0, 5, request), 1.0)
    assert json.loads(channel.frames()[1][120:])["ClientVersion"] == told


def test_a_slow_agent_costs_no_memory_of_frames() -> None:
    both, _ = wired("Port")
    both.run(lambda: both.channel.is_ready, 5)
    both.channel.send(bytes(3_000_000), both.now)
    assert sum(len(f) for f in both.channel.frames()) < 1_000_000


def test_the_opening_names_token_and_version() -> None:
    message = json.loads(Channel("s", "i-1").open_data_channel_message("secret"))
    assert message["TokenValue"] == "secret"
    assert message["MessageSchemaVersion"] == "1.0"
    assert set(message) == {
        "MessageSchemaVersion",
        "RequestId",
        "TokenValue",
        "ClientId",
        "ClientVersion",
    }
