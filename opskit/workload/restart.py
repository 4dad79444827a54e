"""The things of an app that a rotation restarts: by a program on their machine, or by an AWS call."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from opskit.commands import AwsCall
from opskit.workload.interface import Location


class RestartKind(ABC):
    """A kind of thing that is restarted by itself.

    Attributes:
        name: the kind in the journal.
        noun: with its article, for sentences.
        name_form, place_form: the forms of a thing's name and of its place, such as an instance id.
    """

    name: ClassVar[str]
    noun: ClassVar[str]
    name_form: ClassVar[re.Pattern[str]]
    place_form: ClassVar[re.Pattern[str]]


class HostRestart(RestartKind):
    """A thing that a program on a machine restarts."""

    @abstractmethod
    def location(self, place: str) -> Location:
        """The machine."""

    def program(self, name: str) -> tuple[str, ...]:
        """The program; empty for a container, whose own configuration decides."""
        return ()


class ServiceRestart(RestartKind):
    """A thing that an AWS service restarts.

    Attributes:
        service: the service's client.
        missing: error codes of the calls -> why it cannot be restarted.
    """

    service: ClassVar[str]
    missing: ClassVar[Mapping[str, str]]

    @abstractmethod
    def parse(self, text: str) -> tuple[str, str]:
        """The name and the place of a thing as `--restart KIND:TEXT` names it."""

    @abstractmethod
    def restart_call(self, name: str, place: str) -> AwsCall:
        """The call that restarts it."""

    @abstractmethod
    def describe_call(self, name: str, place: str) -> AwsCall:
        """The call whose reply shows the progress of the restart."""

    @abstractmethod
    def progress(self, reply: Mapping[str, Any]) -> tuple[str, bool]:
        """Why it is not restarted yet, empty when it is; and whether that is final."""
