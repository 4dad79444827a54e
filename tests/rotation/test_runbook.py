"""The runbook, followed after a rotation was killed in its most critical state."""

from __future__ import annotations

import pytest

from opskit.runbook.catalogue import find
from opskit.runbook.parse import blocks
from tests.conftest import Operator
from tests.rotation.scene import Scene
from tests.rotation.test_crashes import held


@pytest.mark.full
def test_following_it_ends_an_open_rotation_and_rotates(operator: Operator) -> None:
    scene = Scene(operator)
    operator.wait_until_healthy()
    scene.order("replace-injections", rows=(held(2, "before"),))
    run = scene.start("--yes")
    assert scene.wait_held(run), run.output
    run.kill()
    scene.order("replace-injections")
    scene.order("release", "drop")
    found = blocks(find("rotate-password").text)
    reads = [b.text for b in found if b.kind == "sh read" and b.heading != "Verify"]
    changes = [b.text for b in found if b.kind == "sh change"]
    assert len(changes) == 2
    done = operator.script("\n".join([*reads, *changes]))
    assert "new processes cannot log in now" in done.stdout
    assert done.stdout.count("DONE  rotated") == 2, done.stdout + done.stderr
    verify = [b.text for b in found if b.heading in ("Set up the shell", "Verify")]
    operator.wait_for(0)
    done = operator.script("set -e\n" + "\n".join(verify))
    assert done.returncode == 0, done.stdout + done.stderr
    assert scene.verdict() == []
