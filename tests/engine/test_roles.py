"""What is sent to the server to change a password or to learn about a role, and what its replies mean."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from psycopg import sql

from opskit.engine.interface import ChangeResult, RoleFacts, Server, ServerTrust
from opskit.engine.postgresql import roles
from opskit.engine.postgresql.engine import ENGINE
from opskit.errors import CannotProceed
from opskit.secret import Secret

SERVER = Server("db.example", "10.0.0.5", 5432, "shop", ServerTrust(("db.example",), "ca.pem", "b"))
UNVERIFIED = Server(
    "db.example", "10.0.0.5", 5432, "shop", ServerTrust(("x",), None, reason="no CA")
)
PASSWORD, NEW = Secret("Old-password-1"), Secret("New-password-2")
VERIFIER = "SCRAM-SHA-256$4096:salt$stored:server"


class FakeConnection:
    """Records what is sent; `rows` are the replies to the queries that contain a text."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Any]] = []
        self.rows: dict[str, Any] = {}
        self.fails: dict[str, Exception] = {}
        self.encrypted: list[tuple[bytes, ...]] = []
        self.limits: dict[str, float] = {}
        self.login: tuple[Any, ...] = ()
        self.pgconn = self

    def encrypt_password(self, *asked: bytes) -> bytes:
        self.encrypted.append(asked)
        return VERIFIER.encode()

    def execute(self, query: str | sql.Composed, values: Any = None) -> FakeConnection:
        text = query if isinstance(query, str) else query.as_string(None)
        self.sent.append((text, values))
        self._fail(text)
        self.row = next((row for part, row in self.rows.items() if part in text), None)
        return self

    def fetchone(self) -> Any:
        return self.row

    def commit(self) -> None:
        self.sent.append(("commit", None))
        self._fail("commit")

    def rollback(self) -> None:
        self.sent.append(("rollback", None))

    def _fail(self, text: str) -> None:
        for part, error in self.fails.items():
            if part in text:
                raise error


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> FakeConnection:
    fake = FakeConnection()

    @contextlib.contextmanager
    def connected(*login: Any, **limits: float) -> Iterator[FakeConnection]:
        fake.login, fake.limits = login, limits
        fake._fail("connect")
        yield fake

    monkeypatch.setattr(roles, "connected", connected)
    return fake


def change(
    member_of: str | None = None,
    role: str = 'a"pp',
    server: Server = SERVER,
    still_wanted: Callable[[], bool] = lambda: True,
) -> ChangeResult:
    return ENGINE.change_password(
        server, "master", PASSWORD, role, NEW,
        member_of=member_of, lock="linkbox", still_wanted=still_wanted, limit_s=2.5,
    )  # fmt: skip


BEGIN = [
    ("set role none", None),
    ("select set_config(%s, %s, false)", ("lock_timeout", "2500ms")),
    ("select set_config(%s, %s, false)", ("statement_timeout", "2500ms")),
    ("select set_config(%s, %s, false)", ("idle_in_transaction_session_timeout", "2500ms")),
    ("select pg_advisory_xact_lock(hashtextextended(%s, 0))", ("linkbox",)),
]


