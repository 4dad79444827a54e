"""The master user's password, changed by RDS: accepted at once, applied later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from opskit.errors import AwsError, CannotProceed
from opskit.facts.interface import Rds
from opskit.rotation.protocol.interface import ChangeOutcome, ControlPlaneState, DatabaseCredential
from opskit.rotation.protocol.state_machine import CallOutcome, Direction

QUIET = frozenset({"available", "storage-optimization"})
"""Statuses in which nothing is under way that a password has to do with."""
BUSY = ("InvalidDBInstanceState", "InvalidDBClusterState")
PASSWORD = "MasterUserPassword"


class MasterPlace(Protocol):
    """Where the master user is: its instance or cluster, and the resource id that no namesake has."""

    @property
    def db_instance(self) -> str:
        """The instance's identifier."""

    @property
    def cluster(self) -> str | None:
        """The cluster's, where there is one."""

    @property
    def resource(self) -> str:
        """Its own id; empty where that is not known."""


class MasterUserStrategy:
    """ModifyDBInstance, or ModifyDBCluster where there is a cluster.

    Args:
        reading, changing: clients; nothing is repeated by the second.
    """

    needs_no_login = True
    is_synchronous = False

    def __init__(self, reading: Rds, changing: Rds, intent: MasterPlace) -> None:
        self._reading, self._changing, self._intent = reading, changing, intent

    def control(self) -> ControlPlaneState:
        """Status and what is pending, as described; both lag behind what RDS has accepted.

        Raises:
            Incomplete: it is another database of the same name.
        """
        return control_of(self._reading, self._intent)

    def change(
        self,
        to: DatabaseCredential,
        direction: Direction = Direction.FORWARD,
        works: DatabaseCredential | None = None,
    ) -> ChangeOutcome:
        """Ask RDS for it. Refusals that come from being busy say nothing about an earlier call."""
        try:
            if self._intent.cluster:
                # The API text says that a cluster ignores the flag; it was seen to need it.
                self._changing.modify_db_cluster(
                    DBClusterIdentifier=self._intent.cluster,
                    MasterUserPassword=to.password.reveal(),
                    ApplyImmediately=True,
                )
            else:
                # False: a password does not wait for the window, and other changes shall go on waiting.
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
    """What RDS says of the database that a rotation is about.

    Raises:
        Incomplete: it is another one of the same name.
    """
    if intent.cluster:
        reply = rds.describe_db_clusters(DBClusterIdentifier=intent.cluster)
        found: Mapping[str, Any] = reply["DBClusters"][0]
        status, resource = found["Status"], found.get("DbClusterResourceId", "")
    else:
        reply = rds.describe_db_instances(DBInstanceIdentifier=intent.db_instance)
        found = reply["DBInstances"][0]
        status, resource = found["DBInstanceStatus"], found.get("DbiResourceId", "")
    if intent.resource and resource and resource != intent.resource:
        raise CannotProceed(
            f"{intent.cluster or intent.db_instance} is not the database of this rotation any more: "
            f"it is {resource}, and the rotation is about {intent.resource}"
        )
    waits = PASSWORD in (found.get("PendingModifiedValues") or {})
    pending = waits or status not in QUIET
    return ControlPlaneState(pending, f"{intent.cluster or intent.db_instance} is {status}")
