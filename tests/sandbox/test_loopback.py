"""Without namespaces: what can be imitated works, what cannot is said, and nothing is left."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from opskit.errors import Incomplete
from opskit.sandbox import client
from tests.conftest import Operator


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


def test_on_loopback(capsys: pytest.CaptureFixture[str]) -> None:
    with client.temporary(0, "loopback") as running:
        assert "cannot imitate security groups" in capsys.readouterr().err
        operator = Operator(running)
        found, status = operator.wait_for(0)
        assert status == 0, found["root_causes"]
        client.order(running, "break", ["password-mismatch"])
        found, status = operator.diagnose()
        assert [c["code"] for c in found["root_causes"]] == ["AUT001"]
        operator.paste(found["root_causes"][0])
        found, status = operator.wait_for(0)
        assert status == 0, found["root_causes"]
        with pytest.raises(Incomplete, match="without namespaces"):
            client.order(running, "break", ["ingress-removed"])
        assert of(running.directory)
    limit = time.monotonic() + 3
    while of(running.directory) and time.monotonic() < limit:
        time.sleep(0.05)
    assert of(running.directory) == []
    assert not Path(running.directory).exists()
