"""A master password that RDS manages in Secrets Manager: RDS rotates it, and the parameter follows."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from opskit.credential_source.interface import CredentialUpdate
from opskit.credential_source.ssm_store import ParameterStore
from opskit.engine.interface import LoginFailure, LoginResult
from opskit.errors import AwsError, CannotProceed, RotationUnfinished
from opskit.rotation.protocol.fence import Fence, StaleObservation
from opskit.rotation.protocol.services import Event
from opskit.rotation.protocol.state_machine import Direction
from opskit.rotation.steps.credential_writer import CredentialWriter
from opskit.rotation.steps.managed_secret import ManagedRotation, ManagedRotationServices
from opskit.rotation.steps.restart import RestartResult, read
from opskit.workload.interface import RestartTarget
from tests import builders as b
from tests.conftest import LIMIT_S, Operator
from tests.fake_aws import FakeClient
from tests.rotation.scene import Scene
from tests.rotation.test_crashes import held
from tests.rotation.test_preflight import context, plan, problems

ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-1"
MANAGED = replace(b.db_instance(), managed_secret_arn=ARN)


class Account(FakeClient):
    """RDS, Secrets Manager, Parameter Store and a database, which rotate after some observations."""

    def __init__(self, *, after: int = 2, status: str = "active", refusal: AwsError | None = None):
        self.secret, self.parameter, self.database = "old", "old", "old"
        self.version, self.parameter_version = 1, 3
        self.after, self.status, self.refusal = after, status, refusal
        self.is_asked = False

    def modify_db_instance(self, **asked: Any) -> None:
        assert asked["RotateMasterUserPassword"] is True
        assert asked["ApplyImmediately"] is True
        assert "MasterUserPassword" not in asked
        if self.refusal is not None:
            raise self.refusal
        self.is_asked = True

    def describe_db_instances(self, **_: Any) -> dict[str, Any]:
        status = "rotating" if self.is_asked and self.after > 0 else self.status
        self.after -= self.is_asked
        if self.is_asked and self.after == 0:
            self.database = self.secret = "new"
            self.version += 1
        return {"DBInstances": [{"MasterUserSecret": {"SecretStatus": status}}]}

    def get_secret_value(self, **_: Any) -> dict[str, Any]:
        content = {"username": "linkbox", "password": self.secret}
        return {"SecretString": json.dumps(content), "VersionId": str(self.version)}

    def get_parameter(self, **_: Any) -> dict[str, Any]:
        return {"Parameter": {"Value": self.parameter, "Version": self.parameter_version}}

    def put_parameter(self, **asked: Any) -> dict[str, Any]:
        self.parameter = asked["Value"]
        self.parameter_version += 1
        return {"Version": self.parameter_version}

    def try_login(self, user: str, password: Any) -> LoginResult:
        if password.reveal() == self.database:
            return LoginResult(True, None, "", 1.0)
        return LoginResult(False, LoginFailure.PASSWORD, "password authentication failed", 1.0)

    description = "through linkbox-backend-1"


def rotation(
    account: Account,
    *,
    healthy: bool = True,
    stall_timeout_s: float = 20.0,
    restart: Callable[[RestartTarget], RestartResult] | None = None,
) -> tuple[ManagedRotation, list[Event]]:
    message: list[Event] = []
    clock = iter(range(10_000))
    fence = Fence(1200.0)

    def writer(one: CredentialUpdate) -> CredentialWriter:
        return CredentialWriter(
            ParameterStore(account, account, lambda _: None, time.monotonic), (one,)
        )

    world = ManagedRotationServices(
        rds=account,
        write_client=account,
        secrets=account,
        writer=writer,
        connector=account,  # type: ignore[arg-type]
        fence=fence,
        restart=restart or (lambda batch: RestartResult(healthy, "" if healthy else "HTTP 503")),
        ask_instance=lambda: (True, ""),
        on_event=message.append,
        sleep=lambda _: None,
        clock=lambda: float(next(clock)),
    )
    found = context(database=MANAGED)
    restart_targets = [read(text) for text in ("container\tlinkbox-backend\ti-1\t",)]
    restart_targets = restart_targets if restart or not healthy else []
    return ManagedRotation(world, found, ARN, restart_targets, stall_timeout_s), message


def test_the_parameter_follows_the_secret() -> None:
    account = Account()
    made, message = rotation(account)
    result = made.run()
    assert result.direction is Direction.FORWARD
    assert account.parameter == account.database == "new"
    assert result.versions == (4,)
    assert result.window_s is not None
    assert [e.name for e in message if e.kind == "step"] == ["change", "settle", "publish"]


def test_an_impaired_secret_is_reported() -> None:
    account = Account(after=0, status="impaired")
    made, _ = rotation(account)
    with pytest.raises(RotationUnfinished, match="impaired"):
        made.run()
    assert account.parameter == "old"


def test_a_refusal_changes_nothing() -> None:
    refusal = AwsError("rds:ModifyDBInstance", "AccessDenied", "not authorized")
    made, _ = rotation(Account(refusal=refusal))
    with pytest.raises(CannotProceed, match="did not rotate"):
        made.run()


def test_a_lost_reply_is_no_refusal() -> None:
    """The secret's content decides."""
    account = Account(refusal=AwsError("rds:ModifyDBInstance", "Timeout", ""))
    account.is_asked = True
    made, _ = rotation(account)
    assert made.run().direction is Direction.FORWARD
    assert account.parameter == "new"


