"""RDS beyond moto: each wrapper calls moto, then lets the control plane apply the change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opskit.sandbox import topology
from opskit.sandbox.aws import rds_parameter_group as groups
from opskit.sandbox.aws.rds_control_plane import (
    AVAILABLE,
    DEFERRED,
    INCOMPATIBLE_PARAMETERS,
    KEY_UNUSABLE,
    ControlPlane,
)
from opskit.sandbox.certificates import AUTHORITIES
from opskit.sandbox.postgres import Postgres


def install(control: ControlPlane, postgres: Postgres) -> None:
    """Let moto's RDS act on the real server."""
    from moto.rds.models import DBInstance, MasterUserSecret, RDSBackend
    from moto.rds.responses import RDSResponse

    _add_fields(DBInstance, control, postgres)
    MasterUserSecret.secret_status = property(lambda self: self._status)
    _wrap_modify(RDSBackend, control)
    _wrap_states(RDSBackend, control)
    _wrap_existence(RDSBackend, control)
    _wrap_group(RDSBackend, control)
    _wrap_parameters(RDSResponse)
    _add_reset(RDSResponse, control)


def _add_fields(instance: Any, control: ControlPlane, postgres: Postgres) -> None:
    """Add the fields of DescribeDBInstances that moto lacks, or has only as constants."""
    instance.address = property(
        lambda self: (
            topology.DATABASE_HOST
            if topology.IS_LOOPBACK and control.is_ours(self)
            else f"{self.db_instance_identifier}.{topology.HOST_SUFFIX}"
        )
    )
    instance.certificate_details = property(
        lambda self: {
            "CAIdentifier": self.ca_certificate_identifier,
            "ValidTill": postgres.certificate_ends,
        }
    )
    plain = instance.__init__

    def create(self: Any, *arguments: Any, **named: Any) -> None:
        plain(self, *arguments, **named)
        if self.ca_certificate_identifier not in AUTHORITIES:
            self.ca_certificate_identifier = AUTHORITIES[0]

    instance.__init__ = create
    instance.waiting = {}
    names = {**DEFERRED, "master_user_password": "MasterUserPassword"}
    instance.pending_modified_values = property(
        lambda self: {names[name]: value for name, value in self.waiting.items()}
    )
    instance.group_status = groups.IN_SYNC
    instance.db_parameter_group_status_list = property(_group_statuses)


def _group_statuses(instance: Any) -> Any:
    rows = instance.db_parameter_groups()
    for group in rows:
        group.ParameterApplyStatus = instance.group_status
    return rows


def _wrap_modify(backend: Any, control: ControlPlane) -> None:
    plain = backend.modify_db_instance

    def modify_db_instance(
        self: Any, db_instance_identifier: str, db_kwargs: dict[str, Any]
    ) -> Any:
        settings = dict(db_kwargs)
        instance = self.describe_db_instances(db_instance_identifier)[0]
        group = instance.db_parameter_groups()[0].name
        after = control.before_modify(instance, settings)
        changed = plain(self, db_instance_identifier, settings)
        if after is not None:
            after()
        if instance.db_parameter_groups()[0].name != group:
            # Even the dynamic values of another group apply at a reboot only.
            instance.group_status = groups.PENDING_REBOOT
        return changed

    backend.modify_db_instance = modify_db_instance


def _wrap_states(backend: Any, control: ControlPlane) -> None:
    plain_start, plain_stop = backend.start_db_instance, backend.stop_db_instance
    plain_reboot = backend.reboot_db_instance

    def start_db_instance(self: Any, db_instance_identifier: str) -> Any:
        instance = self.describe_db_instances(db_instance_identifier)[0]
        if instance.status == KEY_UNUSABLE:
            _refuse_unusable_key(instance)
            instance.status = "stopped"
        instance = plain_start(self, db_instance_identifier)
        control.start(instance)
        return instance

    def stop_db_instance(self: Any, db_instance_identifier: str, *rest: Any, **named: Any) -> Any:
        instance = plain_stop(self, db_instance_identifier, *rest, **named)
        control.stop(instance)
        return instance

    def reboot_db_instance(self: Any, db_instance_identifier: str) -> Any:
        from moto.rds.exceptions import InvalidDBInstanceStateError

        instance = plain_reboot(self, db_instance_identifier)
        if instance.status not in (AVAILABLE, INCOMPATIBLE_PARAMETERS):
            raise InvalidDBInstanceStateError(db_instance_identifier, "reboot")
        control.reboot(instance)
        return instance

    backend.start_db_instance, backend.stop_db_instance = start_db_instance, stop_db_instance
    backend.reboot_db_instance = reboot_db_instance


