"""Parses AWS's access denied messages, and finds what an app's error says of an operation or credentials.

Source: IAM User Guide, "Troubleshoot access denied error messages". The texts come from AWS or from an
app, and no other module searches them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

ACTION = re.compile(r"not authorized to perform: *([a-z0-9-]+:\w+)|\b((?:kms|ssm):[A-Z]\w+)")
NO_CREDENTIALS = re.compile(
    r"[Uu]nable to locate credentials|NoCredential|([Cc]ould not|[Uu]nable to) load credentials"
    r"|no EC2 IMDS role found"
)
"""The errors of AWS's SDKs that find no credentials: Python, Go version 1, JavaScript, Java, Go version 2."""
PRINCIPAL = re.compile(r"\bUser: (arn:\S+) is not authorized")
DENIED = "AccessDenied"
"""The error name for a denial in every AWS SDK."""


YOU = "you"
"""The caller, where a message names no identity."""


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
        principal: the ARN of the identity that was denied; empty where the message names none.
    """

    action: str
    policy_type: PolicyType | None
    is_explicit: bool
    concerns_key: bool
    principal: str = ""

    @property
    def who(self) -> str:
        """The identity that was denied, such as `user/oncall`; `you` where the message names none."""
        return self.principal.split(":", 5)[-1] or YOU

    @property
    def why(self) -> str:
        """The type of the denying policy in brackets, with a blank before it; empty where not named."""
        if self.policy_type is None:
            return ""
        if self.is_explicit:
            return f" (explicit deny in a {self.policy_type})"
        return f" (no {self.policy_type} allows it)"


def parse(text: str) -> DenialMessage:
    """Parse a message of AWS, or one of an app that quotes AWS."""
    match = ACTION.search(text)
    action = (match[1] or match[2]) if match else ""
    return DenialMessage(
        action,
        next((kind for kind in PolicyType if kind.value in text), None),
        "explicit deny" in text,
        action.startswith("kms:") or (not action and "kms:" in text),
        principal[1] if (principal := PRINCIPAL.search(text)) else "",
    )


def find_action(text: str, actions: Iterable[str]) -> str | None:
    """The first of some actions whose operation an app's message names, such as `GetParameters`."""
    return next((a for a in actions if re.search(rf"\b{a.split(':')[1]}\b", text)), None)


def names_denial(text: str) -> bool:
    """Whether an app's message reports that AWS denied a call."""
    return DENIED in text


def names_no_credentials(text: str) -> bool:
    """Whether an app's message reports that its AWS SDK found no credentials."""
    return NO_CREDENTIALS.search(text) is not None
