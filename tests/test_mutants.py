"""The sections of the mutation tests: they name modules and tests that exist, and are counted honestly."""

from __future__ import annotations

import configparser
import json
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

from opskit.policy import pattern
from opskit.policy.pattern import glob
from tests import mutants, mutants_plugin
from tests.mutants import (
    ROOT,
    Change,
    Score,
    change_of,
    configure,
    equivalents,
    exit_codes,
    function_name,
    prepare,
    report,
    sample,
    scores,
    source_lines,
)

SECTIONS = tomllib.loads((ROOT / "tests" / "mutants.toml").read_text())


@pytest.mark.parametrize("name", SECTIONS)
def test_a_section_names_modules_and_tests_that_exist(name: str) -> None:
    section = SECTIONS[name]
    assert set(section) - {"slower_tests"} == {"modules", "tests"}
    for module in section["modules"]:
        assert list((ROOT / "opskit").glob(module)), module
    tests = [*section["tests"], *section.get("slower_tests", ())]
    assert [test for test in tests if not (ROOT / "tests" / test).exists()] == []


def test_a_copy_has_its_settings(tmp_path: Path) -> None:
    (tmp_path / "mutants").mkdir()
    prepare(tmp_path)
    configure({"modules": ["redaction.py"]}, ["test_redaction.py", "rotation"], tmp_path)
    assert not (tmp_path / "mutants").exists(), "nothing is left of an earlier call"
    setup = configparser.ConfigParser()
    setup.read(tmp_path / "setup.cfg")
    assert setup["mutmut"]["only_mutate"] == "\nopskit/redaction.py"
    selection = setup["mutmut"]["pytest_add_cli_args_test_selection"]
    assert selection == "\ntests/test_redaction.py\ntests/rotation"
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
    by_module = scores(exit_codes(tmp_path))
    assert by_module == {"opskit/policy/x.py": Score(3, ("b", "c"), 2, 0, 7)}
    assert by_module["opskit/policy/x.py"].percent == 60.0
    assert report(by_module).splitlines()[:3] == ["survivors:", "  b", "  c"]
    assert report(by_module).endswith("3 killed     2 survived   60.0%  2 not run")


def test_only_the_chosen_ones_are_counted_and_none_without_effect() -> None:
    codes = {"opskit/policy/x.py": {"a": 1, "b": 0, "c": 33, "d": 0, "e": None}}
    by_module = scores(codes, {"a", "b", "c"}, {"b", "d"})
    assert by_module == {"opskit/policy/x.py": Score(1, ("c",), 0, 1, 5)}
    assert report(by_module).endswith("50.0%  1 equivalent  3 of 5 sampled")


def test_a_mutant_starts_with_empty_caches() -> None:
    glob("ssm:*", "ssm:GetParameter")
    assert pattern._expression.cache_info().currsize
    mutants_plugin.pytest_sessionstart()
    assert not pattern._expression.cache_info().currsize


def test_a_sample_is_the_same_for_a_seed() -> None:
    by_module = {"x": [f"x{n}" for n in range(50)], "y": [f"y{n}" for n in range(50)]}
    chosen = sample(by_module, 20, 7)
    assert len(set(chosen)) == 20
    assert sample(by_module, 20, 7) == chosen != sample(by_module, 20, 8)
    assert len(sample(by_module, 1000, 7)) == 100


def test_a_change_is_told_by_its_lines() -> None:
    diff = """--- opskit/secret.py
+++ opskit/secret.py
@@ -1,4 +1,3 @@
 def shown(self):
-    return text(
-        self.value,
-        1 )
+    return text(
+        None,
+        1 )"""
    name = "opskit.secret.xǁSecretǁshown__mutmut_3"
    assert change_of("opskit/secret.py", name, diff) == Change(
        "secret.py", "Secret.shown", ("self.value,",), ("None,",)
    )
    assert function_name("opskit.secret.x__plain__mutmut_12") == "_plain"


@pytest.mark.parametrize("change", equivalents(), ids=str)
def test_what_is_listed_as_equivalent_is_in_the_code(change: Change) -> None:
    assert set(change.lines) <= set(source_lines(change.module, change.function))
    assert change.lines != change.become
    assert equivalents()[change]
    assert any(
        fnmatch(change.module, module)
        for section in SECTIONS.values()
        for module in section["modules"]
    )


def test_an_unknown_section_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        mutants.main(["nothing"])
    assert "'reachability', 'policy'" in capsys.readouterr().err
