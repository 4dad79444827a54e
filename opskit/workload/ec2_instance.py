"""Workload: an EC2 instance whose containers run the app."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from opskit.commands import AwsCall, Command, InstanceCommand
from opskit.workload.interface import (
    Location,
    MissingRole,
    NetworkInterface,
    ReportedState,
    RestartTarget,
    Workload,
    WorkloadKind,
    WorkloadRole,
)
from opskit.workload.restart import HostRestart


@dataclass(frozen=True, slots=True)
class Instance:
    """An EC2 instance.

    Attributes:
        interfaces: the primary one first.
        vpc_id: of the primary interface.
        scaling_group: the Auto Scaling group that started the instance, if any.
        group_ids: of all its interfaces together.
        profile_arn: of the instance profile; None when it has none.
        metadata_tokens: `required` when only IMDSv2 answers.
        searchable_text: its name, tags and profile in lower case, searched for the target's name.
        state: EC2's word for it, such as `running`; empty where EC2 could not be asked, so that only
            the id is known.
        public_address: of the primary interface; empty for none, None where it was not read.
        state_reason: EC2's sentence on why it is in a state other than running.
    """

    instance_id: str
    name: str
    state: str
    address: str | None
    subnet_id: str | None
    group_ids: tuple[str, ...]
    profile_arn: str | None
    metadata_tokens: str
    metadata_hop_limit: int
    searchable_text: str
    vpc_id: str = ""
    interfaces: tuple[NetworkInterface, ...] = ()
    scaling_group: str | None = None
    state_reason: str = ""
    public_address: str | None = None

    @property
    def label(self) -> str:
        """Name first, id in brackets."""
        return f"{self.name} ({self.instance_id})" if self.name else self.instance_id

    def carries(self, name_words: Sequence[str]) -> bool:
        """Whether its name, tags or profile contain every word of a name."""
        return bool(name_words) and all(part in self.searchable_text for part in name_words)


def undescribed(instance_id: str) -> Instance:
    """An instance of which only the id is known."""
    return Instance(instance_id, "", "", None, None, (), None, "", 1, "")


RUNNING = "running"
ENDED = ("shutting-down", "terminated")
"""The states that an instance does not leave again; its interfaces are gone, or go."""
DESCRIBE = "ec2:DescribeInstances"


@dataclass(frozen=True, slots=True)
class InstanceLocation(Location):
    """An EC2 instance, or a machine that is registered with Systems Manager."""

    transports: ClassVar = ("run-command", "session-manager", "ssh-session", "ssh")
    tunnels: ClassVar = ("session-manager", "ssh-session", "ssh")
    instance_id: str

    @property
    def text(self) -> str:
        """The instance's id."""
        return self.instance_id

    @property
    def target(self) -> str:
        """The instance's id."""
        return self.instance_id


class ContainerRestart(HostRestart):
    """A container on an instance."""

    name = "container"
    noun = "a container"
    name_form = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}")
    place_form = re.compile(r"m?i-[0-9a-f]{1,17}")

    def location(self, place: str) -> Location:
        """The instance."""
        return InstanceLocation(place)


@dataclass(frozen=True, slots=True)
class InstanceRole(WorkloadRole):
    """The role of an instance, by its profile.

    Attributes:
        candidates: without a profile, the names of profiles that contain the target's name.
    """

    candidates: tuple[str, ...] = ()

    def missing(self, app: Workload) -> MissingRole:
        """The finding for an instance without a profile, or with an empty one."""
        if self.profile_name is not None:
            return MissingRole(
                f"instance profile {self.profile_name} of {app.label} holds no role",
                ("iam:GetInstanceProfile shows no role in it",),
                f"Add the app's role to {self.profile_name} (iam:AddRoleToInstanceProfile); which role that "
                "is cannot be read from here, so no command is offered.",
            )
        fitting = self.candidates
        which = f"several fit ({', '.join(fitting)})" if fitting else "none carries its name"
        return MissingRole(
            f"{app.label} has no instance profile, so nothing on it gets AWS credentials",
            (
                "ec2:DescribeInstances shows no IamInstanceProfile",
                f"profiles that carry the target's name: {', '.join(fitting) or 'none'}",
            ),
            f"Attach the app's profile with ec2:AssociateIamInstanceProfile: {which}.",
            _attach(app.identifier, fitting[0]) if len(fitting) == 1 else None,
            does="attaches the profile",
            no_undo="the id of the association is known only afterwards: "
            "ec2:DescribeIamInstanceProfileAssociations names it",
        )


