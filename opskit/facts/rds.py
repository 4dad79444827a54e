"""The RDS instances and Aurora clusters of the account and Region, as RDS describes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from opskit.aws_protocols import paginate
from opskit.facts.interface import Rds

STACK_TAG = "aws:cloudformation:stack-name"


@dataclass(frozen=True, slots=True)
class DbSubnet:
    """A subnet of the DB subnet group, in which the database may be placed."""

    subnet_id: str
    zone: str


@dataclass(frozen=True, slots=True)
class DbInstance:
    """One RDS DB instance, as RDS describes it.

    Attributes:
        host: the endpoint's address; None while it is being created.
        parameter_groups: (name, apply status) of each.
        pending: names of the settings that are not applied yet; never their values.
        managed_secret_arn: the Secrets Manager secret of the master user, if RDS manages one.
        replica_of: the source instance of a read replica, which alone accepts writes.
        stack: the CloudFormation stack that declares the instance.
        searchable_text: its identifier and the values of its tags, lower case.
    """

    identifier: str
    resource_id: str
    engine: str
    engine_version: str
    status: str
    host: str | None
    port: int
    master_username: str
    database_name: str | None
    vpc_id: str
    subnets: tuple[DbSubnet, ...]
    zone: str | None
    security_group_ids: tuple[str, ...]
    parameter_groups: tuple[tuple[str, str], ...]
    is_public: bool
    is_multi_az: bool
    is_encrypted: bool
    backup_days: int
    ca_identifier: str | None
    certificate_valid_till: datetime | None
    managed_secret_arn: str | None
    pending: tuple[str, ...]
    cluster_id: str | None
    allocated_gib: int | None
    restarts_at: datetime | None
    replica_of: str | None = None
    stack: str | None = None
    searchable_text: str = ""


@dataclass(frozen=True, slots=True)
class DbInstances:
    """All DB instances of the account and Region."""

    all: tuple[DbInstance, ...]


@dataclass(frozen=True, slots=True)
class DbCluster:
    """One Aurora or Multi-AZ cluster; its members are separate DB instances."""

    identifier: str
    resource_id: str
    status: str
    pending: tuple[str, ...]
    managed_secret_arn: str | None
    endpoint: str | None
    reader_endpoint: str | None
    custom_endpoints: tuple[str, ...]
    port: int | None
    writer_id: str | None


@dataclass(frozen=True, slots=True)
class DbClusters:
    """All clusters of the account and Region."""

    all: tuple[DbCluster, ...]

    def of(self, instance: DbInstance) -> DbCluster | None:
        """The cluster of an instance."""
        return next((c for c in self.all if c.identifier == instance.cluster_id), None)


def read_instances(rds: Rds) -> DbInstances:
    """List every DB instance; one call returns up to 100, and the endpoint need not be known first."""
    rows = paginate(rds.describe_db_instances, "DBInstances", token="Marker")
    return DbInstances(tuple(_instance(raw) for raw in rows))


def read_clusters(rds: Rds) -> DbClusters:
    """List every cluster."""
    rows = paginate(rds.describe_db_clusters, "DBClusters", token="Marker")
    return DbClusters(tuple(_cluster(raw) for raw in rows))


def _instance(raw: Mapping[str, Any]) -> DbInstance:
    endpoint, group = raw.get("Endpoint") or {}, raw.get("DBSubnetGroup") or {}
    return DbInstance(
        identifier=raw["DBInstanceIdentifier"],
        resource_id=raw.get("DbiResourceId", ""),
        engine=raw["Engine"],
        engine_version=raw.get("EngineVersion", ""),
        status=raw["DBInstanceStatus"],
        host=endpoint.get("Address"),
        port=int(endpoint.get("Port") or raw.get("DbInstancePort") or 0),
        master_username=raw.get("MasterUsername", ""),
        database_name=raw.get("DBName"),
        vpc_id=group.get("VpcId", ""),
        subnets=tuple(
            DbSubnet(s["SubnetIdentifier"], s.get("SubnetAvailabilityZone", {}).get("Name", ""))
            for s in group.get("Subnets", ())
        ),
        zone=raw.get("AvailabilityZone"),
        security_group_ids=tuple(g["VpcSecurityGroupId"] for g in raw.get("VpcSecurityGroups", ())),
        parameter_groups=tuple(
            (g["DBParameterGroupName"], g.get("ParameterApplyStatus", ""))
            for g in raw.get("DBParameterGroups", ())
        ),
        is_public=bool(raw.get("PubliclyAccessible")),
        is_multi_az=bool(raw.get("MultiAZ")),
        is_encrypted=bool(raw.get("StorageEncrypted")),
        backup_days=int(raw.get("BackupRetentionPeriod") or 0),
        ca_identifier=raw.get("CACertificateIdentifier"),
        # The server certificate's expiry, not the CA's (RDS API reference, CertificateDetails).
        certificate_valid_till=(raw.get("CertificateDetails") or {}).get("ValidTill"),
        managed_secret_arn=(raw.get("MasterUserSecret") or {}).get("SecretArn"),
        pending=tuple(sorted(raw.get("PendingModifiedValues") or {})),
        cluster_id=raw.get("DBClusterIdentifier"),
        allocated_gib=raw.get("AllocatedStorage"),
        restarts_at=raw.get("AutomaticRestartTime"),
        replica_of=raw.get("ReadReplicaSourceDBInstanceIdentifier"),
        stack=next((t["Value"] for t in raw.get("TagList", ()) if t["Key"] == STACK_TAG), None),
        searchable_text=" ".join(
            (raw["DBInstanceIdentifier"], *(str(t["Value"]) for t in raw.get("TagList", ())))
        ).lower(),
    )


def _cluster(raw: Mapping[str, Any]) -> DbCluster:
    members = raw.get("DBClusterMembers", ())
    return DbCluster(
        identifier=raw["DBClusterIdentifier"],
        resource_id=raw.get("DbClusterResourceId", ""),
        status=raw.get("Status", ""),
        pending=tuple(sorted(raw.get("PendingModifiedValues") or {})),
        managed_secret_arn=(raw.get("MasterUserSecret") or {}).get("SecretArn"),
        endpoint=raw.get("Endpoint"),
        reader_endpoint=raw.get("ReaderEndpoint"),
        custom_endpoints=tuple(raw.get("CustomEndpoints", ())),
        port=raw.get("Port"),
        writer_id=next(
            (m["DBInstanceIdentifier"] for m in members if m.get("IsClusterWriter")), None
        ),
    )
