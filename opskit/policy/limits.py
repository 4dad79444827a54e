"""IAM's and KMS's limits on policy names and sizes. Source: IAM User Guide, IAM and AWS STS quotas."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from opskit.facts.policies import PolicyText

NAME_LENGTH = 128
NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_+=,.@-]+")
INLINE_SIZE = {"role": 10_240, "user": 2_048}
"""Kind of holder -> most characters of all its inline policies together, without white space."""
MANAGED_SIZE = 6_144
KEY_POLICY_SIZE = 32_768
"""In bytes, with white space."""


def free_name(wanted: str, policies: Iterable[PolicyText], holder: str) -> str:
    """A valid policy name that the holder does not use yet, ignoring case; numbered if needed.

    Args:
        holder: as `PolicyText.holder` names it: `role NAME` or `user NAME`.
    """
    taken = {p.name.lower() for p in policies if not p.arn and p.holder == holder}
    base = NOT_IN_A_NAME.sub("-", wanted)[:NAME_LENGTH]
    name, number = base, 2
    while name.lower() in taken:
        suffix = f"-{number}"
        name, number = base[: NAME_LENGTH - len(suffix)] + suffix, number + 1
    return name


def has_room(document: Mapping[str, Any], policies: Iterable[PolicyText], holder: str) -> bool:
    """Whether the holder's inline policies stay within IAM's limit when this one is added."""
    inline = [p.document for p in policies if not p.arn and p.holder == holder]
    total = sum(size(d) for d in (*inline, document))
    return total <= INLINE_SIZE[holder.partition(" ")[0]]


def size(document: Mapping[str, Any]) -> int:
    """The number of characters of a document that count towards IAM's limits."""
    return len(re.sub(r"\s", "", json.dumps(document, ensure_ascii=False)))