def test_a_look_too_old_and_throttling_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """RDS has changed the password by then: giving up would leave the app without a working one."""
    account = Account()
    trouble: dict[str, list[Exception]] = {
        "put_parameter": [StaleObservation()],
        "get_secret_value": [AwsError("secretsmanager:GetSecretValue", "ThrottlingException", "")],
    }
    for name, errors in trouble.items():
        whole = getattr(account, name)

        def half(whole: Any = whole, errors: list[Exception] = errors, **asked: Any) -> Any:
            if account.is_asked and errors:
                raise errors.pop()
            return whole(**asked)

        monkeypatch.setattr(account, name, half)
    made, _ = rotation(account)
    assert made.run().direction is Direction.FORWARD
    assert trouble == {"put_parameter": [], "get_secret_value": []}
    assert account.parameter == "new"


def test_nothing_untried_is_published(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another user lets RDS rotate once more, and the secret is ahead of the database."""
    account = Account()
    made, _ = rotation(account)
    put = account.put_parameter
    tried = account.try_login
    published: list[str] = []

    def put_parameter(**asked: Any) -> dict[str, Any]:
        published.append(asked["Value"])
        assert account.database == asked["Value"], "a password that does not log in"
        if account.secret == "new":
            account.secret, account.version = "newer", account.version + 1
        return put(**asked)

    def try_login(user: str, password: Any) -> LoginResult:
        done = tried(user, password)
        if password.reveal() == "newer":
            account.database = "newer"
        return done

    monkeypatch.setattr(account, "put_parameter", put_parameter)
    monkeypatch.setattr(account, "try_login", try_login)
    assert made.run().direction is Direction.FORWARD
    assert published == ["new", "newer"]


def test_another_rotation_while_the_app_is_restarted() -> None:
    """The app cannot be healthy with the secret's earlier value; it is with the current one."""
    account = Account()

    def restart(_: RestartTarget) -> RestartResult:
        if account.secret == "new":
            account.secret = account.database = "newer"
            account.version += 1
        is_healthy = account.parameter == account.database
        return RestartResult(is_healthy, "" if is_healthy else "HTTP 503")

    made, _ = rotation(account, restart=restart)
    assert made.run().direction is Direction.FORWARD
    assert account.parameter == "newer"


def test_an_app_that_is_ill_is_reported() -> None:
    account = Account()
    made, _ = rotation(account, healthy=False)
    with pytest.raises(RotationUnfinished, match="did not become healthy: HTTP 503"):
        made.run()
    assert account.parameter == account.database == "new"


def test_a_secret_that_never_changes_is_not_waited_for_without_end() -> None:
    made, _ = rotation(Account(after=100_000), stall_timeout_s=30)
    with pytest.raises(RotationUnfinished, match="did not change within 30 s"):
        made.run()


def test_what_the_plan_says() -> None:
    found = plan(context(database=MANAGED))
    assert found.problems == []
    assert found.managed == ARN
    assert found.intent is None, "opskit makes no password here"
    assert "every seven days" in " ".join(found.warnings)
    assert "RDS refuses another one" in problems(plan(context(database=MANAGED), strategy="master"))
    assert plan(context(database=MANAGED, user="app")).managed == ""


def aws(scene: Scene, *words: str) -> str:
    done = scene.operator.run("aws", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


in_one_sandbox = pytest.mark.xdist_group("managed")


@pytest.fixture(scope="module")
def managed(shared_sandbox: Operator) -> Iterator[Scene]:
    """A sandbox whose RDS manages the password, with a parameter that holds a copy."""
    shared_sandbox.reset()
    scene = Scene(shared_sandbox)
    aws(
        scene, "rds", "modify-db-instance", "--db-instance-identifier", "linkbox-db",
        "--manage-master-user-password",
    )  # fmt: skip
    limit = time.monotonic() + LIMIT_S
    while "active" not in aws(
        scene, "rds", "describe-db-instances", "--query", "DBInstances[].MasterUserSecret"
    ):
        assert time.monotonic() < limit
        time.sleep(0.2)
    yield scene
    shared_sandbox.reset()


def repair(scene: Scene) -> str:
    words = ("opskit", "rotate-password", "repair", "--prefix", "/linkbox", "--yes")
    done = scene.operator.run(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    return " ".join(done.stdout.split())


def restart(scene: Scene) -> None:
    words = ("opskit", "run", "--prefix", "/linkbox", "--", "docker", "restart", "linkbox-backend")
    assert scene.operator.run(*words).returncode == 0
    scene.operator.wait_until_healthy()


@in_one_sandbox
def test_a_stale_copy_is_mended_and_the_next_rotation_is_followed(managed: Scene) -> None:
    """RDS has just set its own password, and the parameter still holds the one before."""
    status, output = managed.rotate()
    assert status == 3, output
    assert "opskit rotate-password repair" in output
    assert "the secret arn:aws:secretsmanager" in repair(managed)
    restart(managed)
    status, output = managed.rotate()
    assert status == 0, output
    assert "RDS rotates the secret" in output
    assert managed.login()["error"] == ""
    managed.operator.wait_until_healthy()
    if not managed.operator.running.dns_server:
        assert "new logins could fail for" in output


@pytest.mark.full
@in_one_sandbox
def test_killed_before_the_parameter_follows(managed: Scene) -> None:
    """Nothing is lost: the secret holds the password."""
    if managed.login()["error"]:
        repair(managed)
        restart(managed)
    managed.order("replace-injections", rows=(held(1, "before"),))
    run = managed.start("--yes")
    assert managed.wait_held(run), run.output
    run.kill()
    managed.order("replace-injections")
    managed.order("release", "drop")
    assert managed.login()["error"], "the parameter is behind"
    assert "the secret arn:" in repair(managed)
    assert managed.login()["error"] == ""