def _attach(instance_id: str, profile: str) -> AwsCall:
    arguments = {"InstanceId": instance_id, "IamInstanceProfile": {"Name": profile}}
    return AwsCall("ec2", "AssociateIamInstanceProfile", arguments)


@dataclass(frozen=True, slots=True)
class Ec2InstanceWorkload(Workload):
    """An EC2 instance whose containers run the app."""

    kind: ClassVar = WorkloadKind(
        name="ec2-instance",
        noun="instance",
        aws_noun="EC2 instance",
        setting="instance",
        form="ID",
        transports=("run-command", "session-manager", "plugin", "ssh-session", "ssh", "local"),
        role_noun="role",
        role_source="an instance profile",
        check_name=str,
        naming_hint="--instance ID names it",
    )
    instance: Instance

    @property
    def identifier(self) -> str:
        """The instance's id."""
        return self.instance.instance_id

    @property
    def name(self) -> str:
        """The instance's name tag."""
        return self.instance.name

    @property
    def location(self) -> Location:
        """The instance."""
        return InstanceLocation(self.instance.instance_id)

    @classmethod
    def read_location(cls, text: str) -> Location | None:
        """The instance with this id."""
        return InstanceLocation(text) if ContainerRestart.place_form.fullmatch(text) else None

    @property
    def searchable_text(self) -> str:
        """Name, tags and profile in lower case."""
        return self.instance.searchable_text

    @property
    def interfaces(self) -> tuple[NetworkInterface, ...]:
        """The instance's interfaces; where EC2 listed none, the primary one by the instance's own fields.

        None where EC2 could not be asked, or the instance is terminated.
        """
        own = self.instance
        if own.address is None and not own.interfaces:
            return ()
        primary = NetworkInterface("", 0, own.address or "", (), own.subnet_id or "", own.group_ids)
        return own.interfaces or (primary,)

    @property
    def group_ids(self) -> tuple[str, ...]:
        """The security groups of all its interfaces together."""
        return self.instance.group_ids

    @property
    def address(self) -> str:
        """The private address of the primary interface."""
        return self.instance.address or ""

    @property
    def subnet_id(self) -> str:
        """The subnet of the primary interface."""
        return self.instance.subnet_id or ""

    @property
    def vpc_id(self) -> str:
        """The VPC of the primary interface."""
        return self.instance.vpc_id

    def with_groups(self, interface_id: str, group_ids: tuple[str, ...]) -> Workload:
        """The workload once an interface has other security groups."""
        interfaces = tuple(
            replace(i, group_ids=group_ids) if i.interface_id == interface_id else i
            for i in self.instance.interfaces
        )
        carried = tuple(dict.fromkeys(g for i in interfaces for g in i.group_ids))
        changed = replace(self.instance, interfaces=interfaces, group_ids=carried)
        return replace(self, instance=changed)

    @property
    def profile_arn(self) -> str | None:
        """The instance profile, if it has one."""
        return self.instance.profile_arn

    @property
    def scaling_group(self) -> str | None:
        """The Auto Scaling group that started the instance, if any."""
        return self.instance.scaling_group

    @property
    def managed_node_id(self) -> str | None:
        """The instance's id."""
        return self.instance.instance_id

    @property
    def is_described(self) -> bool:
        """Whether EC2 described it; otherwise only its id is known."""
        return bool(self.instance.state)

    @property
    def no_interface(self) -> tuple[str, ...]:
        """EC2 was not asked, or a terminated instance has lost its interface."""
        if not self.is_described:
            return f"the network interface of {self.label} is not known", DESCRIBE
        return (f"{self.label} is {self.instance.state}: it has no network interface",)

    @property
    def token_hop_limit(self) -> int | None:
        """The instance's hop limit where only IMDSv2 answers."""
        own = self.instance
        return own.metadata_hop_limit if own.metadata_tokens == "required" else None

    @property
    def reported_state(self) -> ReportedState | None:
        """The instance's state where it does not run; its containers cannot run either."""
        own = self.instance
        if own.state in ("", RUNNING):
            return None
        state = ReportedState(
            f"{self.label}, on which the app runs, is {own.state}",
            f"{DESCRIBE} says {own.state}{f': {own.state_reason}' if own.state_reason else ''}",
            is_running=False,
        )
        if own.state == "stopped":
            start = AwsCall("ec2", "StartInstances", {"InstanceIds": [own.instance_id]})
            stop = AwsCall("ec2", "StopInstances", {"InstanceIds": [own.instance_id]})
            return replace(state, command=start, undo=stop, does="starts it")
        advice = {
            "pending": f"Wait until {self.label} has started, then run the diagnosis again.",
            "stopping": f"Wait until {self.label} has stopped, then start it: "
            f"aws ec2 start-instances --instance-ids {own.instance_id}",
        }
        replacement = (
            f"Auto Scaling group {own.scaling_group} starts another one, if its desired capacity says so"
            if own.scaling_group
            else "Start another one from the app's launch template or image"
        )
        gone = (
            f"No command is offered: {self.label} cannot be started again. {replacement}; who ended it "
            f"is in CloudTrail (TerminateInstances)."
        )
        return replace(state, advice=advice.get(own.state, gone))

    @property
    def agent_evidence(self) -> tuple[str, ...]:
        """The profile, from which the agent has its credentials, and the instance's state."""
        if not self.is_described:
            return ()
        arn = self.instance.profile_arn
        profile = (
            "it has no instance profile: the agent has no credentials (IAM001)"
            if arn is None
            else f"it has profile {arn.rsplit('/', 1)[-1]}: the profile is not what is missing"
        )
        return profile, f"the instance is {self.instance.state}"

    @property
    def public_address(self) -> str | None:
        """The public IPv4 address of the primary interface."""
        return self.instance.public_address

    @property
    def condition_values(self) -> Mapping[str, str]:
        """The condition keys of credentials that the instance's metadata service issued."""
        if not self.is_described:
            return {}
        return {
            "aws:ec2instancesourcevpc": self.instance.vpc_id,
            "aws:ec2instancesourceprivateipv4": self.instance.address or "",
        }

    def host_commands(self, *programs: tuple[str, ...]) -> tuple[Command, ...]:
        """One command that runs programs on the instance."""
        return (InstanceCommand(self.instance.instance_id, programs),)

    def restart_commands(self, containers: Sequence[str]) -> tuple[Command, ...]:
        """A restart of each container."""
        restarts = [self.host_commands(("docker", "restart", name)) for name in containers]
        return tuple(command for commands in restarts for command in commands)

    def restart_targets(
        self, containers: Sequence[str], health_url: str
    ) -> tuple[RestartTarget, ...]:
        """The containers."""
        return tuple(
            RestartTarget(ContainerRestart.name, name, self.identifier, health_url)
            for name in containers
        )

    def restart_names(self, containers: Sequence[str]) -> tuple[str, ...]:
        """The containers."""
        return tuple(containers)

    def log_words(self, containers: Sequence[str]) -> str:
        """The logs of the containers on the instance."""
        return f"{container_logs(containers)} on {self.label}"

    def setting_value(self, named: str | None) -> tuple[str | None, str]:
        """The instance's id."""
        return self.instance.instance_id, f"{self.name}: {self.selection_reason}"


def container_logs(containers: Sequence[str]) -> str:
    """The commands that print the containers' logs, as the subject of a sentence."""
    logs = [f"`docker logs --tail 50 {name}`" for name in containers]
    return " and ".join(logs) or "The app's own log"
