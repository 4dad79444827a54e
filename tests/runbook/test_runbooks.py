"""The runbooks: well formed, complete, and true when they are followed."""

from __future__ import annotations

import pytest

from opskit.checks.catalogue import CODES
from opskit.errors import UsageError
from opskit.runbook.catalogue import Runbook, all_runbooks, find, for_code
from opskit.runbook.parse import Block, blocks, lint
from opskit.sandbox import lifecycle, topology
from opskit.sandbox.faults import FAULTS
from tests.conftest import Operator

FOLLOWED = (
    ("could-not-connect", "ingress-removed", (1,)),
    ("could-not-connect", "database-stopped", (0,)),
    ("name-does-not-resolve", "dns-public-address", (1,)),
    ("no-pg-hba-entry", "tls-not-used", (0,)),
    ("password-authentication-failed", "password-mismatch", (0,)),
    ("password-authentication-failed", "stale-environment", (1,)),
    ("access-denied-reading-parameters", "no-instance-profile", (0,)),
    ("access-denied-reading-parameters", "key-disabled", (1, 2)),
)
"""Runbook, fault, and which of the blocks under Fix its decision points lead to."""
SAMPLE = {
    "ingress-removed",
    "password-mismatch",
}
"""One of each runbook in every test run; the others in `make test-all`."""


@pytest.mark.parametrize("runbook", all_runbooks(), ids=lambda r: r.name)
def test_form(runbook: Runbook) -> None:
    assert lint(runbook) == []


def test_every_runbook_is_there_and_codes_are_given_once() -> None:
    assert len(all_runbooks()) == 7
    codes = [code for runbook in all_runbooks() for code in runbook.codes]
    assert len(codes) == len(set(codes))
    assert set(codes) <= set(CODES)
    unserved = {c for c in CODES if for_code(c) is None}
    assert all(code.startswith(("HYG", "OPR")) for code in unserved), unserved


def test_mistyped_name_is_helped() -> None:
    with pytest.raises(UsageError) as caught:
        find("could-not-conect")
    assert "could-not-connect" in caught.value.next_step


def script(chosen: list[Block]) -> str:
    return "\n".join(block.text for block in chosen)


@pytest.mark.parametrize(
    ("name", "fault", "fixes"),
    [pytest.param(*row, marks=[] if row[1] in SAMPLE else pytest.mark.full) for row in FOLLOWED],
)
def test_following_it_heals(
    operator: Operator, name: str, fault: str, fixes: tuple[int, ...]
) -> None:
    if FAULTS[fault].needs_packets:
        operator.need_packets()
    operator.wait_for(0)
    lifecycle.send_command(operator.running, "inject", [fault])
    found = blocks(find(name).text)
    reads = [b for b in found if b.kind == "sh read" and b.heading != "Verify"]
    changes = [b for b in found if b.heading == "Fix" and b.kind == "sh change"]
    chosen = [*reads, *(changes[i] for i in fixes)]
    done = operator.script(script(chosen))
    assert "not found" not in done.stderr, done.stderr
    operator.wait_for(0)
    verify = [b for b in found if b.heading in ("Set up the shell", "Verify")]
    done = operator.script(script(verify))
    assert done.returncode == 0, (done.stdout, done.stderr)


def test_the_laptop_runbook_starts_the_container(operator: Operator) -> None:
    operator.wait_for(0)
    lifecycle.send_command(operator.running, "inject", ["container-stopped"])
    start = [b for b in blocks(find("local-connection-refused").text) if b.kind == "sh change"][-1]
    done = operator.run(
        *("aws", "ssm", "send-command", "--instance-ids", operator.running.ids["instance"]),
        *("--document-name", "AWS-RunShellScript", "--parameters", f"commands={start.text}"),
    )
    assert topology.CONTAINER in start.text
    assert done.returncode == 0, done.stderr
    _, status = operator.wait_for(0)
    assert status == 0
