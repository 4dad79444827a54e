"""The KMS key under which the password is encrypted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from opskit.config import Target
from opskit.credential_source import source_of
from opskit.facts.interface import FactUnavailable, Kms
from opskit.facts.location_descriptions import LocationDescriptions


@dataclass(frozen=True, slots=True)
class Key:
    """A KMS key; `state` is as KMS names it: Enabled, Disabled, PendingDeletion, ..."""

    arn: str
    key_id: str
    named_as: str
    state: str
    is_aws_managed: bool
    deleted_at: datetime | None


def read(kms: Kms, metadata: LocationDescriptions, target: Target) -> Key:
    """Describe the password's key."""
    source = source_of(target)
    name = source.location("password").name
    key_id = metadata.key_id(name)
    if key_id is None:
        raise FactUnavailable(f"{name} is not encrypted, or does not exist")
    row = kms.describe_key(KeyId=key_id)["KeyMetadata"]
    return Key(
        arn=row["Arn"],
        key_id=row["KeyId"],
        named_as=key_id,
        state=row["KeyState"],
        is_aws_managed=row.get("KeyManager") == "AWS" or key_id == source.default_key,
        deleted_at=row.get("DeletionDate"),
    )
