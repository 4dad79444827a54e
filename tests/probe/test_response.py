"""The parser of the probe's lines, and what the types say of themselves."""

from __future__ import annotations

import base64
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opskit.engine.interface import ExchangeResult
from opskit.probe.response import (
    BODY,
    Health,
    LocationRead,
    LoginAttempt,
    Resolution,
    TcpResult,
    parse,
)
from tests import builders as b


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


LINES = [
    "opskit-probe\t1\tpython",
    "tool\tsh",
    "tool\tnc",
    "clock\t1767225600",
    "ports\t32768\t60999",
    "resolver\t10.0.0.2",
    "name\tdb.example\t10.0.2.1,10.0.3.1\t",
    "name\tgone.example\t\tthe name does not exist",
    "tcp\tdb.example\t10.0.2.1\t5432\ttimeout\t3000.5\t",
    "tcp\tdb.example\t10.0.2.1\tno-port\tconnected\t1\t",
    f"exchange\ttls\t\tTLSv1.3\t{b64(b'S')},{b64(b'R')}\t{b64(b'DER')}",
    "exchange\tplain\ttimeout\t\tnot-base64!\t",
    "caller\tarn:aws:sts::1:assumed-role/app/i-1\t",
    "other-credentials\tvariable X",
    "read\t/a/password\tabcdef\t\t",
    "asked\tcontainers",
    "serves\tproxy\tyes",
    "serves\tapp\tno",
    "container\tapp\trunning\t2026\t0\thost\t/srv\tapp\tshop:2\t137\t2025\talways\t2024",
    "setting\tapp\tconfig\thost\tfixed.example\tPGHOST\t/srv/.env\tfixed.example\tplain",
    "setting\tapp\tprocess\thost\tfetched.example\tPGHOST\t\t\t",
    "setting\tother\tconfig\thost\tdb.example\tPGHOST\t\t\t",
    f"health\thttp://127.0.0.1/health\t503\t7.5\t{'x' * (BODY + 1)}",
    "login\tparameters\tno\t28P01\twrong\t4\tTLSv1.3\tverify-full",
    "unavailable\tcontainers\tno docker",
    "unknown-topic\tx",
    "end",
]


def test_every_topic_is_parsed() -> None:
    result = parse("\n".join(LINES))
    assert (result.is_complete, result.with_python, result.clock) == (True, True, 1767225600)
    assert (result.tools, result.resolvers) == (("sh", "nc"), ("10.0.0.2",))
    assert result.ephemeral_ports == (32768, 60999)
    assert result.resolutions == (
        Resolution("db.example", ("10.0.2.1", "10.0.3.1"), ""),
        Resolution("gone.example", (), "the name does not exist"),
    )
    assert result.connections == (TcpResult("db.example", "10.0.2.1", 5432, "timeout", 3000.5, ""),)
    assert result.heard == {
        "tls": ExchangeResult("tls", (b"S", b"R"), "TLSv1.3", (b"DER",), ""),
        "plain": ExchangeResult("plain", (), "", (), "timeout"),
    }
    assert result.caller_arn == "arn:aws:sts::1:assumed-role/app/i-1"
    assert result.other_credentials == ("variable X",)
    assert result.reads == (LocationRead("/a/password", "abcdef", "", ""),)
    assert (result.asked_containers, result.serving) == (True, ("proxy",))
    assert result.health == Health("http://127.0.0.1/health", 503, 7.5, "x" * BODY)
    assert result.attempts == (
        LoginAttempt("parameters", False, "28P01", "wrong", 4.0, "TLSv1.3", "verify-full"),
    )
    assert result.unavailable == (("containers", "no docker"),)


JOBS = (
    LINES[1:6],
    *([line] for line in LINES[6:13]),
    LINES[13:22],
    *([line] for line in LINES[22:26]),
    ["tcp\tdb.internal\t10.0.2.9\t5432\tconnected\t1\t10.0.1.5"],
    ["login\tcontainer:app\tyes\t\t\t4\tTLSv1.3\trequire"],
    ["read\t/a/name\tbcdefa\t\t"],
    ["unavailable\ttcp db.example:5433\tOSError"],
)
"""The lines of each of the probe's threads, which end in any order."""


@given(st.permutations([i for i, job in enumerate(JOBS) for _ in job]))
def test_the_order_in_which_the_threads_end_changes_nothing(turns: list[int]) -> None:
    left = [list(job) for job in JOBS]
    interleaved = [left[turn].pop(0) for turn in turns]
    whole = [LINES[0], *(line for job in JOBS for line in job), LINES[-1]]
    expected = parse("\n".join(whole))
    found = parse("\n".join([LINES[0], *interleaved, LINES[-1]]))
    assert found == expected
    assert list(found.heard) == list(expected.heard)


def test_a_connection_is_found_by_its_host_and_port() -> None:
    tried = (
        TcpResult("db.internal", "10.0.2.9", 5432, "connected", 1.0, ""),
        TcpResult("db.example", "10.0.2.1", 5432, "timeout", 3000.5, ""),
    )
    for connections in permutations(tried):
        probe = b.probe(connections=connections)
        assert probe.connection("DB.example", 5432) == tried[1]
        assert probe.connection("db.example", 5433) is None
        assert probe.connection(None, 5432) is None
        assert probe.connection_to("10.0.2.9", 5432) == tried[0]
        assert probe.connection_to("10.0.2.1", 5433) is None


def test_a_process_overrides_the_containers_configuration() -> None:
    [app] = parse("\n".join(LINES)).containers
    assert (app.exit_code, app.restart_policy, app.serves_health) == (137, "always", False)
    [host] = app.settings
    assert (host.value, host.source) == ("fetched.example", "process")
    assert app.setting("host") == host
    assert app.setting("port") is None


@pytest.mark.parametrize(
    ("outcome", "milliseconds", "words"),
    [
        ("connected", 1.0, "connection to 10.0.2.1:5432 was accepted"),
        ("timeout", 3000.0, "connection to 10.0.2.1:5432 got no answer after 3.0 s"),
        ("timeout", None, "connection to 10.0.2.1:5432 got no answer"),
        ("refused", 0.1, "connection to 10.0.2.1:5432 was refused at once"),
        ("No route to host", 0.1, "connection to 10.0.2.1:5432: No route to host"),
    ],
)
def test_a_connection_says_how_it_ended(
    outcome: str, milliseconds: float | None, words: str
) -> None:
    connection = TcpResult("db.example", "10.0.2.1", 5432, outcome, milliseconds, "")
    assert connection.words == words
    assert connection.is_connected is (outcome == "connected")


@pytest.mark.parametrize(
    ("status", "is_good"), [(None, False), (199, False), (200, True), (302, True), (400, False)]
)
def test_health_is_judged_as_a_load_balancer_does(status: int | None, is_good: bool) -> None:
    assert Health("http://x/", status, None, "").is_good is is_good


@pytest.mark.parametrize(
    ("network", "is_behind_bridge"),
    [
        ("bridge", True),
        ("default", True),
        ("linkbox_default", True),
        ("bridge:ip=10.88.0.9", True),
        ("host", False),
        ("none", False),
        ("container:4f1c2a", False),
        ("slirp4netns:port_handler=slirp4netns", False),
        ("", False),
    ],
)
def test_an_engine_s_network_mode_says_whether_packets_are_routed(
    network: str, is_behind_bridge: bool
) -> None:
    assert b.container(network=network).is_behind_bridge is is_behind_bridge
