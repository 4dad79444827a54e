"""Finds the database and the workload that a target means, for commands other than a diagnosis."""

from __future__ import annotations

from opskit.config import Target
from opskit.errors import CannotProceed
from opskit.facts.database import Database
from opskit.facts.gather import Clients, gather
from opskit.facts.given_facts import given_facts
from opskit.facts.interface import Known, Unknown, refuse_bug
from opskit.facts.transport_choice import TransportChoice
from opskit.transport.interface import Transport
from opskit.workload.interface import Workload

DEADLINE_S = 60.0
"""The longest time a user waits for it."""


def connect_to_workload(target: Target, clients: Clients, region: str) -> Transport:
    """Create the transport to the app's instance or task.

    Raises:
        CannotProceed: the instance cannot be found, or `--via none`.
    """
    given = given_facts(target, region)
    snapshot = gather((TransportChoice,), clients, given, deadline_s=DEADLINE_S)
    choice = snapshot.get(TransportChoice)
    if isinstance(choice, Unknown):
        snapshot.refuse_bugs()
        if isinstance(snapshot.get(Workload), Known):
            raise CannotProceed(choice.reason)
        raise CannotProceed(
            f"where the app runs is not known: {choice.reason}",
            target.workload_kind.naming_hint,
        )
    if choice.value.transport is None:
        raise CannotProceed(choice.value.why_none)
    transport: Transport = choice.value.transport
    return transport


def discover(
    target: Target, clients: Clients, region: str, timeout_s: float = DEADLINE_S
) -> tuple[tuple[str, str | None, str], ...]:
    """Find a target's settings: (setting, value or None, how it was found or why not)."""
    given = given_facts(target, region)
    snapshot = gather((Database, Workload), clients, given, deadline_s=timeout_s)
    database, app = snapshot.get(Database), snapshot.get(Workload)
    setting = target.workload_kind.setting
    return (
        _not_found("db_instance", database)
        if isinstance(database, Unknown)
        else ("db_instance", database.value.instance.identifier, database.value.selection_reason),
        _not_found(setting, app)
        if isinstance(app, Unknown)
        else (setting, *app.value.setting_value(getattr(target, setting))),
    )


def _not_found(setting: str, unknown: Unknown) -> tuple[str, None, str]:
    refuse_bug(unknown)
    return setting, None, unknown.reason
