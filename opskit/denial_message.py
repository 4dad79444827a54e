"""Parses AWS's access denied messages, and finds the operation that an app's error names.

Source: IAM User Guide, "Troubleshoot access denied error messages". The texts come from AWS or from an
app, and no other module searches them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

ACTION = re.compile(r"not authorized to perform: *([a-z0-9-]+:\w+)|\b((?:kms|ssm):[A-Z]\w+)")
DENIED = "AccessDenied"
"""The error name for a denial in every AWS SDK."""


class PolicyType(StrEnum):
    """The policy types in AWS's messages, the one that outweighs others first."""

    SESSION = "session policy"
    VPC_ENDPOINT = "VPC endpoint policy"
    RESOURCE_CONTROL = "resource control policy"
    SERVICE_CONTROL = "service control policy"
    BOUNDARY = "permissions boundary"
    RESOURCE = "resource-based policy"
    IDENTITY = "identity-based policy"


@dataclass(frozen=True, slots=True)
class DenialMessage:
    """The parts of an access denied message.

    Attributes:
        action: the denied action, such as `kms:Decrypt`; empty where the message names none.
        policy_type: the type of the denying policy; None where the message names none.
        is_explicit: whether a statement denies it explicitly.
        concerns_key: whether KMS denied it, not the service that was called.
    """

    action: str
    policy_type: PolicyType | None
    is_explicit: bool
    concerns_key: bool


def parse(text: str) -> DenialMessage:
    """Parse a message of AWS, or one of an app that quotes AWS."""
    match = ACTION.search(text)
    action = (match[1] or match[2]) if match else ""
    return DenialMessage(
        action,
        next((kind for kind in PolicyType if kind.value in text), None),
        "explicit deny" in text,
        action.startswith("kms:") or (not action and "kms:" in text),
    )


def find_action(text: str, actions: Iterable[str]) -> str | None:
    """The first of some actions whose operation an app's message names, such as `GetParameters`."""
    return next((a for a in actions if re.search(rf"\b{a.split(':')[1]}\b", text)), None)


def names_denial(text: str) -> bool:
    """Whether an app's message reports that AWS denied a call."""
    return DENIED in text
