"""Further failures: two users at once, throttling, expired credentials, foreign writes, Ctrl-C."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Iterator, Mapping

import pytest

from opskit.rotation.protocol.journal import write_opening
from opskit.sandbox import lifecycle
from tests.conftest import Operator
from tests.rotation.scene import Run, Scene
from tests.rotation.test_crashes import held
from tests.rotation.test_records import intent

PASSWORD = "/linkbox/db-password"
BY_HAND = "Set-by-hand-in-both-1A"
FULL = pytest.mark.full
ALLOW = {"Effect": "Allow", "Action": "*", "Resource": "*"}


@pytest.fixture
def scene(operator: Operator) -> Iterator[Scene]:
    """A healthy app and no unfinished rotation, before and after."""
    operator.wait_until_healthy()
    found = Scene(operator)
    yield found
    found.order("replace-injections")
    found.order("release", "drop")
    if found.is_open():
        found.rotate("--rollback")


def put(scene: Scene, value: str) -> None:
    """Write the parameter manually."""
    words = ("--name", PASSWORD, "--type", "SecureString", "--overwrite", "--value", value)
    done = scene.operator.run("aws", "ssm", "put-parameter", *words)
    assert done.returncode == 0, done.stderr


def set_rights(scene: Scene, *statements: Mapping[str, object]) -> None:
    """Set the operator's permissions."""
    document = json.dumps({"Version": "2012-10-17", "Statement": [ALLOW, *statements]})
    done = scene.operator.run(
        *("aws", "iam", "put-user-policy", "--user-name", "oncall", "--policy-name", "everything"),
        *("--policy-document", document),
    )
    assert done.returncode == 0, done.stderr


def paused_after(scene: Scene, calls: int, *options: str) -> Run:
    """Start a rotation, and pause it when its n-th reply is on its way."""
    scene.order("replace-injections", rows=(held(calls - 1, "after"),))
    run = scene.start("--yes", *options)
    assert scene.wait_held(run), run.output
    scene.order("replace-injections")
    return run


def test_two_at_the_same_instant(scene: Scene) -> None:
    before = scene.login()["version"]
    runs = [scene.start("--yes"), scene.start("--yes")]
    statuses = [run.wait() for run in runs]
    message = [run.output for run in runs]
    assert 0 in statuses, message
    loser = message[1 - statuses.index(0)]
    assert "just started" in loser or "UNFINISHED" in loser or statuses == [0, 0], message
    assert scene.verdict() == []
    rotations = statuses.count(0)
    assert scene.login()["version"] == before + rotations, "one new password for each that won"


@FULL
@pytest.mark.parametrize("calls", [1, 2, 3])
def test_paused_while_somebody_goes_back(scene: Scene, calls: int) -> None:
    """The paused runner finds the decision, and ends in its direction."""
    before = scene.login()["version"]
    run = paused_after(scene, calls)
    run.signal(signal.SIGSTOP)
    scene.order("release", "apply")
    status, output = scene.rotate("--rollback")
    assert status == 0, output
    run.go_on()
    assert run.wait() == 1, run.output
    assert "rolled back to the old password" in run.output
    assert scene.verdict() == []
    assert scene.login()["version"] == before + (2 if calls == 3 else 0)


@FULL
def test_paused_while_somebody_goes_on(scene: Scene) -> None:
    run = paused_after(scene, 2)
    run.signal(signal.SIGSTOP)
    scene.order("release", "apply")
    status, output = scene.rotate("--resume")
    assert status == 0, output
    run.go_on()
    assert run.wait() == 0, run.output
    assert scene.verdict() == []


@FULL
def test_forward_and_back_at_once(scene: Scene) -> None:
    run = paused_after(scene, 3)
    run.kill()
    scene.order("release", "apply")
    runs = [scene.start("--yes", "--resume"), scene.start("--yes", "--rollback")]
    statuses = sorted(run.wait() for run in runs)
    assert statuses == [0, 1], [run.output for run in runs]
    ends = {re.search(r"DONE  (\w+)", run.output).group(1) for run in runs}  # type: ignore[union-attr]
    assert len(ends) == 1, "one decision, and both follow it"
    assert scene.verdict() == []


