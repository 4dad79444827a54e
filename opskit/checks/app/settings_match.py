"""The running app uses the host, user and database that the parameters name.

Means: the app connects to another database, or to none, while the parameters look right.
Found by: the settings of every running container, compared with the parameters' values.
Looks alike: a stale password (APP002), from the same cause; a parameter that is wrong itself.
Fix: restart the container that has the old value, if it reads the parameter when it starts; else correct
the value where it is set.
Not the fix: changing the parameters to an old container's values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from opskit import utc
from opskit.checks.interface import (
    Finding,
    failed,
    not_reached,
    observed,
    passed,
    skipped,
)
from opskit.checks.seen import Seen, one_of
from opskit.checks.settings_reload import CorrectSettings, SettingDifference, choose_fix
from opskit.endpoint import form_flaw
from opskit.facts.database import Database
from opskit.facts.dns import OperatorDns
from opskit.facts.interface import Fact, Known, Unknown
from opskit.facts.login import LoginAttemptResult
from opskit.facts.probe import InstanceProbe
from opskit.facts.stored_credential import CredentialPiece, StoredCredential
from opskit.facts.value_form import trimmed
from opskit.probe.response import Container
from opskit.symptom import NO_LOGIN, Place, SymptomKind, place, symptom
from opskit.workload.interface import Workload

leads_to = NO_LOGIN
symptoms = (SymptomKind.SETTINGS_DIFFER,)

PURPOSES = {"host": "endpoint", "port": "endpoint", "user": "username", "database": "database"}
"""Setting -> the purpose of its parameter."""
passes_on = one_of(
    (
        Seen(StoredCredential, "existing"),
        Seen(InstanceProbe, "running", lambda rows: any(c.settings for c in rows)),
    )
)


def check(
    parameters: StoredCredential,
    database: Fact[Database],
    app: Fact[Workload],
    probe: Fact[InstanceProbe],
    dns: Fact[OperatorDns],
    login: Fact[LoginAttemptResult],
) -> Finding:
    """Name every setting of every running container that differs from its parameter."""
    for fact in (app, probe):
        if isinstance(fact, Unknown):
            text = f"no container was asked: {fact.reason}"
            return not_reached(text, fact.waits_for, *fact.missing)
    assert isinstance(probe, Known)  # noqa: S101  the loop has returned otherwise
    assert isinstance(app, Known)  # noqa: S101  as above
    port = parameters.port or (database.value.port if isinstance(database, Known) else None)
    wanted = {
        "host": parameters.host,
        "port": str(port) if port else None,
        "user": parameters.value("username"),
        "database": parameters.value("database"),
    }
    differing = {c: d for c in probe.value.running if (d := _differences(c, wanted, parameters))}
    if not differing and not any(_comparable(c, wanted) for c in probe.value.running):
        return skipped("no running container shows a host, port, user or database to compare")
    if not differing:
        return passed("the app's settings agree with the parameters")
    texts = [
        f"{c.name} uses {'; '.join(_text(d) for d in several)}" for c, several in differing.items()
    ]
    shown = symptom(
        SymptomKind.SETTINGS_DIFFER,
        _place(differing, hosts=[*map(_host, differing), parameters.host or ""]),
        is_fault=True,
    )
    return failed(
        "; ".join(texts),
        *(
            observed(f"environment of {c.name}, started at {utc.second_of(c.started_at)}")
            for c in differing
        ),
        fix=choose_fix(differing, app.value, CorrectSettings(parameters, database, dns, login)),
        place=_place(differing, hosts=[_host(c) for c in differing]),
        symptom=None if _is_wrong_itself(differing, database, probe.value) else shown,
    )


def _is_wrong_itself(
    differing: Mapping[Container, Sequence[SettingDifference]],
    database: Fact[Database],
    probe: InstanceProbe,
) -> bool:
    """Whether the app, which is not healthy, connects elsewhere than to the database that RDS names.

    Then the setting is a fault of its own, also where the parameter is wrong too.
    """
    is_healthy = probe.health is not None and probe.health.is_good
    if is_healthy or not isinstance(database, Known):
        return False
    right = {"host": database.value.host, "port": str(database.value.port)}
    settings = (d.setting for several in differing.values() for d in several)
    return any(
        value and setting.value.lower() != value.lower()
        for setting in settings
        if (value := right.get(setting.name))
    )


def _host(container: Container) -> str:
    setting = container.setting("host")
    return setting.value if setting is not None else ""


def _place(
    differing: Mapping[Container, Sequence[SettingDifference]], hosts: Iterable[str]
) -> Place:
    """The place of containers with other settings than the parameters."""
    purposes = [d.parameter.purpose for several in differing.values() for d in several]
    return place(hosts=hosts, parameters=purposes, clients=[c.name for c in differing])


def _comparable(container: Container, wanted: dict[str, str | None]) -> bool:
    """Whether the container has a setting whose right value is known."""
    return any(value is not None and container.setting(name) for name, value in wanted.items())


def _differences(
    container: Container, wanted: dict[str, str | None], parameters: StoredCredential
) -> list[SettingDifference]:
    differences = []
    for name, value in wanted.items():
        own, parameter = container.setting(name), parameters.get(PURPOSES[name])
        if own is None or value is None or parameter is None:
            continue
        if own.value.lower() != value.lower() and not _is_part(own.value, value, parameter):
            differences.append(SettingDifference(own, value, parameter))
    return differences


def _is_part(actual: str, wanted: str, parameter: CredentialPiece) -> bool:
    """Whether a setting is what a malformed parameter holds: the fault is the parameter's (PAR006)."""
    stored = parameter.raw if parameter.raw is not None else parameter.value or ""
    is_endpoint = parameter.purpose == "endpoint"
    if not (parameter.format_problems or (is_endpoint and form_flaw(trimmed(stored)))):
        return False
    return actual in stored or trimmed(actual).lower() == wanted.lower()


def _text(difference: SettingDifference) -> str:
    setting = difference.setting
    return f"{setting.name} {setting.value}, the parameters say {difference.wanted}"
