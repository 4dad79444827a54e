"""The result of a diagnosis, as reports and exit statuses use it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from opskit.checks.interface import CheckResult, Status
from opskit.checks.shell_rendering import Caller
from opskit.errors import ExitStatus
from opskit.facts.target_health import TargetHealth
from opskit.reachability.database_paths import DatabasePaths
from opskit.reachability.load_balancer_paths import LoadBalancerPaths


class Verdict(StrEnum):
    """The verdict of a diagnosis, as one word."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    BROKEN = "broken"
    UNDETERMINED = "undetermined"


@dataclass(frozen=True, slots=True)
class TargetSummary:
    """The diagnosed target and the operator's identity, for the report's first line and the JSON.

    Attributes:
        config_file: the opskit.toml that supplied a value.
    """

    name: str
    region: str
    account: str | None
    operator: str | None
    instance: str | None
    instance_name: str | None
    database: str | None
    via: str | None
    config_file: str | None = None


@dataclass(frozen=True, slots=True)
class NetworkPaths:
    """The judged paths to the database, and to the app where a load balancer is in front of it."""

    paths: DatabasePaths
    load_balancer_paths: LoadBalancerPaths | None
    targets: tuple[TargetHealth, ...]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The result of a diagnosis; `network_paths` is None where the network was not judged.

    Attributes:
        notices: messages of the transport to the instance, for the terminal.
        caller: the command-line context for which commands are rendered.
        bugs: errors of opskit's own, by kind and place.
    """

    target: TargetSummary
    judged: tuple[CheckResult, ...]
    verdict: Verdict
    network_paths: NetworkPaths | None
    calls: int
    rounds: int
    seconds: float
    notices: tuple[str, ...] = ()
    caller: Caller = field(default_factory=Caller)
    bugs: tuple[str, ...] = ()

    @property
    def root_causes(self) -> tuple[CheckResult, ...]:
        """The failures that no other failure explains."""
        return tuple(j for j in self.judged if j.finding.status is Status.FAIL and not j.caused_by)

    @property
    def exit_status(self) -> ExitStatus:
        """The exit status for the verdict."""
        if self.verdict in (Verdict.BROKEN, Verdict.DEGRADED):
            return ExitStatus.FAULT
        if self.bugs:
            return ExitStatus.BUG
        return ExitStatus.NOT_JUDGED if self.verdict is Verdict.UNDETERMINED else ExitStatus.HEALTHY
