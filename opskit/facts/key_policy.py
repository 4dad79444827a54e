"""The policy of the password's key, and the grants on it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opskit.aws_protocols import paginate
from opskit.facts.interface import Kms
from opskit.facts.key import Key
from opskit.facts.operator_policies import OperatorPolicies
from opskit.workload.interface import WorkloadRole


@dataclass(frozen=True, slots=True)
class KeyPolicy:
    """The key policy's document as it was written."""

    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class KeyGrants:
    """The grants to the instance's role, as `ListGrants` returns them."""

    all: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class OperatorGrants:
    """The grants to the operator."""

    all: tuple[Mapping[str, Any], ...]


def read(kms: Kms, key: Key) -> KeyPolicy:
    """Read the key's policy; every key has exactly one, named `default`."""
    text = kms.get_key_policy(KeyId=key.arn, PolicyName="default")["Policy"]
    return KeyPolicy(json.loads(text))


def read_grants(kms: Kms, key: Key, role: WorkloadRole) -> KeyGrants:
    """List the grants to the instance's role only: a key may have thousands for others."""
    return KeyGrants(_grants(kms, key, role.role_arn)) if role.role_arn else KeyGrants(())


def read_operator_grants(kms: Kms, key: Key, operator: OperatorPolicies) -> OperatorGrants:
    """List the grants to the operator."""
    return OperatorGrants(_grants(kms, key, operator.arn))


def _grants(kms: Kms, key: Key, grantee: str) -> tuple[Mapping[str, Any], ...]:
    arguments = {"KeyId": key.arn, "GranteePrincipal": grantee, "Limit": 100}
    return tuple(
        paginate(kms.list_grants, "Grants", token="NextMarker", asks="Marker", **arguments)
    )
