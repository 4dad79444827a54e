"""RDS control plane that applies its changes to the one real database."""

from __future__ import annotations

import json
import secrets
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

from opskit.sandbox import topology
from opskit.sandbox.postgres import Postgres

FORBIDDEN = "/\"@'"
SHOWS_AFTER_S = 0.4
"""AWS's status lags behind the call; the delay is not documented."""
APPLIES_AFTER_S = 1.0
SECRET_FOLLOWS_AFTER_S = 0.3
CHANGES_STATE_S = 0.3


class ControlPlane:
    """The control plane of the real database: one worker, so that the last request wins."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        self._lock = threading.Lock()
        self._pending: list[threading.Thread] = []

    def is_ours(self, instance: Any) -> bool:
        """Whether an emulated instance is the one with a real server."""
        return bool(instance.db_name == topology.DATABASE_NAME)

    def before_modify(self, instance: Any, settings: dict[str, Any]) -> Callable[[], None] | None:
        """Reject the changes that AWS rejects, and return the work to do once moto has stored the rest."""
        from moto.rds.exceptions import InvalidDBInstanceStateError, RDSClientError

        password = settings.pop("master_user_password", None)
        manages = settings.pop("manage_master_user_password", None)
        rotates = settings.pop("rotate_master_user_password", None)
        port = settings.get("db_port_number")
        if (password, manages, rotates, port) == (None,) * 4:
            return None
        if instance.status != "available":
            raise InvalidDBInstanceStateError(instance.db_instance_identifier, "modify")
        if manages or rotates:
            return self._managed(instance, settings, is_new=bool(manages))
        if password is not None:
            if instance.manage_master_user_password:
                text = "You can't specify MasterUserPassword for an instance with ManageMasterUserPassword."
                raise RDSClientError("InvalidParameterCombination", text)
            if not 8 <= len(password) <= 128 or any(
                c in FORBIDDEN or not " " < c < "\x7f" for c in password
            ):
                text = "The parameter MasterUserPassword is not a valid password."
                raise RDSClientError("InvalidParameterValue", text)
            return lambda: self._later(self._reset_password, instance, password)
        settings.pop("db_port_number")
        return lambda: self._later(self._move, instance, int(str(port)))

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
        self._later(self._start, instance)

    def stop(self, instance: Any) -> None:
        """Stop the server, through RDS's intermediate states."""
        instance.status = "stopping"
        self._later(self._stop, instance)

    def apply_group(self, parameters: dict[str, Any]) -> None:
        """Apply the parameter group to the server."""
        value = parameters.get("rds.force_ssl")
        forced = value is None or str(getattr(value, "parameter_value", value)) == "1"
        self._postgres.set_force_tls(forced)

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

    def _reset_password(self, instance: Any, password: str) -> None:
        time.sleep(SHOWS_AFTER_S)
        instance.pending_modified_values = {"MasterUserPassword": "****"}
        instance.status = "resetting-master-credentials"
        time.sleep(APPLIES_AFTER_S)
        self._postgres.set_password(instance.master_username, password)
        instance.pending_modified_values = {}
        instance.status = "available"

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
        instance.status = "available"

    def _move(self, instance: Any, port: int) -> None:
        instance.status = "modifying"
        self._postgres.stop()
        self._postgres.port = port
        self._postgres.start()
        instance.port = port
        instance.status = "available"

    def _start(self, instance: Any) -> None:
        time.sleep(CHANGES_STATE_S)
        self._postgres.start()
        instance.status = "available"

    def _stop(self, instance: Any) -> None:
        time.sleep(CHANGES_STATE_S)
        self._postgres.stop()
        instance.status = "stopped"


def install(control: ControlPlane, postgres: Postgres) -> None:
    """Wrap moto's RDS: each wrapper calls moto, then applies the change."""
    from moto.rds.models import DBInstance, MasterUserSecret, RDSBackend
    from moto.rds.responses import RDSResponse

    DBInstance.address = property(
        lambda self: (
            topology.DATABASE_HOST
            if topology.IS_LOOPBACK and control.is_ours(self)
            else f"{self.db_instance_identifier}.{topology.HOST_SUFFIX}"
        )
    )
    DBInstance.certificate_details = property(
        lambda _: {
            "CAIdentifier": "rds-ca-rsa2048-g1",
            "ValidTill": postgres.certificate_ends,
        }
    )
    DBInstance.ca_certificate_identifier = "rds-ca-rsa2048-g1"
    DBInstance.pending_modified_values = {}
    MasterUserSecret.secret_status = property(lambda self: self._status)
    _wrap_modify(RDSBackend, control)
    _wrap_states(RDSBackend, control)
    _wrap_group(RDSBackend, control)
    _wrap_parameters(RDSResponse)


def _wrap_modify(backend: Any, control: ControlPlane) -> None:
    plain = backend.modify_db_instance

    def modify_db_instance(
        self: Any, db_instance_identifier: str, db_kwargs: dict[str, Any]
    ) -> Any:
        settings = dict(db_kwargs)
        instance = self.describe_db_instances(db_instance_identifier)[0]
        after = control.before_modify(instance, settings) if control.is_ours(instance) else None
        changed = plain(self, db_instance_identifier, settings)
        if after is not None:
            after()
        return changed

    backend.modify_db_instance = modify_db_instance


def _wrap_states(backend: Any, control: ControlPlane) -> None:
    plain_start, plain_stop = backend.start_db_instance, backend.stop_db_instance

    def start_db_instance(self: Any, db_instance_identifier: str) -> Any:
        instance = plain_start(self, db_instance_identifier)
        if control.is_ours(instance):
            control.start(instance)
        return instance

    def stop_db_instance(self: Any, db_instance_identifier: str, *rest: Any, **named: Any) -> Any:
        instance = plain_stop(self, db_instance_identifier, *rest, **named)
        if control.is_ours(instance):
            control.stop(instance)
        return instance

    backend.start_db_instance, backend.stop_db_instance = start_db_instance, stop_db_instance


def _wrap_group(backend: Any, control: ControlPlane) -> None:
    plain = backend.modify_db_parameter_group

    def modify_db_parameter_group(self: Any, name: str, parameters: Any) -> Any:
        group = plain(self, name, parameters)
        ours = [d for d in self.databases.values() if control.is_ours(d)]
        if any(d.db_parameter_group_name == name for d in ours):
            chosen = {p["ParameterName"]: p["ParameterValue"] for p in group.parameters.values()}
            control.apply_group(chosen)
        return group

    backend.modify_db_parameter_group = modify_db_parameter_group


def _wrap_parameters(response: Any) -> None:
    """Extend DescribeDBParameters by the fields that moto leaves out, and by its one filter."""
    plain = response.describe_db_parameters

    def describe_db_parameters(self: Any) -> Any:
        from moto.core.responses import ActionResult

        answer = plain(self)
        filters = {f["Name"]: f["Values"] for f in self.params.get("Filters", [])}
        wanted = filters.get("parameter-name")
        rows = [
            {"Source": "user", "ApplyType": "dynamic", "ApplyMethod": "immediate", **dict(row)}
            for row in answer.result["Parameters"]
            if wanted is None or row["ParameterName"] in wanted
        ]
        return ActionResult({"Parameters": rows})

    response.describe_db_parameters = describe_db_parameters
