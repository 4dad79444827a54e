"""Whether the policy of a VPC endpoint keeps every caller from an action.

Source: AWS PrivateLink Guide, control access to VPC endpoints using endpoint policies: it limits requests
through the endpoint, beside the caller's own policies.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opskit.policy import statement
from opskit.policy.document import MalformedPolicy, Statement, parse
from opskit.policy.request import Context, Principal, Request
from opskit.policy.three_valued import TRUE, Tristate, all_of, indeterminate

SAMPLE_CALLER = "arn:aws:iam::000000000000:role/sample"


def denies(document: Mapping[str, Any], action: str, resource: str) -> bool:
    """Whether a policy certainly refuses an action, whoever calls; False where that is not certain."""
    try:
        policy = parse(document, kind="VPC endpoint policy", name="the endpoint's policy")
    except (MalformedPolicy, ValueError, KeyError):
        return False
    request = Request(
        Principal(SAMPLE_CALLER, "000000000000"), action, resource, Context(others_unknown=True)
    )
    applying = [
        (s, all_of((_everyone(s), statement.applies_to(s, request)))) for s in policy.statements
    ]
    if any(not s.allows and truth.value is True for s, truth in applying):
        return True
    return all(truth.value is False for s, truth in applying if s.allows)


def _everyone(row: Statement) -> Tristate:
    """Whether a statement is about every caller; one that lists some may be about this one."""
    if row.not_principals:
        return indeterminate("principal")
    return TRUE if row.principals is None or "*" in row.principals else indeterminate("principal")
