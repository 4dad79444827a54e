"""A directory's files, saved once and restored any number of times."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Collection, Iterator
from pathlib import Path

Mark = tuple[int, ...]
"""What changes whenever a file is changed: above all the time of its last change, which nobody can set."""


class SavedFiles:
    """The files below a directory at this moment.

    Only files that were changed since are written again, in place: they may be open, or mounted elsewhere.

    Args:
        location: of the files; nothing in it may be written until the object is made.
        copy: where the copies go.
        without: names directly in the directory that are left alone.
    """

    def __init__(self, location: Path, copy: Path, without: Collection[str] = ()) -> None:
        self._location, self._copy, self._without = location, copy, frozenset(without)
        self._modes = {p: (location / p).lstat() for p in self._walk()}
        for path, status in self._modes.items():
            target = copy / path
            if stat.S_ISDIR(status.st_mode):
                target.mkdir(parents=True, mode=0o700, exist_ok=True)
            elif stat.S_ISREG(status.st_mode):
                target.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
                shutil.copyfile(location / path, target)
        self._links = {
            path: (location / path).readlink()
            for path, status in self._modes.items()
            if stat.S_ISLNK(status.st_mode)
        }
        self._marks = {path: _mark(location / path) for path in self._modes}

    def restore(self) -> None:
        """Put the files back: contents, modes and owners; and remove those that were added."""
        for path, status in self._modes.items():
            # A directory without its rights hides what is in it, and a file refuses to be written.
            whole = self._location / path
            if not stat.S_ISLNK(status.st_mode) and _kind(whole) == stat.S_IFMT(status.st_mode):
                _set_mode(whole, status.st_mode)
        # From the leaves: a directory is removed when it is empty.
        for path in reversed(list(self._walk())):
            whole = self._location / path
            kind = _kind(whole)
            if path not in self._modes or kind != stat.S_IFMT(self._modes[path].st_mode):
                whole.rmdir() if kind == stat.S_IFDIR else whole.unlink()
        for path, status in self._modes.items():
            if _mark(self._location / path) != self._marks[path]:
                self._write(path, status)
                self._marks[path] = _mark(self._location / path)

    def _write(self, path: Path, status: os.stat_result) -> None:
        whole = self._location / path
        if stat.S_ISLNK(status.st_mode):
            whole.unlink(missing_ok=True)
            whole.symlink_to(self._links[path])
            return
        if stat.S_ISDIR(status.st_mode):
            whole.mkdir(exist_ok=True)
        elif stat.S_ISREG(status.st_mode):
            with whole.open("wb") as file:
                file.write((self._copy / path).read_bytes())
        if os.geteuid() == 0:
            os.chown(whole, status.st_uid, status.st_gid)
        _set_mode(whole, status.st_mode)

    def _walk(self) -> Iterator[Path]:
        """Every path below the directory, each directory before what it holds."""
        for root, directories, files in os.walk(self._location):
            here = Path(root).relative_to(self._location)
            if root == str(self._location):
                directories[:] = [d for d in directories if d not in self._without]
                files = [f for f in files if f not in self._without]
            yield from (here / name for name in (*directories, *files))


def _set_mode(path: Path, mode: int) -> None:
    if path.stat().st_mode != mode:
        path.chmod(stat.S_IMODE(mode))


def _kind(path: Path) -> int:
    """The type bits of a file's mode; 0 where there is none."""
    try:
        return stat.S_IFMT(path.lstat().st_mode)
    except OSError:
        return 0


def _mark(path: Path) -> Mark:
    """Nothing of a directory's own content: its files are compared each for itself."""
    try:
        status = path.lstat()
    except OSError:
        return ()
    if stat.S_ISDIR(status.st_mode):
        return status.st_mode, status.st_uid, status.st_gid
    return status.st_mode, status.st_ino, status.st_size, status.st_ctime_ns
