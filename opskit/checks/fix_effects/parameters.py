"""Effects of calls that change parameters, and of those on the database and host that they name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from opskit.checks.fix_effects.state import STALE, CallRejected, Effects, State
from opskit.config import Target
from opskit.engine.interface import UNHEARD
from opskit.errors import TargetError
from opskit.facts import database as databases
from opskit.facts.certificate import Certificate
from opskit.facts.database import Database
from opskit.facts.dns import DatabaseHost, OperatorDns, select_host
from opskit.facts.identity import Identity
from opskit.facts.interface import FactUnavailable, Known
from opskit.facts.probe import InstanceProbe
from opskit.facts.rds import DbClusters, DbInstances
from opskit.facts.region import Region
from opskit.facts.stored_credential import (
    CredentialPiece,
    StoredCredential,
    rewritten,
    version_after,
)
from opskit.facts.value_form import SOUND


def _put_parameter(state: State, arguments: Mapping[str, Any]) -> None:
    known: StoredCredential = state.value(StoredCredential)
    name, value = arguments["Name"], arguments["Value"]
    exists = any(p.name == name for p in known.existing)
    if exists and not arguments.get("Overwrite"):
        raise CallRejected(f"{name} exists")
    absent = [purpose for purpose, missing in known.missing if missing == name]
    if not exists and not absent:
        raise CallRejected(f"{name} was not read")
    rows = [rewritten(p, value) if p.name == name else p for p in known.existing]
    rows += [
        rewritten(CredentialPiece(name, "", p, arguments["Type"], 0, None, value, "", ()), value)
        for p in absent
    ]
    missing = tuple(row for row in known.missing if row[1] != name)
    parameters = replace(
        known, existing=tuple(sorted(rows, key=lambda p: p.purpose)), missing=missing
    )
    state.set(parameters)
    _choose_again(state)


def _delete_parameter(state: State, arguments: Mapping[str, Any]) -> None:
    known: StoredCredential = state.value(StoredCredential)
    gone = [p for p in known.existing if p.name == arguments["Name"]]
    if not gone:
        raise CallRejected(f"{arguments['Name']} does not exist")
    missing = tuple(sorted((*known.missing, *((p.purpose, p.name) for p in gone))))
    kept = tuple(p for p in known.existing if p not in gone)
    state.set(replace(known, existing=kept, missing=missing))


def repair_password(state: State) -> None:
    """The effect of a successful `opskit rotate-password repair`: the parameter's value logs in."""
    known: StoredCredential = state.value(StoredCredential)
    absent = [name for purpose, name in known.missing if purpose == "password"]
    created = [
        CredentialPiece(n, "", "password", "SecureString", 0, None, None, "", ()) for n in absent
    ]
    rows = [
        replace(p, version=version_after(p), format_problems=(), form=SOUND)
        if p.purpose == "password"
        else p
        for p in (*known.existing, *created)
    ]
    missing = tuple(row for row in known.missing if row[0] != "password")
    state.set(
        replace(known, existing=tuple(sorted(rows, key=lambda p: p.purpose)), missing=missing)
    )


def _choose_again(state: State) -> None:
    """Select the database and the host again, by the changed parameters."""
    facts = state.facts
    target, instances = facts.get(Target), facts.get(DbInstances)
    if isinstance(target, Known) and isinstance(instances, Known):
        region, identity = state.value(Region), facts.get(Identity, STALE)
        clusters = facts.get(DbClusters, STALE)
        try:
            chosen = databases.select(
                target.value, region, identity, instances, clusters, facts[StoredCredential]
            )
        except FactUnavailable as unavailable:
            facts[Database] = unavailable.unknown
        except TargetError as error:
            raise CallRejected(error.sentence) from None
        else:
            facts[Database] = replace(instances, value=chosen)
    present = facts.get(DatabaseHost)
    try:
        host = select_host(facts.get(Database, STALE), facts[StoredCredential])
    except FactUnavailable as unavailable:
        facts[DatabaseHost] = unavailable.unknown
        return
    if isinstance(present, Known) and present.value != host:
        state.set(host)
        facts[OperatorDns] = STALE
        facts[Certificate] = STALE
        _forget_server(state)


def _forget_server(state: State) -> None:
    """Drop what the server at the earlier host said."""
    probe = state.facts.get(InstanceProbe)
    if isinstance(probe, Known):
        result = replace(probe.value.result, heard={})
        state.set(replace(probe.value, result=result, greeting=UNHEARD))


EFFECTS: Effects = {
    ("ssm", "DeleteParameter"): _delete_parameter,
    ("ssm", "PutParameter"): _put_parameter,
}
