"""Tunnels over agents that carry one connection: turns, what is stale, and what they never tell."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from opskit.errors import OutcomeUnknown
from opskit.sandbox.loopback import free_port
from opskit.transport.session_manager import serial_forwarding
from opskit.transport.session_manager.data_channel import Data
from opskit.transport.session_manager.serial_forwarding import DISCONNECT, TurnGate
from tests.pace import scaled
from tests.transport.session_manager.scene import echo, exchange, server, tunnel
from tests.transport.session_manager.test_channel import Wired, wired

OLD = "3.0.196.0"
FLAG = 10
RUNS = 1_000


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """On loopback nothing is under way for long, unless the machine is busy."""
    monkeypatch.setattr(serial_forwarding, "SETTLE_S", scaled(0.1))


def test_one_after_the_other_and_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with server(echo) as there, tunnel(there, monkeypatch, version=OLD) as (port, problems, _):
        for size in (1, 1024, 1025, 100_000):
            data = random.Random(size).randbytes(size)
            assert exchange(port, data) == data
    assert len(problems) == 1
    assert OLD in problems[0]
    assert "one connection at a time" in problems[0]


def test_others_wait_for_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[bool] = []

    def one(port: int, number: int) -> None:
        data = random.Random(number).randbytes(5_000)
        answers.append(exchange(port, data) == data)

    with server(echo) as there, tunnel(there, monkeypatch, version=OLD) as (port, problems, _):
        threads = [threading.Thread(target=one, args=(port, n)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert answers == [True] * 4
    assert len(problems) == 1


def test_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serial_forwarding, "WAIT_S", 0.3)
    with server(echo) as there, tunnel(there, monkeypatch, version=OLD) as (port, problems, _):
        with socket.create_connection(("127.0.0.1", port), 60) as first:
            first.sendall(b"x")
            assert first.recv(1) == b"x"
            with socket.create_connection(("127.0.0.1", port), 60) as second:
                second.settimeout(60)
                assert second.recv(1) == b""
            first.sendall(b"y")
            assert first.recv(1) == b"y", "the one that was first is not disturbed"
        assert "carries one at a time" in problems[-1]


def test_a_server_that_speaks_first_is_heard_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def greet(connection: socket.socket) -> None:
        connection.sendall(b"hello ")
        echo(connection)

    with server(greet) as there, tunnel(there, monkeypatch, version=OLD) as (port, *_):
        assert exchange(port, b"x" * 6)[:6] == b"hello "
        with socket.create_connection(("127.0.0.1", port), 60) as second:
            second.settimeout(0.7)
            # The agent connects only when something is sent.
            with pytest.raises(TimeoutError):
                second.recv(1)
            second.settimeout(60)
            second.sendall(b"x")
            assert second.recv(6) == b"hello "


def test_a_server_that_closes_is_not_told_but_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serial_forwarding, "SILENT_S", 0.2)

    def answer_and_close(connection: socket.socket) -> None:
        connection.sendall(connection.recv(10).upper())

    def silent(connection: socket.socket) -> None:
        connection.recv(10)
        time.sleep(3)

    with (
        server(answer_and_close) as there,
        tunnel(there, monkeypatch, version=OLD) as (port, problems, _),
        socket.create_connection(("127.0.0.1", port), 60) as connection,
    ):
        connection.settimeout(60)
        connection.sendall(b"x")
        assert connection.recv(1) == b"X"
        connection.settimeout(0.5)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        assert len(problems) == 1, "nothing was asked, so that nothing is missing"
        # The agent connects anew, in the middle of a conversation.
        connection.settimeout(60)
        connection.sendall(b"y")
        assert connection.recv(1) == b"Y"
    with (
        server(silent) as there,
        tunnel(there, monkeypatch, version=OLD) as (port, problems, carried),
        socket.create_connection(("127.0.0.1", port), 60) as connection,
    ):
        connection.sendall(b"x")
        limit = time.monotonic() + 60
        while len(problems) < 2 and time.monotonic() < limit:
            time.sleep(0.02)
        assert "has not answered" in problems[-1]
        assert not carried.is_closed.is_set(), "a query may take longer"


def test_a_refused_port_ends_the_session_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        with tunnel(free_port(), monkeypatch, version=OLD) as (_, _, carried):
            assert carried.is_closed.wait(60)
        failure = carried.failure
    except OutcomeUnknown as error:
        # On a busy machine the session is over before the tunnel has started.
        failure = error.sentence
    assert failure == "the agent ended the session: it could not connect to the database"


@pytest.mark.parametrize("kind", ["lost", "disorder"])
def test_a_bad_connection_of_the_session_loses_nothing(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = {"kind": kind, "action": "DataChannel", "times": 3 if kind == "lost" else None}
    data = random.Random(kind).randbytes(40_000)
    with server(echo) as there, tunnel(there, monkeypatch, wrong, version=OLD) as (port, *_):
        assert exchange(port, data) == data


@dataclass
class Scene:
    """Turns over a misbehaving link, to an agent that echoes with the connection's number."""

    both: Wired
    rng: random.Random
    turns: TurnGate = field(default_factory=TurnGate)
    heard: bytearray = field(default_factory=bytearray)
    number: int = 1
    is_connected: bool = True
    seen: int = 0

    def asked(self, kind: int, data: bytes) -> None:
        """What the agent does with a payload; of a connection that is closed it may still say much."""
        if kind == FLAG:
            for _ in range(self.rng.randrange(3) if self.is_connected else 0):
                self.say(b"late")
            self.is_connected = False
        else:
            self.number += not self.is_connected
            self.is_connected = True
            self.say(data)

    def say(self, data: bytes) -> None:
        """Data of the agent's present connection."""
        self.both.agent.send(1, b"%d:%d:" % (self.number, len(data)) + data, self.both.now)

    def wait(self, until: Callable[[], bool], limit_s: float) -> bool:
        """Let virtual time pass; what comes is for whose turn it is."""

        def is_so() -> bool:
            for event in self.both.events[self.seen :]:
                if isinstance(event, Data):
                    self.heard += self.turns.receive(event.data)
            self.seen = len(self.both.events)
            return until()

        return self.both.run(is_so, limit_s)

    def may_begin(self) -> bool:
        """Whether the next connection may begin."""
        channel = self.both.channel
        is_flushed = channel.unsent == 0 and not channel.has_gap
        return self.turns.may_begin(self.both.now, is_flushed=is_flushed)

    def echo_of(self, number: int) -> bytes:
        """What the present connection has heard; all of it must be its own."""
        rest, found = bytes(self.heard), b""
        while rest.count(b":") >= 2:
            who, length, rest = rest.split(b":", 2)
            assert int(who) == number
            found, rest = found + rest[: int(length)], rest[int(length) :]
        return found


