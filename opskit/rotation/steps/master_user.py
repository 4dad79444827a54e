"""Changes the master user's password through RDS, which accepts it at once and applies it later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from opskit.errors import AwsError, CannotProceed
from opskit.facts.interface import Rds
from opskit.rotation.protocol.interface import ChangeOutcome, ControlPlaneState, DatabaseCredential
from opskit.rotation.protocol.state_machine import CallOutcome, Direction

QUIET = frozenset({"available", "storage-optimization"})
"""Statuses in which no operation affects the password."""
BUSY = ("InvalidDBInstanceState", "InvalidDBClusterState")
PASSWORD = "MasterUserPassword"


class MasterPlace(Protocol):
    """Identifies a master user's database: instance or cluster, and the resource id, which is unique."""

    @property
    def db_instance(self) -> str:
        """The instance's identifier."""

    @property
    def cluster(self) -> str | None:
        """The cluster's identifier, if there is a cluster."""

    @property
    def resource(self) -> str:
        """AWS's immutable resource id; empty if it is unknown."""


class MasterUserStrategy:
    """Calls ModifyDBInstance, or ModifyDBCluster if there is a cluster.

    Args:
        reading: client for reads.
        changing: client for writes; it repeats no call.
    """

    needs_no_login = True
    is_synchronous = False

    def __init__(self, reading: Rds, changing: Rds, intent: MasterPlace) -> None:
        self._reading, self._changing, self._intent = reading, changing, intent

    def control(self) -> ControlPlaneState:
        """Read status and pending changes from the description, which lags behind what RDS has accepted.

        Raises:
            CannotProceed: it is another database of the same name.
        """
        return control_of(self._reading, self._intent)

    def change(
        self,
        to: DatabaseCredential,
        direction: Direction = Direction.FORWARD,
        works: DatabaseCredential | None = None,
    ) -> ChangeOutcome:
        """Ask RDS to set the password. A refusal because RDS is busy tells nothing about an earlier call."""
        try:
            if self._intent.cluster:
                # The API reference says that a cluster ignores ApplyImmediately; in practice it was needed.
                self._changing.modify_db_cluster(
                    DBClusterIdentifier=self._intent.cluster,
                    MasterUserPassword=to.password.reveal(),
                    ApplyImmediately=True,
                )
            else:
                # ApplyImmediately=False: a password does not wait for the maintenance window, and other
                # pending changes must keep waiting for it.
                self._changing.modify_db_instance(
                    DBInstanceIdentifier=self._intent.db_instance,
                    MasterUserPassword=to.password.reveal(),
                    ApplyImmediately=False,
                )
        except AwsError as error:
            if error.code.startswith(BUSY):
                return ChangeOutcome(CallOutcome.UNKNOWN, f"{error.permission}: {error.code}")
            return ChangeOutcome.by(error)
        return ChangeOutcome(CallOutcome.APPLIED)


def control_of(rds: Rds, intent: MasterPlace) -> ControlPlaneState:
    """Read the state of the database that a rotation is about.

    Raises:
        CannotProceed: it is another database of the same name.
    """
    if intent.cluster:
        reply = rds.describe_db_clusters(DBClusterIdentifier=intent.cluster)
        row: Mapping[str, Any] = reply["DBClusters"][0]
        status, resource = row["Status"], row.get("DbClusterResourceId", "")
    else:
        reply = rds.describe_db_instances(DBInstanceIdentifier=intent.db_instance)
        row = reply["DBInstances"][0]
        status, resource = row["DBInstanceStatus"], row.get("DbiResourceId", "")
    if intent.resource and resource and resource != intent.resource:
        raise CannotProceed(
            f"{intent.cluster or intent.db_instance} is not the database of this rotation any more: "
            f"it is {resource}, and the rotation is about {intent.resource}"
        )
    waits = PASSWORD in (row.get("PendingModifiedValues") or {})
    pending = waits or status not in QUIET
    database = intent.cluster or intent.db_instance
    return ControlPlaneState(pending, f"{database} is {status}", database)
