"""The result of a diagnosis, as reports and exit statuses use it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from opskit.checks.interface import CheckResult, Status
from opskit.checks.shell_rendering import Caller
from opskit.diagnosis.unexplained import UnexplainedSymptom, unexplained_symptoms
from opskit.errors import ExitStatus
from opskit.facts.target_health import TargetHealth
from opskit.reachability.database_paths import DatabasePaths
from opskit.reachability.load_balancer_paths import LoadBalancerPaths


class Verdict(StrEnum):
    """The verdict of a diagnosis, as one word."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    BROKEN = "broken"
    CAUSE_NOT_DETERMINED = "cause_not_determined"
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
        fails_on_warning: a warning alone gives exit status 1 too.
        judged_at: the moment at which the facts were read; None where it is not known.
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
    fails_on_warning: bool = False
    judged_at: datetime | None = None

    @property
    def root_causes(self) -> tuple[CheckResult, ...]:
        """The faults that no other failure explains."""
        return tuple(j for j in self.judged if j.is_root_cause)

    @property
    def unexplained(self) -> tuple[UnexplainedSymptom, ...]:
        """The symptoms of which no cause was determined."""
        return unexplained_symptoms(self.judged)

    @property
    def not_judged(self) -> tuple[CheckResult, ...]:
        """The results that are unknown."""
        return tuple(j for j in self.judged if j.finding.status is Status.UNKNOWN)

    @property
    def exit_status(self) -> ExitStatus:
        """The exit status for the verdict, the same in every format."""
        statuses = {j.finding.status for j in self.judged}
        if Status.FAIL in statuses:
            return ExitStatus.FAULT
        if self.bugs:
            return ExitStatus.BUG
        if self.verdict is Verdict.UNDETERMINED:
            return ExitStatus.NOT_JUDGED
        is_refused = self.fails_on_warning and Status.WARN in statuses
        return ExitStatus.FAULT if is_refused else ExitStatus.HEALTHY