@pytest.mark.parametrize("part", range(10))
def test_no_connection_hears_another(part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serial_forwarding, "SETTLE_S", 1.0)
    for run in range(RUNS // 10):
        three_in_turn(1000 * part + run)


def three_in_turn(seed: int) -> None:
    """Three connections over a link of a random kind; some leave in the middle of an answer."""
    rng = random.Random(seed)
    loss = rng.choice((0, 0, 0.1))
    link: dict[str, Any] = {
        "loss": loss,
        "double": rng.choice((0, 0.2)),
        "delay_s": rng.choice((0, 0.05, 0.4)),
    }
    both, _ = wired("Port", seed, **link)
    scene = Scene(both, rng)
    both.agent._on_input = scene.asked

    def has_echo(number: int, data: bytes) -> bool:
        return scene.echo_of(number) == data

    assert scene.wait(lambda: both.channel.is_ready, 60), (seed, link)
    for number in range(1, 4):
        assert scene.wait(scene.may_begin, 120), (seed, link)
        asked = rng.randbytes(rng.randrange(1, 2500))
        scene.heard = bytearray(scene.turns.begin())
        scene.turns.spoke()
        both.channel.send(asked, both.now)
        # Leaving early leaves answers under way; where frames are lost these come late beyond measure.
        stays = loss or rng.random() < 0.7
        is_echoed = partial(has_echo, number, asked)
        echoed = scene.wait(is_echoed, 60 if stays else 0.3)
        assert echoed or not stays, (seed, link, number)
        assert asked.startswith(scene.echo_of(number)), (seed, link, number)
        both.channel.send_flag(DISCONNECT, both.now)
        scene.turns.end()
