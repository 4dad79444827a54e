"""How fast it is, as ratios measured in one run: `make bench`."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from opskit.sandbox import lifecycle
from opskit.sandbox.lifecycle import RunningSandbox
from tests.transport.session_manager import figures

RUNS = 5
TUNNEL_MB = 200
BY_HAND = (
    "aws ec2 describe-security-groups",
    "aws ssm get-parameter --name /linkbox/db-endpoint",
    "aws ssm get-parameter --name /linkbox/db-username",
    "aws ssm get-parameter --name /linkbox/db-password --with-decryption",
    "aws rds describe-db-instances",
)
DIAGNOSE = ("opskit", "diagnose", "db", "--prefix", "/linkbox", "--output", "json")


def median_s(work: Callable[[], object], runs: int = RUNS) -> float:
    """The median of some runs, after one that does not count."""
    work()
    times = []
    for _ in range(runs):
        started = time.monotonic()
        work()
        times.append(time.monotonic() - started)
    return statistics.median(times)


def inside(running: RunningSandbox, *command: str) -> Callable[[], bytes]:
    """Runs a command as the operator."""

    def work() -> bytes:
        done = subprocess.run(
            running.command(command), env=running.environment(), capture_output=True, check=True
        )
        return done.stdout

    return work


def measure_model() -> None:
    """The path model: against packets, and how large a network it judges in what time."""
    from tests.reachability import oracle, test_cost, test_oracle

    boxes, wrong, started = 10, 0, time.monotonic()
    if oracle.why_impossible() is None:
        for box in range(boxes):
            cases = oracle.generate(1000 + box, oracle.BOX, with_ipv6=True)
            doubtful = test_oracle.disagreements(cases, oracle.measure(cases))
            if doubtful:
                again = oracle.measure(doubtful, timeout_s=2.5)
                wrong += len(test_oracle.disagreements(doubtful, again))
        took, count = time.monotonic() - started, boxes * oracle.BOX
        print(
            f"path model against packets  {count} networks in {took:.0f} s: {count / took:.0f} a second, "
            f"{wrong} disagreements (aim: 0)"
        )
    else:
        print(f"path model against packets  not measured: {oracle.why_impossible()}")
    for rules in (1_000, 10_000, 100_000):
        spent = test_cost.milliseconds(rules, 60)
        print(
            f"{rules:7} rules in 60 groups  {spent:5.1f} ms   {1000 * spent / rules:.2f} us a rule"
        )


def measure_tunnel() -> None:
    """A tunnel over a gateway on loopback, agent and client in one process."""
    with pytest.MonkeyPatch.context() as patch:
        down, up = (work(TUNNEL_MB, patch) for work in (figures.download, figures.upload))
        trips = sorted(figures.round_trips(300, patch))
        grown = figures.slow_reader(10, 256 * 1024, patch) / figures.MEGABYTE
    print(
        f"tunnel, {TUNNEL_MB} MB intact       {down:5.1f} MB/s from the database, {up:.1f} MB/s to it (aim: over 5)"
    )
    print(
        f"                            {1000 * trips[150]:5.1f} ms there and back, {1000 * trips[285]:.1f} ms for the slowest twentieth"
    )
    print(f"                            {grown:5.1f} MB more for a slow reader (aim: under 64)")


def main() -> None:
    """Measure and print."""
    measure_model()
    measure_tunnel()
    python = sys.executable
    opskit = str(Path(python).parent / "opskit")
    helped = median_s(lambda: subprocess.run([opskit, "--help"], capture_output=True, check=True))
    bare = median_s(lambda: subprocess.run([python, "-c", "import click"], check=True))
    print(
        f"opskit --help               {helped * 1000:5.0f} ms   {helped / bare:4.2f} x bare `import click` (aim: under 2.5)"
    )
    started = time.monotonic()
    with lifecycle.temporary(0):
        up = time.monotonic() - started
    print(f"sandbox up                  {up:5.1f} s    (aim: under 5)")
    for latency_ms in (0, 50):
        with lifecycle.temporary(latency_ms) as running:
            diagnosis = inside(running, *DIAGNOSE)
            ours = median_s(diagnosis)
            by_hand = median_s(inside(running, "sh", "-c", " && ".join(BY_HAND)), runs=3)
            found = json.loads(diagnosis())
        rounds = found["aws"]["rounds"]
        print(
            f"diagnose db at {latency_ms:2} ms a call  {ours:5.2f} s    {ours / by_hand:4.2f} x five aws commands (aim: under 1)"
        )
        print(
            f"                            {found['aws']['calls']} calls in {rounds} rounds before the probe (aim: at most 5)"
        )
        if latency_ms:
            floor = rounds * latency_ms / 1000
            print(
                f"                            {ours / floor:4.1f} x rounds times latency ({floor:.2f} s)"
            )


if __name__ == "__main__":
    main()
