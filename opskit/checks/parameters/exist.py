"""All four parameters exist.

Means: the app cannot be configured at its next start; until then it may use the values it has read.
Found by: ssm:GetParameters with the four names, and a second read of each unknown name alone.
Looks alike: another Region or account (both are printed in the first line), another spelling (names
are case-sensitive and the leading slash counts), a parameter that an expiration policy deleted.
Fix: create the parameter again; opskit prints the value where RDS reports it. `opskit rotate-password
repair` finds a missing password among the known ones or asks for it, and tries it by a login first.
Not the fix: a default value in the app, which hides the next mistake too.
"""

from __future__ import annotations

from opskit.checks.fix import Advice, Fix, Remedy
from opskit.checks.fix_commands import restart_if_unhealthy
from opskit.checks.interface import Finding, failed, passed, reported, undecided
from opskit.checks.seen import Seen, one_of
from opskit.commands import Command, OpskitCommand
from opskit.config import Target
from opskit.credential_source import source_of
from opskit.credential_source.interface import CredentialSource
from opskit.facts.database import Database
from opskit.facts.interface import Fact, Known
from opskit.facts.probe import InstanceProbe
from opskit.facts.stored_credential import StoredCredential
from opskit.symptom import SymptomKind, place
from opskit.workload.interface import Workload

passes_on = one_of(Seen(StoredCredential, "existing"), Seen(StoredCredential, "refused"))
leads_to = (SymptomKind.CREDENTIAL_UNREADABLE,)


def check(
    target: Target,
    parameters: StoredCredential,
    database: Fact[Database],
    app: Fact[Workload],
    probe: Fact[InstanceProbe],
) -> Finding:
    """Name the missing parameters."""
    if not parameters.missing:
        return _all_exist(source_of(target), parameters)
    names_text = " and ".join(name for _, name in parameters.missing)
    verb = "does" if len(parameters.missing) == 1 else "do"
    present = ", ".join(p.name for p in parameters.existing)
    known = database.value if isinstance(database, Known) else None
    source = source_of(target)
    return failed(
        f"parameter {names_text} {verb} not exist",
        reported(f"{source.actions.read[0]} answered ParameterNotFound for it"),
        *([reported(f"its neighbours are there: {present}")] if present else []),
        fix=_creation(source, parameters, known, restart_if_unhealthy(app, probe)),
        place=place(parameters=[purpose for purpose, _ in parameters.missing]),
    )


def _all_exist(source: CredentialSource, parameters: StoredCredential) -> Finding:
    """The finding where none is known to be missing: a refused read does not show that there is one."""
    unsure = [r for r in parameters.refused if r.exists is None]
    if unsure:
        names = " and ".join(dict.fromkeys(r.name for r in unsure))
        missing = sorted({f"{r.permission} on {r.name}" for r in unsure})
        return undecided(f"whether {names} exists is not known: you could not read it", *missing)
    answered = {p.name for p in parameters.existing} | {r.name for r in parameters.refused}
    unread = [location.name for location in source.locations if location.name not in answered]
    if unread:
        return undecided(f"{' and '.join(unread)} was not read", source.actions.read[0])
    return passed(f"{len(parameters.existing) + len(parameters.refused)} parameters exist")


def _creation(
    source: CredentialSource,
    parameters: StoredCredential,
    database: Database | None,
    restart: tuple[Command, ...],
) -> Remedy:
    """The fix that creates the missing parameters, the password last: a login with the others finds it."""
    selected = [name for _, name in parameters.missing if ":" in name]
    if selected:
        return Advice(
            f"A version or label cannot be created by name: look which there are of {' and '.join(selected)} "
            "(aws ssm get-parameter-history), and name one of them, or the parameter alone."
        )
    public = [(purpose, name) for purpose, name in parameters.missing if purpose != "password"]
    values = {purpose: _value(purpose, database) for purpose, _ in public}
    unknown = [name for purpose, name in public if not values[purpose]]
    if unknown:
        return Advice(
            f"RDS does not tell the value of {' and '.join(unknown)}: the app's configuration "
            "or the person who set up the database knows it. Create it as a String, and diagnose again."
        )
    puts = tuple(source.create_call(name, values[purpose]) for purpose, name in public)
    lacks_password = len(public) < len(parameters.missing)
    password = (OpskitCommand(("rotate-password", "repair")),) if lacks_password else ()
    return Fix(
        (*puts, *password, *restart),
        "creates what is missing, changes nothing else",
        undo=() if lacks_password else tuple(source.delete_call(name) for _, name in public),
        no_undo="a password that logs in is not deleted again" if lacks_password else "",
        caution=_caution(values.get("username", ""), lacks_password=lacks_password),
    )


def _caution(master: str, *, lacks_password: bool) -> str:
    texts = []
    if master:
        texts.append(f"{master} is the master user: if the app had a role of its own, put that.")
    if lacks_password:
        texts.append(
            "Where no password that opskit knows logs in, repair asks for it without showing it, and tries "
            "it before it creates the parameter."
        )
    return " ".join(texts)


def _value(purpose: str, database: Database | None) -> str:
    """A public value as RDS reports it; empty where RDS does not know it."""
    if database is None:
        return ""
    instance = database.instance
    known = {
        "endpoint": database.host,
        "username": instance.master_username,
        "database": instance.database_name,
    }
    return known[purpose] or ""
