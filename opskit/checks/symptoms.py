"""Symptoms and places that several checks share."""

from __future__ import annotations

from opskit.checks.containers import app_containers
from opskit.engine.interface import LoginFailure
from opskit.facts.database_engine import DatabaseEngine
from opskit.facts.dns import DatabaseHost
from opskit.facts.interface import Fact, Known
from opskit.facts.probe import InstanceProbe
from opskit.probe.response import Container, Health, TcpResult
from opskit.reachability.path import Path
from opskit.symptom import NO_LOGIN, Place, SymptomKind, place

KINDS: dict[LoginFailure, tuple[SymptomKind, ...]] = {
    LoginFailure.NO_NAME: (SymptomKind.NOT_RESOLVED,),
    LoginFailure.NO_ANSWER: (SymptomKind.DROPPED, SymptomKind.UNREACHABLE),
    LoginFailure.REFUSED: (SymptomKind.REFUSED,),
    LoginFailure.CERTIFICATE: (SymptomKind.CERTIFICATE_REJECTED,),
    LoginFailure.METHOD_NEEDS_TLS: (SymptomKind.TLS_REQUIRED,),
    LoginFailure.TLS_REQUIRED: (SymptomKind.TLS_REQUIRED, SymptomKind.LOGIN_REFUSED),
    LoginFailure.NOT_ADMITTED: (SymptomKind.TLS_REQUIRED, SymptomKind.LOGIN_REFUSED),
    LoginFailure.SLOTS: (SymptomKind.NO_SLOT,),
    LoginFailure.USER_LIMIT: (SymptomKind.NO_SLOT,),
    LoginFailure.NOT_READY: (SymptomKind.NOT_READY,),
    LoginFailure.OTHER: NO_LOGIN,
    # They come after a login, which no fault of the way to the database explains.
    LoginFailure.READ_ONLY: (),
    LoginFailure.IDLE_CLOSED: (),
}
"""Why a login failed -> the symptom that it is; every other failure is a refused login."""
CREDENTIAL = ("username", "password")
PARAMETERS: dict[LoginFailure, tuple[str, ...]] = {
    LoginFailure.PASSWORD: CREDENTIAL,
    LoginFailure.DENIED: CREDENTIAL,
    LoginFailure.IAM_AUTH: ("username",),
    LoginFailure.PASSWORD_EXPIRED: ("username",),
    LoginFailure.ACCOUNT_LOCKED: ("username",),
    LoginFailure.ROLE_REFUSED: ("username",),
    LoginFailure.DATABASE_MISSING: ("database",),
    LoginFailure.DATABASE_DENIED: ("username", "database"),
    LoginFailure.TLS_REQUIRED: (*CREDENTIAL, "database"),
    LoginFailure.NOT_ADMITTED: ("username", "database"),
    LoginFailure.OTHER: (*CREDENTIAL, "database"),
}
"""Why a login failed -> the parameters besides the endpoint that can be the reason."""


def kinds_of(failure: LoginFailure | None) -> tuple[SymptomKind, ...]:
    """The symptoms that a failed login shows; for an unknown reason every one that ends a login."""
    return NO_LOGIN if failure is None else KINDS.get(failure, (SymptomKind.LOGIN_REFUSED,))


def failure_in_answer(health: Health, database_engine: Fact[DatabaseEngine]) -> LoginFailure | None:
    """The failure of a login that the app's answer names; None where it names none."""
    if not isinstance(database_engine, Known) or database_engine.value.is_assumed:
        return None
    failure = database_engine.value.engine.classify(health.body)
    return None if failure is LoginFailure.OTHER else failure


def login_place(failure: LoginFailure | None, host: str | None) -> Place:
    """The place of a failed login: the host, and the parameters that can be the reason."""
    others = PARAMETERS.get(failure, ()) if failure else (*CREDENTIAL, "database")
    return place(hosts=[host or ""], parameters=["endpoint", *others])


def connection_place(host: DatabaseHost, connection: TcpResult | None = None) -> Place:
    """The place of a connection to the host that the app is configured with."""
    addresses = [connection.address] if connection is not None else []
    return place(hosts=[host.name], addresses=addresses, ports=[host.port], parameters=["endpoint"])


def path_place(path: Path) -> Place:
    """The place of a fault on a network path to the database."""
    end = path.destination
    return place(addresses=[end.address], ports=[path.port], databases=[end.name])


def containers_place(*containers: Container) -> Place:
    """The place of a fault of some containers."""
    return place(clients=[c.name for c in containers])


def app_place(probe: InstanceProbe, failure: LoginFailure | None) -> Place:
    """The place of the app's own symptom: its containers, their database, and the parameters behind it."""
    containers = app_containers(probe) or probe.containers
    hosts = [s.value for c in containers if (s := c.setting("host")) is not None]
    others = PARAMETERS.get(failure, ()) if failure else (*CREDENTIAL, "database")
    return place(
        hosts=hosts,
        parameters=["endpoint", *others],
        clients=[*(c.name for c in containers), *probe.result.serving],
    )
