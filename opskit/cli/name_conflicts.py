"""Finds other software named `opskit`: a distribution in this environment, programs on PATH."""

from __future__ import annotations

import os
import shlex
import site
import stat
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path

from opskit import DISTRIBUTION

NAME = "opskit"

FileId = tuple[int, int]
"""Device and inode: equal for every path, symbolic or hard link that leads to the same file."""


@dataclass(frozen=True)
class NameConflict:
    """Other software named `opskit`, and what to do about it ("" for nothing)."""

    sentence: str
    next_step: str = ""


def find_conflicts() -> list[NameConflict]:
    """Return all conflicts in this environment and on PATH, the distribution first."""
    directories = site_directories()
    own = own_programs(directories)
    return [
        *conflicting_distribution(directories),
        *conflicting_programs(os.environ.get("PATH", os.defpath), own),
    ]


def site_directories() -> list[str]:
    """Return the directories of `sys.path` that installers write to.

    The others may be checkouts, whose `*.egg-info` is left from a build and is no installation.
    """
    known = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *site.getsitepackages()}
    known.add(site.getusersitepackages())
    return [entry for entry in sys.path if entry in known]


def conflicting_distribution(directories: list[str]) -> Iterator[NameConflict]:
    """Yield the distribution `opskit` in one of the directories, if there is one."""
    distribution = next(iter(distributions(name=NAME, path=directories)), None)
    if distribution is not None:
        yield NameConflict(
            f"the distribution {NAME} {_version(distribution)} is installed in this environment too: it and "
            f"{DISTRIBUTION} both install the package and the command {NAME}, and overwrite each "
            "other's files",
            f"pip uninstall {NAME} {DISTRIBUTION}, then install {DISTRIBUTION} again; "
            "or use a separate environment for each",
        )


def conflicting_programs(search_path: str, own: list[Path]) -> Iterator[NameConflict]:
    """Yield once every executable file `opskit` on the search path that is not our own."""
    own_ids = {_file_id(path) for path in own}
    seen: set[FileId] = set()
    for path, file_id in _programs(search_path):
        is_first = not seen
        if file_id not in own_ids | seen:
            if is_first:
                yield NameConflict(
                    f"another {NAME} comes first on PATH, and typing {NAME} starts it: "
                    f"{visible(path)}",
                    f"change the order of PATH, or start this one: {_start_command(own)}",
                )
            else:
                yield NameConflict(f"another {NAME} is on PATH, but not first: {visible(path)}")
        seen.add(file_id)


def own_programs(directories: list[str]) -> list[Path]:
    """Return the running script, and the scripts that this installation has recorded."""
    paths = [Path(sys.argv[0])] if Path(sys.argv[0]).name == NAME else []
    for distribution in distributions(name=DISTRIBUTION, path=directories):
        if distribution.files is None:  # operating-system packages omit RECORD
            paths.append(Path(sysconfig.get_path("scripts")) / NAME)
        for file in distribution.files or ():
            if file.name == NAME:
                paths.append(Path(str(distribution.locate_file(file))))
    return [path for path in paths if _file_id(path) is not None]


def visible(text: object) -> str:
    """Return the text with a backslash escape for every backslash and unprintable character."""
    return "".join(
        char if char.isprintable() and char != "\\" else char.encode("unicode_escape").decode()
        for char in str(text)
    )


def _programs(search_path: str) -> Iterator[tuple[Path, FileId]]:
    """Yield the executable files `opskit` in the order of the search path, with absolute paths."""
    for entry in search_path.split(os.pathsep):
        # An empty entry means the working directory, as in a shell.
        path = Path(entry, NAME)
        file_id = _file_id(path)
        if file_id is not None and os.access(path, os.X_OK):
            yield Path(os.path.abspath(path)), file_id  # noqa: PTH100


def _file_id(path: Path) -> FileId | None:
    """Return the id of the regular file behind the path; None if there is none or it cannot be examined."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return (status.st_dev, status.st_ino) if stat.S_ISREG(status.st_mode) else None


def _start_command(own: Iterable[Path]) -> str:
    """Return the command that starts this installation without PATH."""
    script = next(iter(own), None)
    if script is not None:
        return shlex.quote(visible(os.path.abspath(script)))  # noqa: PTH100
    return f"{shlex.quote(visible(sys.executable))} -m {NAME}"


def _version(distribution: Distribution) -> str:
    """Return the distribution's version, also if its metadata is damaged."""
    try:
        version = distribution.metadata["Version"]
    except Exception:  # damaged files of other software must not end this command
        version = None
    return visible(version) if version else "(version unknown)"
