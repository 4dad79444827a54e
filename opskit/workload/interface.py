"""Interfaces of a workload, of its kind, its location and its role."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from opskit.commands import AwsCall, Command


@dataclass(frozen=True, slots=True)
class WorkloadKind:
    """A kind of workload, known from the settings before anything is read.

    Attributes:
        noun: for sentences, such as `instance`.
        aws_noun: AWS's name for it, such as `EC2 instance`.
        setting: the setting that names a workload of this kind.
        form: the form of that setting's value.
        transports: the values of `--via` that lead to it.
        role_noun: the IAM role of its programs, such as `task role`.
        role_source: the thing that gives it the role, such as `an instance profile`.
        check_name: raises UsageError where a value of the setting has another form.
        naming_hint: the option that names one, for a search without a result; empty where none is searched.
        rotation_refusal: why rotate-password cannot restart it, and the next step; empty where it can.
    """

    name: str
    noun: str
    aws_noun: str
    setting: str
    form: str
    transports: tuple[str, ...]
    role_noun: str
    role_source: str
    check_name: Callable[[str], object]
    naming_hint: str = ""
    rotation_refusal: tuple[str, ...] = ()

    @property
    def definite(self) -> str:
        """The noun with its article, such as `the instance`."""
        return f"the {self.noun}"

    @property
    def indefinite(self) -> str:
        """AWS's name with its article, such as `an EC2 instance`."""
        return f"{'an' if self.aws_noun[0] in 'AEIOU' else 'a'} {self.aws_noun}"

    @property
    def option(self) -> str:
        """The option of the setting."""
        return f"--{self.setting.replace('_', '-')}"


class Location(ABC):
    """The machine or container that a transport leads to.

    Attributes:
        transports: the transports for commands that `--via auto` tries, in order. Those that are audited
            and allowed most often come first. `ssh` is left out where the settings name no SSH host.
        tunnels: the transports for tunnels that `--via auto` tries, in order.
    """

    __slots__ = ()
    transports: ClassVar[tuple[str, ...]]
    tunnels: ClassVar[tuple[str, ...]]

    @property
    @abstractmethod
    def text(self) -> str:
        """The location in the journal of a rotation, from which `Workload.read_location` makes it again."""

    @property
    @abstractmethod
    def target(self) -> str:
        """Its name as a target of Session Manager."""

    def require(self) -> None:  # noqa: B027  most places can have one
        """Check before a call whether the place can have a session.

        Raises:
            NotExecuted: it cannot.
        """


@dataclass(frozen=True, slots=True)
class NetworkInterface:
    """A network interface; `index` is its device index on the instance, 0 for the primary one."""

    interface_id: str
    index: int
    address: str
    ipv6_addresses: tuple[str, ...]
    subnet_id: str
    group_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReportedState:
    """A state that AWS reports of the app: a sentence without its full stop, and its source.

    Attributes:
        command, undo, does: the call that makes it run again, the call that takes it back, and its
            purpose; None where none does.
        advice: the change to make where there is no command.
    """

    summary: str
    source: str
    is_running: bool = True
    command: AwsCall | None = None
    undo: AwsCall | None = None
    does: str = ""
    advice: str = ""


@dataclass(frozen=True, slots=True)
class RestartTarget:
    """A thing that a rotation restarts.

    Attributes:
        kind: a name of `opskit.workload.RESTARTS`.
        name: of the container or the service; where: its instance or its cluster.
        health_url: as reachable on the instance; empty: a container that runs counts as healthy.
    """

    kind: str
    name: str
    where: str
    health_url: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name} on {self.where}"


@dataclass(frozen=True, slots=True)
class MissingRole:
    """The finding for a workload without a role.

    Attributes:
        evidence: AWS's replies that show it.
        advice: the change to make where there is no command.
        command: the call that gives the role back; None where it is not known which.
        does, no_undo: the call's purpose, and why it has no undo, as clauses.
    """

    summary: str
    evidence: tuple[str, ...]
    advice: str = ""
    command: AwsCall | None = None
    does: str = ""
    no_undo: str = ""


@dataclass(frozen=True, slots=True)
class WorkloadRole(ABC):
    """The IAM role of the app's programs; None means that AWS was asked and there is none.

    Attributes:
        profile_name: the instance profile that holds the role; None where there is no profile.
    """

    role_name: str | None
    role_arn: str | None
    profile_name: str | None = None

    @abstractmethod
    def missing(self, app: Workload) -> MissingRole:
        """The finding where there is no role."""


