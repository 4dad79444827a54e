"""The fence's limits, by a clock that the test moves."""

from __future__ import annotations

import time

import pytest

from opskit.rotation.protocol.fence import Fence, StaleObservation, boot_clock


class Clock:
    """A clock that stands still until it is moved."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("seconds", "observation_s", "hold_down_s"),
    [(1200.0, 30.0, 20.0), (240.0, 30.0, 20.0), (80.0, 10.0, 20.0), (2.0, 0.25, 2.0)],
)
def test_a_short_fence_shortens_its_limits(
    seconds: float, observation_s: float, hold_down_s: float
) -> None:
    """An observation must be over long before a decision of another direction is trusted."""
    fence = Fence(seconds)
    assert fence.seconds == seconds
    assert fence.max_observation_age_s == observation_s
    assert fence.hold_down_s == hold_down_s


def test_an_observation_is_recent_up_to_its_limit() -> None:
    clock = Clock()
    fence = Fence(240.0, clock)
    fence.mark_observed()
    clock.now += 30.0
    fence.check()
    clock.now += 0.001
    with pytest.raises(StaleObservation):
        fence.check()
    fence.mark_observed()
    fence.check()


def test_without_an_observation_nothing_is_sent() -> None:
    with pytest.raises(StaleObservation) as caught:
        Fence(240.0, Clock()).check()
    assert str(caught.value) == (
        "this machine slept or waited between looking and sending, so that was not sent"
    )
    assert caught.value.next_step == "the same command again looks again"


def test_the_clock_runs_while_the_machine_sleeps() -> None:
    """CLOCK_MONOTONIC stands still in a suspended machine, and the observation would look recent."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    before = time.clock_gettime(clock)
    assert before <= boot_clock() <= time.clock_gettime(clock)
    assert Fence(240.0)._clock is boot_clock


def test_the_boot_clock_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "CLOCK_BOOTTIME", 77, raising=False)
    monkeypatch.setattr(time, "clock_gettime", lambda clock: {77: 5.0}[clock])
    assert boot_clock() == 5.0


def test_a_system_without_a_boot_clock_has_the_monotonic_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(time, "CLOCK_BOOTTIME", raising=False)
    monkeypatch.setattr(time, "clock_gettime", lambda clock: {time.CLOCK_MONOTONIC: 6.0}[clock])
    assert boot_clock() == 6.0
