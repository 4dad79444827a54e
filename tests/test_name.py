"""The distribution's name: one constant, and no text that tells people to install another project."""

from __future__ import annotations

import configparser
import re
from importlib.metadata import version
from pathlib import Path

import pytest

from opskit import DISTRIBUTION, __version__

ROOT = Path(__file__).parent.parent
TEXTS = sorted(
    path
    for place in ("opskit", "runbooks", "docs", "tests", ".ci", ".")
    for path in (ROOT.glob("*") if place == "." else (ROOT / place).rglob("*"))
    if path.is_file() and path.suffix != ".pyc"
)
INSTALLS_ANOTHER = re.compile(
    r"""\b(?:pipx?|uv|tool) install\b[^;&|#`,]*[\s'"]opskit(?![-\w./])|(?<![-\w])opskit\[[a-z]"""
)
"""An installer with `opskit` as an argument; `opskit` with an extra."""


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("pip install {}", True),
        ("pip install --user {}", True),
        ("python -m pip install -U '{}'", True),
        ("pip install boto3 '{}==0.1.0'", True),
        ("pipx install {}", True),
        ("uv tool install --upgrade {}", True),
        ("'{}[sandbox]'", True),
        ("    {}[test]", True),
        ("pip install {}-aws", False),
        ("pip install '{}-aws[sandbox]'", False),
        ("pip uninstall {}, then install again", False),
        ("pip install . && {} version", False),
        ("{} run -- docker ps", False),
        ("pip install {}/", False),
    ],
)
def test_the_search_finds_what_it_should(text: str, found: bool) -> None:
    assert bool(INSTALLS_ANOTHER.search(text.format("opskit"))) is found


def test_no_text_says_to_install_another_project() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in TEXTS
        for line in path.read_text(errors="replace").splitlines()
        if INSTALLS_ANOTHER.search(line)
    ]
    assert found == []
    assert {"README.md", "setup.cfg"} <= {path.name for path in TEXTS}


def test_the_name_is_the_same_everywhere() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert setup["metadata"]["name"] == DISTRIBUTION
    assert version(DISTRIBUTION) == __version__
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        assert f"`{DISTRIBUTION}`" in (ROOT / name).read_text(), name
