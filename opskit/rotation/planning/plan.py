"""The options of a rotation, and the plan: its steps, warnings and problems."""

from __future__ import annotations

import secrets
import socket
from dataclasses import dataclass, field

from opskit import __version__
from opskit.ca_bundles import trust_for
from opskit.credential_source.interface import CredentialUpdate
from opskit.errors import RotationUnfinished
from opskit.facts.interface import Known
from opskit.rotation.planning import password as passwords
from opskit.rotation.planning.context import RotationContext
from opskit.rotation.planning.restart_targets import describe_command
from opskit.rotation.protocol.interface import DatabaseCredential, RotationIntent
from opskit.rotation.protocol.journal import Journal
from opskit.rotation.steps.restart import write
from opskit.secret import Secret
from opskit.transport.database_connector import DatabaseConnector
from opskit.workload import write_location
from opskit.workload.interface import RestartTarget


class RotationOvertaken(RotationUnfinished):
    """Another process has started a rotation since this one observed the journal."""

    def __init__(self) -> None:
        super().__init__(
            "another user has just started a rotation", "opskit rotate-password --status   shows it"
        )


@dataclass(frozen=True, slots=True)
class RotationOptions:
    """The options of a rotation.

    Attributes:
        restart: `auto`, `none`, or the targets to restart, in order.
        supplied: the user's own password; None: generate one.
        admin_parameter: the parameter with an administrator's user name and password as JSON; empty for none.
    """

    strategy: str = "auto"
    restart: tuple[str, ...] = ("auto",)
    length: int = passwords.DEFAULT_LENGTH
    supplied: Secret | None = None
    admin_parameter: str = ""


@dataclass
class Plan:
    """A planned rotation and the objections to it.

    Attributes:
        lines: (topic, text).
        problems: (sentence, next step); with any, the rotation is refused.
        intent: the journal's content; None if there are problems, or RDS manages the password.
        managed: the secret that RDS is to rotate; empty if opskit sets the password.
        wait_s: seconds until the previous rotation's fence is over.
    """

    lines: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
    intent: RotationIntent | None = None
    managed: str = ""
    restart_targets: tuple[RestartTarget, ...] = ()
    number: int = 0
    wait_s: float = 0.0

    def refuse(self, sentence: str, next_step: str = "") -> None:
        """Add a problem."""
        self.problems.append((sentence, next_step))


def make_opening(
    context: RotationContext,
    strategy: str,
    old: DatabaseCredential,
    new: DatabaseCredential,
    plan: Plan,
    options: RotationOptions,
) -> RotationIntent:
    """Create the intent that the journal records."""
    app = write_location(context.app.value) if isinstance(context.app, Known) else None
    return RotationIntent(
        run=secrets.token_hex(8),
        by=context.identity.arn,
        where=socket.gethostname(),
        tool=__version__,
        strategy=strategy,
        admin_parameter=options.admin_parameter,
        readers=context.readers,
        old=old,
        new=new,
        published=_all_published(context, old, new),
        engine=context.database.engine,
        host=context.host,
        port=context.port,
        database=context.name,
        db_instance=context.database.identifier,
        cluster=context.cluster.identifier if context.cluster else None,
        resource=(context.cluster.resource_id if context.cluster else context.database.resource_id),
        location=app,
        restart_targets=tuple(write(b) for b in plan.restart_targets),
        was_healthy=any(restart_target.health_url for restart_target in plan.restart_targets),
    )


def published(context: RotationContext, new: DatabaseCredential) -> CredentialUpdate:
    """Create the update of the password parameter, with its own key, tier, type and labels."""
    properties = context.properties
    return CredentialUpdate(
        name=context.password_name,
        kind=properties.kind,
        key_id=properties.key_id,
        tier=properties.tier,
        old=context.text,
        new=context.text_with(new),
        old_version=properties.version,
        labels=properties.labels,
    )


def _all_published(
    context: RotationContext, old: DatabaseCredential, new: DatabaseCredential
) -> tuple[CredentialUpdate, ...]:
    """Create the updates: the password parameter's and, with alternating users, the user name's."""
    password, user = published(context, new), context.parameters.get("username")
    if old.user == new.user or user is None or user.name == password.name:
        return (password,)
    other = CredentialUpdate(
        name=user.name,
        kind=user.kind,
        key_id=None,
        tier="Standard",
        old=Secret(old.user, is_public=True),
        new=Secret(new.user, is_public=True),
        old_version=user.version,
    )
    return (password, other)


WINDOW = {
    "master": "RDS changes it; between that and the parameter new logins fail, for about a second",
    "role": "the role changes its own; between that and the parameter new logins fail, for some milliseconds",
    "alternating": "the two roles take turns; both work until the next rotation",
    "managed": "RDS makes the password and keeps it in Secrets Manager; between that and the parameter "
    "new logins fail, for about a second",
}
TWO_PARAMETERS = (
    "user name and password are in two parameters: a process that reads between the two writes gets one "
    "half of each, for some milliseconds. One parameter with both has no such moment: "
    "opskit rotate-password create-combined-parameter --help"
)


def describe(
    context: RotationContext,
    strategy: str,
    new: DatabaseCredential,
    connector: DatabaseConnector,
    journal: Journal,
    plan: Plan,
) -> None:
    """Write the plan's lines."""
    properties, name = context.properties, context.password_name
    trust = trust_for(context.host, ca_file=context.target.ca_file)
    verified = trust.words if trust.ca_file else f"{trust.words} (--ca-file FILE verifies)"
    whose = "the master user" if context.user == context.database.master_username else "a role"
    where = context.cluster.identifier if context.cluster else context.database.identifier
    before = properties.version
    after = before + 1 if isinstance(before, int) else "a new one"
    key = f", key {properties.key_id}" if properties.key_id else ""
    plan.lines = [
        ("rotate", f"the password of {context.user}, {whose} of {where}"),
        ("strategy", f"{strategy}: {WINDOW[strategy]}"),
        ("parameter", f"{name}: version {before} → {after}{key}"),
        ("secret", plan.managed) if plan.managed else ("journal", f"{journal.path}/{plan.number}/"),
        ("login", f"{context.host}:{context.port} {connector.description}, TLS, {verified}"),
    ]
    if new.user != context.user and not context.source.location("password").is_combined:
        plan.warnings.append(TWO_PARAMETERS)
    if new.user != context.user:
        plan.lines.insert(2, ("user", f"{context.user} → {new.user}"))
    for restart_target in plan.restart_targets:
        health = f", then {restart_target.health_url}" if restart_target.health_url else ""
        probe = context.probe.value if isinstance(context.probe, Known) else None
        command = describe_command(restart_target, probe) if probe else ""
        plan.lines.append(
            ("restart", f"{restart_target}{f': {command}' if command else ''}{health}")
        )
    if not plan.restart_targets:
        plan.lines.append(("restart", "nothing"))
    if plan.managed:
        after = "forward: the secret holds the password that works, and repair writes it"
    else:
        after = "back to the present password, which stays readable in the journal"
    plan.lines.append(("if it fails", after))
