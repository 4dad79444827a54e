"""Each parameter's key and last writer, which GetParameters does not return."""

from __future__ import annotations

from dataclasses import dataclass

from opskit.aws_client import paginate
from opskit.config import Target
from opskit.facts.interface import Ssm


@dataclass(frozen=True, slots=True)
class ParameterMetadata:
    """One parameter's metadata. `key_id` is an id, an ARN or an alias, as AWS stored it."""

    name: str
    kind: str
    key_id: str | None
    modified_by: str


@dataclass(frozen=True, slots=True)
class ParametersMetadata:
    """The metadata of the existing ones of the four parameters."""

    found: tuple[ParameterMetadata, ...]

    def key_id(self, name: str) -> str | None:
        """The key of a parameter; None when it has none or does not exist."""
        return next((m.key_id for m in self.found if m.name == name), None)

    def is_plain(self, name: str) -> bool:
        """Whether a parameter exists and is not encrypted."""
        return any(m.name == name and m.kind != "SecureString" for m in self.found)


def read(ssm: Ssm, target: Target) -> ParametersMetadata:
    """Describe the four by name."""
    names = sorted(set(target.parameters.values()))
    filters = [{"Key": "Name", "Option": "Equals", "Values": names}]
    found = paginate(ssm.describe_parameters, "Parameters", ParameterFilters=filters)
    return ParametersMetadata(
        tuple(
            ParameterMetadata(
                p["Name"], p["Type"], p.get("KeyId"), str(p.get("LastModifiedUser", ""))
            )
            for p in found
        )
    )
