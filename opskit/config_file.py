"""Finds and opens opskit.toml, and decides whether the file is trusted.

The file decides the account, instance and database of a command, so only a file that the user or root has
written is accepted.
"""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

from opskit.errors import UsageError

FILE_NAME = "opskit.toml"
REPOSITORY_MARK = ".git"
TAKE_IT = "--config FILE takes a file deliberately, independent of its owner"


def find(start: Path, home: Path | None) -> Path | None:
    """The nearest opskit.toml in `start` or above it, up to the repository's root or to `home`."""
    for directory in (start, *start.parents):
        if os.path.lexists(directory / FILE_NAME):
            return directory / FILE_NAME
        if directory == home or os.path.lexists(directory / REPOSITORY_MARK):
            return None
    return None


def read(path: Path, *, is_named: bool) -> str:
    """The text of a file.

    A file that every user may write is rejected as well: its owner says nothing about its content. A
    directory that every user may write is accepted: a user who replaces the file there owns the new one.

    Args:
        is_named: the user named the file; then neither owner nor mode is checked.

    Raises:
        UsageError: it belongs to another user, every user may write it, or it cannot be read.
    """
    try:
        # One descriptor, so that the checked file is the one that is read; a FIFO must not block.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(descriptor, encoding="utf-8") as file:
            if not is_named:
                _judge(path, path.lstat())
                _judge(path, os.fstat(descriptor))
            return file.read()
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not valid TOML: {error}") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None


def _judge(path: Path, status: os.stat_result) -> None:
    """Reject a link, or the file that it leads to, that another user may have made."""
    if status.st_uid not in (os.getuid(), 0):
        raise UsageError(f"{path} belongs to {_user(status.st_uid)}, not to you or root", TAKE_IT)
    if stat.S_ISREG(status.st_mode) and status.st_mode & stat.S_IWOTH:
        raise UsageError(f"{path} may be written by every user", f"chmod o-w {path}\n{TAKE_IT}")


def _user(number: int) -> str:
    try:
        return f"the user {pwd.getpwuid(number).pw_name}"
    except KeyError:
        return f"user {number}"