@dataclass(frozen=True, slots=True)
class Workload(ABC):
    """The place where the app runs.

    A kind without a network in the VPC has no interfaces; one without a container engine that opskit
    can ask has no host commands. Checks ask for these properties and never for the kind.

    Attributes:
        selection_reason: why it is taken for the app's, as a clause.
    """

    kind: ClassVar[WorkloadKind]
    selection_reason: str = field(kw_only=True)

    @property
    @abstractmethod
    def identifier(self) -> str:
        """Its id; AWS names the session of its role by it."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Its name for a reader; empty where it has none."""

    @property
    def label(self) -> str:
        """Name first, id in brackets."""
        return f"{self.name} ({self.identifier})" if self.name else self.identifier

    @property
    @abstractmethod
    def location(self) -> Location:
        """The place where its commands run."""

    @classmethod
    @abstractmethod
    def read_location(cls, text: str) -> Location | None:
        """The location with this text; None where it is not one of this kind."""

    @property
    @abstractmethod
    def searchable_text(self) -> str:
        """Its names in lower case, searched for the target's name."""

    @property
    @abstractmethod
    def interfaces(self) -> tuple[NetworkInterface, ...]:
        """Its network interfaces, the primary one first; empty where they are not known."""

    @property
    def no_interface(self) -> tuple[str, ...]:
        """Why it has no interfaces, and the permission that would make them known, if one does."""
        return (
            f"the network interface of {self.label} is not known, or it has none of its own",
            "ec2:DescribeNetworkInterfaces",
        )

    @property
    def group_ids(self) -> tuple[str, ...]:
        """The security groups of all its interfaces together."""
        return tuple(dict.fromkeys(g for i in self.interfaces for g in i.group_ids))

    @property
    def address(self) -> str:
        """The private address of its primary interface; empty where it is not known."""
        return self.interfaces[0].address if self.interfaces else ""

    @property
    def subnet_id(self) -> str:
        """The subnet of its primary interface; empty where it is not known."""
        return self.interfaces[0].subnet_id if self.interfaces else ""

    @property
    @abstractmethod
    def vpc_id(self) -> str:
        """The VPC of its primary interface; empty where it is not known."""

    @abstractmethod
    def with_groups(self, interface_id: str, group_ids: tuple[str, ...]) -> Workload:
        """The workload once an interface has other security groups."""

    def group_advice(self, group: str) -> str:
        """How to add a security group where EC2 refuses to; empty where its interface takes it."""
        return ""

    @property
    def profile_arn(self) -> str | None:
        """Its instance profile, if it has one."""
        return None

    @property
    def scaling_group(self) -> str | None:
        """The Auto Scaling group that started it, if any."""
        return None

    @property
    def ecs_service(self) -> str:
        """CLUSTER/SERVICE of the ECS service that started it; empty where there is none."""
        return ""

    @property
    def managed_node_id(self) -> str | None:
        """Its id as a managed node of Systems Manager; None where it is none."""
        return None

    @property
    def agent_evidence(self) -> tuple[str, ...]:
        """Facts that bear on its Systems Manager agent."""
        return ()

    @property
    def public_address(self) -> str | None:
        """The public IPv4 address of its primary interface; empty for none, None where it is not known."""
        return None

    @property
    def condition_values(self) -> Mapping[str, str]:
        """The condition keys that only the requests of this kind's role carry, in lower case."""
        return {}

    @property
    def token_hop_limit(self) -> int | None:
        """The hops that an answer with a token of its metadata service survives, where a token is required.

        None where none is required, or it has no such service.
        """
        return None

    @property
    def reported_state(self) -> ReportedState | None:
        """The app's state where AWS itself reports it; None where its containers have to be asked."""
        return None

    def host_commands(self, *programs: tuple[str, ...]) -> tuple[Command, ...]:
        """The commands that run programs beside its containers; none where that is not possible."""
        return ()

    @abstractmethod
    def restart_commands(self, containers: Sequence[str]) -> tuple[Command, ...]:
        """The commands that restart the app; none where it cannot be restarted.

        Args:
            containers: the app's containers that are known and may be restarted.
        """

    @abstractmethod
    def restart_targets(
        self, containers: Sequence[str], health_url: str
    ) -> tuple[RestartTarget, ...]:
        """The things that a rotation restarts one after the other; none where it cannot restart the app.

        Args:
            containers: the app's containers that are known.
            health_url: the app's health URL as reachable on the instance; empty for none.
        """

    @abstractmethod
    def restart_names(self, containers: Sequence[str]) -> tuple[str, ...]:
        """The names of the containers or services that `restart_commands` restarts."""

    @abstractmethod
    def log_words(self, containers: Sequence[str]) -> str:
        """The app's log, as the subject of a sentence."""

    @abstractmethod
    def setting_value(self, named: str | None) -> tuple[str | None, str]:
        """The value of the kind's setting that names this workload again, and how it was found.

        Args:
            named: the setting's present value.
        """
