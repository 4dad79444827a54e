"""The Region and partition of ARNs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Region:
    """A Region's name, such as `us-east-1`."""

    name: str

    @property
    def partition(self) -> str:
        """The first field of ARNs after `arn`."""
        if self.name.startswith("cn-"):
            return "aws-cn"
        return "aws-us-gov" if self.name.startswith("us-gov-") else "aws"
