"""Without namespaces: what can be imitated works, what cannot is said, and nothing is left."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from opskit.errors import CannotProceed
from opskit.sandbox import lifecycle, loopback
from opskit.sandbox.daemon import NOBODY
from opskit.sandbox.postgres import Postgres, binaries
from tests.conftest import LIMIT_S, Operator


def of(directory: str) -> list[str]:
    """The processes that belong to a sandbox, by its directory in their arguments or files."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes() + b" " + (process / "environ").read_bytes()
        except OSError:
            continue
        if directory.encode() in line and process.name != str(os.getpid()):
            found.append(process.name)
    return found


def test_the_database_runs_from_where_only_we_may_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkout in root's home: the server's user, whom root has to choose, may not enter it."""
    shut = tmp_path / "shut"
    shut.mkdir(mode=0o700)
    (shut / "postgresql").symlink_to(binaries().parent)
    monkeypatch.setenv("OPSKIT_SANDBOX_PG_BIN", str(shut / "postgresql" / binaries().name))
    owner = NOBODY if os.geteuid() == 0 else None
    base = lifecycle._base("loopback")
    with tempfile.TemporaryDirectory(prefix="opskit-sandbox-", dir=base) as directory:
        server = Postgres(Path(directory) / "pg", list, "127.0.0.1", loopback.free_port(), owner)
        server.prepare()
        try:
            server.start()
            assert server.execute("select 6 * 7") == [(42,)]
        finally:
            server.stop()


def test_a_place_that_shuts_out_others_is_none_for_a_server_of_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o700)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert lifecycle._base("loopback") in ("/tmp", "/var/tmp")
    assert lifecycle._base("packets") == str(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert lifecycle._base("loopback") == str(tmp_path)


@pytest.mark.sandbox
def test_on_loopback(capsys: pytest.CaptureFixture[str]) -> None:
    with lifecycle.temporary(0, "loopback") as running:
        assert "cannot imitate security groups" in capsys.readouterr().err
        operator = Operator(running)
        found, status = operator.wait_for(0)
        assert status == 0, found["root_causes"]
        lifecycle.send_command(running, "inject", ["password-mismatch"])
        found, status = operator.diagnose()
        assert [c["code"] for c in found["root_causes"]] == ["AUT001"]
        operator.paste(found["root_causes"][0])
        found, status = operator.wait_for(0)
        assert status == 0, found["root_causes"]
        with pytest.raises(CannotProceed, match="without namespaces"):
            lifecycle.send_command(running, "inject", ["ingress-removed"])
        assert of(running.directory)
    limit = time.monotonic() + LIMIT_S
    while of(running.directory) and time.monotonic() < limit:
        time.sleep(0.05)
    assert of(running.directory) == []
    assert not Path(running.directory).exists()


def test_ports_are_not_the_kernels_and_are_given_once() -> None:
    """Processes that start together must not be given one port before the first of them binds it."""
    ours = [loopback.free_port() for _ in range(20)]
    text = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text()
    assert len(set(ours)) == 20
    assert max(ours) < int(text.split()[0])
    show = "from opskit.sandbox.loopback import free_port; print(*[free_port() for _ in range(8)])"
    others = [
        subprocess.Popen([sys.executable, "-c", show], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    given = [port for other in others for port in other.communicate(timeout=60)[0].split()]
    assert len(given) == len(set(given)) == 32
