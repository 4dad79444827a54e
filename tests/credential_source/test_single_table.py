"""The IAM actions of a credential source are in its own table, and in no other module."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from opskit.credential_source import CREDENTIAL_SOURCES, load

PACKAGE = Path(__file__).parent.parent.parent / "opskit"
EXCEPTIONS = {
    "facts/permissions.py": "the journal of rotations is in Parameter Store, whatever the source",
    "policy/actions.py": "the names of IAM actions that patterns of policies are compared with",
}


def literals(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and type(n.value) is str}


@pytest.mark.parametrize("name", CREDENTIAL_SOURCES)
def test_no_other_module_names_the_actions_of_a_source(name: str) -> None:
    actions = load(name).actions
    named = {
        *actions.read, *actions.diagnose, actions.read_path, actions.describe, actions.history,
        actions.write, actions.tags,
    }  # fmt: skip
    elsewhere = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if path.relative_to(PACKAGE).parts[0] not in ("credential_source", "sandbox")
        and literals(path) & named
    }
    assert elsewhere == set(EXCEPTIONS)
