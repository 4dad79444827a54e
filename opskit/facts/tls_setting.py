"""Whether the database's parameter group forces TLS."""

from __future__ import annotations

from dataclasses import dataclass

from opskit import engine
from opskit.aws_client import paginate
from opskit.facts.database import Database
from opskit.facts.interface import FactUnavailable, Rds


@dataclass(frozen=True, slots=True)
class TlsSetting:
    """The engine's TLS parameter in the database's parameter group.

    Attributes:
        value: as text; None when the group does not name the parameter.
        apply_status: the group's, such as `in-sync` or `pending-reboot`.
    """

    group: str
    parameter: str
    value: str | None
    apply_status: str

    @property
    def is_forced(self) -> bool:
        """Whether the group makes the database reject clients without TLS."""
        return self.value in ("1", "ON", "on", "true")


def read(rds: Rds, database: Database) -> TlsSetting:
    """Read the one parameter, with the only filter that the operation supports."""
    if not database.instance.parameter_groups:
        raise FactUnavailable(f"{database.instance.identifier} names no parameter group")
    group, status = database.instance.parameter_groups[0]
    name = engine.for_rds_engine(database.instance.engine).tls_parameter
    found = paginate(
        rds.describe_db_parameters,
        "Parameters",
        token="Marker",
        DBParameterGroupName=group,
        Filters=[{"Name": "parameter-name", "Values": [name]}],
    )
    value = next((p.get("ParameterValue") for p in found if p["ParameterName"] == name), None)
    return TlsSetting(group, name, value, status)
