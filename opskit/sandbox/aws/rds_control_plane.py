"""The control plane of the emulated RDS: the one real server follows what the account says.

All state is in the account (moto's instance) and in the server's files, which a reset restores.
Source: Amazon RDS User Guide, modifying an instance, viewing its status.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from opskit.sandbox import topology
from opskit.sandbox.aws import rds_parameter_group as groups
from opskit.sandbox.postgres import Postgres

FORBIDDEN = "/\"@'"
SHOWS_AFTER_S = 0.4
"""AWS's status lags behind the call; the delay is not documented."""
APPLIES_AFTER_S = 1.0
SECRET_FOLLOWS_AFTER_S = 0.3
CHANGES_STATE_S = 0.3
AVAILABLE, STORAGE_FULL = "available", "storage-full"
INCOMPATIBLE_PARAMETERS = "incompatible-parameters"
KEY_UNUSABLE = "inaccessible-encryption-credentials-recoverable"
UP = frozenset(
    [
        AVAILABLE,
        "backing-up",
        "configuring-enhanced-monitoring",
        "configuring-iam-database-auth",
        "configuring-log-exports",
        "maintenance",
        "modifying",
        "renaming",
        "resetting-master-credentials",
        "storage-config-upgrade",
        "storage-initialization",
        "storage-optimization",
    ]
)
"""Statuses in which the server runs; in all others it does not."""
DEFERRED = {
    "allocated_storage": "AllocatedStorage",
    "ca_certificate_identifier": "CACertificateIdentifier",
    "db_instance_class": "DBInstanceClass",
    "db_port_number": "Port",
    "engine_version": "EngineVersion",
    "iops": "Iops",
    "multi_az": "MultiAZ",
    "storage_type": "StorageType",
}
"""Settings that wait for the maintenance window without ApplyImmediately: moto's name -> the name in
PendingModifiedValues."""
REPEATABLE = ("ca_certificate_identifier",)
"""Settings that are applied even if the value is the present one: the authority issues a new certificate."""


def ours(databases: Iterable[Any]) -> Any:
    """The instance with the real server: the oldest one with LinkBox's database.

    After its deletion, the server belongs to the instance that is restored from it.
    """
    named = [d for d in databases if d.db_name == topology.DATABASE_NAME]
    return min(named, key=lambda d: d.instance_create_time, default=None)


def our_instance() -> Any:
    """Our own instance, of the account's."""
    from moto.rds.models import rds_backends

    return ours(rds_backends[topology.ACCOUNT][topology.REGION].databases.values())


