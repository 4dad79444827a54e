"""What is asked: who wants to do what, in which circumstances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto


class Presence(Enum):
    """What is known of a condition key."""

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
        """Everything that a policy may call it by."""
        return (self.arn, self.session_arn) if self.session_arn else (self.arn,)

    @property
    def account_names(self) -> tuple[str, ...]:
        """What a policy may call its account by."""
        partition = self.arn.split(":")[1]
        return (self.account, f"arn:{partition}:iam::{self.account}:root")


@dataclass(frozen=True, slots=True)
class Context:
    """The condition keys of a request.

    Attributes:
        values: by key in lower case.
        unknown: keys in lower case that the request may or may not carry; nobody here knows.
        others_unknown: so it is with every key that is not named here; otherwise those are absent.
        absent: keys in lower case that it surely lacks.
        has_complete_keys: beginnings of keys, all of whose values are known, so that any other is absent.
    """

    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()
    others_unknown: bool = False
    absent: frozenset[str] = frozenset()
    has_complete_keys: tuple[str, ...] = ()

    def presence(self, key: str) -> Presence:
        """Whether a key is there."""
        name = key.lower()
        if name in self.values:
            return Presence.KNOWN
        if name in self.absent or name.startswith(self.has_complete_keys):
            return Presence.ABSENT
        doubtful = name in self.unknown or self.others_unknown
        return Presence.UNKNOWN if doubtful else Presence.ABSENT

    def get(self, key: str) -> tuple[str, ...]:
        """The values of a key that is there."""
        return self.values[key.lower()]


@dataclass(frozen=True, slots=True)
class Request:
    """One action on one resource."""

    principal: Principal
    action: str
    resource: str
    context: Context
