"""Advice for a denial whose policy type is known only from AWS's message or the simulator."""

from __future__ import annotations

from collections.abc import Sequence

from opskit.checks.fix import Advice
from opskit.checks.iam.denial import AccessDenied
from opskit.checks.iam.fix_context import IamFixContext
from opskit.checks.iam.fixes import evaluation
from opskit.denial_message import PolicyType
from opskit.policy.explanation import DenialReason

UNREADABLE = {
    PolicyType.SESSION: (
        "The credentials were narrowed by a session policy. The caller that assumes {role} for the app has "
        "to pass one that allows {access}, or none (sts:AssumeRole, Policy and PolicyArns).",
        "AWS shows a session policy to no one, and no policy of the role outweighs it",
    ),
    PolicyType.VPC_ENDPOINT: (
        "The policy of the VPC endpoint that the calls go through has to allow {role} {access}: "
        "ec2:DescribeVpcEndpoints shows it (service names com.amazonaws.{region}.ssm and .kms). Ask the "
        "owner of the VPC.",
        "which endpoint it is, and what else its policy guards, cannot be read from the message",
    ),
    PolicyType.RESOURCE_CONTROL: (
        "A resource control policy of the organization denies it. Ask the organization's administrators to "
        "except {role} for {access}; the change is made in the management account.",
        "it is the organization's decision",
    ),
    PolicyType.RESOURCE: (
        "The policy of the key has to allow {role} {access}: kms:GetKeyPolicy shows it. Ask the key's "
        "administrators.",
        "the key's policy could not be read, and PutKeyPolicy replaces the whole document",
    ),
}
"""Policy type -> the step to take, and why no command is offered."""
KNOWN_ALLOWED = (
    "No allow is lacking in the policies that can be read, so another one changes nothing. Repeat the "
    "diagnosis in two minutes, since IAM changes need that long; if it is still refused, look for a policy "
    "that cannot be read here: {places}, for {access}.",
    "none of the policies that can be read refuses it",
)
UNREAD_DENY = (
    "A policy of {role} denies {access} explicitly, and no allow outweighs that. Find the deny with "
    "iam:ListRolePolicies and iam:ListAttachedRolePolicies, and ask its author for an exception.",
    "the policies that could be read do not show the deny",
)
PLACES = "the policy of a VPC endpoint, a session policy, a resource control policy"


def advise(context: IamFixContext, denials: Sequence[AccessDenied]) -> Advice:
    """Advice on the next step, by the policy type that the message names, else by the reason."""
    denial = denials[0]
    named = denial.policy_type
    do, why = (named and UNREADABLE.get(named)) or _by_reason(denial)
    values = {
        "role": denial.role,
        "access": evaluation.access_text(evaluation.wanted_of(denials)) or "kms:Decrypt on the key",
        "region": context.region.name,
        "places": PLACES,
    }
    return evaluation.no_command(do.format(**values), why)


def _by_reason(denial: AccessDenied) -> tuple[str, str]:
    is_explicit = denial.denial.denial is DenialReason.EXPLICIT
    return UNREAD_DENY if is_explicit else KNOWN_ALLOWED
