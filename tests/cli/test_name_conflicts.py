"""What `opskit version` says about other software that is called opskit."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from opskit import DISTRIBUTION, __version__
from opskit.cli import name_conflicts
from opskit.cli.name_conflicts import visible
from opskit.cli.version import version

FIRST = "opskit: another opskit comes first on PATH, and typing opskit starts it: "
LATER = "opskit: another opskit is on PATH, but not first: "


class Machine:
    """One installation of opskit in a directory of its own, and a PATH to fill."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory, self.monkeypatch = directory, monkeypatch
        self.site = directory / "environment/lib/site-packages"
        self.own = self.program("environment/bin")
        self.install(DISTRIBUTION, __version__, "../../bin/opskit,,")
        monkeypatch.setattr(name_conflicts, "site_directories", lambda: [str(self.site)])
        monkeypatch.chdir(directory)

    def program(self, where: str, mode: int = 0o755) -> Path:
        """An executable file called opskit in that directory."""
        path = self.directory / where / "opskit"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(mode)
        return path

    def install(self, name: str, number: str, *record: str, metadata: bool = True) -> None:
        """A distribution's metadata, as pip leaves it."""
        location = self.site / f"{name.replace('-', '_')}-{number}.dist-info"
        location.mkdir(parents=True)
        if metadata:
            (location / "METADATA").write_text(
                f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n"
            )
        if record:
            (location / "RECORD").write_text("\n".join(record) + "\n")

    def version(self, *path: str | Path) -> Result:
        """`opskit version` with this PATH, given as entries; stdout is as always."""
        self.monkeypatch.setenv("PATH", os.pathsep.join(map(str, path)))
        done = CliRunner().invoke(version)
        assert done.exit_code == 0
        assert done.stdout.startswith(f"opskit {__version__} (")
        assert "another" not in done.stdout
        assert "distribution" not in done.stdout
        return done

    def start(self) -> str:
        """The line that says how this installation is started."""
        return f"        change the order of PATH, or start this one: {self.own}\n"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_nothing_is_said_of_a_normal_installation(machine: Machine) -> None:
    entry = machine.own.parent
    linked = machine.directory / "linked"
    linked.symlink_to(entry)
    (machine.directory / "home").mkdir()
    (machine.directory / "home/opskit").symlink_to(machine.own)
    (machine.directory / "hard").mkdir()
    (machine.directory / "hard/opskit").hardlink_to(machine.own)
    assert machine.version(entry, entry, linked, "/usr/bin").stderr == ""
    assert machine.version(machine.directory / "home", linked, entry).stderr == ""
    assert machine.version(machine.directory / "hard", entry).stderr == ""
    assert machine.version("environment/bin").stderr == ""
    assert machine.version("/no/such/directory").stderr == ""