class ControlPlane:
    """The control plane of the real database: one worker, so that the last request wins."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        self._lock = threading.Lock()
        self._pending: list[threading.Thread] = []

    def is_ours(self, instance: Any) -> bool:
        """Whether an emulated instance is the one with a real server."""
        return instance is ours(instance.backend.databases.values())

    def before_modify(self, instance: Any, settings: dict[str, Any]) -> Callable[[], None] | None:
        """Reject the changes that AWS rejects, and return the work to do once moto has stored the rest."""
        from moto.rds.exceptions import RDSClientError

        password = settings.pop("master_user_password", None)
        manages = settings.pop("manage_master_user_password", None)
        rotates = settings.pop("rotate_master_user_password", None)
        deferred = {
            name: value
            for name in DEFERRED
            if (value := settings.pop(name, None)) is not None
            and (name in REPEATABLE or _differs(instance, name, value))
        }
        if (password, manages, rotates) == (None,) * 3 and not deferred:
            return None
        if manages is False and password is None:
            text = "You must specify MasterUserPassword to turn off ManageMasterUserPassword."
            raise RDSClientError("InvalidParameterCombination", text)
        self._refuse_state(instance, deferred)
        if manages or rotates:
            return self._managed(instance, settings, is_new=bool(manages))
        if password is not None:
            return self._password(instance, password, ends_management=manages is False)
        waiting = {**instance.waiting, **deferred}
        if not settings.get("apply_immediately"):
            instance.waiting = waiting
            return None
        return lambda: self._later(self._apply, instance, waiting)

    @staticmethod
    def _refuse_state(instance: Any, deferred: dict[str, Any]) -> None:
        from moto.rds.exceptions import InvalidDBInstanceStateError

        grows = instance.status == STORAGE_FULL and "allocated_storage" in deferred
        if instance.status != AVAILABLE and not grows:
            raise InvalidDBInstanceStateError(instance.db_instance_identifier, "modify")

    def _password(
        self, instance: Any, password: str, *, ends_management: bool
    ) -> Callable[[], None]:
        from moto.rds.exceptions import RDSClientError

        if instance.manage_master_user_password and not ends_management:
            text = "You can't specify MasterUserPassword for an instance with ManageMasterUserPassword."
            raise RDSClientError("InvalidParameterCombination", text)
        if not 8 <= len(password) <= 128 or any(
            c in FORBIDDEN or not " " < c < "\x7f" for c in password
        ):
            text = "The parameter MasterUserPassword is not a valid password."
            raise RDSClientError("InvalidParameterValue", text)
        if ends_management:
            instance.update(manage_master_user_password=False)
        return lambda: self._later(self._reset_password, instance, password)

    def _managed(
        self, instance: Any, settings: dict[str, Any], *, is_new: bool
    ) -> Callable[[], None]:
        """Generate a managed password as RDS does, and store it in Secrets Manager."""
        from moto.rds.exceptions import RDSClientError
        from moto.rds.models import MasterUserSecret

        if is_new:
            instance.manage_master_user_password = True
            instance.master_user_secret = MasterUserSecret(instance, None)
        elif not instance.manage_master_user_password or not settings.get("apply_immediately"):
            text = "RotateMasterUserPassword needs a managed password and ApplyImmediately."
            raise RDSClientError("InvalidParameterCombination", text)
        else:
            instance.master_user_secret._status = "rotating"
        return lambda: self._later(self._make_password, instance)

    def start(self, instance: Any) -> None:
        """Start the server, through RDS's intermediate states."""
        instance.status = "starting"
        self._later(self._change_to, instance, AVAILABLE)

    def stop(self, instance: Any) -> None:
        """Stop the server, through RDS's intermediate states; what was pending is forgotten."""
        instance.status, instance.waiting = "stopping", {}
        self._later(self._change_to, instance, "stopped")

    def reboot(self, instance: Any) -> None:
        """Start the server again with all values of its parameter group."""
        instance.status = "rebooting"
        self._later(self._reboot, instance)

    def create(self, instance: Any) -> None:
        """Let a restored instance be created for a while."""
        instance.status = "creating"
        self._later(self._create, instance)

    def enter(self, instance: Any, status: str) -> None:
        """Give the instance a status that RDS sets by itself, and the server what it means."""
        with self._lock:
            instance.status = status
            self._follow(instance)

    def enter_status(self, status: str) -> None:
        """Give our own instance a status that RDS sets by itself."""
        self.enter(our_instance(), status)

    def age_certificate(self, ends: datetime) -> None:
        """Let the server show a certificate of its authority that ends at a moment."""
        self._postgres.age_certificate(ends, our_instance().ca_certificate_identifier)

    def group_changed(self, instance: Any, names: Iterable[str] = ()) -> None:
        """Apply the values of the instance's parameter group that need no reboot.

        Args:
            names: the changed parameters; a static one waits for a reboot.
        """
        if any(name in groups.STATIC for name in names):
            instance.group_status = groups.PENDING_REBOOT
        self._configure(instance)

    def _configure(self, instance: Any) -> None:
        values = groups.values_of(instance.db_parameter_groups()[0])
        self._postgres.configure(
            groups.server_settings(values), force_tls=groups.forces_tls(values)
        )

    def _follow(self, instance: Any) -> None:
        """Start or stop the server as the status of its instance says."""
        if not self.is_ours(instance):
            return
        if instance.status not in UP:
            self._postgres.stop()
            return
        try:
            self._postgres.start()
        except Exception:
            # The server does not start with these settings, which RDS calls so.
            self._postgres.stop()
            instance.status = INCOMPATIBLE_PARAMETERS

    def _later(self, work: Callable[..., None], *arguments: Any) -> None:
        def run() -> None:
            with self._lock:
                work(*arguments)

        self._pending = [thread for thread in self._pending if thread.is_alive()]
        self._pending.append(threading.Thread(target=run, daemon=True))
        self._pending[-1].start()

    def settle(self) -> None:
        """Wait until every accepted change has been applied."""
        for thread in self._pending:
            thread.join()

    def _create(self, instance: Any) -> None:
        if self.is_ours(instance):
            self._postgres.certify(instance.ca_certificate_identifier, instance.address)
        self._change_to(instance, AVAILABLE)

    def _change_to(self, instance: Any, status: str) -> None:
        time.sleep(CHANGES_STATE_S)
        if status == AVAILABLE and self.is_ours(instance):
            self._configure(instance)
            self._postgres.start()
            instance.group_status = groups.IN_SYNC
        instance.status = status
        self._follow(instance)

    def _reboot(self, instance: Any) -> None:
        time.sleep(CHANGES_STATE_S)
        if self.is_ours(instance):
            self._postgres.stop()
            self._configure(instance)
            try:
                self._postgres.start()
            except Exception:
                instance.status = INCOMPATIBLE_PARAMETERS
                self._postgres.stop()
                return
        instance.group_status = groups.IN_SYNC
        instance.status = AVAILABLE

    def _apply(self, instance: Any, waiting: dict[str, Any]) -> None:
        """Apply settings that waited, or that were asked for at once."""
        was_full = instance.status == STORAGE_FULL
        instance.status = "modifying"
        port = waiting.get("db_port_number")
        instance.update(**{n: v for n, v in waiting.items() if n != "db_port_number"})
        if self.is_ours(instance):
            if "ca_certificate_identifier" in waiting:
                self._postgres.certify(instance.ca_certificate_identifier)
            if port is not None:
                self._postgres.stop()
                self._postgres.port = int(port)
            if was_full:
                time.sleep(CHANGES_STATE_S)
            self._follow(instance)
        if port is not None:
            instance.port = int(port)
        instance.waiting = {}
        instance.status = AVAILABLE

    def _reset_password(self, instance: Any, password: str) -> None:
        time.sleep(SHOWS_AFTER_S)
        instance.waiting = {**instance.waiting, "master_user_password": "****"}
        instance.status = "resetting-master-credentials"
        time.sleep(APPLIES_AFTER_S)
        self._postgres.set_password(instance.master_username, password)
        instance.waiting = {
            n: v for n, v in instance.waiting.items() if n != "master_user_password"
        }
        instance.status = AVAILABLE

    def _make_password(self, instance: Any) -> None:
        """Change the database first and the secret a moment later, so that readers can see the gap."""
        from moto.secretsmanager.exceptions import SecretsManagerClientError

        secret = instance.master_user_secret
        keeper, arn = secret.secretsmanager, secret.secret.arn
        time.sleep(SHOWS_AFTER_S)
        instance.status = "resetting-master-credentials"
        try:
            keeper.describe_secret(arn)
            password = secrets.token_urlsafe(24)
            text = json.dumps({"username": instance.master_username, "password": password})
            self._postgres.set_password(instance.master_username, password)
            time.sleep(SECRET_FOLLOWS_AFTER_S)
            keeper.put_secret_value(arn, text, "", str(uuid.uuid4()), ["AWSCURRENT"])
            secret._status = "active"
        except SecretsManagerClientError:
            # The secret was deleted meanwhile.
            secret._status = "impaired"
        instance.status = AVAILABLE


def _differs(instance: Any, name: str, value: Any) -> bool:
    present = instance.port if name == "db_port_number" else getattr(instance, name, None)
    return str(value) != str(present)
