"""The health of the app instance as the load balancer reports it."""

from __future__ import annotations

from dataclasses import dataclass

from opskit.facts.database import Database
from opskit.facts.instances import TargetGroup, TargetGroups
from opskit.facts.interface import Elbv2, Fact, Known
from opskit.workload.interface import Workload

MOST_GROUPS = 10
"""Target groups that are asked at most: each takes one call, and more would take too long."""


@dataclass(frozen=True, slots=True)
class TargetHealth:
    """The instance in one target group: ELB's state, reason and description."""

    group: TargetGroup
    state: str
    reason: str
    description: str


@dataclass(frozen=True, slots=True)
class TargetHealths:
    """The instance in every target group of its VPC that contains it."""

    all: tuple[TargetHealth, ...]


def read(
    elbv2: Elbv2, groups: TargetGroups, app: Workload, database: Fact[Database]
) -> TargetHealths:
    """Read the app's health in the target groups of its VPC, those that share a word with it first.

    Where its VPC is not known, the database's takes its place, else every target group may have it.
    """
    near = database.value.instance.vpc_id if isinstance(database, Known) else ""
    vpc_id = app.vpc_id or near
    here = [g for g in groups.all if not vpc_id or g.vpc_id == vpc_id]
    here.sort(
        key=lambda g: (
            not any(name_word in app.searchable_text for name_word in g.name.lower().split("-"))
        )
    )
    healths = []
    for group in here[:MOST_GROUPS]:
        reply = elbv2.describe_target_health(TargetGroupArn=group.arn)
        for target in reply["TargetHealthDescriptions"]:
            if target["Target"]["Id"] in (app.identifier, app.address):
                health = target["TargetHealth"]
                healths.append(
                    TargetHealth(
                        group,
                        health["State"],
                        health.get("Reason", ""),
                        health.get("Description", ""),
                    )
                )
    return TargetHealths(tuple(healths))
