"""A name of the user's own is judged by the database whose address the instance resolves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from opskit.checks.catalogue import check_of
from opskit.checks.fix import Fix
from opskit.checks.fix_verification import verify_fix
from opskit.checks.interface import Finding, Status
from opskit.checks.resolved_database import ResolvedDatabase
from opskit.checks.run import run_check
from opskit.checks.shell_rendering import Caller
from opskit.commands import OpskitCommand
from opskit.config import Target
from opskit.facts import probe as instance_probe
from opskit.facts.dns import DatabaseHost, OperatorDns
from opskit.facts.given_facts import FingerprintKey
from opskit.facts.interface import Unknown
from opskit.facts.login import LoginAttemptResult
from opskit.facts.rds import DbInstances
from opskit.facts.region import Region
from opskit.facts.snapshot import Snapshot
from opskit.probe.response import Resolution
from opskit.workload.ec2_instance import Ec2InstanceWorkload
from tests import builders as b

NAME = "db.shop.internal"
OTHER = b.db_instance(
    identifier="orders-db", host=f"orders-{b.HOST}", database_name="orders", master_username="orders",
    security_group_ids=("sg-orders",), searchable_text="orders",
)  # fmt: skip
LISTED = DbInstances((b.db_instance(), OTHER))
HOST = DatabaseHost(NAME, 5432, b.NAMES["endpoint"])
PARAMETERS = b.parameters(endpoint=b.parameter("endpoint", value=NAME))
NO_ANSWER = OperatorDns(NAME, "NXDOMAIN", (NAME,), (), ("10.0.0.2",))


def probe(address: str) -> Any:
    return b.probe(
        resolutions=(
            Resolution(NAME, (address,), ""),
            Resolution(b.HOST, ("10.0.5.10",), ""),
            Resolution(str(OTHER.host), ("10.0.5.99",), ""),
        ),
        connections=(),
        attempts=(),
    )


def snapshot(*facts: Any, login: bool = False) -> Snapshot:
    unknown = () if login else (LoginAttemptResult,)
    return b.snapshot(LISTED, HOST, PARAMETERS, NO_ANSWER, *facts, unknown=unknown)


def judged(code: str, within: Snapshot) -> Finding:
    check = check_of(code)
    return verify_fix(check, run_check(check, within), within, Caller("us-east-1"))


def test_a_name_at_the_databases_address_is_another_name_of_it() -> None:
    """Whether the password is right is another question."""
    within = snapshot(probe("10.0.5.10"))
    found = judged("PAR004", within)
    assert found.status is Status.PASS
    assert found.evidence[0].text == f"on the instance {NAME} and {b.HOST} are both at 10.0.5.10"
    assert judged("PAR010", within).status is Status.PASS


def test_a_name_at_another_databases_address_is_the_fault() -> None:
    found = judged("PAR010", snapshot(probe("10.0.5.99")))
    assert found.status is Status.FAIL
    assert "leads to orders-db and not to linkbox-db" in found.summary
    assert found.fix is not None
    call = b.aws_call(found.fix.commands[0])
    assert (call.operation, call.parameters["Value"]) == ("PutParameter", b.HOST)
    assert "Confirm that linkbox-db is the app's database" in found.fix.ask
    assert judged("PAR004", snapshot(probe("10.0.5.99"))).status is Status.SKIP


def test_where_a_login_succeeds_at_the_other_one_both_are_named() -> None:
    found = judged("PAR010", snapshot(probe("10.0.5.99"), login=True))
    assert found.status is Status.WARN
    assert found.fix is None
    assert "--db-instance orders-db" in found.advice


@pytest.mark.parametrize("login", [False, True])
def test_no_password_is_repaired_while_the_name_leads_elsewhere(login: bool) -> None:
    """The login is tried at the one database, and RDS would set the password of the other."""
    check = check_of("AUT001")
    repair = Fix((OpskitCommand(("rotate-password", "repair")),), no_undo="it is one")
    finding = replace(run_check(check, snapshot(probe("10.0.5.99"))), fix=repair, advice="")
    within = snapshot(probe("10.0.5.99"), login=login)
    verified = verify_fix(check, finding, within, Caller("us-east-1"))
    assert verified.fix is None
    assert "leads to orders-db and not to linkbox-db" in verified.advice
    named = replace(b.healthy(Target), db_instance="linkbox-db")
    confirmed = snapshot(probe("10.0.5.99"), named, login=login)
    assert verify_fix(check, finding, confirmed, Caller("us-east-1")).fix is not None


def test_a_proxy_or_a_load_balancer_has_an_address_of_its_own() -> None:
    within = snapshot(probe("10.0.5.77"))
    assert within.value(ResolvedDatabase) == ResolvedDatabase("")
    assert judged("PAR004", within).status is Status.UNKNOWN


def test_a_replica_is_no_other_teams_database() -> None:
    replica = replace(OTHER, replica_of="linkbox-db")
    within = snapshot(probe("10.0.5.99"), DbInstances((b.db_instance(), replica)))
    resolved = within.value(ResolvedDatabase)
    assert resolved is not None
    assert (resolved.identifier, resolved.doubt) == ("linkbox-db", "")


def test_an_alias_that_only_this_machine_resolves_counts_where_the_instance_was_not_asked() -> None:
    alias = OperatorDns(NAME, "NOERROR", (NAME, str(OTHER.host)), ("10.0.5.99",), ("10.0.0.2",))
    resolved = snapshot(alias, b.probe(resolutions=())).value(ResolvedDatabase)
    assert resolved is not None
    assert resolved.identifier == "orders-db"
    both = snapshot(alias, probe("10.0.5.10")).value(ResolvedDatabase)
    assert both is not None
    assert both.identifier == "linkbox-db", "the instance's own answer counts more"


def test_an_address_in_the_parameter_is_known_by_its_owner() -> None:
    fixed = b.parameters(endpoint=b.parameter("endpoint", value="10.0.5.99"))
    resolved = snapshot(fixed, probe("10.0.5.99")).value(ResolvedDatabase)
    assert resolved is not None
    assert resolved.identifier == "orders-db"


def test_the_instance_resolves_other_hosts_only_for_a_name_of_the_users_own() -> None:
    far = [
        b.db_instance(identifier=f"db-{n}", host=f"h{n}.{b.HOST}", vpc_id="vpc-9") for n in range(9)
    ]
    listed = b.known(DbInstances((*far, OTHER)))

    def hostnames(host: DatabaseHost) -> tuple[str, ...]:
        return instance_probe.request(
            b.healthy(Target),
            FingerprintKey("k"),
            Region("us-east-1"),
            b.known(host),
            b.known(b.database()),
            b.known(PARAMETERS),
            Unknown("no"),
            b.healthy(Ec2InstanceWorkload),
            listed,
        ).hostnames

    asked = hostnames(HOST)
    assert asked[:3] == (NAME, b.HOST, OTHER.host), "those of the database's VPC first"
    assert len(asked) == 2 + instance_probe.MOST_HOSTS
    assert hostnames(b.healthy(DatabaseHost)) == (b.HOST,)


def test_without_an_observation_nothing_is_concluded() -> None:
    nothing = snapshot(b.probe(resolutions=()))
    assert nothing.value(ResolvedDatabase) == ResolvedDatabase("")
