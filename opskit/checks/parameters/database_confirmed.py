"""Evidence besides the endpoint parameter points to the database.

Means: the endpoint parameter may name another app's database, or an old one beside a restored copy. The
app then fails there, or works on the wrong data, and a fix would change another team's rules.
Found by: database name, master user, identifier and tags of every database of the account, compared with
the other parameters and the target's name; the addresses that the instance resolves; a successful login
confirms the database.
Looks alike: an endpoint that names no database at all (PAR004).
Fix: write the right database's endpoint into the parameter; --db-instance confirms the named one.
Not the fix: opening the other database to the app, or giving it the app's password.
"""

from __future__ import annotations

from opskit.checks.fix import Advice, Remedy
from opskit.checks.interface import Finding, failed, observed, passed, reported, undecided, warned
from opskit.checks.parameter_value_fixes import put_and_restart
from opskit.checks.parameters.unread import unread
from opskit.checks.resolved_database import ResolvedDatabase
from opskit.checks.seen import Seen, is_true, one_of
from opskit.config import Target
from opskit.credential_source import source_of
from opskit.credential_source.interface import CredentialSource
from opskit.facts.database import Database, DatabaseEvidence
from opskit.facts.interface import Fact, Known
from opskit.facts.login import LoginAttemptResult
from opskit.facts.probe import InstanceProbe
from opskit.facts.rds import DbInstances
from opskit.facts.stored_credential import CredentialPiece, StoredCredential
from opskit.symptom import NO_LOGIN, SymptomKind, place
from opskit.workload.interface import Workload

passes_on = one_of(
    Seen(DatabaseEvidence, "by_identifier"),
    Seen(LoginAttemptResult, "succeeded", is_true),
    Seen(Target, "db_instance"),
)
leads_to = (*NO_LOGIN, SymptomKind.SETTINGS_DIFFER, SymptomKind.OTHER_DATABASE)


def check(
    target: Target,
    database: Database,
    evidence: DatabaseEvidence,
    resolved: ResolvedDatabase,
    parameters: StoredCredential,
    instances: DbInstances,
    login: Fact[LoginAttemptResult],
    app: Fact[Workload],
    probe: Fact[InstanceProbe],
) -> Finding:
    """Weigh the evidence."""
    name, endpoint = database.instance.identifier, parameters.get("endpoint")
    if endpoint is None:
        return unread(source_of(target), parameters, "endpoint")
    logs_in = isinstance(login, Known) and login.value.succeeded
    better = evidence.better_than(name)
    seen = reported(f"besides the endpoint {name} fits by {evidence.text(name)}")
    if resolved.doubt:
        at = observed(resolved.seen)
        if logs_in or database.doubt:
            return warned(resolved.doubt, at, seen, fix=_which(name, resolved.identifier))
        change = (source_of(target), parameters, endpoint, database.host, name, app, probe)
        return failed(resolved.doubt, at, seen, fix=_point_to(*change))
    if database.doubt and better and not logs_in:
        other = next(i for i in instances.all if i.identifier == better[0])
        return failed(
            database.doubt,
            seen,
            fix=_point_to(
                source_of(target), parameters, endpoint, other.host, other.identifier, app, probe
            ),
            place=place(hosts=[parameters.host or ""], databases=[name], parameters=["endpoint"]),
        )
    if database.doubt and not logs_in:
        advice = (
            f"If {name} is meant, --db-instance {name} confirms it; else correct {endpoint.name}."
        )
        return warned(database.doubt, seen, fix=Advice(advice))
    copies = evidence.copies.get(name, ())
    if copies:
        others = " and ".join(copies)
        return warned(
            f"{others} {'has' if len(copies) == 1 else 'have'} the database name and master user of {name} "
            f"too: {endpoint.name} names {name}",
            seen,
            fix=Advice(
                f"Make sure that {name} and not {others} holds the data that the app should use; if it is a "
                "restored copy, tag or delete the one that is not used."
            ),
        )
    if evidence.of(name):
        return passed(f"{name} fits by {evidence.text(name)}", seen)
    if isinstance(login, Known) and login.value.succeeded:
        tried = observed(f"a login from {login.value.tried_from}")
        return passed(f"{login.value.user} logs in at {name}", tried)
    if target.db_instance == name:
        return passed(f"{name} was named: --db-instance")
    return undecided(
        f"nothing besides {endpoint.name} points to {name}", "a login that succeeds there"
    )


def _which(name: str, other: str) -> Advice:
    """Advice where the app may use either database."""
    return Advice(
        f"Find out whether {name} or {other} holds the app's data. If {other} does, --db-instance {other} "
        f"diagnoses it; else let the name lead to {name}, or write {name}'s own endpoint into the parameter."
    )


def _point_to(
    source: CredentialSource,
    parameters: StoredCredential,
    endpoint: CredentialPiece,
    host: str | None,
    identifier: str,
    app: Fact[Workload],
    probe: Fact[InstanceProbe],
) -> Remedy:
    if host is None:
        return Advice(
            f"{identifier} has no endpoint yet; --db-instance confirms the one that is meant."
        )
    ask = f"Confirm that {identifier} is the app's database, and that it was not moved on purpose"
    does = f"points the app to {identifier}"
    return put_and_restart(source, parameters, (endpoint, host), app, probe, does, ask=ask)
