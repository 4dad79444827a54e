"""Threads of the probe: each question runs in one of its own.

A part of the probe's program, so it keeps to Python 3.6 and the standard library.
"""

import threading
import time


def ms_since(started):
    """Milliseconds with one digit."""
    return round(1000 * (time.time() - started), 1)


def isolated(probe, what, function, *arguments):
    """A job whose failure ends only itself; only the error's kind is reported."""

    def job():
        try:
            function(probe, *arguments)
        except Exception as error:
            probe.emit("unavailable", what, "%s" % type(error).__name__)

    return threading.Thread(target=job, daemon=True)


def run_and_wait(jobs):
    """Run all at once, and wait for them; each ends by its own limit."""
    started = list(jobs)
    for job in started:
        job.start()
    for job in started:
        job.join()


def run_all(jobs, limit_s):
    """Start all, and wait for them no longer than the limit."""
    end = time.time() + limit_s
    for job in jobs:
        job.start()
    for job in jobs:
        job.join(max(0, end - time.time()))
    return all(not job.is_alive() for job in jobs)
