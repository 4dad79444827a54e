"""The terminal's abilities, and the progress line on it."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from typing import TextIO

from opskit.escaping import ERASE_LINE, visible

FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
FRAME_S = 0.1


def wants_color(stream: TextIO, choice: str) -> bool:
    """Whether a stream gets colour: by `--color`, NO_COLOR, CLICOLOR_FORCE, TERM and the terminal."""
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    if os.environ.get("CLICOLOR_FORCE", "0") not in ("", "0"):
        return True
    return stream.isatty()


def shows_unicode(stream: TextIO) -> bool:
    """Whether a stream can encode marks and dots beyond ASCII."""
    return (stream.encoding or "").lower().replace("-", "").startswith("utf")


def width_of(stream: TextIO) -> int:
    """Return the columns to write to: the terminal's, at most 100; 100 without a terminal."""
    return min(100, shutil.get_terminal_size((100, 24)).columns) if stream.isatty() else 100


def say(text: str) -> None:
    """Write one line to stderr."""
    print(f"opskit: {visible(text)}", file=sys.stderr, flush=True)


class Spinner:
    """A line on stderr that shows what opskit waits for; nothing if stderr is no terminal."""

    def __init__(self, *, quiet: bool) -> None:
        self._live = sys.stderr.isatty() and not quiet and not os.environ.get("CI")
        self._live = self._live and os.environ.get("TERM") != "dumb"
        self._quiet = quiet
        self._text = ""
        self._over = threading.Event()
        self._free = threading.Event()
        self._free.set()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Spinner:
        if self._live:
            self._thread = threading.Thread(target=self._turn, daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join(timeout=1)
            _erase_line()

    def update(self, text: str) -> None:
        """Replace the text on the line."""
        self._text = visible(text)

    def note(self, text: str) -> None:
        """Write a line that stays, such as a wait after throttling."""
        if self._quiet:
            return
        if self._live:
            _erase_line()
        say(text)

    def pause(self) -> None:
        """Clear the line, so that other output can use it."""
        if self._live:
            self._free.clear()
            _erase_line()

    def go_on(self) -> None:
        """Show the line again."""
        self._free.set()

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Hide the line while another stream of the same terminal is written."""
        was_free = self._free.is_set()
        self.pause()
        try:
            yield
        finally:
            if was_free:
                self.go_on()

    def _turn(self) -> None:
        started = time.monotonic()
        for frame in itertools.cycle(FRAMES if shows_unicode(sys.stderr) else "|/-\\"):
            seconds = time.monotonic() - started
            if not self._free.is_set():
                if self._over.wait(FRAME_S):
                    return
                continue
            _erase_line()
            sys.stderr.write(f"{frame} {self._text[:70]}  {seconds:.0f} s")
            sys.stderr.flush()
            if self._over.wait(FRAME_S):
                return


def _erase_line() -> None:
    sys.stderr.write(ERASE_LINE)
    sys.stderr.flush()
