"""`opskit init` writes one new file and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from opskit import aws, discovery
from opskit.cli import main
from opskit.errors import ExitStatus

FLAGS = ["init", "--prefix", "/linkbox"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory, with nothing to discover."""

    class Aws:
        region = "us-east-1"

        def __init__(self, *_: object) -> None:
            return

    monkeypatch.setattr(aws, "Aws", Aws)
    monkeypatch.setattr(discovery, "discover", lambda *_: ())
    directory = tmp_path / "work"
    directory.mkdir()
    monkeypatch.chdir(directory)
    return directory


def test_a_new_file_is_readable_by_all_and_writable_by_its_owner(here: Path) -> None:
    mask = os.umask(0)
    try:
        assert main.run(FLAGS) == ExitStatus.HEALTHY
    finally:
        os.umask(mask)
    assert (here / "opskit.toml").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("is_dangling", [True, False])
def test_a_link_is_not_written_through(
    is_dangling: bool, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    victim = here.parent / "victim"
    if not is_dangling:
        victim.write_text("precious")
    (here / "opskit.toml").symlink_to(victim)
    assert main.run([*FLAGS, *own_config(here)]) == ExitStatus.USAGE
    assert "is there already" in capsys.readouterr().err
    assert main.run([*FLAGS, "--force", *own_config(here)]) == ExitStatus.HEALTHY
    assert victim.exists() is not is_dangling
    assert is_dangling or victim.read_text() == "precious"
    assert not (here / "opskit.toml").is_symlink()


def test_a_link_that_appears_meanwhile_is_not_written_through(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim = here.parent / "victim"

    def discover(*_: object) -> tuple[object, ...]:
        (here / "opskit.toml").symlink_to(victim)
        return ()

    monkeypatch.setattr(discovery, "discover", discover)
    assert main.run(FLAGS) == ExitStatus.USAGE
    assert not victim.exists()


def own_config(here: Path) -> list[str]:
    """A configuration of its own, since the link stands where one would be searched for."""
    file = here.parent / "own.toml"
    file.write_text("version = 1\n")
    return ["--config", str(file)]


def test_what_is_left_is_one_file(here: Path) -> None:
    assert main.run(FLAGS) == ExitStatus.HEALTHY
    assert main.run([*FLAGS, "--force"]) == ExitStatus.HEALTHY
    assert [path.name for path in here.iterdir()] == ["opskit.toml"]