def test_the_script_that_is_running_is_no_other(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = machine.program("running")
    assert machine.version(machine.own.parent, running.parent).stderr == f"{LATER}{running}\n"
    monkeypatch.setattr(sys, "argv", [str(running), "version"])
    assert machine.version(machine.own.parent, running.parent).stderr == ""


def test_another_program_later_on_the_path(machine: Machine) -> None:
    other, third = machine.program("other"), machine.program("third")
    message = machine.version(machine.own.parent, other.parent, third.parent, other.parent).stderr
    assert message == f"{LATER}{other}\n{LATER}{third}\n"


def test_another_program_comes_first(machine: Machine) -> None:
    other, third = machine.program("other"), machine.program("third")
    message = machine.version(other.parent, machine.own.parent, third.parent).stderr
    assert message == f"{FIRST}{other}\n{machine.start()}{LATER}{third}\n"
    # Also where this one is not on PATH at all.
    assert machine.version(other.parent).stderr == f"{FIRST}{other}\n{machine.start()}"


def test_without_a_script_it_is_started_by_the_interpreter(machine: Machine) -> None:
    machine.own.unlink()
    other = machine.program("other")
    assert machine.version(other.parent).stderr.endswith(
        f" start this one: {sys.executable} -m opskit\n"
    )


def test_a_second_environment_with_this_tool_is_another_one(machine: Machine) -> None:
    second = machine.program("second/bin")
    second.write_text(f"#!{second.parent}/python\nfrom opskit.__main__ import main\nmain()\n")
    message = machine.version(machine.own.parent, second.parent).stderr
    assert message == f"{LATER}{second}\n"


def test_empty_and_relative_entries_are_shown_by_absolute_path(machine: Machine) -> None:
    here, below = machine.program("."), machine.program("below")
    message = machine.version("", "below", machine.own.parent).stderr
    assert message == f"{FIRST}{here}\n{machine.start()}{LATER}{below}\n"


def test_what_cannot_be_run_is_no_program(machine: Machine) -> None:
    directory = machine.directory
    machine.program("plain", mode=0o644)
    (directory / "folder/opskit").mkdir(parents=True)
    (directory / "dangling").mkdir()
    (directory / "dangling/opskit").symlink_to("nothing")
    (directory / "loop").mkdir()
    (directory / "loop/opskit").symlink_to("opskit")
    (directory / "file").write_text("")
    names = ("plain", "folder", "dangling", "loop", "file", "missing", "x" * 5000)
    assert machine.version(*(directory / name for name in names)).stderr == ""


def test_unreadable_entries_are_passed_over(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    shut, other = machine.program("shut"), machine.program("other")
    examine = Path.stat

    def refuse(self: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        # Root may look everywhere, so no mode would do.
        if self == shut:
            raise PermissionError(13, "Permission denied", str(self))
        return examine(self, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(Path, "stat", refuse)
    message = machine.version(shut.parent, machine.own.parent, other.parent).stderr
    assert message == f"{LATER}{other}\n"


def test_control_characters_of_a_path_are_escaped(machine: Machine) -> None:
    machine.program("od\x1b[31md\n\u202e\\\udcff")
    message = machine.version(*machine.directory.glob("od*"), machine.own.parent).stderr
    assert message.count("\n") == 2
    assert message.splitlines()[0].endswith(r"/od\x1b[31md\n\u202e\\\udcff/opskit")
    assert visible("/home/josé müller/bin") == "/home/josé müller/bin"


def test_a_foreign_distribution_is_reported(machine: Machine) -> None:
    machine.install("opskit", "0.1.9")
    assert machine.version(machine.own.parent).stderr == (
        "opskit: the distribution opskit 0.1.9 is installed in this environment too: it and opskit-aws "
        "both install the package and the command opskit, and overwrite each other's files\n"
        "        pip uninstall opskit opskit-aws, then install opskit-aws again; "
        "or use a separate environment for each\n"
    )


@pytest.mark.parametrize(
    "content",
    [b"", b"Name: opskit\n", b"Metadata-Version: 2.1\nVersion: \xff\n", None],
    ids=["empty", "no-version", "not-utf-8", "missing"],
)
def test_damaged_metadata_of_others_does_no_harm(machine: Machine, content: bytes | None) -> None:
    machine.install("opskit", "9", metadata=False)
    if content is not None:
        (machine.site / "opskit-9.dist-info/METADATA").write_bytes(content)
    message = machine.version(machine.own.parent).stderr
    assert message.startswith("opskit: the distribution opskit (version unknown) is installed")


def test_similar_names_are_other_distributions(machine: Machine) -> None:
    for name in ("opskit-extra", "opskit2", "my-opskit"):
        machine.install(name, "1")
    assert machine.version(machine.own.parent).stderr == ""


def test_a_residue_of_a_build_is_no_installation(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    residue = machine.directory / "checkout/opskit.egg-info"
    residue.mkdir(parents=True)
    (residue / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: opskit\nVersion: 0.1.0\n")
    monkeypatch.syspath_prepend(str(residue.parent))
    found = name_conflicts.site_directories()
    assert found
    assert str(residue.parent) not in found


def test_the_process_itself(tmp_path: Path) -> None:
    other = tmp_path / "opskit"
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "opskit", *words], env=environment,
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    done = run("version")
    assert done.returncode == 0
    assert f"{FIRST}{other}\n" in done.stderr
    assert str(other) not in done.stdout
    done = run("--version")
    assert re.fullmatch(r"opskit \d+\.\d+\.\d+\n", done.stdout)
    assert done.stderr == ""
