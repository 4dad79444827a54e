"""The policy of the password's key, and the grants on it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opskit.facts.interface import Kms, pages
from opskit.facts.key import Key


@dataclass(frozen=True, slots=True)
class KeyPolicy:
    """The key's policy as it was written."""

    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class KeyGrants:
    """The grants as `ListGrants` returns them."""

    all: tuple[Mapping[str, Any], ...]


def read(kms: Kms, key: Key) -> KeyPolicy:
    """Read the one policy that every key has; it is always called `default`."""
    text = kms.get_key_policy(KeyId=key.arn, PolicyName="default")["Policy"]
    return KeyPolicy(json.loads(text))


def read_grants(kms: Kms, key: Key) -> KeyGrants:
    """List the grants."""
    call = kms.list_grants
    found = pages(call, "Grants", token="NextMarker", asks="Marker", KeyId=key.arn, Limit=100)
    return KeyGrants(tuple(found))
