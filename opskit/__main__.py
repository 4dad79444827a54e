"""The console script: runs the command line, and ends with a sentence and an exit status in every case."""

from __future__ import annotations

import contextlib
import gc
import signal
import sys
import threading
import time
from types import FrameType

REPEAT_AFTER_S = 0.02
MOST_WAITS = 500
"""Ten seconds; a machine that does not leave the hook within them is not interrupted by this."""


def main() -> None:
    """Run the command named on the command line and exit with its documented status."""
    sys.unraisablehook = deliver_interrupt_again
    try:
        from opskit.cli.main import run
    except KeyboardInterrupt:
        # Nothing is loaded yet that could report it.
        sys.stderr.write("opskit: interrupted; nothing was changed\n")
        sys.exit(130)
    status = run(sys.argv[1:])
    # At exit the interpreter would search all objects for cycles once more, which takes longer than an AWS
    # call. Exit handlers and the last flush run as usual.
    gc.freeze()
    sys.exit(status)


def deliver_interrupt_again(unraisable: sys.UnraisableHookArgs) -> None:
    """Send a Ctrl-C again that came while a callback of the interpreter ran.

    A weak reference's callback (the import system has one for each module lock) cannot raise: CPython
    prints the KeyboardInterrupt and goes on, and without this the user's Ctrl-C is lost. A thread sends it,
    since it would raise in this hook too, and sends it to the main thread, whose wait it has to end.
    """
    if not issubclass(unraisable.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(unraisable)
        return
    # At the very end of the process no thread can be started, and nothing is left to interrupt.
    with contextlib.suppress(RuntimeError):
        threading.Thread(target=_interrupt_main_thread, daemon=True).start()


def _interrupt_main_thread() -> None:
    """Interrupt the main thread once it has left the hook, which on a busy machine takes a while."""
    main_thread = threading.main_thread().ident
    assert main_thread is not None  # noqa: S101  it has been started
    for _ in range(MOST_WAITS):
        time.sleep(REPEAT_AFTER_S)
        if not _is_in_hook(sys._current_frames().get(main_thread)):
            break
    signal.pthread_kill(main_thread, signal.SIGINT)


def _is_in_hook(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code is deliver_interrupt_again.__code__:
            return True
        frame = frame.f_back
    return False


if __name__ == "__main__":
    main()
