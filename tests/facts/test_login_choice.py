"""Which of several logins is believed: one that ended before the password says nothing of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from opskit.ca_bundles import trust_for
from opskit.config import Target
from opskit.engine.interface import LoginFailure
from opskit.engine.postgresql.engine import ENGINE
from opskit.facts import login
from opskit.facts.dns import DatabaseHost, OperatorDns
from opskit.facts.interface import Fact, Known
from opskit.facts.login import DirectLogin, LoginAttemptResult, TunnelLogin
from opskit.facts.probe import InstanceProbe
from opskit.facts.stored_credential import Credential
from opskit.probe.response import LoginAttempt
from opskit.secret import Secret
from opskit.transport.database_connector import DatabaseConnector
from opskit.workload.interface import Workload
from tests import builders as b
from tests.engine.servers import md5, serve

NO_HASH = "authentication method not allowed: the server asks for an MD5 hash and was not verified"
STALE = "SSL error: certificate verify failed"
WRONG = 'password authentication failed for user "linkbox"'


def here(failure: LoginFailure | None) -> LoginAttemptResult:
    return LoginAttemptResult(failure is None, failure, "", 1.0, "TLS", "this machine", "linkbox")


def there(message: str | None) -> Fact[InstanceProbe]:
    """The instance's own login: it succeeded, failed with a message, or (None) was not tried."""
    if message is None:
        return b.known(b.probe(attempts=()))
    made = LoginAttempt("parameters", not message, "", message, 1.0, "TLSv1.3", "require")
    return b.known(b.probe(attempts=(made,)))


def chosen(
    direct: LoginAttemptResult | None, tunnel: LoginAttemptResult | None, message: str | None
) -> LoginAttemptResult:
    return login.read(
        b.database(), b.known(b.parameters()), there(message), b.known(DirectLogin(direct)),
        b.known(TunnelLogin(tunnel)),
    )  # fmt: skip


@pytest.mark.parametrize("failure", [LoginFailure.CERTIFICATE, LoginFailure.METHOD])
class TestAnUnverifiedServer:
    def test_the_instance_says_more(self, failure: LoginFailure) -> None:
        assert chosen(here(failure), None, "").succeeded
        assert chosen(here(failure), None, WRONG).is_wrong_password

    def test_without_another_it_is_kept_and_says_nothing_of_the_password(
        self, failure: LoginFailure
    ) -> None:
        for message in (NO_HASH, STALE, None):
            found = chosen(here(failure), None, message)
            assert (found.failure, found.tried_from) == (failure, "this machine")
            assert not found.is_wrong_password

    def test_a_login_through_the_instance_says_more(self, failure: LoginFailure) -> None:
        found = chosen(None, here(None), NO_HASH)
        assert found.succeeded


@pytest.mark.parametrize(
    ("message", "is_tried"),
    [(NO_HASH, True), (STALE, True), (None, True), ("", False), (WRONG, False)],
)
def test_when_this_machine_tries_through_the_instance(
    message: str | None, is_tried: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def log_in(*_: Any) -> LoginAttemptResult:
        return here(None)

    monkeypatch.setattr(login._LocalLogin, "log_in", log_in)
    app = b.linkbox()[Workload]
    assert isinstance(app, Known)
    found = login.read_tunnel(
        None, None, None, None, Target("linkbox", b.NAMES),  # type: ignore[arg-type]
        app.value, DatabaseHost(b.HOST, 5432, "p", is_from_rds=True), b.database(), b.parameters(),
        Credential(Secret("Abc-12345678")), there(message), b.known(DirectLogin(None)),
    )  # fmt: skip
    assert (found.login is not None) is is_tried


def test_a_false_server_at_the_databases_address_learns_nothing(tmp_path: Path) -> None:
    """By default, without any option: its certificate has the right name and the wrong authority."""
    server = serve(tmp_path, md5, b.HOST)
    try:
        found = login.read_direct(
            Target("linkbox", b.NAMES),
            OperatorDns(b.HOST, "NOERROR", (b.HOST,), ("127.0.0.1",), ()),
            DatabaseHost(b.HOST, server.port, "p", is_from_rds=True), b.database(), b.parameters(),
            Credential(Secret("Abc-12345678")),
        ).login  # fmt: skip
        connector = DatabaseConnector(
            ENGINE, b.HOST, server.port, "linkbox", trust_for(b.HOST), None, ""
        )
        connector._direct = "127.0.0.1"
        changed = ENGINE.change_password(
            connector.server(), "linkbox", Secret("Abc-12345678"), "linkbox", Secret("New-12345678"),
            member_of=None, lock="l", still_wanted=lambda: True, limit_s=5,
        )  # fmt: skip
    finally:
        server.close()
    assert found is not None
    assert (found.succeeded, found.failure) == (False, LoginFailure.CERTIFICATE)
    assert "the RDS CA bundle has no authority that issued it" in found.message
    assert changed.succeeded is False
    assert (server.starts, server.heard) == (0, [])
