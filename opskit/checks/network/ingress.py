"""What three checks share: how the database's security groups stand to the app's instance."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from opskit.checks.interface import (
    Evidence,
    Finding,
    Fix,
    derived,
    failed,
    observed,
    passed,
    skipped,
    undecided,
    warned,
)
from opskit.checks.remedy import aws
from opskit.facts.app_instance import AppInstance
from opskit.facts.database import Database
from opskit.facts.interface import Fact, Known
from opskit.facts.probe import InstanceProbe
from opskit.facts.security_groups import Permission, SecurityGroups, admits


class Ingress(Enum):
    """How the groups stand to the instance on the database's port."""

    ADMITTED = auto()
    NOBODY = auto()
    OTHERS = auto()
    OTHER_PORT = auto()
    DEPENDS = auto()


@dataclass(frozen=True, slots=True)
class Case:
    """The facts that the three checks speak of."""

    app: AppInstance
    database: Database
    groups: SecurityGroups

    @property
    def rules(self) -> list[Permission]:
        """Everything that the database's groups admit."""
        return self.groups.ingress_of(self.database.instance.security_group_ids)

    @property
    def own_rules(self) -> list[Permission]:
        """The rules that name the instance, whatever their port."""
        instance = self.app.instance
        return [r for r in self.rules if r.names(instance.group_ids, instance.address)]

    @property
    def database_label(self) -> str:
        """The database's groups, names first."""
        return ", ".join(self.groups.label(g) for g in self.database.instance.security_group_ids)

    @property
    def app_label(self) -> str:
        """The instance's groups, names first."""
        return ", ".join(self.groups.label(g) for g in self.app.instance.group_ids)

    def peers(self, rules: list[Permission]) -> str:
        """Whom rules admit, in words."""
        named = [self.groups.label(g) for r in rules for g in r.group_ids]
        return ", ".join(dict.fromkeys(named + [c for r in rules for c in r.cidrs])) or "nobody"


def classify(case: Case) -> Ingress:
    """Put the case into exactly one class."""
    port, instance = case.database.port, case.app.instance
    admitted = admits(case.rules, port, instance.group_ids, instance.address)
    if admitted:
        return Ingress.ADMITTED
    if admitted is None:
        return Ingress.DEPENDS
    if any(r.protocol in ("tcp", "6") for r in case.own_rules):
        return Ingress.OTHER_PORT
    return Ingress.OTHERS if any(r.covers(port) for r in case.rules) else Ingress.NOBODY


def judged_elsewhere(case: Case, ingress: Ingress) -> Finding:
    """The answer of a check whose class does not apply."""
    if ingress is Ingress.ADMITTED:
        return passed(
            f"{case.database_label} admits {case.app.instance.label} on {case.database.port}"
        )
    if ingress is Ingress.DEPENDS:
        return undecided(
            f"whether {case.database_label} admits the app depends on a prefix list",
            "ec2:GetManagedPrefixListEntries",
        )
    return skipped("the rule is judged under another code")


def verdict(case: Case, cause: str, probe: Fact[InstanceProbe]) -> Finding:
    """The failure, or a warning where the instance connected against the rules."""
    outcome = probe.value.connection(case.database.port) if isinstance(probe, Known) else None
    rule = derived(
        f"{case.app.instance.label} carries {case.app_label}; {case.database_label} admits on "
        f"{case.database.port}: {case.peers([r for r in case.rules if r.covers(case.database.port)])}"
    )
    if outcome is not None and outcome.is_connected:
        return warned(
            f"{cause}; yet the instance connected, so a rule or an interface is not known here",
            rule,
            observed(f"the instance connected to {outcome.address}:{outcome.port}"),
        )
    seen: tuple[Evidence, ...] = ()
    if outcome is not None:
        seen = (observed(f"on the instance: {outcome.words}"),)
    return failed(cause, rule, *seen, fix=_fix(case))


def _fix(case: Case) -> Fix | None:
    if not (case.app.instance.group_ids and case.database.instance.security_group_ids):
        return None
    return Fix(
        "adds one rule, removes none",
        (
            aws(
                "ec2",
                "authorize-security-group-ingress",
                group_id=case.database.instance.security_group_ids[0],
                protocol="tcp",
                port=case.database.port,
                source_group=case.app.instance.group_ids[0],
            ),
        ),
        "An address range, or 0.0.0.0/0, is not the fix: it admits more than the app.",
    )
