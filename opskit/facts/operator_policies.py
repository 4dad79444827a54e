"""The operator's policies, as a user with groups or as a role."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from opskit.aws_protocols import paginate
from opskit.facts.identity import Identity
from opskit.facts.interface import FactUnavailable, Iam, run_concurrently
from opskit.facts.policies import PolicyText, managed_calls


@dataclass(frozen=True, slots=True)
class OperatorPolicies:
    """All policies of the operator.

    Attributes:
        arn: of the user or role behind the credentials; simulation and key policies name it.
        session_arn: of a role's session; empty for a user.
        is_root: the account's root user, which no policy of the account limits.
    """

    arn: str
    session_arn: str
    is_root: bool
    identity: tuple[PolicyText, ...]
    boundary: PolicyText | None
    tags: Mapping[str, str]
    read_at: datetime


Call = Callable[[], Any]


def read(iam: Iam, identity: Identity) -> OperatorPolicies:
    """Read the policies of the user or role behind the caller's ARN.

    Raises:
        FactUnavailable: a federated user has policies that IAM does not show.
    """
    kind, _, rest = identity.arn.split(":", 5)[-1].partition("/")
    if kind == "root":
        return OperatorPolicies(identity.arn, "", True, (), None, {}, datetime.now(UTC))
    if kind == "user":
        return _user(iam, identity, rest.rsplit("/", 1)[-1])
    if kind == "assumed-role":
        return _role(iam, identity, rest.split("/")[0])
    raise FactUnavailable(
        f"{identity.arn} is neither a user nor a role", "credentials of a user or role"
    )


def _user(iam: Iam, identity: Identity, name: str) -> OperatorPolicies:
    row, inline, attached, groups = run_concurrently(
        [
            lambda: iam.get_user(UserName=name)["User"],
            lambda: _names(iam.list_user_policies, "PolicyNames", UserName=name),
            lambda: _arns(iam.list_attached_user_policies, UserName=name),
            lambda: _groups(iam, name),
        ]
    )
    in_groups = run_concurrently([_of_group(iam, group) for group in groups])
    calls: list[Call] = [
        _inline(iam.get_user_policy, f"user {name}", n, UserName=name) for n in inline
    ]
    for group, (names, arns) in zip(groups, in_groups, strict=True):
        holder = f"group {group}"
        calls += [_inline(iam.get_group_policy, holder, n, GroupName=group) for n in names]
        attached = [*attached, *arns]
    return _made(iam, identity.arn, "", row, calls, attached)


def _role(iam: Iam, identity: Identity, name: str) -> OperatorPolicies:
    row, inline, attached = run_concurrently(
        [
            lambda: iam.get_role(RoleName=name)["Role"],
            lambda: _names(iam.list_role_policies, "PolicyNames", RoleName=name),
            lambda: _arns(iam.list_attached_role_policies, RoleName=name),
        ]
    )
    calls: list[Call] = [
        _inline(iam.get_role_policy, f"role {name}", n, RoleName=name) for n in inline
    ]
    # A session's ARN lacks the path of its role; the role's own ARN has it.
    return _made(iam, row["Arn"], identity.arn, row, calls, attached)


def _made(
    iam: Iam,
    arn: str,
    session_arn: str,
    row: Mapping[str, Any],
    inline: list[Call],
    attached: list[str],
) -> OperatorPolicies:
    boundary = (row.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn")
    texts = run_concurrently(
        [*inline, *managed_calls(iam, attached + ([boundary] if boundary else []))]
    )
    own = texts[: len(inline) + len(attached)]
    tags = {t["Key"]: t["Value"] for t in row.get("Tags", ())}
    ceiling = texts[-1] if boundary else None
    return OperatorPolicies(arn, session_arn, False, tuple(own), ceiling, tags, datetime.now(UTC))


def _names(call: Callable[..., Any], key: str, **whose: str) -> list[str]:
    return list(paginate(call, key, token="Marker", **whose))


def _arns(call: Callable[..., Any], **whose: str) -> list[str]:
    return [p["PolicyArn"] for p in paginate(call, "AttachedPolicies", token="Marker", **whose)]


def _groups(iam: Iam, name: str) -> list[str]:
    rows = paginate(iam.list_groups_for_user, "Groups", token="Marker", UserName=name)
    return [g["GroupName"] for g in rows]


def _of_group(iam: Iam, group: str) -> Callable[[], tuple[list[str], list[str]]]:
    def read_both() -> tuple[list[str], list[str]]:
        names = _names(iam.list_group_policies, "PolicyNames", GroupName=group)
        return names, _arns(iam.list_attached_group_policies, GroupName=group)

    return read_both


def _inline(call: Callable[..., Any], holder: str, name: str, **whose: str) -> Call:
    def read_one() -> PolicyText:
        return PolicyText(name, "", call(PolicyName=name, **whose)["PolicyDocument"], holder)

    return read_one
