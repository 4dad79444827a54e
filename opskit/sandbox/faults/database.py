"""Faults in the database: its status, its settings, its certificate, its roles and its slots."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from opskit.sandbox import topology
from opskit.sandbox.faults.interface import Fault, FaultAction, FaultContext

GROUP = "linkbox-postgres17"
REPORT = "linkbox-report"
BUNDLE = "rds-bundle.pem"
INSTANCE = {"DBInstanceIdentifier": topology.DATABASE_IDENTIFIER}
KEY_UNUSABLE = "inaccessible-encryption-credentials-recoverable"
WAITS, EVERY_S = 200, 0.1
FAR_TOO_MUCH = "1073741823"
"""The largest value of shared_buffers that RDS accepts: 8 TiB."""


def instance_of(h: FaultContext) -> dict[str, Any]:
    """The instance, as RDS describes it."""
    row: dict[str, Any] = h.client("rds").describe_db_instances(**INSTANCE)["DBInstances"][0]
    return row


def wait_for_status(h: FaultContext, *statuses: str) -> None:
    """Wait until the instance has one of these statuses, and nothing is pending.

    Raises:
        TimeoutError: it has not within the limit.
    """
    for _ in range(WAITS):
        row = instance_of(h)
        if row["DBInstanceStatus"] in statuses and not row.get("PendingModifiedValues"):
            return
        time.sleep(EVERY_S)
    raise TimeoutError(f"the database is {row['DBInstanceStatus']}, not {' or '.join(statuses)}")


def _entering(status: str) -> FaultAction:
    return lambda h: h.events.enter(status)


def _available_again(h: FaultContext) -> None:
    if instance_of(h)["DBInstanceStatus"] != "available":
        h.events.enter("available")


def _set_parameter(h: FaultContext, name: str, value: str) -> None:
    row = {"ParameterName": name, "ParameterValue": value, "ApplyMethod": "pending-reboot"}
    h.client("rds").modify_db_parameter_group(DBParameterGroupName=GROUP, Parameters=[row])


def _reset_and_reboot(name: str) -> FaultAction:
    def action(h: FaultContext) -> None:
        rds = h.client("rds")
        row = {"ParameterName": name, "ApplyMethod": "pending-reboot"}
        rds.reset_db_parameter_group(DBParameterGroupName=GROUP, Parameters=[row])
        rds.reboot_db_instance(**INSTANCE)
        wait_for_status(h, "available")

    return action


def _too_much_memory(h: FaultContext) -> None:
    _set_parameter(h, "shared_buffers", FAR_TOO_MUCH)
    h.client("rds").reboot_db_instance(**INSTANCE)
    wait_for_status(h, "incompatible-parameters")


def _storage_key(h: FaultContext) -> str:
    return str(instance_of(h)["KmsKeyId"]).rsplit("/", 1)[-1]


def _storage_key_off(h: FaultContext) -> None:
    h.client("kms").disable_key(KeyId=_storage_key(h))
    h.events.enter(KEY_UNUSABLE)


def _storage_key_on(h: FaultContext) -> None:
    h.client("kms").enable_key(KeyId=_storage_key(h))
    if instance_of(h)["DBInstanceStatus"] == KEY_UNUSABLE:
        h.client("rds").start_db_instance(**INSTANCE)
    wait_for_status(h, "available")


def _managed(h: FaultContext) -> None:
    h.client("rds").modify_db_instance(
        **INSTANCE, ManageMasterUserPassword=True, ApplyImmediately=True
    )
    for _ in range(WAITS):
        if instance_of(h).get("MasterUserSecret", {}).get("SecretStatus") == "active":
            break
        time.sleep(EVERY_S)
    wait_for_status(h, "available")


def _unmanaged(h: FaultContext) -> None:
    password = h.password().strip()
    if instance_of(h).get("MasterUserSecret"):
        h.client("rds").modify_db_instance(
            **INSTANCE, ManageMasterUserPassword=False, MasterUserPassword=password
        )
    h.set_password(topology.DATABASE_USER, password)
    # The reset of RDS itself comes a moment later.
    time.sleep(2)
    wait_for_status(h, "available")
    h.restart_app()


def _certificate(days: int) -> FaultAction:
    return lambda h: h.events.age_certificate(datetime.now(UTC) + timedelta(days=days))


def _old_bundle(h: FaultContext) -> None:
    """Put a bundle into the image that knows only an authority of earlier."""
    file = f"{h.project}/{BUNDLE}"
    key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null"
    subject = "-subj '/O=Amazon Web Services, Inc./CN=Amazon RDS Root 2019 CA'"
    h.shell(
        f"mv {file} {file}.new && openssl req -x509 {key} {subject} -days 30 -out {file} && "
        f"chmod 644 {file}"
    )
    h.restart_app()


def _new_bundle(h: FaultContext) -> None:
    file = f"{h.project}/{BUNDLE}"
    h.shell(f"[ ! -e {file}.new ] || mv {file}.new {file}")
    h.restart_app()


def _sql(*statements: str) -> FaultAction:
    def action(h: FaultContext) -> None:
        for statement in statements:
            h.sql(statement)

    return action


def _dropped(h: FaultContext) -> None:
    h.sql(f'drop database "{topology.DATABASE_NAME}" with (force)')


def _created(h: FaultContext) -> None:
    name = topology.DATABASE_NAME
    if not h.sql(f"select from pg_database where datname = '{name}'"):
        h.sql(f'create database "{name}" owner "{topology.DATABASE_USER}"')


def _report(h: FaultContext) -> None:
    h.shell(
        f"docker run -d --name {REPORT} --env-file {h.project}/.env linkbox/backend:1.4.2 report"
    )


def _no_report(h: FaultContext) -> None:
    h.shell(f"docker rm -f {REPORT}")


def _named(value: Callable[[], str]) -> FaultAction:
    def action(h: FaultContext) -> None:
        h.put("name", value())
        h.restart_app()

    return action


def _public(is_public: bool) -> FaultAction:
    def action(h: FaultContext) -> None:
        h.client("rds").modify_db_instance(
            **INSTANCE, PubliclyAccessible=is_public, ApplyImmediately=True
        )

    return action


_ROLE, _DATABASE = f'"{topology.DATABASE_USER}"', f'"{topology.DATABASE_NAME}"'

FAULTS = (
    Fault("database-parameters", "the parameter group asks for more memory than there is", "RDS001",
          _too_much_memory, _reset_and_reboot("shared_buffers"), warnings=("RDS004",)),
    Fault("database-network", "the database's subnets were deleted: RDS cannot place it", "RDS001",
          _entering("incompatible-network"), _available_again),
    Fault("database-key-disabled", "someone disabled the key of the database's storage", "RDS001",
          _storage_key_off, _storage_key_on),
    Fault("storage-full", "the database's storage is full, and RDS shut the engine down", "RDS002",
          _entering("storage-full"), _available_again),
    Fault("password-managed", "someone let RDS manage the master password, the app reads the parameter",
          "RDS003", _managed, _unmanaged),
    Fault("reboot-pending", "max_connections was raised, and the database was not rebooted", "RDS004",
          lambda h: _set_parameter(h, "max_connections", "30"), _reset_and_reboot("max_connections"),
          status="warn"),
    Fault("database-public", "the database was made public: you resolve it otherwise than the app does",
          "DNS003", _public(True), _public(False), status="warn"),
    Fault("engine-crashed", "the engine is down, and RDS has not noticed yet", "TCP002",
          lambda h: h.events.crash(), lambda h: h.events.recover(), is_symptom=True),
    Fault("certificate-expired", "the server's certificate has expired, since nobody renewed it", "TLS002",
          _certificate(-1), lambda h: h.events.renew_certificate()),
    Fault("certificate-ends-soon", "the server's certificate expires within days", "TLS002",
          _certificate(10), lambda h: h.events.renew_certificate(), status="warn"),
    Fault("bundle-outdated", "the app's image carries the bundle of an authority of earlier", "TLS003",
          _old_bundle, _new_bundle),
    Fault("role-no-login", "someone took LOGIN from the app's role", "AUT002",
          _sql(f"alter role {_ROLE} nologin"), _sql(f"alter role {_ROLE} login")),
    Fault("connect-revoked", "someone revoked CONNECT on the app's database", "AUT002",
          _sql(f"revoke connect on database {_DATABASE} from public, {_ROLE}"),
          _sql(f"grant connect on database {_DATABASE} to public, {_ROLE}")),
    Fault("database-dropped", "someone dropped the app's database", "AUT002", _dropped, _created),
    Fault("slots-taken", "a report holds every connection slot of the server", "AUT003",
          _report, _no_report, shows_after_s=4.0),
    Fault("database-rdsadmin", "the parameter names RDS's own database", "AUT004",
          _named(lambda: "rdsadmin"), _named(lambda: topology.DATABASE_NAME)),
)  # fmt: skip
