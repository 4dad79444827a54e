"""Handles SIGTERM and SIGHUP like Ctrl-C: sessions and files are cleaned up before the command ends."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from opskit.errors import ExitStatus, Terminated

SIGNALS = (signal.SIGTERM, signal.SIGHUP)


class SignalHandler:
    """Records whether a signal has terminated the command, and which one."""

    def __init__(self) -> None:
        self._number = 0

    def handle(self, number: int, _: FrameType | None) -> None:
        """Raise once, and ignore later signals: a service manager often sends both, and more than once."""
        for signal_number in SIGNALS:
            signal.signal(signal_number, signal.SIG_IGN)
        self._number = number
        raise Terminated(number)

    def status(self, status: int) -> int:
        """Return the exit status; it names the signal if the command only reports an interruption."""
        is_ours = self._number and status == ExitStatus.INTERRUPTED
        return 128 + self._number if is_ours else status


@contextmanager
def handle_termination() -> Iterator[SignalHandler]:
    """Let these signals raise `Terminated`; one that is ignored, as under nohup, stays ignored."""
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
