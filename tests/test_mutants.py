"""The sections of the mutation tests: they name modules and tests that exist, and are counted honestly."""

from __future__ import annotations

import configparser
import json
import tomllib
from pathlib import Path

import pytest

from tests import mutants
from tests.mutants import ROOT, Score, prepare, report, scores

SECTIONS = tomllib.loads((ROOT / "tests" / "mutants.toml").read_text())


@pytest.mark.parametrize("name", SECTIONS)
def test_a_section_names_modules_and_tests_that_exist(name: str) -> None:
    section = SECTIONS[name]
    assert set(section) == {"modules", "tests"}
    for module in section["modules"]:
        assert list((ROOT / "opskit").glob(module)), module
    assert [test for test in section["tests"] if not (ROOT / "tests" / test).exists()] == []


def test_a_copy_has_its_settings(tmp_path: Path) -> None:
    (tmp_path / "mutants").mkdir()
    prepare({"modules": ["redaction.py"], "tests": ["test_redaction.py"]}, tmp_path)
    assert not (tmp_path / "mutants").exists(), "nothing is left of an earlier call"
    setup = configparser.ConfigParser()
    setup.read(tmp_path / "setup.cfg")
    assert setup["mutmut"]["only_mutate"] == "\nopskit/redaction.py"
    assert setup["tool:pytest"]["testpaths"] == "tests"
    for name in ("opskit/redaction.py", "opskit/runbooks", "tests/conftest.py", "README.md"):
        assert (tmp_path / name).exists(), name
    assert not (tmp_path / ".git").exists()


def test_survivors_are_counted(tmp_path: Path) -> None:
    folder = tmp_path / "mutants" / "opskit" / "policy"
    folder.mkdir(parents=True)
    codes = {"a": 1, "b": 0, "c": 33, "d": 36, "e": 3, "f": None, "g": 2}
    (folder / "x.py.meta").write_text(json.dumps({"exit_code_by_key": codes}))
    (folder / "empty.py.meta").write_text(json.dumps({"exit_code_by_key": {}}))
    by_module = scores(tmp_path)
    assert by_module == {"opskit/policy/x.py": Score(3, ("b", "c"), 2)}
    assert by_module["opskit/policy/x.py"].percent == 60.0
    assert report(by_module).splitlines()[:3] == ["survivors:", "  b", "  c"]
    assert report(by_module).endswith("3 killed     2 survived   60.0%  2 not run")


def test_an_unknown_section_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert mutants.main(["nothing"]) == 2
    assert "reachability, policy" in capsys.readouterr().err
