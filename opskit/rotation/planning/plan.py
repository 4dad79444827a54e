"""What was asked for, what would be done, and what stands against it."""

from __future__ import annotations

import secrets
import socket
from dataclasses import dataclass, field

from opskit import __version__
from opskit.ca_bundles import trust_for
from opskit.errors import RotationUnfinished
from opskit.facts.interface import Known
from opskit.facts.parameters import is_shared
from opskit.rotation.planning import password as passwords
from opskit.rotation.planning.context import RotationContext
from opskit.rotation.planning.restart_targets import describe_command
from opskit.rotation.protocol.interface import DatabaseCredential, ParameterUpdate, RotationIntent
from opskit.rotation.protocol.journal import Journal
from opskit.rotation.steps.restart import RestartTarget, write
from opskit.secret import Secret
from opskit.transport.database_connector import DatabaseConnector


class ParameterOvertaken(RotationUnfinished):
    """Somebody else has begun a rotation since this one looked."""

    def __init__(self) -> None:
        super().__init__(
            "somebody else has just begun a rotation", "opskit rotate-password --status   shows it"
        )


@dataclass(frozen=True, slots=True)
class RotationOptions:
    """What was asked for.

    Attributes:
        restart: `auto`, `none`, or what to restart, in order.
        supplied: a password that was brought; None: one is made.
        admin_parameter: holds an administrator's user name and password as JSON; empty for none.
    """

    strategy: str = "auto"
    restart: tuple[str, ...] = ("auto",)
    length: int = passwords.DEFAULT_LENGTH
    supplied: Secret | None = None
    admin_parameter: str = ""


@dataclass
class Plan:
    """What would be done, and what stands against it.

    Attributes:
        lines: (topic, text).
        problems: (sentence, next step); any of them refuses.
        opening: what the journal keeps; None when there are problems, or RDS manages the password.
        managed: the secret that RDS is to rotate; empty where opskit makes the password.
        wait_s: until the previous rotation's fence is over.
    """

    lines: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
    opening: RotationIntent | None = None
    managed: str = ""
    batches: tuple[RestartTarget, ...] = ()
    number: int = 0
    wait_s: float = 0.0

    def refuse(self, sentence: str, next_step: str = "") -> None:
        """Note what stands against it."""
        self.problems.append((sentence, next_step))


def make_opening(
    around: RotationContext,
    strategy: str,
    old: DatabaseCredential,
    new: DatabaseCredential,
    plan: Plan,
    wishes: RotationOptions,
) -> RotationIntent:
    """What the journal keeps of the plan."""
    app = around.app.value.instance.instance_id if isinstance(around.app, Known) else None
    return RotationIntent(
        run=secrets.token_hex(8),
        by=around.identity.arn,
        where=socket.gethostname(),
        tool=__version__,
        strategy=strategy,
        admin_parameter=wishes.admin_parameter,
        readers=around.readers,
        old=old,
        new=new,
        published=_all_published(around, old, new),
        engine=around.database.engine,
        host=around.host,
        port=around.port,
        database=around.name,
        db_instance=around.database.identifier,
        cluster=around.cluster.identifier if around.cluster else None,
        resource=(around.cluster.resource_id if around.cluster else around.database.resource_id),
        instance=app,
        batches=tuple(write(b) for b in plan.batches),
        was_healthy=any(batch.health_url for batch in plan.batches),
    )


def published(around: RotationContext, new: DatabaseCredential) -> ParameterUpdate:
    """The password's parameter, as it is written: with its own key, tier, type and labels."""
    row = around.row
    return ParameterUpdate(
        name=around.target.parameters["password"],
        kind=row["Type"],
        key_id=row.get("KeyId"),
        tier=row.get("Tier", "Standard"),
        old=around.text,
        new=around.text_with(new),
        old_version=int(row["Version"]),
        labels=tuple(row["Labels"]),
    )


def _all_published(
    around: RotationContext, old: DatabaseCredential, new: DatabaseCredential
) -> tuple[ParameterUpdate, ...]:
    """What is written: the password's parameter, and the user's where users alternate."""
    one, user = published(around, new), around.parameters.get("username")
    if old.user == new.user or user is None or user.name == one.name:
        return (one,)
    other = ParameterUpdate(
        name=user.name,
        kind=user.kind,
        key_id=None,
        tier="Standard",
        old=Secret(old.user, is_public=True),
        new=Secret(new.user, is_public=True),
        old_version=user.version,
    )
    return (one, other)


WINDOW = {
    "master": "RDS changes it; between that and the parameter new logins fail, for about a second",
    "role": "the role changes its own; between that and the parameter new logins fail, for some milliseconds",
    "alternating": "the two roles take turns; both work until the next rotation",
    "managed": "RDS makes the password and keeps it in Secrets Manager; between that and the parameter "
    "new logins fail, for about a second",
}
TWO_PARAMETERS = (
    "user name and password stand in two parameters: whoever reads between the two writes gets one half "
    "of each, for some milliseconds. One parameter with both has no such moment: "
    "opskit rotate-password combine --help"
)


def describe(
    around: RotationContext,
    strategy: str,
    new: DatabaseCredential,
    door: DatabaseConnector,
    journal: Journal,
    plan: Plan,
) -> None:
    """Put the plan into lines."""
    row, name = around.row, around.target.parameters["password"]
    trust = trust_for(around.host, ca_file=around.target.ca_file)
    verified = trust.words if trust.ca_file else f"{trust.words} (--ca-file FILE verifies)"
    whose = "the master user" if around.user == around.database.master_username else "a role"
    where = around.cluster.identifier if around.cluster else around.database.identifier
    key = f", key {row['KeyId']}" if row.get("KeyId") else ""
    plan.lines = [
        ("rotate", f"the password of {around.user}, {whose} of {where}"),
        ("strategy", f"{strategy}: {WINDOW[strategy]}"),
        ("parameter", f"{name}: version {row['Version']} → {row['Version'] + 1}{key}"),
        ("secret", plan.managed) if plan.managed else ("journal", f"{journal.path}/{plan.number}/"),
        ("login", f"{around.host}:{around.port} {door.description}, TLS, {verified}"),
    ]
    if new.user != around.user and not is_shared(around.target, "password"):
        plan.warnings.append(TWO_PARAMETERS)
    if new.user != around.user:
        plan.lines.insert(2, ("user", f"{around.user} → {new.user}"))
    for batch in plan.batches:
        health = f", then {batch.health_url}" if batch.health_url else ""
        probe = around.probe.value if isinstance(around.probe, Known) else None
        command = describe_command(batch, probe) if probe else ""
        plan.lines.append(("restart", f"{batch}{f': {command}' if command else ''}{health}"))
    if not plan.batches:
        plan.lines.append(("restart", "nothing"))
    if plan.managed:
        after = "forward: the secret holds the password that works, and repair writes it"
    else:
        after = "back to the present password, which stays readable in the journal"
    plan.lines.append(("if it fails", after))
