"""Decides whether a restart gives a container the right settings, else where to change the value.

A restart helps only if the program reads the setting from a parameter when it starts, and the parameter
holds the right value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from opskit import utc
from opskit.checks.fix import Advice, Fix, Remedy
from opskit.checks.fix_commands import recreate
from opskit.checks.shell_rendering import join
from opskit.commands import Command
from opskit.endpoint import is_address
from opskit.engine.interface import LoginFailure
from opskit.facts.database import Database
from opskit.facts.dns import OperatorDns
from opskit.facts.interface import Fact, Known
from opskit.facts.login import LoginAttemptResult
from opskit.facts.stored_credential import CredentialPiece, StoredCredential
from opskit.probe.response import ConnectionSetting, Container
from opskit.workload.interface import Workload

REFUSED = (
    LoginFailure.PASSWORD,
    LoginFailure.IAM_AUTH,
    LoginFailure.DATABASE_MISSING,
    LoginFailure.DATABASE_DENIED,
    LoginFailure.ROLE_REFUSED,
)
"""Login failures that are caused by the credential itself, wherever it is used."""
SKEW = timedelta(seconds=10)
"""The possible difference between the instance's clock and AWS's."""


@dataclass(frozen=True, slots=True)
class SettingDifference:
    """A setting of a container that differs from the parameter's value.

    Attributes:
        wanted: the parameter's value; for the password its fingerprint.
    """

    setting: ConnectionSetting
    wanted: str
    parameter: CredentialPiece


@dataclass(frozen=True, slots=True)
class CorrectSettings:
    """Evidence that confirms or contradicts the parameters' values."""

    parameters: StoredCredential
    database: Fact[Database]
    dns: Fact[OperatorDns]
    login: Fact[LoginAttemptResult]

    def against(self, difference: SettingDifference) -> str:
        """The evidence against the parameter's own value, as a clause; empty when there is none."""
        name, host = difference.parameter.name, self.parameters.host or ""
        if difference.parameter.format_problems:
            return f"{name} has {' and '.join(difference.parameter.format_problems)}"
        if difference.parameter.purpose == "endpoint" and is_address(host):
            return f"{name} holds an address, which a failover can change"
        if isinstance(self.login, Known):
            if self.login.value.succeeded:
                return ""
            if self.login.value.failure in REFUSED:
                message = self.login.value.message
                return f"a login with the parameters' own values is refused ({message})"
        return self._against_rds(difference)

    def _against_rds(self, difference: SettingDifference) -> str:
        if not isinstance(self.database, Known) or difference.parameter.purpose != "endpoint":
            return ""
        database, name = self.database.value, difference.parameter.name
        host, port, right = (
            self.parameters.host,
            self.parameters.port,
            (database.host or "").lower(),
        )
        chain = self.dns.value.chain if isinstance(self.dns, Known) else ()
        if right and right not in (host, *(n.lower() for n in chain)):
            return f"{name} says {host}, but {database.instance.identifier} is at {right}"
        if port and port != database.port:
            return (
                f"{name} names port {port}, but {database.instance.identifier} has {database.port}"
            )
        return ""


def choose_fix(
    differing: Mapping[Container, Iterable[SettingDifference]],
    app: Workload,
    truth: CorrectSettings,
) -> Remedy:
    """The remedy that gives every container the right settings: restarts, else the value to change."""
    reloaded: dict[Container, tuple[Command, ...]] = {}
    obstacles: list[str] = []
    for container, differences in differing.items():
        hindered = _obstacles(container, differences, truth)
        obstacles += hindered
        if not hindered:
            reloaded[container] = _reload(container, differences, app)
    why = " ".join(dict.fromkeys(obstacles))
    if not reloaded:
        return Advice(f"A restart is not offered. {why}")
    names = tuple(c.name for c in reloaded)
    return Fix(
        tuple(command for commands in reloaded.values() for command in commands),
        f"makes {' and '.join(names)} take the present settings",
        no_undo="the settings that it replaces are wrong",
        caution=why,
        restarts=names,
    )


def _reload(
    container: Container, differences: Iterable[SettingDifference], app: Workload
) -> tuple[Command, ...]:
    """A restart, or a new container where the old one got its settings when it was created."""
    if any(d.setting.source == "config" for d in differences):
        return app.host_commands(recreate(container))
    return app.restart_commands((container.name,))


def _obstacles(
    container: Container, differences: Iterable[SettingDifference], truth: CorrectSettings
) -> list[str]:
    """Why a restart would not give the container the right values, as sentences."""
    obstacles = []
    for difference in differences:
        against = truth.against(difference)
        if against:
            obstacles.append(
                f"The parameter's own value is in doubt: {against}. Set that right first."
            )
        elif difference.setting.source == "config":
            obstacles.append(_of_file(container, difference))
        else:
            obstacles.append(_of_process(container, difference, truth))
    return [sentence for sentence in obstacles if sentence]


def _of_file(container: Container, difference: SettingDifference) -> str:
    """The place of a value that the container got when it was created."""
    setting, name = difference.setting, container.name
    if setting.file and setting.file_value == difference.wanted and container.project_directory:
        return ""
    wanted = f"{difference.parameter.name} holds it"
    if not setting.file:
        return (
            f"{setting.variable} was given to {name} when it was created, which a restart keeps, and from "
            f"where is not known here: set the right value there ({wanted}) and create {name} again."
        )
    return (
        f"{setting.variable} in {setting.file} has the wrong value, so {name} would get it again: set the "
        f"right one there ({wanted}), then `{join(recreate(container))}`."
    )


def _of_process(container: Container, difference: SettingDifference, truth: CorrectSettings) -> str:
    """Why the container's program does not read the parameter's right value at its next start."""
    setting, parameter, name = difference.setting, difference.parameter, container.name
    raw = (parameter.value or "").lower()
    if setting.name == "host" and setting.value.lower() == raw:
        return (
            f"{parameter.name} itself holds {parameter.value}, which {name} takes as the host name "
            f"({setting.variable}): write the host alone into it, {truth.parameters.host}, and restart "
            f"{name}. Ask first whether another app reads the port from it."
        )
    if setting.name == "port" and truth.parameters.port is None:
        return (
            f"{parameter.name} names no port, so {name} has {setting.value} from elsewhere "
            f"({setting.variable}): change it there."
        )
    if _is_younger(container, parameter):
        return (
            f"{name} was started after {parameter.name} was written last, and still has another value "
            f"({setting.variable}): it does not take it from there. Look from which path, Region or file "
            "it does."
        )
    return ""


def _is_younger(container: Container, parameter: CredentialPiece) -> bool:
    """Whether the container was definitely started after the parameter's last write."""
    started, written = utc.moment_of(container.started_at), parameter.modified_at
    return started is not None and written is not None and started > written + SKEW
