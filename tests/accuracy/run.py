"""Runs cases in a sandbox."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import IO, Any

from opskit.sandbox import lifecycle
from tests.accuracy.interface import Case
from tests.accuracy.score import Repair, Result, Seen, answer_of, seen_of
from tests.conftest import Operator

HEAL_LIMIT_S = 15.0
SETTLED_AFTER_S = 6.0
"""A diagnosis of another cause counts from then on: packets and health checks have followed the fix."""
FIXES = 3
"""So many fixes are run one after the other: a fault beside another shows when the first is gone."""
EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}


class Person:
    """The process that changes things, and the sandbox in which it does so."""

    def __init__(self, operator: Operator) -> None:
        self.operator = operator
        running = operator.running
        self._process = subprocess.Popen(
            running.command([sys.executable, "-m", "tests.accuracy.person", running.name]),
            env=running.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def do(self, case: Case) -> None:
        """Carry out a case's actions.

        Raises:
            RuntimeError: an action failed.
        """
        for number in range(len(case.actions)):
            _of(self._process.stdin).write(f"{case.name}\t{number}\n")
            _of(self._process.stdin).flush()
            reply = json.loads(_of(self._process.stdout).readline())
            if reply["error"]:
                raise RuntimeError(f"{case.name}: {reply['error']}")

    def deny(self, action: str) -> None:
        """Take a right from the operator; none gives all back."""
        denied = {"Effect": "Deny", "Action": action, "Resource": "*"}
        policy = {"Version": "2012-10-17", "Statement": [EVERYTHING, *([denied] if action else [])]}
        lifecycle.send_command(self.operator.running, "rights", [json.dumps(policy)])

    def restore(self) -> None:
        """Give back the sandbox as it was at its start."""
        self.operator.reset()

    def close(self) -> None:
        """End the process."""
        _of(self._process.stdin).close()
        self._process.wait(10)
        _of(self._process.stdout).close()


def _of(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream


@contextlib.contextmanager
def person() -> Iterator[Person]:
    """A person with a sandbox of their own."""
    with lifecycle.temporary(0) as running:
        hands = Person(Operator(running))
        try:
            yield hands
        finally:
            hands.close()


def run(case: Case, hands: Person) -> Result:
    """Make a case, diagnose it, run the printed fixes, and restore the sandbox."""
    started = time.monotonic()
    operator = hands.operator
    operator.wait_until_healthy()
    seen, repair, error = Seen("", -1), None, ""
    try:
        hands.do(case)
        if case.denied:
            hands.deny(case.denied)
        time.sleep(case.shows_after_s if case.actions else 0)
        report, status = operator.diagnose(*case.options)
        seen = seen_of(report, status, case.denied)
        if case.is_pasted:
            repair = _repair(case, operator, report, seen)
    except (RuntimeError, AssertionError, ValueError, subprocess.SubprocessError) as problem:
        error = f"{type(problem).__name__}: {problem}"[:1500]
    finally:
        if case.denied:
            hands.deny("")
    return Result(
        name=case.name,
        kind=case.kind,
        layer=case.layer,
        codes=case.codes,
        hidden=tuple(sorted(case.hidden)),
        answer=answer_of(case, seen),
        seen=seen,
        repair=repair,
        heals=case.heals,
        seconds=round(time.monotonic() - started, 2),
        error=error,
    )


def _repair(case: Case, operator: Operator, report: dict[str, Any], first: Seen) -> Repair:
    """Run the first cause's fix as it is printed, then that of what is left."""
    before, expected = first, {*first.failures, *case.codes}
    for number in range(FIXES):
        cause = _first_cause(report)
        commands = (cause or {}).get("fix") or {}
        if not commands.get("commands"):
            return Repair(had_command=number > 0)
        script = " &&\n".join(commands["commands"])
        if operator.script(script).returncode != 0:
            return Repair(had_command=True, ran=False)
        report, seen, is_healthy = _wait(operator, before)
        broke = tuple(c for c in seen.failures if c in before.passes and c not in expected)
        if is_healthy or broke or seen.causes == before.causes:
            return Repair(had_command=True, heals=is_healthy, broke=broke)
        before = seen
    return Repair(had_command=True)


def _first_cause(report: dict[str, Any]) -> dict[str, Any] | None:
    """The first root cause, or the first warning that is not about habits, with its fix."""
    causes: list[dict[str, Any]] = report["root_causes"]
    warned = [c for c in report["checks"] if c["status"] == "warn" and c["layer"] != "hygiene"]
    return next(iter([*causes, *warned]), None)


def _wait(operator: Operator, before: Seen) -> tuple[dict[str, Any], Seen, bool]:
    """Diagnose until nothing is wrong, something else than before is, or the limit is reached."""
    started = time.monotonic()
    while True:
        report, status = operator.diagnose()
        seen = seen_of(report, status)
        is_healthy = status == 0 and not seen.warnings
        elapsed = time.monotonic() - started
        has_other_cause = bool(seen.causes) and set(seen.causes).isdisjoint(before.causes)
        if is_healthy or elapsed > HEAL_LIMIT_S or (has_other_cause and elapsed > SETTLED_AFTER_S):
            return report, seen, is_healthy
        time.sleep(0.4)