class TestChange:
    def test_an_existing_role_gets_the_verifier_under_the_lock(
        self, connection: FakeConnection
    ) -> None:
        assert change() == ChangeResult(True)
        assert connection.sent == [
            *BEGIN,
            ("select from pg_roles where rolname = %s", ('a"pp',)),
            (f"""alter role "a""pp" password '{VERIFIER}'""", None),
            ("commit", None),
        ]
        assert connection.encrypted == [(b"New-password-2", b'a"pp', b"scram-sha-256")]

    def test_the_login_is_the_given_one_and_has_three_waits(
        self, connection: FakeConnection
    ) -> None:
        change()
        assert connection.login == (SERVER, "master", PASSWORD)
        assert connection.limits == {"timeout_s": 2.5, "limit_s": 7.5}

    def test_a_missing_second_role_is_created_as_a_member_of_the_first(
        self, connection: FakeConnection
    ) -> None:
        assert change(member_of="app", role="app_clone") == ChangeResult(True)
        assert connection.sent[len(BEGIN) + 1 :] == [
            (f"""create role "app_clone" login in role "app" password '{VERIFIER}'""", None),
            ("""alter role "app_clone" set role = 'app'""", None),
            ("commit", None),
        ]

    def test_a_second_role_that_exists_is_altered(self, connection: FakeConnection) -> None:
        connection.rows["pg_roles"] = ()
        assert change(member_of="app", role="app_clone") == ChangeResult(True)
        assert connection.sent[-2][0] == f"""alter role "app_clone" password '{VERIFIER}'"""

    def test_what_is_not_wanted_any_more_is_not_changed(self, connection: FakeConnection) -> None:
        sent_before: list[int] = []

        def still_wanted() -> bool:
            sent_before.append(len(connection.sent))
            return False

        result = change(still_wanted=still_wanted)
        assert result == ChangeResult(False, message="it is not wanted any more")
        assert sent_before == [len(BEGIN)], "it is asked under the lock"
        assert connection.sent == [*BEGIN, ("rollback", None)]

    @pytest.mark.parametrize(
        ("error", "is_final"),
        [
            (psycopg.errors.FeatureNotSupported, True),
            (psycopg.errors.InvalidParameterValue, True),
            (psycopg.errors.CheckViolation, True),
            (psycopg.errors.InvalidPassword, True),
            (psycopg.errors.InsufficientPrivilege, True),
            (psycopg.errors.LockNotAvailable, False),
            (psycopg.errors.QueryCanceled, False),
            (psycopg.errors.TooManyConnections, False),
            (psycopg.OperationalError, False),
        ],
    )
    @pytest.mark.parametrize("at", ["connect", "advisory", "alter role"])
    def test_an_error_before_the_commit_changes_nothing(
        self, connection: FakeConnection, error: type[psycopg.Error], is_final: bool, at: str
    ) -> None:
        connection.fails[at] = error("no\nDETAIL: more")
        assert change() == ChangeResult(False, is_final, "no")

    @pytest.mark.parametrize("error", [psycopg.OperationalError, psycopg.errors.AdminShutdown])
    def test_after_a_lost_reply_to_the_commit_nothing_is_known(
        self, connection: FakeConnection, error: type[psycopg.Error]
    ) -> None:
        connection.fails["commit"] = error("the connection is closed")
        assert change() == ChangeResult(None, message="the connection is closed")


ROW: tuple[Any, ...] = ("", -1, False, False, False, False, False, 0, [], "", 0, False, "", 0)
PLAIN = RoleFacts(
    uses_iam=False, password_expires="", connection_limit=-1, may_change_own=True, is_replica=False,
    other_exists=False, other_sessions=0, other_differs=(),
)  # fmt: skip


def row(**changes: Any) -> tuple[Any, ...]:
    names = (
        "until", "limit", "replica", "restricts", "iam", "member", "exists", "sessions", "differs",
        "acts_as", "owns", "defaults", "other_acts_as", "other_owns",
    )  # fmt: skip
    return tuple({**dict(zip(names, ROW, strict=True)), **changes}.values())