def test_a_plain_run_says_the_two_choices(scene: Scene) -> None:
    """Killed between database and parameter: the most urgent state."""
    scene.order("replace-injections", rows=(held(2, "before"),))
    run = scene.start("--yes")
    assert scene.wait_held(run)
    run.kill()
    scene.order("replace-injections")
    scene.order("release", "drop")
    status, output = scene.rotate()
    assert status == 5
    assert "new processes cannot log in now" in output
    assert "--resume --prefix" in output or "--prefix /linkbox --resume" in output
    assert f"writes the new password to {PASSWORD}" in output
    assert "gives linkbox its old password again" in output
    assert "DONE" not in output
    found, status = scene.operator.diagnose()
    assert status == 1
    [cause] = found["root_causes"]
    assert cause["code"] == "PAR009", cause
    scene.operator.paste(cause)
    assert scene.verdict() == []


@pytest.mark.parametrize("kind", ["throttle", pytest.param("error", marks=FULL)])
def test_a_storm(scene: Scene, kind: str) -> None:
    """Three of ten calls fail: it observes before every retry, and completes."""
    with scene.injected({"kind": kind, "action": "changes", "share": 30}):
        status, output = scene.rotate()
    assert status == 0, output
    assert scene.verdict() == []


@FULL
@pytest.mark.parametrize("kind", ["throttle", "error", "lost"])
def test_an_outage(scene: Scene, kind: str) -> None:
    """It stops with the rotation unfinished, and prints how to resume."""
    run = paused_after(scene, 1)
    scene.order("replace-injections", rows=({"kind": kind, "action": "changes"},))
    scene.order("release", "apply")
    run.kill()
    status, output = scene.rotate("--resume", "--stall-timeout", "3")
    assert status == 5, output
    assert "--resume" in output
    scene.order("replace-injections")
    assert scene.rotate("--resume")[0] == 0
    assert scene.verdict() == []


@FULL
@pytest.mark.parametrize("calls", [1, 2])
def test_credentials_that_expire(scene: Scene, calls: int) -> None:
    run = paused_after(scene, calls)
    scene.order("replace-injections", rows=({"kind": "expired"},))
    scene.order("release", "apply")
    assert run.wait() == 5, run.output
    assert "is unfinished and nothing is lost" in run.output
    assert "expired" in run.output
    scene.order("replace-injections")
    status, output = scene.rotate("--resume")
    assert status == 0, output
    assert scene.verdict() == []


