"""Reasons to refuse a rotation before it starts, warnings, and the plan's lines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from opskit import engine
from opskit.config import Target
from opskit.credential_source.interface import LocationProperties
from opskit.engine.interface import LoginFailure, LoginResult, RoleFacts
from opskit.engine.postgresql.engine import PostgreSql
from opskit.errors import CannotProceed, UsageError
from opskit.facts.identity import Identity
from opskit.facts.interface import Unknown, known_value
from opskit.facts.probe import InstanceProbe
from opskit.facts.rds import DbCluster
from opskit.facts.stored_credential import StoredCredential
from opskit.policy.operator_access import OperatorAccess
from opskit.probe.response import Health
from opskit.rotation.planning.context import RotationContext
from opskit.rotation.planning.external_references import Proxy, ProxySecret
from opskit.rotation.planning.plan import Plan, RotationOptions
from opskit.rotation.planning.preflight import make_plan
from opskit.rotation.protocol.interface import DatabaseCredential
from opskit.rotation.protocol.journal import JournalEntry, Record
from opskit.secret import Secret
from opskit.workload.interface import Workload
from tests import builders as b

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ROLE = RoleFacts(False, "", -1, True, False, False, 0, ())
GOOD = LoginResult(True, None, "", 1.0)
PROPERTIES = LocationProperties("SecureString", 3, "alias/linkbox")


class Engine(PostgreSql):
    """PostgreSQL whose role facts the test sets."""

    def __init__(self, role: RoleFacts) -> None:
        self._role = role

    def role_facts(self, *_: Any, **__: Any) -> RoleFacts:
        return self._role


class FakeConnector:
    """Connector whose logins the test sets."""

    description = "through linkbox-backend-1"

    def __init__(self, result: LoginResult, refused: Sequence[str]) -> None:
        self._result, self._refused = result, refused

    def try_login(self, user: str, *_: object) -> LoginResult:
        return WRONG if user in self._refused else self._result

    def server(self) -> None:
        return None


class Journal:
    """Journal with one latest rotation."""

    path = "/opskit/rotation/linkbox/db-password"

    def __init__(self, record: Record) -> None:
        self._record = record

    def latest(self) -> Record:
        return self._record


def context(role: RoleFacts = ROLE, **changes: Any) -> RotationContext:
    snapshot = b.snapshot()
    made = RotationContext(
        target=known_value(snapshot.get(Target)),
        identity=known_value(snapshot.get(Identity)),
        parameters=known_value(snapshot.get(StoredCredential)),
        database=b.db_instance(),
        cluster=None,
        readers=(),
        host=b.HOST,
        port=5432,
        user="linkbox",
        name="linkbox",
        text=Secret("present-Password-1"),
        password=Secret("present-Password-1"),
        properties=PROPERTIES,
        app=snapshot.get(Workload),
        probe=snapshot.get(InstanceProbe),
        access=snapshot.get(OperatorAccess),
        engine=Engine(role),
    )
    return replace(made, **changes)


def plan(
    found: RotationContext,
    *,
    login: LoginResult = GOOD,
    record: Record | None = None,
    known: Sequence[str] = (),
    refused: Sequence[str] = (),
    **options: Any,
) -> Plan:

    def helpers(user: str) -> list[DatabaseCredential]:
        if options.get("admin_parameter") == "/nope":
            raise CannotProceed("/nope cannot be read")
        who = ["admin"] if options.get("admin_parameter") else [user] if user in known else []
        return [DatabaseCredential(one, Secret("some-Password-1")) for one in who]

    latest = record or Record(0, None, (), NOW)
    return make_plan(
        found, RotationOptions(**options), FakeConnector(login, refused), Journal(latest), 1200.0,  # type: ignore[arg-type]
        lambda _: ["i-1", "i-2"], helpers,
    )  # fmt: skip


def problems(found: Plan) -> str:
    return " | ".join(sentence for sentence, _ in found.problems)


def test_a_healthy_linkbox_is_rotated() -> None:
    found = plan(context())
    assert found.problems == []
    assert found.intent is not None
    assert found.intent.strategy == "master"
    assert found.intent.new.password != found.intent.old.password
    assert [str(restart_target) for restart_target in found.restart_targets] == [
        "container linkbox-backend on i-1"
    ]
    assert found.number == 1
    assert found.wait_s == 0
    assert "a role of its own" in " ".join(found.warnings)
    message = " ".join(text for _, text in found.lines)
    assert found.intent.new.password.reveal() not in message
    assert "version 3 → 4" in message


def test_a_role_of_its_own_needs_no_rds() -> None:
    found = plan(context(user="app"))
    assert found.intent is not None
    assert found.intent.strategy == "role"
    with pytest.raises(UsageError):
        plan(context(user="app"), strategy="master")


CLUSTER = DbCluster(
    "shop", "cluster-1", "available", (), None, b.HOST, None, (), 5432, "linkbox-db"
)
BROKEN = LoginResult(False, LoginFailure.NO_ANSWER, "timeout expired", 1.0)
WRONG = LoginResult(False, LoginFailure.PASSWORD, "password authentication failed", 1.0)
TOKEN = LoginResult(False, LoginFailure.IAM_AUTH, "asks for it in clear text", 1.0)
STRANGER = LoginResult(False, LoginFailure.CERTIFICATE, "certificate verify failed", 1.0)
HASH = LoginResult(False, LoginFailure.METHOD, "the server asks for an MD5 hash", 1.0)
ILL = b.known(b.probe(health=Health("http://127.0.0.1:3000/health", 503, 1.0, "no")))


def proxy(user: str, *, host: str = "linkbox.proxy-1.example") -> Proxy:
    return Proxy("linkbox-proxy", host, (ProxySecret("arn:proxy-secret", user),))


def clone(**changes: Any) -> RoleFacts:
    return replace(ROLE, other_exists=True, **changes)


TURNS = {"strategy": "alternating", "known": ["app_clone"]}


@pytest.mark.parametrize(
    ("found", "options", "part"),
    [
        (context(database=b.db_instance(status="stopped")), {}, "linkbox-db is stopped"),
        (context(database=b.db_instance(pending=("DBInstanceClass",))), {}, "DBInstanceClass"),
        (
            context(database=b.db_instance(managed_secret_arn="arn:secret")),
            {"strategy": "master"},
            "Secrets Manager manages",
        ),
        (
            context(cluster=replace(CLUSTER, managed_secret_arn="arn:s")),
            {"strategy": "alternating"},
            "Secrets Manager manages",
        ),
        (
            context(database=b.db_instance(managed_secret_arn="arn:secret")),
            {"supplied": Secret("Brought-Password-1")},
            "RDS makes the password",
        ),
        (context(proxies=(proxy("linkbox"),)), {}, "which opskit does not write"),
        (context(proxies=(proxy("other", host=b.HOST),)), {}, "no secret for linkbox"),
        (
            context(proxies=(proxy("app", host=b.HOST),), user="app"),
            {"strategy": "alternating", "admin_parameter": "/admin"},
            "no secret for app_clone",
        ),
        (context(proxies=(proxy("", host=b.HOST),)), {}, "may be linkbox's"),
        (context(cluster=replace(CLUSTER, status="modifying")), {}, "shop is modifying"),
        (context(cluster=replace(CLUSTER, pending=("EngineVersion",))), {}, "EngineVersion"),
        (context(database=b.db_instance(replica_of="primary-db")), {}, "read replica"),
        (context(), {"login": WRONG}, "disagree already"),
        (context(), {"login": BROKEN}, "could be judged"),
        (context(user="app"), {"login": TOKEN}, "IAM's tokens"),
        (context(), {"login": STRANGER}, "could not be verified"),
        (context(), {"login": HASH}, "could not be verified"),
        (context(role=replace(ROLE, uses_iam=True), user="app"), {}, "IAM's tokens"),
        (context(role=replace(ROLE, is_replica=True), user="app"), {}, "read-only"),
        (
            context(role=replace(ROLE, may_change_own=False), user="app"),
            {},
            "rds_password",
        ),
        (context(properties=replace(PROPERTIES, kind="String")), {}, "is a String"),
        (context(properties=replace(PROPERTIES, is_full=True)), {}, "100 versions"),
        (context(properties=replace(PROPERTIES, pattern="[0-9]+")), {}, "AllowedPattern"),
        (context(), {"supplied": Secret("a/b-c-d-e-f")}, "forbids"),
        (context(), {"supplied": Secret("present-Password-1")}, "in force already"),
        (context(probe=ILL), {}, "not healthy now"),
        (context(probe=Unknown("the agent is offline")), {}, "the agent is offline"),
        (context(user="app"), {"strategy": "alternating"}, "second role app_clone is not there"),
        (
            context(role=replace(ROLE, other_exists=True), user="app_clone"),
            {"strategy": "alternating"},
            "no password of app is known",
        ),
        (
            context(role=clone(), user="app"),
            {**TURNS, "refused": ["app_clone"]},
            "no password of app_clone is known that logs in",
        ),
        (context(user="app"), {"admin_parameter": "/nope"}, "/nope cannot be read"),
        (
            context(user="app"),
            {"admin_parameter": "/admin", "refused": ["admin"]},
            "/admin does not log in as admin",
        ),
        (
            context(role=replace(ROLE, other_exists=True, other_sessions=2), user="app"),
            {"strategy": "alternating", "known": ["app_clone"]},
            "2 open session",
        ),
    ],
)
def test_what_refuses(found: RotationContext, options: dict[str, Any], part: str) -> None:
    made = plan(found, **options)
    assert part in problems(made)
    assert made.intent is None
    assert "present-Password-1" not in problems(made)


@pytest.mark.parametrize(
    ("found", "options", "part"),
    [
        (
            context(database=b.db_instance(stack="linkbox-prod")),
            {},
            "CloudFormation stack linkbox-prod",
        ),
        (context(role=replace(ROLE, password_expires="2027-01-01")), {}, "VALID UNTIL"),
        (context(role=replace(ROLE, connection_limit=1), user="app"), {}, "1 connections only"),
        (context(access=Unknown("you may not simulate")), {}, "you may not simulate"),
        (context(proxies=(proxy(""),)), {}, "could not be seen as whom"),
        (context(proxies=Unknown("RDS Proxies could not be listed")), {}, "could not be listed"),
        (context(stacks={"/linkbox/db-password": "shop"}), {}, "stack shop declares the parameter"),
        (
            context(stacks={"/linkbox/db-username": "shop"}, user="app", role=clone()),
            TURNS,
            "stack shop declares the parameter /linkbox/db-username",
        ),
        (context(stacks={"/linkbox/db-password": Unknown("no right")}), {}, "no right"),
        (
            context(user="app", role=clone(ownership_warnings=("app_clone owns 3 object(s)",))),
            TURNS,
            "app_clone owns 3 object(s)",
        ),
        (context(), {"restart": ("none",)}, "is not restarted"),
        (context(), {"supplied": Secret("has%percent-1A")}, "read as something else"),
        (context(cluster=CLUSTER), {"length": 60}, "41 characters at most"),
        (
            context(
                role=replace(ROLE, other_exists=True, other_differs=("work_mem=1GB",)), user="app"
            ),
            {"strategy": "alternating", "known": ["app_clone"]},
            "work_mem=1GB",
        ),
        (
            context(user="app"),
            {"strategy": "alternating", "admin_parameter": "/admin"},
            "user name and password are in two parameters",
        ),
    ],
)
def test_what_is_only_warned_of(found: RotationContext, options: dict[str, Any], part: str) -> None:
    made = plan(found, **options)
    assert problems(made) == ""
    assert part in " ".join(made.warnings)


def test_another_users_parameter_is_no_matter() -> None:
    """Only written parameters are reported, and another user's proxy is ignored."""
    made = plan(context(stacks={"/linkbox/db-username": "shop"}, proxies=(proxy("other"),)))
    assert problems(made) == ""
    assert "stack" not in " ".join(made.warnings)


