"""A request to evaluate: principal, action, resource and condition context."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto


class Presence(Enum):
    """Whether a condition key is present, absent or unknown in a request."""

    KNOWN = auto()
    ABSENT = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller.

    Attributes:
        arn: of the user or role.
        session_arn: of a role's session, as `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`.
    """

    arn: str
    account: str
    session_arn: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The names by which a policy may refer to the principal."""
        return (self.arn, self.session_arn) if self.session_arn else (self.arn,)

    @property
    def account_names(self) -> tuple[str, ...]:
        """The names by which a policy may refer to the principal's account."""
        return (self.account, f"arn:{self.partition}:iam::{self.account}:root")

    @property
    def partition(self) -> str:
        """AWS's partition in the principal's ARN, such as `aws`."""
        return self.arn.partition(":")[2].partition(":")[0]


@dataclass(frozen=True, slots=True)
class Context:
    """The condition keys of a request.

    Attributes:
        values: by key in lower case.
        unknown: keys in lower case that the request may or may not carry.
        others_unknown: whether keys that are not named here are unknown; otherwise they are absent.
        absent: keys in lower case that the request definitely lacks.
        complete_prefixes: key prefixes all of whose keys are known, so that any other key is absent.
    """

    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()
    others_unknown: bool = False
    absent: frozenset[str] = frozenset()
    complete_prefixes: tuple[str, ...] = ()

    def presence(self, key: str) -> Presence:
        """Whether the request carries a key."""
        name = key.lower()
        if name in self.values:
            return Presence.KNOWN
        if name in self.absent or name.startswith(self.complete_prefixes):
            return Presence.ABSENT
        doubtful = name in self.unknown or self.others_unknown
        return Presence.UNKNOWN if doubtful else Presence.ABSENT

    def get(self, key: str) -> tuple[str, ...]:
        """The values of a key that the request carries."""
        return self.values[key.lower()]


@dataclass(frozen=True, slots=True)
class Request:
    """One request: an action by a principal on a resource, with its condition context."""

    principal: Principal
    action: str
    resource: str
    context: Context
