"""Other software called `opskit` on this machine: a distribution in this environment, programs on PATH."""

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
    """Something else that is called `opskit`, and what to do about it ("" for nothing)."""

    sentence: str
    next_step: str = ""


def find_conflicts() -> list[NameConflict]:
    """All conflicts of this environment and of PATH, the distribution first."""
    directories = site_directories()
    own = own_programs(directories)
    return [
        *conflicting_distribution(directories),
        *conflicting_programs(os.environ.get("PATH", os.defpath), own),
    ]


def site_directories() -> list[str]:
    """The directories of `sys.path` that installers write to.

    The others may be checkouts, whose `*.egg-info` is a residue of a build and no installation.
    """
    known = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *site.getsitepackages()}
    known.add(site.getusersitepackages())
    return [entry for entry in sys.path if entry in known]


def conflicting_distribution(directories: list[str]) -> Iterator[NameConflict]:
    """The distribution `opskit` in one of the directories, if there is one."""
    found = next(iter(distributions(name=NAME, path=directories)), None)
    if found is not None:
        yield NameConflict(
            f"the distribution {NAME} {_version(found)} is installed in this environment too: it and "
            f"{DISTRIBUTION} both install the package and the command {NAME}, and overwrite each "
            "other's files",
            f"pip uninstall {NAME} {DISTRIBUTION}, then install {DISTRIBUTION} again; "
            "or use a separate environment for each",
        )


def conflicting_programs(search_path: str, own: list[Path]) -> Iterator[NameConflict]:
    """Every executable file `opskit` on the search path that is none of our own, once each."""
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
    """The script that is running now, and the scripts that this installation has recorded."""
    paths = [Path(sys.argv[0])] if Path(sys.argv[0]).name == NAME else []
    for distribution in distributions(name=DISTRIBUTION, path=directories):
        if distribution.files is None:  # packages of an operating system omit the record
            paths.append(Path(sysconfig.get_path("scripts")) / NAME)
        for file in distribution.files or ():
            if file.name == NAME:
                paths.append(Path(str(distribution.locate_file(file))))
    return [path for path in paths if _file_id(path) is not None]


def visible(text: object) -> str:
    """The text with a backslash sequence for every backslash and unprintable character."""
    return "".join(
        char if char.isprintable() and char != "\\" else char.encode("unicode_escape").decode()
        for char in str(text)
    )


def _programs(search_path: str) -> Iterator[tuple[Path, FileId]]:
    """The executable files `opskit` in the order of the search path, by absolute path."""
    for entry in search_path.split(os.pathsep):
        # An empty entry is the working directory, as for a shell.
        path = Path(entry, NAME)
        file_id = _file_id(path)
        if file_id is not None and os.access(path, os.X_OK):
            yield Path(os.path.abspath(path)), file_id  # noqa: PTH100


def _file_id(path: Path) -> FileId | None:
    """Which regular file the path leads to; None if there is none or it cannot be examined."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return (status.st_dev, status.st_ino) if stat.S_ISREG(status.st_mode) else None


def _start_command(own: Iterable[Path]) -> str:
    """How to start this installation without PATH."""
    script = next(iter(own), None)
    if script is not None:
        return shlex.quote(visible(os.path.abspath(script)))  # noqa: PTH100
    return f"{shlex.quote(visible(sys.executable))} -m {NAME}"


def _version(distribution: Distribution) -> str:
    """The distribution's version, also where its metadata is damaged."""
    try:
        version = distribution.metadata["Version"]
    except Exception:  # damaged files of other software must not end this command
        version = None
    return visible(version) if version else "(version unknown)"
