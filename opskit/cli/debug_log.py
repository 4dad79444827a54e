"""The option `--debug`: logs AWS calls, readers, transports and rotation steps to stderr.

Every line begins with the milliseconds since the start, so that a hang can be read from a report: the last
line names the step that has not ended. The stream redacts secrets; foreign text is made visible.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from opskit.escaping import visible

F = TypeVar("F", bound=Callable[..., Any])
FORMAT = "%(relativeCreated)7d ms  %(area)-20s %(message)s"


def debug_option(function: F) -> F:
    """Add the option `--debug` to a command."""
    return click.option(
        "--debug",
        is_flag=True,
        help="Log AWS calls, readers, transports and rotation steps to stderr.",
    )(function)


def start_log(*, is_on: bool) -> None:
    """Begin to log, if `--debug` was given."""
    if not is_on:
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter(FORMAT))
    root = logging.getLogger("opskit")
    root.handlers[:] = [handler]
    root.propagate = False
    root.setLevel(logging.DEBUG)


class _Formatter(logging.Formatter):
    """One line for each record, whatever its arguments contain."""

    def format(self, record: logging.LogRecord) -> str:
        record.area = record.name.removeprefix("opskit.")
        return visible(super().format(record))
