"""Faults in the database: its state, its settings, its roles, its name."""

from __future__ import annotations

from opskit.sandbox import topology
from opskit.sandbox.faults.interface import FaultContext
from opskit.sandbox.postgres import new_password
from tests.accuracy.interface import Action, fault


def sql(*statements: str) -> Action:
    """Run SQL as the administrator, and restart the app."""

    def action(h: FaultContext) -> None:
        for statement in statements:
            h.sql(statement)
        h.restart_app()

    return action


def password_of_role(h: FaultContext) -> None:
    """Change the password of the role while the app runs: its pool notices later."""
    h.set_password(topology.DATABASE_USER, new_password())


def rolled_back(h: FaultContext) -> None:
    """Write an older password back into the parameter."""
    old = h.password()
    new = new_password()
    h.set_password(topology.DATABASE_USER, new)
    h.put("password", new)
    h.put("password", old)
    h.restart_app()


def password_changed_through_rds(h: FaultContext) -> None:
    """Change the master's password through the API."""
    h.client("rds").modify_db_instance(
        DBInstanceIdentifier=topology.DATABASE_IDENTIFIER,
        MasterUserPassword=new_password(),
        ApplyImmediately=True,
    )
    h.restart_app()


def zone_with_stale_record(h: FaultContext) -> None:
    """Serve the database's name from a private zone, with an address of yesterday."""
    route53 = h.client("route53")
    zone = route53.create_hosted_zone(
        Name=topology.HOST_SUFFIX,
        VPC={"VPCRegion": topology.REGION, "VPCId": h.ids.vpc},
        CallerReference=new_password(),
        HostedZoneConfig={"PrivateZone": True, "Comment": "migration"},
    )["HostedZone"]["Id"]
    record = {
        "Name": topology.DATABASE_HOST,
        "Type": "A",
        "TTL": 60,
        "ResourceRecords": [{"Value": "10.0.5.99"}],
    }
    change = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
    route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=change)
    h.restart_app()


def vpc_without_dns(h: FaultContext) -> None:
    """Turn DNS resolution off in the VPC."""
    h.client("ec2").modify_vpc_attribute(VpcId=h.ids.vpc, EnableDnsSupport={"Value": False})
    h.restart_app()


CASES = (
    fault("password-changed-while-running", "AUT001", password_of_role, shows_after_s=3),
    fault("password-changed-through-rds", "AUT001", password_changed_through_rds),
    fault("older-password-written-back", "AUT001", rolled_back),
    fault("role-expired", "AUT001", sql("alter role linkbox valid until '2020-01-01'"), heals=False),
    fault("role-without-login", "AUT002", sql("alter role linkbox nologin"), heals=False),
    fault("database-renamed", "AUT002", sql(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = 'linkbox'",
        "alter database linkbox rename to linkbox_old"), heals=False),
    fault("connect-revoked", "AUT002", sql(
        "alter database linkbox owner to postgres", "revoke connect on database linkbox from public"),
        heals=False),
    fault("role-connection-limit", "AUT003", sql("alter role linkbox connection limit 0"), heals=False),
    fault("database-connection-limit", "AUT003", sql("alter database linkbox connection limit 0"),
          heals=False),
    fault("database-refuses-connections", "AUT002", sql(
        "alter database linkbox allow_connections false"), heals=False),
    fault("zone-with-stale-record", "DNS001", zone_with_stale_record, heals=False),
    fault("vpc-without-dns", "DNS001", vpc_without_dns),
)  # fmt: skip
