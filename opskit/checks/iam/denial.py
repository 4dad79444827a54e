"""A refusal of the role's access, as the checks hand it to the builders of fixes."""

from __future__ import annotations

from dataclasses import dataclass

from opskit.checks.iam.effective_permissions import EffectivePermission
from opskit.checks.interface import Basis
from opskit.policy.difference import WantedAccess
from opskit.policy.explanation import DenialExplanation

POLICY_TYPES = (
    "session policy",
    "VPC endpoint policy",
    "resource control policy",
    "service control policy",
    "permissions boundary",
    "resource-based policy",
    "identity-based policy",
)
"""Types of policies as AWS's messages name them (IAM User Guide, access denied error messages)."""


@dataclass(frozen=True, slots=True)
class AccessDenied:
    """A refusal for one of a check's own reasons.

    Attributes:
        what: `read /a, /b` or `decrypt the password`.
        wanted: the access that is lacking; None where not even the key is known.
    """

    role: str
    what: str
    denial: DenialExplanation
    permission: EffectivePermission
    wanted: WantedAccess | None

    @property
    def sentence(self) -> str:
        """The refusal with its reason."""
        why = f": {self.denial.words}" if self.denial.words else ""
        return f"{self.role} may not {self.what}{why}"

    @property
    def policy_type(self) -> str:
        """The type of policy that AWS's message to the instance names; empty where none was seen."""
        texts = [e.text for e in self.permission.evidence if e.basis is Basis.OBSERVED]
        return next((t for t in POLICY_TYPES if any(t in text for text in texts)), "")
