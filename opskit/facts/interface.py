"""Types of facts, and protocols of the readers' clients."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from opskit.aws_protocols import AwsClient
from opskit.errors import Bug, Missing, bug_text
from opskit.symptom import Kinds, SymptomKind
from opskit.workload.interface import Workload, WorkloadRole

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Known(Generic[T_co]):
    """A fact that was read. "There is none" is a known value too."""

    value: T_co
    source: str
    read_at: datetime


@dataclass(frozen=True, slots=True)
class Unknown:
    """A fact that could not be read.

    Attributes:
        reason: one clause: who could not read what, and why.
        missing: the permissions or conditions that together would make the fact known.
        bug: the kind and place of opskit's own error that prevented the read; empty otherwise.
        is_unreachable: whether no connection to AWS could be opened for the read.
        waits_for: the symptoms of which one has to end before the fact can be known; empty where it is
            a permission or an input that is missing.
    """

    reason: str
    missing: tuple[Missing, ...] = ()
    bug: str = ""
    is_unreachable: bool = False
    waits_for: tuple[SymptomKind, ...] = ()


def unknown_by_bug(error: Exception) -> Unknown:
    """The unknown fact for an error of opskit's own in a reader or an analysis."""
    text = bug_text(error)
    return Unknown(f"a bug in opskit: {text}", bug=text)


def refuse_bug(unknown: Unknown) -> None:
    """Raise the error of opskit's own that made a fact unknown, if one did.

    Raises:
        Bug: an error of opskit's own made the fact unknown.
    """
    if unknown.bug:
        raise Bug(unknown.bug)


Fact: TypeAlias = Known[T] | Unknown


class FactUnavailable(Exception):
    """Raised by a reader that cannot determine its fact although no call failed."""

    def __init__(self, reason: str, *missing: Missing, waits_for: Kinds = ()) -> None:
        super().__init__(reason)
        self.unknown = Unknown(reason, missing, waits_for=tuple(waits_for))


def known_value(fact: Fact[T]) -> T:
    """The value of a fact, for a reader that passes another reader's fact on.

    Raises:
        FactUnavailable: the fact is unknown, for the same reason.
    """
    if isinstance(fact, Known):
        return fact.value
    error = FactUnavailable(fact.reason, *fact.missing)
    error.unknown = fact
    raise error


def fact_type(value: object) -> type:
    """The type under which a fact's value is kept: its own, or the interface that it implements."""
    return next((i for i in (Workload, WorkloadRole) if isinstance(value, i)), type(value))


class ClientFactory(Protocol):
    """Creates AWS clients, for a reader that needs some of them in some cases only."""

    def client(self, service: str) -> Any:
        """The client of a service."""


class Sts(AwsClient, Protocol):
    """Security Token Service."""


class Ssm(AwsClient, Protocol):
    """Systems Manager."""


class SourceClient(AwsClient, Protocol):
    """The service of the target's credential source."""


class Rds(AwsClient, Protocol):
    """Relational Database Service."""


class Ec2(AwsClient, Protocol):
    """Elastic Compute Cloud and its networks."""


class Ecs(AwsClient, Protocol):
    """Elastic Container Service."""


class Iam(AwsClient, Protocol):
    """Identity and Access Management."""


class Kms(AwsClient, Protocol):
    """Key Management Service."""


class Elbv2(AwsClient, Protocol):
    """Elastic Load Balancing, version 2."""


class Route53(AwsClient, Protocol):
    """Route 53."""


class Autoscaling(AwsClient, Protocol):
    """EC2 Auto Scaling."""


class InstanceConnect(AwsClient, Protocol):
    """EC2 Instance Connect."""


class SsmMessages(Protocol):
    """Session Manager's message gateway, which speaks WebSocket and has no AWS SDK client."""

    def caller(self) -> tuple[str, str, str]:
        """Region, profile and Systems Manager endpoint, for programs that call it themselves."""

    def upgrade_headers(self, url: str) -> dict[str, str]:
        """The signed headers of the WebSocket upgrade to a data channel."""


class Organizations(AwsClient, Protocol):
    """Organizations."""


BY_TARGET = ""
"""In place of a service's name: the service of the target's credential source."""
CLIENTS: dict[type, str] = {
    SourceClient: BY_TARGET,
    Sts: "sts",
    Ssm: "ssm",
    Rds: "rds",
    Ec2: "ec2",
    Ecs: "ecs",
    Iam: "iam",
    Kms: "kms",
    Elbv2: "elbv2",
    Route53: "route53",
    Autoscaling: "autoscaling",
    InstanceConnect: "ec2-instance-connect",
    Organizations: "organizations",
    SsmMessages: "ssmmessages",
}
"""Protocol -> the service name by which its client is created."""


def run_concurrently(calls: Sequence[Callable[[], T]]) -> list[T]:
    """The results of several concurrent calls, in order; they count as one round.

    Raises:
        Exception: the first error of any of them.
    """
    answers: dict[int, T] = {}
    errors: list[Exception] = []

    def work(index: int) -> None:
        try:
            answers[index] = calls[index]()
        except Exception as error:
            errors.append(error)

    others = [threading.Thread(target=work, args=(i,), daemon=True) for i in range(1, len(calls))]
    for other in others:
        other.start()
    if calls:
        work(0)
    for other in others:
        other.join()
    if errors:
        raise errors[0]
    return [answers[i] for i in range(len(calls))]
