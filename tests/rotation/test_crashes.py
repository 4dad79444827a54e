"""Killed at every call, before it is sent, after it was carried out, and with the call still on its
way: what `--resume` and `--rollback` make of it."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

import pytest

from tests.conftest import Operator
from tests.rotation.scene import Run, Scene

POINTS = ("before", "after", "late")
WAYS = ("--resume", "--rollback")
LATE_S = 1.1
"""A held call is let go so long after the kill: younger than its signature may be."""
CALLS = {
    "forward": ("open", "modify", "put", "decide", "close"),
    "back": ("join", "decide", "modify", "put", "done"),
    "resume": ("join", "decide", "done"),
}
"""Path -> the calls that it makes in order."""


@dataclass(frozen=True)
class Crash:
    """One scenario."""

    path: str
    call: int
    point: str
    way: str

    def __str__(self) -> str:
        return f"{self.path}-{CALLS[self.path][self.call]}-{self.point}-{self.way[2:]}"


ALL = [
    Crash(path, call, point, way)
    for path, calls in CALLS.items()
    for call in range(len(calls))
    for point in POINTS
    for way in WAYS
]
SAMPLE = {
    "forward-open-after-rollback",
    "forward-modify-before-resume",
    "forward-modify-late-rollback",
    "forward-put-before-resume",
    "forward-put-late-rollback",
    "forward-close-after-resume",
    "back-modify-after-rollback",
    "back-put-late-resume",
    "resume-done-before-rollback",
}
"""In every test run; the others in `make test-all`."""


def held(call: int, point: str) -> dict[str, object]:
    """The injection that keeps the n-th call that changes something."""
    return {
        "kind": "hold",
        "action": "changes",
        "skip": call,
        "times": 1,
        "after": point == "after",
    }


def begin(scene: Scene, crash: Crash) -> Run:
    """Start what is to be killed, with the call kept."""
    if crash.path == "forward":
        scene.order("inject", rows=(held(crash.call, crash.point),))
        return scene.start("--yes")
    # Killed between parameter and restart: database and parameter have the new one.
    scene.order("inject", rows=(held(3, "before"),))
    first = scene.start("--yes")
    assert scene.wait_held(first), first.output
    first.kill()
    scene.order("release", "drop")
    scene.order("inject", rows=(held(crash.call, crash.point),))
    return scene.start("--yes", "--rollback" if crash.path == "back" else "--resume")


def kill_and_go_on(scene: Scene, crash: Crash) -> tuple[int, str]:
    """Kill it at the call, and go on as somebody else would."""
    run = begin(scene, crash)
    assert scene.wait_held(run), f"{crash}: it ended without that call: {run.output}"
    run.kill()
    scene.order("inject")
    if crash.point != "late":
        scene.order("release", "drop" if crash.point == "before" else "apply")
        return scene.rotate(crash.way)
    another = scene.start("--yes", crash.way)
    time.sleep(LATE_S)
    scene.order("release", "apply")
    return another.wait(), another.output


@pytest.mark.parametrize(
    "crash",
    [
        pytest.param(crash, id=str(crash), marks=[] if str(crash) in SAMPLE else pytest.mark.full)
        for crash in ALL
    ],
)
def test_a_kill(operator: Operator, crash: Crash) -> None:
    scene = Scene(operator)
    operator.wait_until_healthy()
    before = scene.login()
    assert before["error"] == ""
    status, output = kill_and_go_on(scene, crash)
    if scene.is_open():
        # A call that came late opened it anew, or it was not there yet when it was looked for.
        status, output = scene.rotate("--resume")
    assert status in (0, 1), output
    assert scene.verdict() == [], f"{crash}: {output}"
    after = scene.login()
    print(f"{crash}: version {before['version']} -> {after['version']}, exit {status}")
    assert not re.search(r"stands open", output)


def test_every_call_is_known(operator: Operator) -> None:
    """An undisturbed rotation makes exactly the calls that are enumerated, and waits for nothing."""
    scene = Scene(operator)
    for number in range(len(CALLS["forward"]) + 1):
        with scene.injected(held(number, "after")):
            run = scene.start("--yes")
            is_held = scene.wait_held(run)
            scene.order("release", "apply")
            assert run.wait() == 0, run.output
            assert is_held is (number < len(CALLS["forward"])), run.output
            assert "late request" not in run.output
    assert scene.verdict() == []
