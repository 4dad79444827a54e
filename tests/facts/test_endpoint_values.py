"""Endpoint values at which no database of RDS can be: found, and nothing is connected to them."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from opskit import endpoint, redaction
from opskit.ca_bundles import trust_for
from opskit.checks.catalogue import check_of
from opskit.checks.fix_verification import verify_fix
from opskit.checks.interface import Finding, Status
from opskit.checks.run import run_check
from opskit.checks.shell_rendering import Caller
from opskit.config import Target
from opskit.engine.postgresql.engine import ENGINE, PostgreSql
from opskit.facts import database, login, probe
from opskit.facts.dns import DatabaseHost, OperatorDns, select_host
from opskit.facts.given_facts import FingerprintKey
from opskit.facts.identity import Identity
from opskit.facts.interface import FactUnavailable, Unknown
from opskit.facts.rds import DbClusters, DbInstances
from opskit.facts.region import Region
from opskit.facts.stored_credential import Credential, StoredCredential
from opskit.probe.response import Health, Resolution
from opskit.secret import Secret
from opskit.transport.database_connector import DatabaseConnector
from opskit.workload.interface import Workload
from tests import builders as b
from tests.fake_aws import FakeClient

NO_HOSTS = [
    "file:///etc/passwd",
    "http://169.254.169.254/latest/meta-data/",
    f"postgres://linkbox:in-the-url-77@{b.HOST}:5432/linkbox",
    f"jdbc:postgresql://{b.HOST}/linkbox",
    "/var/run/postgresql",
    "@abstract",
    "host with blanks",
    "-oProxyCommand=x",
    "127.1",
    "2130706433",
    "0x7f000001",
]
BAD_PORTS = [
    f"{b.HOST}: 5432",
    f"{b.HOST}:54a2",
    f"{b.HOST}:70000",
    f"{b.HOST}:0",
    "[2001:db8::1]x",
]
OWN = [
    "localhost", "LOCALHOST.", "db.localhost", "127.0.0.1", "127.8.8.8:5432", "[::1]:5432", "::1",
    "::ffff:127.0.0.1", "169.254.169.254", "169.254.170.2:80", "fe80::1", "fd00:ec2::254", "0.0.0.0",
]  # fmt: skip
GOOD = [b.HOST, f"{b.HOST}:5432", "10.0.5.10", "db", "my_db.internal", "[2001:db8::1]:5432"]


def holding(value: str) -> StoredCredential:
    return b.parameters(endpoint=b.parameter("endpoint", value=value, raw=value))


def judged(code: str, *replaced: Any) -> Finding:
    snapshot, check = b.snapshot(*replaced), check_of(code)
    caller = Caller("us-east-1", "", "--prefix /linkbox")
    return verify_fix(check, run_check(check, snapshot), snapshot, caller)


@pytest.mark.parametrize("value", NO_HOSTS)
def test_no_host_is_a_finding_with_the_host_as_its_fix(value: str) -> None:
    finding = judged("PAR006", holding(value))
    assert finding.status is Status.FAIL, "also where a login at the database's own host succeeds"
    assert value not in finding.summary
    assert finding.fix is not None
    assert b.HOST in repr(finding.fix.commands)
    assert "in-the-url-77" not in repr(finding.fix.undo)
    assert holding(value).host is None


@pytest.mark.parametrize("value", BAD_PORTS)
def test_a_port_that_is_no_number_is_a_fault_where_the_app_fails(value: str) -> None:
    ill = b.probe(health=Health("http://127.0.0.1:3000/health", 503, 3.0, ""))
    for app, status in ((ill, Status.FAIL), (b.probe(), Status.WARN)):
        finding = judged("PAR006", holding(value), app)
        assert finding.status is status
        assert finding.fix is not None
        assert b.HOST in repr(finding.fix.commands)
    assert holding(value).host is None


@pytest.mark.parametrize("value", OWN)
def test_an_own_or_link_local_host_is_a_finding(value: str) -> None:
    finding = judged("PAR007", holding(value))
    assert finding.status is Status.FAIL
    assert finding.fix is not None
    assert b.HOST in repr(finding.fix.commands)
    assert judged("PAR004", holding(value)).status is Status.SKIP


@pytest.mark.parametrize("value", GOOD)
def test_a_host_is_none(value: str) -> None:
    assert endpoint.form_flaw(value) == ""
    assert endpoint.address_flaw(endpoint.split(value)[0]) is None


@pytest.mark.parametrize("value", [*NO_HOSTS, *BAD_PORTS, *OWN])
def test_the_databases_own_host_is_asked_in_its_place(value: str) -> None:
    found = select_host(b.known(b.database()), b.known(holding(value)))
    assert (found.name, found.is_from_rds) == (b.HOST, True)
    with pytest.raises(FactUnavailable):
        select_host(Unknown("not read"), b.known(holding(value)))


def test_a_host_that_rds_names_is_believed() -> None:
    """A server on this machine may be one, where RDS itself says so."""
    own = b.database(host="localhost", port=5432)
    found = select_host(b.known(own), b.known(holding("localhost")))
    assert (found.name, found.is_from_rds) == ("localhost", True)
    assert judged("PAR007", own, holding("localhost")).status is Status.PASS


@pytest.mark.parametrize("value", [*NO_HOSTS, *OWN])
def test_the_probe_is_asked_about_no_such_place(value: str) -> None:
    known, parameters = b.known(b.database()), b.known(holding(value))
    asked = probe.request(
        Target("linkbox", b.NAMES), FingerprintKey("k"), Region("us-east-1"),
        b.known(select_host(known, parameters)), known, parameters, Unknown("x"),
        b.healthy(Workload), Unknown("x"),
    )  # fmt: skip
    assert {host for host, _ in asked.tcp_targets} == {b.HOST} == set(asked.hostnames)
    assert asked.unlisted == ()


@pytest.mark.parametrize("is_safe", [True, False])
def test_the_probe_connects_bare_only_where_the_engine_allows_it(
    is_safe: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PostgreSql, "bare_connect_is_safe", is_safe)
    asked = probe.request(
        Target("linkbox", b.NAMES), FingerprintKey("k"), Region("us-east-1"),
        b.known(DatabaseHost(b.HOST, 5432, "p")), b.known(b.database()), b.known(b.parameters()),
        Unknown("x"), b.healthy(Workload), Unknown("x"),
    )  # fmt: skip
    assert bool(asked.tcp_targets) is is_safe
    assert asked.exchange_with == (b.HOST, 5432)


def test_the_probe_is_told_which_hosts_rds_does_not_name() -> None:
    asked = probe.request(
        Target("linkbox", b.NAMES), FingerprintKey("k"), Region("us-east-1"),
        b.known(DatabaseHost("db.example", 5432, "p")), b.known(b.database()), b.known(b.parameters()),
        Unknown("x"), b.healthy(Workload), Unknown("x"),
    )  # fmt: skip
    assert asked.unlisted == ("db.example",)


@contextmanager
def listening() -> Iterator[tuple[int, list[str]]]:
    """A port of this machine, and who connected to it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.3)
        peers: list[str] = []
        yield server.getsockname()[1], peers
        try:
            connection, peer = server.accept()
            connection.close()
            peers.append(str(peer))
        except TimeoutError:
            return


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "::1"])
def test_no_login_from_here_at_a_name_that_resolves_to_this_machine(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("it was connected to")

    monkeypatch.setattr(socket, "create_connection", refuse)
    found = login.read_direct(
        Target("linkbox", b.NAMES),
        OperatorDns("db.example", "NOERROR", ("db.example",), (address,), ()),
        DatabaseHost("db.example", 5432, "p"), b.database(), b.parameters(),
        Credential(Secret("Abc-12345678")),
    )  # fmt: skip
    assert found.login is None


def test_the_door_knows_this_machine_from_a_database() -> None:
    with listening() as (port, peers):
        connector = DatabaseConnector(
            ENGINE, "localhost", port, "d", trust_for("localhost"), None, "i-1", is_from_rds=False
        )
        assert connector._try_direct() is None
    assert peers == []
    with listening() as (port, peers):
        assert (
            DatabaseConnector(
                ENGINE, "localhost", port, "d", trust_for("localhost"), None, "i-1"
            )._try_direct()
            == "127.0.0.1"
        )
    assert len(peers) == 1


def test_an_engine_that_counts_bare_connections_gets_none() -> None:
    class Careful(PostgreSql):
        """Answers by its own protocol, as MySQL has to."""

        def is_reachable(self, address: str, port: int, *, timeout_s: float) -> bool:
            return address == "127.0.0.1"

    with listening() as (port, peers):
        connector = DatabaseConnector(
            Careful(), "localhost", port, "d", trust_for("localhost"), None, "i-1"
        )
        assert connector._try_direct() == "127.0.0.1"
    assert peers == []


def test_no_tunnel_to_what_the_instance_resolves_to_itself() -> None:
    own = b.probe(resolutions=(Resolution("db.example", ("169.254.169.254",), ""),), attempts=())
    with pytest.raises(FactUnavailable, match="link-local"):
        login.read_tunnel(
            None, None, None, None, Target("linkbox", b.NAMES),  # type: ignore[arg-type]
            b.healthy(Workload), DatabaseHost("db.example", 5432, "p"),
            b.database(), b.parameters(), Credential(Secret("Abc-12345678")), b.known(own),
            b.known(login.DirectLogin(None)),
        )  # fmt: skip


def test_a_name_that_resolves_to_the_instance_is_a_finding() -> None:
    own = b.probe(resolutions=(Resolution("db.example", ("127.0.0.1",), ""),))
    finding = judged("DNS002", DatabaseHost("db.example", 5432, "p"), own)
    assert (finding.status, "loopback" in finding.summary) == (Status.FAIL, True)
    assert finding.advice


def test_a_password_in_the_endpoints_url_is_a_secret() -> None:
    """It is neither in the sentence that no database was found, nor in anything else that is written."""
    value = "postgres://other:in-the-url-78@db.example/x"
    with pytest.raises(FactUnavailable) as caught:
        database.select(
            Target("linkbox", b.NAMES), Region("us-east-1"), b.known(b.healthy(Identity)),
            b.known(DbInstances(())), b.known(DbClusters(())), b.known(holding(value)),
        )  # fmt: skip
    assert "in-the-url-78" not in caught.value.unknown.reason
    read_with_url(value)
    assert "in-the-url-78" not in redaction.redact(f"endpoint was {value}")


def read_with_url(value: str) -> None:
    from opskit.facts import stored_credential

    class Ssm(FakeClient):
        def get_parameters(self, **_: Any) -> Any:
            rows = [(name, value if p == "endpoint" else p) for p, name in b.NAMES.items()]
            return {
                "Parameters": [
                    {"Name": n, "Value": v, "Type": "String", "Version": 1} for n, v in rows
                ]
            }

    stored_credential.read(Ssm(), Target("linkbox", b.NAMES), FingerprintKey("k"))
