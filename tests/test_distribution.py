"""What is built and published: the long description, the archives, the versions of Python."""

from __future__ import annotations

import configparser
import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SETUP = runpy.run_path(str(ROOT / "setup.py"), run_name="setup")
CHECK = runpy.run_path(str(ROOT / ".ci" / "check-distributions"), run_name="check")
URL = "https://forge.example/opskit"


@pytest.mark.parametrize(
    ("text", "url", "expected"),
    [
        ("[a](docs/a.md#b)", URL, f"[a]({URL}/blob/v1.0/docs/a.md#b)"),
        ("[a](LICENSE)", f"{URL}/", f"[a]({URL}/blob/v1.0/LICENSE)"),
        ("[`--a`](b.md) [c](d.md)", "", "`--a` c"),
        ("[a](https://b.example/c)", "", "[a](https://b.example/c)"),
        ("[a](#b)", "", "[a](#b)"),
    ],
)
def test_links_work_on_the_package_index(text: str, url: str, expected: str) -> None:
    assert SETUP["long_description"](text, url, "1.0") == expected


def test_the_long_description_has_no_relative_link() -> None:
    readme = (ROOT / "README.md").read_text()
    for url in ("", URL):
        text = SETUP["long_description"](readme, url, "1.0")
        assert not re.search(r"\]\((?!https:|#)", text), url


def archive(*names: str) -> dict[str, bytes]:
    """An archive that carries files of the working tree."""
    return {name: (ROOT / name).read_bytes() for name in names}


FILES = {"Makefile", "opskit/py.typed", "tests/__init__.py"}


@pytest.mark.parametrize(
    ("sdist", "wheel", "problem"),
    [
        ({"Makefile": None}, {}, "the sdist lacks Makefile"),
        ({"Makefile": b"other"}, {}, "the sdist has another Makefile"),
        ({"notes.txt": b""}, {}, "the sdist carries notes.txt, which git does not track"),
        ({}, {"opskit/py.typed": None}, "the wheel lacks opskit/py.typed"),
        ({}, {"opskit/x.py": b""}, "the wheel carries opskit/x.py, which git does not track"),
        ({}, {"tests/__init__.py": b""}, "the wheel carries tests/__init__.py"),
        ({"PKG-INFO": b"", "setup.cfg": b""}, {"opskit_aws-1.dist-info/RECORD": b""}, None),
    ],
)
def test_archives_are_compared_with_what_git_tracks(
    sdist: dict[str, bytes | None], wheel: dict[str, bytes | None], problem: str | None
) -> None:
    def changed(base: dict[str, bytes], changes: dict[str, bytes | None]) -> dict[str, bytes]:
        return {name: data for name, data in {**base, **changes}.items() if data is not None}

    problems = CHECK["problems"](
        FILES,
        changed(archive(*FILES), sdist),
        changed(archive("opskit/py.typed"), wheel),
    )
    assert list(problems) == ([problem] if problem else [])


def test_every_version_of_python_is_declared_and_tested() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    declared = re.findall(r"Python :: (3\.\d+)", setup["metadata"]["classifiers"])
    assert setup["options"]["python_requires"] == f">={declared[0]}"
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    tested = re.search(r"python: \[(.*)\]", workflow)
    assert tested
    # A newer version may be tested before it is declared.
    assert re.findall(r"3\.\d+", tested[1])[: len(declared)] == declared


def test_the_workflow_and_the_templates_call_targets_that_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    for path in sorted((ROOT / ".github").rglob("*.*")):
        used = set(re.findall(r"(?:run: |`)make ([a-z-]+)", path.read_text()))
        assert used <= targets, path


def test_the_linters_have_one_version() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    dev = setup["options.extras_require"]["dev"]
    assert re.search(r"^mypy==\d", dev, re.M)
    assert re.search(r"^ruff==\d", dev, re.M)
