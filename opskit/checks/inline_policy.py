"""Inline policies that a fix adds under a free name, with the command that removes them again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opskit.checks.fix_commands import call
from opskit.commands import AwsCall
from opskit.facts.policies import PolicyText
from opskit.policy.limits import free_name, has_room


@dataclass(frozen=True, slots=True)
class PolicyHolder:
    """A role or user with all its policies, whose names are in use.

    Attributes:
        kind: `role` or `user`.
    """

    kind: str
    name: str
    policies: tuple[PolicyText, ...]

    @property
    def label(self) -> str:
        """The holder in the form of `PolicyText.holder`."""
        return f"{self.kind} {self.name}"

    def has_room_for(self, document: Mapping[str, Any]) -> bool:
        """Whether one more inline policy stays within IAM's size limit."""
        return has_room(document, self.policies, self.label)

    def add(self, wanted_name: str, document: Mapping[str, Any]) -> tuple[AwsCall, AwsCall]:
        """The call that adds an inline policy without replacing one, and the call that undoes it."""
        name = free_name(wanted_name, self.policies, self.label)
        return self.put(name, document), self._call("Delete", PolicyName=name)

    def put(self, name: str, document: Mapping[str, Any]) -> AwsCall:
        """The call that writes an inline policy, replacing one of the same name."""
        return self._call("Put", PolicyName=name, PolicyDocument=document)

    def _call(self, verb: str, **parameters: Any) -> AwsCall:
        kind = self.kind.capitalize()
        return call("iam", f"{verb}{kind}Policy", **{f"{kind}Name": self.name}, **parameters)
