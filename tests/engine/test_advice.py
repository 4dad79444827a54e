"""The advice of every engine, whole: `OPSKIT_GOLDEN=renew pytest tests/engine/test_advice.py` renews it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from opskit.engine import ENGINES
from opskit.engine.interface import Engine

GOLDEN = Path(__file__).parents[1] / "golden"
USER, DATABASE = 'o"app', "shop"


def sentences(engine: Engine) -> dict[str, str]:
    """Every text, with a user whose name has to be quoted."""
    advice = engine.advice
    return {
        "iam_auth": advice.iam_auth(USER),
        "not_admitted": advice.not_admitted(),
        "slots": advice.slots(),
        "role_refused": advice.role_refused(USER),
        "database_denied": advice.database_denied(USER, DATABASE),
        "database_missing": advice.database_missing(USER, DATABASE),
        "database_missing, without its name": advice.database_missing(USER, None),
        "set_password": advice.set_password(USER, "a new password"),
        "change_permission": advice.change_permission(USER),
    }


@pytest.mark.parametrize("name", sorted({engine.name for engine in ENGINES.values()}))
def test_the_advice(name: str) -> None:
    rows = sentences(ENGINES[name])
    text = "".join(f"{about}:\n{sentence}\n\n" for about, sentence in rows.items())
    path = GOLDEN / f"advice-{name}.txt"
    if os.environ.get("OPSKIT_GOLDEN") == "renew":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")