class TestFacts:
    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({}, {}),
            ({"until": "2026-01-02 00:00:00+00"}, {"password_expires": "2026-01-02 00:00:00+00"}),
            ({"until": "infinity"}, {"password_expires": ""}),
            ({"limit": 5}, {"connection_limit": 5}),
            ({"replica": True}, {"is_replica": True}),
            ({"restricts": True}, {"may_change_own": False}),
            ({"restricts": True, "member": True}, {"may_change_own": True}),
            ({"iam": True}, {"uses_iam": True}),
            (
                {"exists": True, "sessions": 3, "differs": ["a=1", "b=2"]},
                {"other_exists": True, "other_sessions": 3, "other_differs": ("a=1", "b=2")},
            ),
        ],
    )
    def test_a_row_of_the_catalogs(
        self, connection: FakeConnection, changes: dict[str, Any], expected: dict[str, Any]
    ) -> None:
        connection.rows["pg_roles"] = row(**changes)
        found = ENGINE.role_facts(SERVER, "app", PASSWORD, "app_clone", timeout_s=4)
        assert found == replace(PLAIN, **expected)
        assert connection.login == (SERVER, "app", PASSWORD)
        assert connection.limits == {"timeout_s": 4, "limit_s": 4}
        [(_, values)] = connection.sent
        assert values == {"other": "app_clone"}

    @pytest.mark.parametrize(
        ("changes", "warns"),
        [
            ({"exists": True, "other_owns": 2}, True),
            ({"exists": False, "other_owns": 2}, False),
            ({"exists": True, "other_owns": 2, "other_acts_as": "app"}, False),
            ({"exists": True, "owns": 2}, True),
            ({"exists": True, "defaults": True}, True),
            ({"exists": True, "owns": 2, "acts_as": "app_clone"}, False),
        ],
    )
    def test_objects_that_only_one_of_two_roles_can_use(
        self, connection: FakeConnection, changes: dict[str, Any], warns: bool
    ) -> None:
        connection.rows["pg_roles"] = row(**changes)
        found = ENGINE.role_facts(SERVER, "app", PASSWORD, "app_clone", timeout_s=4)
        assert bool(found.ownership_warnings) is warns
        assert all("app_clone" in warning for warning in found.ownership_warnings)

    def test_a_role_that_cannot_log_in_is_an_error_without_its_settings(
        self, connection: FakeConnection
    ) -> None:
        text = 'connection failed: connection to server at "10.0.0.5", port 5432 failed: FATAL: no'
        connection.fails["connect"] = psycopg.OperationalError(text)
        with pytest.raises(CannotProceed) as caught:
            ENGINE.role_facts(SERVER, "app", PASSWORD, "app_clone", timeout_s=4)
        assert caught.value.sentence == "the role app could not be asked: FATAL: no"


@pytest.mark.parametrize(
    ("line", "explanation"),
    [
        ("server requested a hashed password", "the server asks for an MD5 hash of the password, which was not sent: db.example is not verified: no CA (--ca-file FILE verifies it)"),
        ("server requested a cleartext password", "the server asks for the password in clear text, as for IAM's tokens (rds_iam)"),
        ("server did not complete authentication", "the server let the login in without a proof of the password; it is not believed"),
        ("channel binding is required, but server did not offer", "the server does not bind SCRAM to the connection, and nothing was proven: db.example is not verified: no CA (--ca-file FILE verifies it)"),
        ("password authentication failed", "password authentication failed"),
    ],
)  # fmt: skip
def test_a_line_of_the_driver_in_plain_words(line: str, explanation: str) -> None:
    assert roles.explain(line, UNVERIFIED) == explanation


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("  a\nb", "a"),
        (
            'connection failed: connection to server at "h", port 1 failed: x failed: y',
            "x failed: y",
        ),
        ('connection to server at "h" (10.0.0.5), port 1 failed: FATAL:  no\n', "FATAL:  no"),
        ("the connection is closed", "the connection is closed"),
    ],
)
def test_the_first_line_of_the_driver_s_message(text: str, line: str) -> None:
    assert roles.first_line(text) == line


def test_the_login_is_of_the_address_under_the_name_and_says_who_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(psycopg, "connect", lambda **options: asked.append(options))
    roles._connect(SERVER, "app", PASSWORD, 4.9)
    roles._connect(SERVER, "app", PASSWORD, 0.5)
    [first, second] = asked
    assert first == {
        "host": "db.example",
        "hostaddr": "10.0.0.5",
        "port": 5432,
        "user": "app",
        "password": "Old-password-1",
        "dbname": "shop",
        "connect_timeout": 4,
        "gssencmode": "disable",
        "passfile": "/dev/null",
        "application_name": "opskit",
        **roles.security_options(SERVER.trust, psycopg.pq.version()),
    }
    assert second["connect_timeout"] == 2, "libpq takes no less"
