"""The policies that apply to a role or user: its own, its boundary, and its groups'."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from opskit.aws_protocols import paginate
from opskit.errors import Alternatives
from opskit.facts.interface import FactUnavailable, Iam, run_concurrently
from opskit.workload.interface import WorkloadRole


@dataclass(frozen=True, slots=True)
class PolicyText:
    """A policy as it was written.

    Attributes:
        name: as the console shows it.
        arn: of a managed policy, or the id of an organization's; empty for an inline one.
        holder: of an inline policy: `role NAME`, `user NAME` or `group NAME`.
        version: of a managed policy, the default version.
    """

    name: str
    arn: str
    document: Mapping[str, Any]
    holder: str = ""
    version: str = ""

    @property
    def is_amazons(self) -> bool:
        """Whether the policy is AWS managed, which no customer can change."""
        return ":iam::aws:policy/" in self.arn


@dataclass(frozen=True, slots=True)
class RolePolicies:
    """All policies of the instance's role.

    Attributes:
        unique_id: the beginning of `aws:userid` in the role's sessions.
        tags: the values of `aws:PrincipalTag/...`.
        read_at: the time for which conditions on the time are evaluated.
    """

    identity: tuple[PolicyText, ...]
    boundary: PolicyText | None
    unique_id: str
    tags: Mapping[str, str]
    read_at: datetime


Call = Callable[[], Any]


def read(iam: Iam, role: WorkloadRole) -> RolePolicies:
    """Read the role and the lists of its policies in one round, the policies in the next."""
    if role.role_name is None:
        raise FactUnavailable(
            "the app has no role", Alternatives(("an instance profile", "a task role"))
        )
    name = role.role_name
    row, inline, attached = run_concurrently(
        [
            lambda: iam.get_role(RoleName=name)["Role"],
            lambda: list(
                paginate(iam.list_role_policies, "PolicyNames", token="Marker", RoleName=name)
            ),
            lambda: list(
                paginate(
                    iam.list_attached_role_policies,
                    "AttachedPolicies",
                    token="Marker",
                    RoleName=name,
                )
            ),
        ]
    )
    boundary = (row.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn")
    arns = [p["PolicyArn"] for p in attached] + ([boundary] if boundary else [])
    calls: list[Call] = [lambda n=n: _inline(iam, name, n) for n in inline]  # type: ignore[misc]
    texts = run_concurrently([*calls, *managed_calls(iam, arns)])
    own = texts[: len(inline) + len(attached)]
    tags = {t["Key"]: t["Value"] for t in row.get("Tags", ())}
    return RolePolicies(
        tuple(own),
        texts[-1] if boundary else None,
        row.get("RoleId", ""),
        tags,
        datetime.now(UTC),
    )


def managed_calls(iam: Iam, arns: list[str]) -> list[Call]:
    """Calls that read managed policies, to be run concurrently."""
    return [lambda arn=arn: _managed(iam, arn) for arn in arns]  # type: ignore[misc]


def _inline(iam: Iam, role: str, name: str) -> PolicyText:
    reply = iam.get_role_policy(RoleName=role, PolicyName=name)
    return PolicyText(name, "", reply["PolicyDocument"], f"role {role}")


def _managed(iam: Iam, arn: str) -> PolicyText:
    policy = iam.get_policy(PolicyArn=arn)["Policy"]
    in_force = policy["DefaultVersionId"]
    version = iam.get_policy_version(PolicyArn=arn, VersionId=in_force)["PolicyVersion"]
    return PolicyText(policy["PolicyName"], arn, version["Document"], version=in_force)
