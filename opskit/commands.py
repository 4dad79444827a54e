"""Commands as data, for fixes and for restarts of the app.

They are data until they are rendered: nothing edits a command line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class AwsCall:
    """One AWS operation.

    Attributes:
        service: the client's name, such as `iam`.
        operation, parameters: named as in the service's API reference; a policy document is a mapping.
    """

    service: str
    operation: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AwsWait:
    """A wait until a resource is in a state, such as `db-instance-available`."""

    service: str
    waiter: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class InstanceCommand:
    """Programs that Run Command runs on the instance as root; the first failure ends the sequence."""

    instance_id: str
    programs: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class OpskitCommand:
    """An opskit command for the same target; it verifies its own effect.

    Attributes:
        arguments: the command, such as `("rotate-password", "repair")`.
        options: placed after the options that name the target.
    """

    arguments: tuple[str, ...]
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LocalCommand:
    """A program on the operator's machine."""

    arguments: tuple[str, ...]


Command = AwsCall | AwsWait | InstanceCommand | OpskitCommand | LocalCommand
