"""No password of a rotation appears anywhere, in any form: output, logs, process list, histories."""

from __future__ import annotations

import base64
import json
import urllib.parse
from pathlib import Path

import pytest

from tests.conftest import Operator
from tests.rotation.scene import Scene
from tests.test_leaks import Watch, password_of, read

NEW = "New+password%of=the-leak-test&1"
"""A password that every likely encoding changes."""


def forms(secret: str) -> set[str]:
    """Return the forms of a secret: plain, percent-encoded, JSON, and base64 at every alignment."""
    packed = {
        base64.b64encode(b"x" * shift + secret.encode()).decode()[4 : 4 * (len(secret) // 3 - 1)]
        for shift in range(3)
    }
    return {secret, urllib.parse.quote(secret, safe=""), json.dumps(secret)[1:-1], *packed}


def logs(operator: Operator) -> dict[str | Path, str]:
    """Return all logs of the sandbox's programs, including the database's."""
    directory = Path(operator.running.directory)
    paths = [directory / "daemon.log", directory / "pg/postgres.log"]
    return {p: read(p) for p in [*paths, *directory.glob("instance/var/*.log")]}


def test_the_forms_are_found() -> None:
    text = f"url=postgres://u:{urllib.parse.quote(NEW, safe='')}@h {base64.b64encode(('ab' + NEW).encode()).decode()}"
    assert sum(form in text for form in forms(NEW)) >= 2


def test_no_password_of_a_rotation_leaves(operator: Operator) -> None:
    operator.wait_until_healthy()
    scene = Scene(operator)
    secrets = {"old": password_of(operator), "new": NEW}
    watch = Watch(*secrets.values())
    watch.start()
    message = ""
    run = scene.start("--yes", "--debug", "--password-stdin", stdin=f"{NEW}\n", is_warm=False)
    status = run.wait()
    message += run.output
    message += scene.rotate("--dry-run", "--output", "json", "--debug")[1]
    for sub in ("history", "repair"):
        done = operator.run(
            *("opskit", "rotate-password", sub, "--prefix", "/linkbox", "--debug"), is_warm=False
        )
        message += done.stdout + done.stderr
    watch.over.set()
    watch.join()
    assert status == 0, run.output
    assert password_of(operator) == NEW
    assert watch.rounds > 5
    assert watch.found == []
    history = operator.run("aws", "ssm", "list-commands").stdout
    history += operator.run("aws", "ssm", "list-command-invocations", "--details").stdout
    history += operator.run("aws", "ssm", "describe-sessions", "--state", "History").stdout
    assert "docker restart" in history
    plain = operator.run(
        *("aws", "ssm", "get-parameters-by-path", "--path", "/opskit/rotation", "--recursive")
    ).stdout
    assert "/open" in plain
    places: dict[str | Path, str] = {"output": message, "histories": history, "journal": plain}
    places |= logs(operator)
    for name, text in places.items():
        for which, secret in secrets.items():
            found = [form for form in forms(secret) if form in text]
            assert not found, f"the {which} password in {name}, as {len(found[0])} characters"


@pytest.mark.full
def test_a_rotation_that_fails_shows_nothing_either(operator: Operator) -> None:
    """Refused by the database, refused by AWS, and interrupted: the errors contain no values."""
    operator.wait_until_healthy()
    scene = Scene(operator)
    secret = password_of(operator)
    refused = "it's-a-Leak+test%password-1"
    run = scene.start("--yes", "--debug", "--password-stdin", stdin=f"{refused}\n")
    assert run.wait() == 1, run.output
    message = run.output
    for kind in ("error", "throttle"):
        with scene.injected({"kind": kind, "action": "PutParameter"}):
            message += scene.rotate("--debug", "--stall-timeout", "1")[1]
    for one in (secret, refused):
        assert not [form for form in forms(one) if form in message]
    if scene.is_open():
        scene.rotate("--rollback")
