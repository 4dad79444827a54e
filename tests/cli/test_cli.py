"""What a person types and sees, without a sandbox."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from opskit.checks.catalogue import CODES
from opskit.cli.main import COMMANDS
from opskit.cli.terminal import wants_color
from tests.conftest import LIMIT_S
from tests.pace import scaled


def opskit(
    *words: str, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "OPSKIT_"))}
    return subprocess.run(
        [sys.executable, "-m", "opskit", *words], cwd=cwd, env={**kept, **environment},
        capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip


def test_help_lists_every_command_and_imports_none_of_them() -> None:
    done = opskit("--help")
    assert all(name in done.stdout for name in COMMANDS)
    code = "import sys; from opskit.cli.main import run; run(['--help']); sys.exit('boto3' in sys.modules or 'psycopg' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode
        == 0
    )


def test_the_exit_looks_through_nothing_and_runs_what_is_registered() -> None:
    """To free the clients of a diagnosis one by one took 0.15 s and more."""
    code = (
        "import atexit, gc, sys\n"
        "atexit.register(lambda: print('frozen', gc.get_freeze_count() > 10_000, gc.isenabled()))\n"
        "sys.argv = ['opskit', 'diagnos']\n"
        "from opskit.__main__ import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert (done.returncode, done.stdout) == (2, "frozen True True\n")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_two_examples(name: str) -> None:
    done = opskit(name, "-h")
    assert done.returncode == 0, done.stderr
    text = done.stdout.split("Examples:")[1].split("\n\n")[0]
    assert len(re.findall("opskit", text)) >= 2, done.stdout


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (("diagnos",), 2, "Did you mean 'diagnose'"),
        (("diagnose", "db", "--output", "xml"), 2, "xml"),
        (("explain", "NET0002"), 2, "Did you mean NET00"),
        (("runbook", "show", "nothing-like-it"), 2, "opskit runbook list"),
        (("diagnose", "db"), 4, "--prefix"),
        (("diagnose", "db", "--prefix", "/a"), 4, "no AWS Region"),
        (
            ("diagnose", "db", "--prefix", "/a", "--profile", "nobody", "--region", "us-east-1"),
            2,
            "nobody",
        ),
        (
            ("diagnose", "db", "--prefix", "/a", "--region", "us-east-1", "--via", "pigeon"),
            2,
            "pigeon",
        ),
        (("sandbox", "inject", "nonsense"), 2, "opskit sandbox faults"),
    ],
)
def test_bad_usage_is_one_sentence(
    tmp_path: Path, words: tuple[str, ...], status: int, message: str
) -> None:
    done = opskit(
        *words, cwd=tmp_path, HOME=str(tmp_path), XDG_STATE_HOME=str(tmp_path),
        AWS_EC2_METADATA_DISABLED="true", AWS_CONFIG_FILE="/dev/null",
        AWS_ENDPOINT_URL="http://127.0.0.1:9",
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    if "pigeon" in words:
        # Without credentials nothing is asked that far.
        assert done.returncode in (2, 4)
        return
    assert (done.returncode, message in done.stderr) == (status, True), done.stderr


def test_a_malformed_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "opskit.toml").write_text("version = [")
    done = opskit("diagnose", "db", "--output", "json", cwd=tmp_path)
    assert done.returncode == 2
    answer = json.loads(done.stdout)
    assert "not valid TOML" in answer["error"]
    assert answer["exit_code"] == 2


def test_explain_knows_every_code_offline() -> None:
    listed = opskit("explain").stdout
    assert all(code in listed for code in CODES)
    page = opskit("explain", "net002").stdout
    assert page.startswith("NET002  The database's security group admits the app.")
    assert "Runbook: opskit runbook show could-not-connect" in page


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str) -> None:
    done = opskit("completion", shell)
    assert done.returncode == 0
    assert "_OPSKIT_COMPLETE" in done.stdout


def test_version_and_schema() -> None:
    assert opskit("version").stdout.startswith("opskit 0.")
    assert json.loads(opskit("schema").stdout)["title"] == "opskit.diagnosis/1"


def test_colour_follows_the_conventions(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for name in ("NO_COLOR", "CLICOLOR_FORCE", "TERM"):
        monkeypatch.delenv(name, raising=False)
    terminal = Terminal()
    assert wants_color(terminal, "auto")
    monkeypatch.setenv("NO_COLOR", "1")
    assert not wants_color(terminal, "auto")
    assert wants_color(terminal, "always")


@pytest.mark.speed
def test_help_is_quick() -> None:
    times = []
    for _ in range(5):
        started = time.monotonic()
        opskit("--help")
        times.append(time.monotonic() - started)
    # Usually 0.12 s; the bound leaves room for other tests.
    assert min(times) < scaled(1)
