"""Names and sizes that IAM and KMS accept for policies. Source: IAM User Guide, IAM and AWS STS quotas."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from opskit.facts.policies import PolicyText

NAME_LENGTH = 128
NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_+=,.@-]+")
INLINE_SIZE = {"role": 10_240, "user": 2_048}
"""Kind of holder -> characters of all its inline policies together, white space not counted."""
MANAGED_SIZE = 6_144
KEY_POLICY_SIZE = 32_768
"""In bytes, white space counted."""


def free_name(wanted: str, policies: Iterable[PolicyText], holder: str) -> str:
    """A valid name that no inline policy of the holder has, in any case: with a number if need be.

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
    """The characters of a document that count towards IAM's limits."""
    return len(re.sub(r"\s", "", json.dumps(document, ensure_ascii=False)))
