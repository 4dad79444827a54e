"""Runs seeded histories of the real rotation code against an AWS in memory.

They have delays, lost replies, kills, failing transports, manual writes, a deleted parameter, and two
processes seconds apart.
"""

from __future__ import annotations

import random
from collections import Counter

import pytest

from opskit.rotation.protocol import observe
from opskit.rotation.protocol.state_machine import Direction
from tests.rotation.simulation import (
    BATCHES,
    FOREIGN,
    History,
    Trouble,
    World,
    go_on,
    rotate,
    sequential,
)

QUICK, ALL, AT_ONCE = 60, 2_000, 100


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observe, "run_concurrently", sequential)


def make(seed: int) -> History:
    """Create the history of a seed."""
    chance = random.Random(seed)
    trouble = Trouble(
        calls=chance.choice((0.0, 0.0, 0.1, 0.3)),
        slow=chance.choice((0.0, 0.0, 0.05)),
        stale=chance.choice((0.0, 0.3)),
        transport=chance.choice((0.0, 0.0, 0.5)),
        ill=chance.choice((0.0, 0.0, 0.3)),
    )
    found = History(World(seed, trouble, is_master=chance.random() < 0.7))
    kill = chance.randint(1, 70) if chance.random() < 0.5 else -1
    found.start("a", rotate, kill_after=kill)
    if chance.random() < 0.4:
        found.start("b", rotate, after=chance.uniform(0, 8))
    for name in ("c", "d"):
        if chance.random() < 0.4:
            paths = chance.choice((Direction.FORWARD, Direction.ROLLBACK))
            kill = chance.randint(1, 70) if chance.random() < 0.3 else -1
            found.start(name, go_on(paths), after=chance.uniform(1, 60), kill_after=kill)
    if chance.random() < 0.3:
        _by_hand(found, chance)
    if chance.random() < 0.2:
        found.by_hand(chance.uniform(0, 60), lambda: found.world.write(None))
    return found


def _by_hand(found: History, chance: random.Random) -> None:
    """Add a manual change: another password in both places in either order, or in one; then the app."""
    world = found.world

    def restart() -> None:
        world.apps = dict.fromkeys(BATCHES, world.parameter or FOREIGN)

    steps = [
        lambda: world.write(FOREIGN),
        lambda: world.apply(FOREIGN),
    ]
    chance.shuffle(steps)
    at = chance.uniform(0, 60)
    for step in [*steps, restart][: chance.choice((1, 2, 3, 3))]:
        found.by_hand(at, step)
        at += chance.uniform(0.5, 20)


def live(seed: int) -> Counter[str]:
    """Run one history to its end, and check it."""
    found = make(seed)
    found.world.run()
    found.recover()
    wrong = found.verdict()
    assert not wrong, f"seed {seed}: {wrong}\n{found.told()}"
    return Counter(process.result.split(":")[0] for process in found.processes)


def test_a_sample() -> None:
    ends = sum((live(seed) for seed in range(QUICK)), Counter[str]())
    print(dict(ends))
    assert {"forward", "rollback", "killed"} <= set(ends)


@pytest.mark.full
@pytest.mark.parametrize("first", range(0, ALL, AT_ONCE))
def test_many(first: int) -> None:
    ends = sum((live(seed) for seed in range(first, first + AT_ONCE)), Counter[str]())
    print(dict(ends))
    assert {"forward", "rollback", "killed"} <= set(ends)
