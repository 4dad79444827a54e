"""The role's and the key's documents as AWS keeps them, changed by AWS calls: written apart from opskit's."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from opskit.commands import AwsCall, Command
from tests.checks.iam.generated import World

ROLE = "app-role"


@dataclass
class Documents:
    """The state that IAM and KMS hold.

    Attributes:
        managed: ARN -> version -> document.
        in_force: ARN -> version.
        replaced: names of inline policies that a call overwrote.
    """

    inline: dict[str, Any]
    attached: list[str]
    boundary: str | None
    managed: dict[str, dict[str, Any]]
    in_force: dict[str, str]
    key: Any
    replaced: list[str] = field(default_factory=list)

    def run(self, commands: Iterable[Command]) -> Documents:
        """The state after the AWS calls, each of which has to be one that AWS would accept."""
        after = copy.deepcopy(self)
        for command in commands:
            if isinstance(command, AwsCall):
                asked = json.loads(json.dumps(dict(command.parameters)))
                getattr(after, f"_{command.service}_{command.operation}")(**asked)
        return after

    def _iam_PutRolePolicy(self, RoleName: str, PolicyName: str, PolicyDocument: Any) -> None:  # noqa: N802, N803
        assert RoleName == ROLE
        assert 0 < len(PolicyName) <= 128
        same = [n for n in self.inline if n.lower() == PolicyName.lower()]
        assert same in ([], [PolicyName])
        self.replaced += same
        assert valid(PolicyDocument)
        self.inline[PolicyName] = PolicyDocument

    def _iam_DeleteRolePolicy(self, RoleName: str, PolicyName: str) -> None:  # noqa: N802, N803
        assert RoleName == ROLE
        del self.inline[PolicyName]

    def _iam_CreatePolicyVersion(  # noqa: N802
        self,
        PolicyArn: str,  # noqa: N803
        PolicyDocument: Any,  # noqa: N803
        SetAsDefault: bool = False,  # noqa: N803
    ) -> None:
        assert ":iam::aws:" not in PolicyArn
        assert valid(PolicyDocument)
        self.managed[PolicyArn]["new"] = PolicyDocument
        if SetAsDefault:
            self.in_force[PolicyArn] = "new"

    def _iam_SetDefaultPolicyVersion(self, PolicyArn: str, VersionId: str) -> None:  # noqa: N802, N803
        assert VersionId in self.managed[PolicyArn]
        self.in_force[PolicyArn] = VersionId

    def _kms_PutKeyPolicy(self, KeyId: str, PolicyName: str, Policy: Any) -> None:  # noqa: N802, N803
        assert (KeyId, PolicyName) == ("k", "default")
        assert valid(Policy)
        self.key = Policy

    @property
    def layers(self) -> dict[str, Any]:
        """The documents in force, by what they are to the role."""
        managed = {arn: self.managed[arn][version] for arn, version in self.in_force.items()}
        return {
            "identity": [*self.inline.values(), *(managed[arn] for arn in self.attached)],
            "boundary": managed[self.boundary] if self.boundary else None,
            "key": self.key,
        }


def valid(document: Any) -> bool:
    """Whether IAM would take the document: statements, with ids that are not repeated."""
    rows = document["Statement"]
    rows = rows if isinstance(rows, list) else [rows]
    sids = [row["Sid"] for row in rows if "Sid" in row]
    complete = all({"Action", "NotAction"} & row.keys() for row in rows)
    return bool(rows) and len(sids) == len(set(sids)) and complete


def documents_of(world: World) -> Documents:
    """The documents of generated policies."""
    own = world.policies.identity
    boundary = world.policies.boundary
    managed = [p for p in (*own, *([boundary] if boundary else [])) if p.arn]
    return Documents(
        {p.name: p.document for p in own if not p.arn},
        [p.arn for p in own if p.arn],
        boundary.arn if boundary else None,
        {p.arn: {p.version: p.document} for p in managed},
        {p.arn: p.version for p in managed},
        world.key,
    )