@FULL
def test_somebody_writes_the_parameter_meanwhile(scene: Scene) -> None:
    run = paused_after(scene, 2)
    put(scene, "written-by-somebody-else-1A")
    scene.order("release", "apply")
    assert run.wait() == 5, run.output
    assert "another user has written the parameter" in run.output
    done = scene.operator.run(
        "opskit", "rotate-password", "repair", "--prefix", "/linkbox", "--yes"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    status, output = scene.rotate("--resume")
    assert status == 0, output
    assert scene.verdict() == []


@FULL
def test_the_parameter_is_deleted_meanwhile(scene: Scene) -> None:
    """--status reports it, and --resume creates the parameter again, with its key."""
    run = paused_after(scene, 3)
    run.kill()
    scene.order("release", "apply")
    done = scene.operator.run("aws", "ssm", "delete-parameter", "--name", PASSWORD)
    assert done.returncode == 0, done.stderr
    status, output = scene.rotate("--status")
    assert status == 5, output
    assert "does not exist" in output
    status, output = scene.rotate("--resume")
    assert status == 0, output
    assert scene.verdict() == []
    assert scene.login()["version"] == 1


@FULL
def test_somebody_replaces_the_password_in_both_places(scene: Scene) -> None:
    """It ends as superseded, with consent, and the other user's password stays."""
    run = paused_after(scene, 1)
    run.kill()
    scene.order("release", "apply")
    words = ("--db-instance-identifier", "linkbox-db", "--master-user-password", BY_HAND)
    done = scene.operator.run("aws", "rds", "modify-db-instance", *words)
    assert done.returncode == 0, done.stderr
    put(scene, BY_HAND)
    time.sleep(3)
    status, output = scene.rotate("--resume")
    assert status == 5, output
    assert "--take-over" in output
    assert BY_HAND not in output
    version = scene.login()["version"]
    status, output = scene.rotate("--resume", "--take-over")
    assert status == 0, output
    assert "DONE  superseded" in output
    assert scene.verdict() == []
    assert scene.login()["version"] == version


@FULL
def test_a_forged_record_is_not_obeyed(scene: Scene) -> None:
    """Write access to the journal does not let its holder choose database, parameter or command."""
    name = f"/opskit/rotation{PASSWORD}/9999/open"
    words = ("--name", name, "--type", "SecureString", "--value", write_opening(intent()))
    done = scene.operator.run("aws", "ssm", "put-parameter", *words)
    assert done.returncode == 0, done.stderr
    scene.order("changes")
    try:
        status, output = scene.rotate("--resume", "--take-over")
        assert status == 5, output
        assert "is not this target's" in output
        status, shown = scene.rotate("--status")
        assert status == 5, shown
        assert "logs in at h:5432" in " ".join(shown.split())
        assert scene.order("changes")["changes"] == []
    finally:
        scene.operator.run("aws", "ssm", "delete-parameter", "--name", name)


@FULL
def test_the_parameter_cannot_be_written(scene: Scene) -> None:
    """The database has already changed: the rotation is rolled back."""
    before = scene.login()["version"]
    run = paused_after(scene, 2)
    deny = {
        "Effect": "Deny",
        "Action": "ssm:PutParameter",
        "Resource": f"arn:aws:ssm:*:*:parameter{PASSWORD}",
    }
    try:
        set_rights(scene, deny)
        scene.order("release", "apply")
        status = run.wait()
    finally:
        set_rights(scene)
    assert status == 1, run.output
    assert "the parameter could not take the new password" in run.output
    assert scene.verdict() == []
    assert scene.login()["version"] == before


def test_a_refused_password_changes_nothing(scene: Scene) -> None:
    """The emulated RDS refuses an apostrophe, which the documented rules allow."""
    before = scene.login()["version"]
    run = scene.start("--yes", "--password-stdin", stdin="it's-a-Long-one-1234\n")
    assert run.wait() == 1, run.output
    assert "refused the new password" in run.output
    # Before it began it may have waited for a late request of the rotation before: not its own.
    own = run.output.partition("both passwords are kept")[2]
    assert "late request" not in own, "a definite answer needs no waiting"
    assert scene.verdict() == []
    assert scene.login()["version"] == before


@FULL
def test_an_app_that_does_not_become_healthy(scene: Scene) -> None:
    """It cannot fetch its settings at its next start, but at the one after that."""
    before = scene.login()["version"]
    run = paused_after(scene, 3, "--health-timeout", "3")
    scene.order(
        "replace-injections", rows=({"kind": "error", "action": "GetParameters", "times": 3},)
    )
    scene.order("release", "apply")
    assert run.wait() == 1, run.output
    assert "did not become healthy" in run.output
    assert scene.verdict() == []
    assert scene.login()["version"] == before + 2


@FULL
@pytest.mark.parametrize("calls", [1, 3])
def test_ctrl_c(scene: Scene, calls: int) -> None:
    run = paused_after(scene, calls)
    run.signal(signal.SIGINT)
    scene.order("release", "apply")
    assert run.wait() in (130, -signal.SIGINT), run.output
    assert "interrupted; the rotation is unfinished and nothing is lost" in run.output
    assert "--resume" in run.output
    assert scene.rotate("--resume")[0] == 0
    assert scene.verdict() == []


@FULL
def test_reads_that_lag_behind(scene: Scene) -> None:
    """Two seconds of lag, and a fence that covers them."""
    stale = {"kind": "stale", "service": "ssm", "seconds": 2.0}
    time.sleep(2.1)
    with scene.injected(*({**stale, "action": a} for a in ("GetParameter", "GetParametersByPath"))):
        status, output = scene.rotate(OPSKIT_ROTATION_FENCE="10")
    assert status == 0, output
    assert scene.verdict() == []


def test_a_database_that_is_stopped(scene: Scene) -> None:
    lifecycle.send_command(scene.operator.running, "inject", ["database-stopped"])
    status, output = scene.rotate()
    lifecycle.send_command(scene.operator.running, "revert")
    assert status == 3, output
    assert "linkbox-db is stop" in output
    assert "nothing was changed" in output


@FULL
def test_a_database_that_nobody_reaches(scene: Scene) -> None:
    scene.operator.need_packets()
    lifecycle.send_command(scene.operator.running, "inject", ["ingress-removed"])
    status, output = scene.rotate()
    lifecycle.send_command(scene.operator.running, "revert")
    assert status == 3, output
    assert "no login to" in output
    assert "opskit diagnose db" in output


@FULL
@pytest.mark.parametrize("calls", [1, 2])
def test_a_database_that_goes_away_midway(scene: Scene, calls: int) -> None:
    """Nothing is decided without a login that can be judged; once the database is back, it continues."""
    scene.operator.need_packets()
    run = paused_after(scene, calls, "--stall-timeout", "4")
    lifecycle.send_command(scene.operator.running, "inject", ["ingress-removed"])
    scene.order("changes")
    scene.order("release", "apply")
    status = run.wait()
    carried_out = scene.order("changes")["changes"]
    lifecycle.send_command(scene.operator.running, "revert")
    assert status == 5, run.output
    assert carried_out == [], "a runner that cannot judge changes nothing"
    assert "no login can be judged" in run.output, run.output
    status, output = scene.rotate("--resume")
    assert status == 0, output
    assert scene.verdict() == []


def test_rights_that_are_missing_are_named_beforehand(scene: Scene) -> None:
    deny = {"Effect": "Deny", "Action": "rds:ModifyDBInstance", "Resource": "*"}
    try:
        set_rights(scene, deny)
        status, output = scene.rotate()
    finally:
        set_rights(scene)
    assert status == 3, output
    assert "you may not rds:ModifyDBInstance" in output


def test_a_dry_run_changes_nothing(scene: Scene) -> None:
    before = scene.login()
    status, output = scene.rotate("--dry-run")
    assert status == 0, output
    assert "PLAN  (dry run" in output
    assert scene.login() == before
    assert not scene.is_open()


@FULL
def test_drift_is_repaired_by_one_write(scene: Scene) -> None:
    put(scene, "drifted-away-long-ago-1A")
    status, output = scene.rotate()
    assert status == 3
    assert "opskit rotate-password repair" in output
    done = scene.operator.run(
        "opskit", "rotate-password", "repair", "--prefix", "/linkbox", "--yes"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "drifted" not in done.stdout + done.stderr
    assert scene.login()["error"] == ""
    again = scene.operator.run("opskit", "rotate-password", "repair", "--prefix", "/linkbox")
    assert "nothing to repair" in again.stdout


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (("--resume", "--rollback"), "exclude each other"),
        (("--strategy", "role", "--restart", "rocket"), "is none of auto"),
        (("--restart", "container:nobody"), "has no container nobody"),
        (("--fence", "0"), "--fence"),
        (("--ca-file", "/nowhere"), "the CA bundle /nowhere does not exist"),
        (("--password-stdin",), "stdin is empty"),
    ],
)
def test_wrong_usage_is_one_sentence(
    operator: Operator, options: tuple[str, ...], part: str
) -> None:
    status, output = Scene(operator).rotate(*options)
    assert status == 2, output
    assert part in output


def test_nobody_to_ask(operator: Operator) -> None:
    run = Scene(operator).start()
    assert run.wait() == 2
    assert "--yes" in run.output


def test_json_is_one_event_a_line(scene: Scene) -> None:
    started = time.monotonic()
    status, output = scene.rotate("--output", "json")
    events = [json.loads(line) for line in output.splitlines()]
    assert status == 0
    assert [e["name"] for e in events if e["event"] == "step"] == [
        "open", "change", "publish", "restart", "decide", "close clean",
    ]  # fmt: skip
    end = events[-1]
    assert end["event"] == "end"
    assert end["direction"] == "forward"
    assert 0 < end["window_s"] < end["restarts_s"] < time.monotonic() - started
    done = scene.operator.run(
        *("opskit", "rotate-password", "history", "--prefix", "/linkbox", "--output", "json")
    )
    newest = json.loads(done.stdout.splitlines()[0])
    assert newest["version"] == end["version"]
    assert newest["strategy"] == "master"
    assert newest["ended"] == "forward"