def _refuse_unusable_key(instance: Any) -> None:
    """Refuse to start an instance while the key of its storage is not enabled."""
    from moto.rds.exceptions import RDSClientError

    from opskit.sandbox.aws.ssm import key_of

    key = key_of(instance.kms_key_id or "")
    if key is not None and key.key_state != "Enabled":
        text = (
            f"The specified KMS key [{key.arn}] does not exist, is not enabled or you do not have "
            "permissions to access it."
        )
        raise RDSClientError("KMSKeyNotAccessibleFault", text)


def _wrap_existence(backend: Any, control: ControlPlane) -> None:
    """Let restored instances be created for a while, and a deleted one take its server along."""
    for name in ("restore_db_instance_from_db_snapshot", "restore_db_instance_to_point_in_time"):
        setattr(backend, name, _creating(getattr(backend, name), control))
    plain = backend.delete_db_instance

    def delete_db_instance(self: Any, db_instance_identifier: str, *rest: Any, **named: Any) -> Any:
        present = self.databases.get(db_instance_identifier)
        if present is not None and control.is_ours(present):
            control.enter(present, "deleting")
        return plain(self, db_instance_identifier, *rest, **named)

    backend.delete_db_instance = delete_db_instance


def _creating(plain: Callable[..., Any], control: ControlPlane) -> Callable[..., Any]:
    def restore(*arguments: Any, **named: Any) -> Any:
        instance = plain(*arguments, **named)
        control.create(instance)
        return instance

    return restore


def _wrap_group(backend: Any, control: ControlPlane) -> None:
    plain = backend.modify_db_parameter_group

    def modify_db_parameter_group(self: Any, name: str, parameters: Any) -> Any:
        from moto.rds.exceptions import RDSClientError

        rows = [dict(p) for p in parameters]
        for row in rows:
            is_static = groups.apply_type(row["ParameterName"]) == "static"
            if is_static and row.get("ApplyMethod") == "immediate":
                text = f"cannot use immediate apply method for static parameter: {row['ParameterName']}"
                raise RDSClientError("InvalidParameterCombination", text)
        group = plain(self, name, rows)
        for instance in self.databases.values():
            if instance.db_parameter_group_name == name and control.is_ours(instance):
                control.group_changed(instance, [row["ParameterName"] for row in rows])
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
            {
                "Source": "user",
                "ApplyType": groups.apply_type(row["ParameterName"]),
                "ApplyMethod": "immediate",
                **dict(row),
            }
            for row in answer.result["Parameters"]
            if wanted is None or row["ParameterName"] in wanted
        ]
        return ActionResult({"Parameters": rows})

    response.describe_db_parameters = describe_db_parameters


def _add_reset(response: Any, control: ControlPlane) -> None:
    """Add ResetDBParameterGroup, which moto lacks."""

    def reset_db_parameter_group(self: Any) -> Any:
        from moto.core.responses import ActionResult

        name = self.params["DBParameterGroupName"]
        group = self.backend.describe_db_parameter_groups({"db_parameter_group_name": name})[0]
        rows = self.params.get("Parameters", [])
        names = [r["ParameterName"] for r in rows] or list(group.parameters)
        for parameter in names:
            group.parameters.pop(parameter, None)
        for instance in self.backend.databases.values():
            if instance.db_parameter_group_name == name and control.is_ours(instance):
                control.group_changed(instance, names)
        return ActionResult({"DBParameterGroupName": name})

    response.reset_db_parameter_group = reset_db_parameter_group
