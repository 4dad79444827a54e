"""Which opskit.toml is believed."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from opskit import config_file
from opskit.config import load
from opskit.diagnosis.run import target_summary
from opskit.errors import UsageError
from opskit.report import ROTATION_FORMATS, create_rotation_renderer, diagnosis_text
from opskit.report.interface import Style
from opskit.rotation.planning.plan import Plan
from tests import builders as b
from tests.report.test_text import diagnosis

GOOD = 'version = 1\n[targets.shop]\nprefix = "/shop"\nregion = "eu-west-1"\n'
OTHER = 4242


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "opskit.toml"
    path.write_text(GOOD)
    path.chmod(0o644)
    return path


@pytest.fixture
def foreign(file: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file, as seen by somebody who does not own it."""
    owner = file.stat().st_uid
    if owner == 0:
        os.chown(file, OTHER, OTHER)
    else:
        monkeypatch.setattr(os, "getuid", lambda: owner + 1)
    return file


@pytest.mark.parametrize("flags", [{}, {"prefix": "/linkbox"}])
def test_a_file_of_somebody_else_is_refused_and_named(foreign: Path, flags: dict[str, str]) -> None:
    below = foreign.parent / "a/b"
    below.mkdir(parents=True)
    with pytest.raises(UsageError, match="belongs to") as caught:
        load(flags, {}, below)
    assert str(foreign) in caught.value.sentence
    assert "--config" in caught.value.next_step


@pytest.mark.parametrize("how", ["flag", "variable"])
def test_a_named_file_is_taken_whoever_owns_it(foreign: Path, how: str) -> None:
    flags = {"config": str(foreign)} if how == "flag" else {}
    environment = {} if how == "flag" else {"OPSKIT_CONFIG": str(foreign)}
    target = load(flags, environment, Path("/"))
    assert target.region == "eu-west-1"
    assert target.config_file == str(foreign)
    assert f"--config {foreign}" in target.flags


def test_a_link_of_somebody_else_is_refused(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.lstat

    def lstat(path: Path) -> os.stat_result:
        found = list(real(path))
        found[4] = OTHER
        return os.stat_result(found)

    monkeypatch.setattr(Path, "lstat", lstat)
    with pytest.raises(UsageError, match=f"user {OTHER}"):
        config_file.read(file, is_named=False)


def test_a_file_that_every_user_may_write_is_refused(file: Path) -> None:
    file.chmod(0o666)
    with pytest.raises(UsageError, match="written by every user") as caught:
        load({}, {}, file.parent)
    assert f"chmod o-w {file}" in caught.value.next_step


def test_a_directory_that_every_user_may_write_is_accepted(file: Path) -> None:
    file.parent.chmod(0o777)
    assert load({}, {}, file.parent).region == "eu-west-1"


@pytest.mark.parametrize(("stop", "is_found"), [("repository", False), ("home", False), ("", True)])
def test_the_search_ends(file: Path, stop: str, is_found: bool) -> None:
    top = file.parent / "work"
    below = top / "a"
    below.mkdir(parents=True)
    if stop == "repository":
        (top / ".git").mkdir()
    home = top if stop == "home" else Path("/nowhere")
    assert (config_file.find(below, home) is not None) is is_found
    (top / "opskit.toml").write_text(GOOD)
    assert config_file.find(below, home) == top / "opskit.toml"


def test_a_file_without_a_say_is_not_named(file: Path) -> None:
    everything = {"prefix": "/linkbox", "region": "us-east-1"}
    assert load(everything, {}, file.parent).config_file == ""
    assert load({"prefix": "/linkbox"}, {}, file.parent).config_file == str(file)


def test_a_report_and_a_plan_name_the_file(file: Path) -> None:
    target = load({}, {}, file.parent)
    location = target_summary(target, "eu-west-1", b.snapshot())
    message = diagnosis_text.render(
        replace(diagnosis(b.snapshot()), target=location), Style(width=300)
    )
    assert f"settings from {file}" in message.splitlines()[0]
    for name in ROTATION_FORMATS:
        renderer = create_rotation_renderer(name, target, Style(width=300))
        assert f"from {file}" in renderer.plan(Plan(lines=[("rotate", "it")]), dry_run=False)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "opskit.toml", 0o644)
    assert config_file.read(tmp_path / "opskit.toml", is_named=False) == ""
