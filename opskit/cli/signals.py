"""SIGTERM and SIGHUP end a command as Ctrl-C does: sessions and files are cleaned up first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from opskit.errors import ExitStatus, Terminated

SIGNALS = (signal.SIGTERM, signal.SIGHUP)


class SignalHandler:
    """Whether somebody has ended the command, and by which signal."""

    def __init__(self) -> None:
        self._number = 0

    def handle(self, number: int, _: FrameType | None) -> None:
        """Stop once: whoever ends a service often sends both signals, and more than once."""
        for one in SIGNALS:
            signal.signal(one, signal.SIG_IGN)
        self._number = number
        raise Terminated(number)

    def status(self, status: int) -> int:
        """The exit status, which names the signal where a command only knows of an interruption."""
        is_ours = self._number and status == ExitStatus.INTERRUPTED
        return 128 + self._number if is_ours else status


@contextmanager
def handle_termination() -> Iterator[SignalHandler]:
    """Let these signals raise `Stopped`; one that is ignored, as under nohup, stays ignored."""
    stop = SignalHandler()
    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.getsignal(number) for number in SIGNALS}
        for number, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, stop.handle)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