def test_one_parameter_keeps_what_else_it_holds() -> None:
    pair = Target("linkbox", {**b.NAMES, "username": "/l/both", "password": "/l/both"}, "/linkbox")
    text = Secret('{"host": "db", "username": "app", "password": "present-Password-1"}')
    named = b.parameters(username=b.parameter("username", name="/l/both"))
    found = context(target=pair, text=text, user="app", parameters=named)
    made = plan(found, strategy="alternating", admin_parameter="/admin")
    assert made.intent is not None
    [published] = made.intent.published
    written = json.loads(published.new.reveal())
    assert written == {
        "host": "db",
        "username": "app_clone",
        "password": made.intent.new.password.reveal(),
    }
    assert published.old == text


def test_two_users_take_turns() -> None:
    there = plan(context(user="app"), strategy="alternating", admin_parameter="/admin")
    assert there.intent is not None
    assert (there.intent.old.user, there.intent.new.user) == ("app", "app_clone")
    assert [p.name for p in there.intent.published] == [
        "/linkbox/db-password",
        "/linkbox/db-username",
    ]
    back = plan(
        context(role=replace(ROLE, other_exists=True), user="app_clone"),
        strategy="alternating",
        known=["app"],
    )
    assert back.intent is not None
    assert back.intent.new.user == "app"


@pytest.mark.parametrize(("name", "waits"), [("slot-2", False), ("done", True)])
def test_only_what_was_not_closed_clean_is_waited_for(name: str, waits: bool) -> None:
    close = JournalEntry(
        name, {"kind": "close", "direction": "forward"}, NOW - timedelta(seconds=200)
    )
    made = plan(context(), record=Record(7, NOW, (close,), NOW))
    assert made.number == 8
    assert bool(made.wait_s) is waits
    assert made.wait_s == (pytest.approx(1001) if waits else 0)


def test_a_group_is_restarted_instance_by_instance() -> None:
    made = plan(context(), restart=("asg:web",))
    assert [restart_target.where for restart_target in made.restart_targets] == ["i-1", "i-2"]


def test_a_service_needs_no_instance() -> None:
    made = plan(context(probe=Unknown("no agent")), restart=("ecs:shop/web",))
    assert problems(made) == ""
    assert str(made.restart_targets[0]) == "ecs web on shop"


def test_the_engine_that_is_asked_is_the_real_one_elsewhere() -> None:
    """The fake engine above has the real one's interface."""
    assert hasattr(engine.for_rds_engine("postgres"), "role_facts")
