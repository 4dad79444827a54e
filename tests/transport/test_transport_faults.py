"""What stands in the way of a session: every road gives the same findings, or says the reason."""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from opskit.sandbox import lifecycle
from opskit.sandbox.faults import TRANSPORT_FAULTS
from tests.conftest import LIMIT_S, Operator

PREFIX = ("--prefix", "/linkbox")
BY_SESSION = (*PREFIX, "--via", "session-manager")
IN_TASK = (*PREFIX, "--ecs-task", "linkbox/service:linkbox-backend")
ASK = (
    "import psycopg\nwith psycopg.connect('') as c: print(c.execute('select 6 * 7').fetchone()[0])"
)
TUNNEL = ("opskit", "tunnel", *PREFIX, "--", sys.executable, "-c", ASK)


@dataclass(frozen=True)
class Expected:
    """What a fault does.

    Attributes:
        run: words of `opskit run` over a session; empty where it works.
        tunnel: words of `opskit tunnel` on stderr; `+` before them where it works all the same.
        missing: what `diagnose db` over a session misses; empty where it finds what it always finds.
        auto: the road that `--via auto` takes; empty where there is none.
    """

    run: str
    tunnel: str
    missing: str
    auto: str


OFFLINE = "agent is offline, last heard 15 min ago"
ONLINE = "holds no connection to ssmmessages"
EXPECTED = {
    "agent-stopped": Expected(OFFLINE, OFFLINE, "an online SSM agent", ""),
    "role-lacks-messages": Expected(ONLINE, ONLINE, "an online SSM agent", "run-command"),
    "agent-old": Expected("", "+carries one connection at a time", "", "run-command"),
    # Sessions that carry ports are never encrypted.
    "sessions-encrypted": Expected("", "+", "", "run-command"),
    "session-key-operator": Expected(
        "you may not use (kms:GenerateDataKey)", "+", "kms:GenerateDataKey on arn", "run-command"
    ),
    "session-key-role": Expected(
        "the role of i-", "+", "kms:Decrypt on arn", "run-command"
    ),
}  # fmt: skip


def found_by(operator: Operator, *options: str) -> tuple[dict[str, Any], dict[str, str]]:
    """A diagnosis, and how each check ended."""
    found, _ = operator.diagnose(*options)
    return found, {c["code"]: c["status"] for c in found["checks"]}


_usual: dict[str, dict[str, str]] = {}
"""How the checks of a healthy LinkBox end, by sandbox."""


def usual_of(operator: Operator) -> dict[str, str]:
    """How each check ends where nothing is broken."""
    name = operator.running.name
    if name not in _usual:
        _usual[name] = found_by(operator)[1]
    return _usual[name]


def test_every_road_fault_has_its_expectation() -> None:
    assert set(EXPECTED) == set(TRANSPORT_FAULTS)


@pytest.mark.parametrize("name", sorted(TRANSPORT_FAULTS))
def test_a_fault_of_the_road(operator: Operator, name: str) -> None:
    operator.wait_until_healthy()
    expected, fault = EXPECTED[name], TRANSPORT_FAULTS[name]
    usual = usual_of(operator)
    lifecycle.send_command(operator.running, "inject", [name])

    with ThreadPoolExecutor(4) as pool:
        command = ("opskit", "run", *BY_SESSION, "--", "sh", "-c", "echo out; exit 7")
        running, carrying = pool.submit(operator.run, *command), pool.submit(operator.run, *TUNNEL)
        by_session = pool.submit(found_by, operator, "--via", "session-manager")
        by_any = pool.submit(found_by, operator)
        judging = pool.submit(operator.diagnose, layer="operator")

    ran = running.result()
    assert "Traceback" not in ran.stderr
    assert expected.run in ran.stderr
    assert (ran.returncode, ran.stdout) == ((3, "") if expected.run else (7, "out\n")), ran.stderr

    carried = carrying.result()
    works = expected.tunnel.startswith("+")
    assert expected.tunnel.lstrip("+") in carried.stderr
    assert (carried.returncode, carried.stdout) == ((0, "42\n") if works else (3, "")), (
        carried.stderr
    )

    found, ends = by_session.result()
    assert found["root_causes"] == [], "the app is well"
    if expected.missing:
        assert found["exit_code"] == 3
        tcp = next(c for c in found["checks"] if c["code"] == "TCP001")
        assert expected.missing in " ".join(tcp["missing"])
    else:
        assert ends == usual
        assert found["target"]["via"] == "session-manager"

    found, ends = by_any.result()
    assert found["target"]["via"] == (expected.auto or None)
    if expected.auto:
        assert ends == usual

    judged, _ = judging.result()
    named = [c["code"] for c in judged["checks"] if c["status"] in ("fail", "warn")]
    assert named == ([fault.code] if fault.code else [])
    check = next((c for c in judged["checks"] if c["code"] == fault.code), None)
    if check is not None and check["fix"]:
        operator.paste(check)
        assert healed(operator, fault.code)


def healed(operator: Operator, code: str) -> bool:
    """Whether a finding goes away: commands on the instance need a moment."""
    limit = time.monotonic() + LIMIT_S
    while time.monotonic() < limit:
        judged, _ = operator.diagnose(layer="operator")
        if next(c["status"] for c in judged["checks"] if c["code"] == code) == "pass":
            return True
    return False


@pytest.mark.parametrize("options", [BY_SESSION, IN_TASK], ids=["instance", "task"])
def test_a_refusal_names_the_statement_that_is_missing(
    operator: Operator, options: tuple[str, ...]
) -> None:
    lifecycle.send_command(operator.running, "inject", ["session-key-operator"])
    message = operator.run("opskit", "run", *options, "--", "true").stderr
    statement = json.loads(message[message.index("{") :])
    assert statement["Action"] == "kms:GenerateDataKey"
    assert statement["Resource"].startswith("arn:aws:kms:us-east-1:")


@pytest.mark.parametrize(
    "kind",
    ["lost", "disorder", *(pytest.param(k, marks=pytest.mark.full) for k in ("slow", "expired"))],
)
def test_a_bad_network_changes_no_finding(operator: Operator, kind: str) -> None:
    operator.wait_until_healthy()
    usual = usual_of(operator)
    times = 2 if kind in ("lost", "expired") else None
    operator.inject(
        {"kind": kind, "service": "ssmmessages", "action": "DataChannel", "times": times, "seconds": 0.03}
    )  # fmt: skip
    found, ends = found_by(operator, "--via", "session-manager")
    assert ends == usual
    assert found["target"]["via"] == "session-manager"
    carried = operator.run(*TUNNEL)
    assert (carried.returncode, carried.stdout) == (0, "42\n"), carried.stderr
