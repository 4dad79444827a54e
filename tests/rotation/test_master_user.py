"""The master user's password through RDS: one call, its outcome, and the database that it is about."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from opskit.errors import AwsError, CannotProceed
from opskit.rotation.protocol.interface import ControlPlaneState, DatabaseCredential
from opskit.rotation.protocol.state_machine import CallOutcome
from opskit.rotation.steps.master_user import MasterUserStrategy
from opskit.secret import Secret
from tests.fake_aws import FakeClient
from tests.rotation.test_records import intent

NEW = DatabaseCredential("linkbox", Secret("New-password-5678"))


@dataclass
class Rds(FakeClient):
    """One database, as an instance and as a cluster."""

    status: str = "available"
    resource: str = "db-X"
    pending: dict[str, str] | None = None
    fails: str = ""
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def _row(self, status: str, resource: str) -> dict[str, Any]:
        more = {} if self.pending is None else {"PendingModifiedValues": self.pending}
        return {status: self.status, resource: self.resource, **more}

    def describe_db_instances(self, **asked: Any) -> Any:
        self.calls.append(("describe_db_instances", asked))
        return {"DBInstances": [self._row("DBInstanceStatus", "DbiResourceId")]}

    def describe_db_clusters(self, **asked: Any) -> Any:
        self.calls.append(("describe_db_clusters", asked))
        return {"DBClusters": [self._row("Status", "DbClusterResourceId")]}

    def _modify(self, name: str, asked: dict[str, Any]) -> None:
        self.calls.append((name, asked))
        if self.fails:
            raise AwsError(f"rds:{name}", self.fails, "the reason of RDS")

    def modify_db_instance(self, **asked: Any) -> None:
        self._modify("ModifyDBInstance", asked)

    def modify_db_cluster(self, **asked: Any) -> None:
        self._modify("ModifyDBCluster", asked)


def strategy(rds: Rds, **changes: Any) -> MasterUserStrategy:
    return MasterUserStrategy(rds, rds, intent(**changes))


class TestControl:
    @pytest.mark.parametrize(
        ("status", "pending", "is_pending"),
        [
            ("available", None, False),
            ("available", {}, False),
            ("available", {"DBInstanceClass": "db.t4g.large"}, False),
            ("storage-optimization", None, False),
            ("available", {"MasterUserPassword": "****"}, True),
            ("resetting-master-credentials", None, True),
            ("modifying", {}, True),
            ("something-new", None, True),
        ],
    )
    @pytest.mark.parametrize("cluster", [None, "orders"])
    def test_what_may_still_change_the_password(
        self, status: str, pending: dict[str, str] | None, is_pending: bool, cluster: str | None
    ) -> None:
        database = cluster or "db"
        state = strategy(Rds(status, pending=pending), cluster=cluster).control()
        assert state == ControlPlaneState(is_pending, f"{database} is {status}", database)

    @pytest.mark.parametrize("cluster", [None, "orders"])
    def test_another_database_of_the_same_name(self, cluster: str | None) -> None:
        with pytest.raises(CannotProceed, match="is not the database of this rotation any more"):
            strategy(Rds(resource="db-Y"), cluster=cluster).control()

    def test_one_without_a_resource_id_is_not_suspected(self) -> None:
        assert not strategy(Rds(resource="")).control().is_pending
        assert not strategy(Rds(resource="db-Y"), resource="").control().is_pending


class TestChange:
    def test_of_an_instance_without_its_other_pending_changes(self) -> None:
        rds = Rds()
        assert strategy(rds).change(NEW).outcome is CallOutcome.APPLIED
        assert rds.calls == [
            (
                "ModifyDBInstance",
                {
                    "DBInstanceIdentifier": "db",
                    "MasterUserPassword": "New-password-5678",
                    "ApplyImmediately": False,
                },
            )
        ]

    def test_of_a_cluster_at_once(self) -> None:
        rds = Rds()
        assert strategy(rds, cluster="orders").change(NEW).outcome is CallOutcome.APPLIED
        [(operation, asked)] = rds.calls
        assert operation == "ModifyDBCluster"
        assert (asked["DBClusterIdentifier"], asked["ApplyImmediately"]) == ("orders", True)

    @pytest.mark.parametrize(
        ("code", "outcome"),
        [
            ("InvalidDBInstanceState", CallOutcome.UNKNOWN),
            ("InvalidDBInstanceStateFault", CallOutcome.UNKNOWN),
            ("InvalidDBClusterStateFault", CallOutcome.UNKNOWN),
            ("Timeout", CallOutcome.UNKNOWN),
            ("AccessDenied", CallOutcome.REFUSED),
            ("InvalidParameterValue", CallOutcome.REFUSED),
        ],
    )
    def test_how_it_ends(self, code: str, outcome: CallOutcome) -> None:
        answer = strategy(Rds(fails=code)).change(NEW)
        assert answer.outcome is outcome
        assert answer.why.startswith(f"rds:ModifyDBInstance: {code}")
        assert ("the reason of RDS" in answer.why) is (outcome is CallOutcome.REFUSED)
        assert "New-password" not in answer.why
