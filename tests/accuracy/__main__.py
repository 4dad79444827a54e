"""Runs the matrix: `python -m tests.accuracy [--only TEXT] [--kind KIND] [--again] [--write]`."""

from __future__ import annotations

import argparse
import json
import queue
import subprocess
import sys
import threading
import time
from datetime import date
from pathlib import Path

from tests.accuracy import run, table
from tests.accuracy.interface import Case, Kind
from tests.accuracy.matrix import by_name
from tests.accuracy.score import Result, misses

ROOT = Path(__file__).parent.parent.parent
SANDBOXES = 3
"""At once: a case waits for packets and health checks more than it computes."""


class Book:
    """The results of one commit on disk, a line each: a run that was stopped goes on where it was."""

    def __init__(self, path: Path, *, is_new: bool) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if is_new:
            path.unlink(missing_ok=True)
        self._path = path
        self._lock = threading.Lock()
        self.results: dict[str, Result] = {}
        if path.exists():
            for line in path.read_text().splitlines():
                result = Result.of_json(json.loads(line))
                self.results[result.name] = result

    def add(self, result: Result) -> None:
        """Keep a result."""
        with self._lock, self._path.open("a") as file:
            file.write(json.dumps(result.as_json()) + "\n")
            self.results[result.name] = result


def commit() -> str:
    """The commit that is measured, marked where files differ from it."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=7"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.strip()


def work(cases: queue.SimpleQueue[Case], book: Book, total: int) -> None:
    """Run cases in one sandbox until none is left."""
    with run.person() as hands:
        while True:
            try:
                case = cases.get_nowait()
            except queue.Empty:
                return
            result = run.run(case, hands)
            book.add(result)
            mark = "" if not misses([result]) else f"  {result.answer} {result.error[:200]}"
            print(
                f"{len(book.results)}/{total} {result.seconds:5.1f} s {case.name}{mark}", flush=True
            )
            hands.restore()


def chosen(arguments: argparse.Namespace) -> list[Case]:
    """The cases that the arguments select."""
    return [
        case
        for case in by_name().values()
        if arguments.only in case.name and (not arguments.kind or case.kind in arguments.kind)
    ]


def main() -> None:
    """Run what is not there yet, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.accuracy", description=__doc__)
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--kind", action="append", choices=list(Kind), help="cases of this kind")
    parser.add_argument("--again", action="store_true", help="forget the results of this commit")
    parser.add_argument("--sandboxes", type=int, default=SANDBOXES, help="so many at once")
    parser.add_argument("--write", action="store_true", help="write docs/accuracy.md")
    arguments = parser.parse_args()
    started = time.monotonic()
    cases = chosen(arguments)
    label = commit()
    book = Book(ROOT / "build" / "accuracy" / f"{label}.jsonl", is_new=arguments.again)
    waiting: queue.SimpleQueue[Case] = queue.SimpleQueue()
    for case in cases:
        if case.name not in book.results:
            waiting.put(case)
    workers = [
        threading.Thread(target=work, args=(waiting, book, len(cases)), daemon=True)
        for _ in range(min(arguments.sandboxes, waiting.qsize()))
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    results = [book.results[case.name] for case in cases if case.name in book.results]
    print(table.table(results, "simple"))
    print(table.list_of_misses(results))
    print(f"{len(results)} of {len(cases)} cases in {time.monotonic() - started:.0f} s")
    if arguments.write:
        table.PAGE.write_text(table.page(results, label, date.today()))
    sys.exit(0 if len(results) == len(cases) else 1)


if __name__ == "__main__":
    main()
