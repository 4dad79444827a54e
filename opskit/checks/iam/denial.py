"""A denial of the role's access, the input of the builders of IAM fixes."""

from __future__ import annotations

from dataclasses import dataclass

from opskit.checks.iam.effective_permissions import EffectivePermission
from opskit.denial_message import PolicyType
from opskit.policy.difference import WantedAccess
from opskit.policy.explanation import DenialExplanation


@dataclass(frozen=True, slots=True)
class AccessDenied:
    """A denial for one of a check's own reasons.

    Attributes:
        what: `read /a, /b` or `decrypt the password`.
        wanted: the missing access; None where the key is not known.
    """

    role: str
    what: str
    denial: DenialExplanation
    permission: EffectivePermission
    wanted: WantedAccess | None

    @property
    def sentence(self) -> str:
        """A sentence with the denial and its reason."""
        why = f": {self.denial.description}" if self.denial.description else ""
        return f"{self.role} may not {self.what}{why}"

    @property
    def policy_type(self) -> PolicyType | None:
        """The policy type that AWS's message to the instance names; None without a message."""
        return self.permission.policy_type
