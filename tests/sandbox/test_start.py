"""What the daemon of a sandbox prints until it is up, and what becomes of it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from opskit.errors import CannotProceed
from opskit.sandbox import lifecycle


def answer(script: str, tmp_path: Path, limit_s: int = 60) -> tuple[dict[str, Any], list[str]]:
    """The answer of a daemon that is this script, and the stages that were reported."""
    log, stages = tmp_path / "daemon.log", list[str]()
    log.write_text("first\nlast words\n")
    process = subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE)
    try:
        return lifecycle._answer(process, log, limit_s, stages.append), stages
    finally:
        process.kill()
        process.wait()


def test_stages_come_before_the_answer(tmp_path: Path) -> None:
    script = """echo '{"stage": "one"}'; echo '{"stage": "two"}'; printf '{"ids":'; echo ' {}}'; sleep 60"""
    assert answer(script, tmp_path) == ({"ids": {}}, ["one", "two"])


def test_an_error_of_the_daemon_says_how_to_wait_longer(tmp_path: Path) -> None:
    with pytest.raises(CannotProceed, match="did not come up: the app is ill") as caught:
        answer("""echo '{"error": "the app is ill"}'""", tmp_path)
    assert "--wait" in str(caught.value.next_step)


def test_a_daemon_that_ends_is_reported_with_its_last_line(tmp_path: Path) -> None:
    with pytest.raises(CannotProceed, match="ended before it was up: last words"):
        answer("""echo '{"stage": "one"}'""", tmp_path)


def test_the_limit_names_the_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "REPORTS_WITHIN_S", 0.3)
    with pytest.raises(CannotProceed, match="within 0 s; it still waits for PostgreSQL"):
        answer("""echo '{"stage": "PostgreSQL"}'; exec sleep 60""", tmp_path, limit_s=0)
