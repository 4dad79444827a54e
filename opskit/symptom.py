"""Symptoms: what a fault leads to, and the place where it shows.

A failure is a fault or a symptom. A fault has evidence of its own and is never explained away. A symptom,
such as a connection without an answer, is explained by a fault whose mechanism leads to it at the same place.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from enum import StrEnum


class SymptomKind(StrEnum):
    """The kind of a symptom, as one word of the JSON."""

    NO_CREDENTIALS = "no_credentials"
    AGENT_OFFLINE = "agent_offline"
    CREDENTIAL_UNREADABLE = "credential_unreadable"
    NOT_RESOLVED = "not_resolved"
    WRONG_ADDRESS = "wrong_address"
    DROPPED = "dropped"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    OTHER_SERVER = "other_server"
    NOT_READY = "not_ready"
    NO_SLOT = "no_slot"
    TLS_REQUIRED = "tls_required"
    CERTIFICATE_REJECTED = "certificate_rejected"
    LOGIN_REFUSED = "login_refused"
    SETTINGS_DIFFER = "settings_differ"
    NOT_RUNNING = "not_running"
    UNHEALTHY = "unhealthy"
    TARGET_UNHEALTHY = "target_unhealthy"
    OTHER_DATABASE = "other_database"
    NOT_REACHED = "not_reached"


Kinds = Collection[SymptomKind]

NO_CONNECTION: tuple[SymptomKind, ...] = (
    SymptomKind.NOT_RESOLVED,
    SymptomKind.WRONG_ADDRESS,
    SymptomKind.DROPPED,
    SymptomKind.UNREACHABLE,
    SymptomKind.REFUSED,
)
"""The symptoms after which there is no TCP connection."""
NO_HANDSHAKE: tuple[SymptomKind, ...] = (*NO_CONNECTION, SymptomKind.OTHER_SERVER)
"""The symptoms after which the database's server does not answer as itself."""
NO_LOGIN: tuple[SymptomKind, ...] = (
    *NO_HANDSHAKE,
    SymptomKind.NOT_READY,
    SymptomKind.NO_SLOT,
    SymptomKind.TLS_REQUIRED,
    SymptomKind.CERTIFICATE_REJECTED,
    SymptomKind.LOGIN_REFUSED,
)
"""The symptoms after which a login fails."""
NO_LOGIN_THERE: tuple[SymptomKind, ...] = tuple(
    k for k in NO_LOGIN if k not in (SymptomKind.NOT_RESOLVED, SymptomKind.WRONG_ADDRESS)
)
"""The symptoms of a login that goes to a wrong address or port, which is known by itself."""
NO_DATABASE: tuple[SymptomKind, ...] = (SymptomKind.CREDENTIAL_UNREADABLE, *NO_LOGIN)
"""The symptoms after which an app that runs cannot use its database."""


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a fault or a symptom; an empty dimension is not known, or makes no difference.

    Attributes:
        hosts: names and addresses as they are written in settings.
        addresses, ports: the ends of connections.
        databases: identifiers.
        parameters: purposes, such as endpoint and password.
        roles: names of IAM roles; `OPERATOR` for the operator's own access.
        clients: containers; a fault with clients concerns no others.
    """

    hosts: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()
    ports: frozenset[int] = frozenset()
    databases: frozenset[str] = frozenset()
    parameters: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    clients: frozenset[str] = frozenset()

    def covers(self, other: Place) -> bool:
        """Whether a fault at this place shows at another one: no dimension tells them apart."""
        pairs = ((getattr(self, name), getattr(other, name)) for name in DIMENSIONS)
        is_same = all(not own or not its or own & its for own, its in pairs)
        return is_same and (not self.clients or bool(self.clients & other.clients))


DIMENSIONS = ("hosts", "addresses", "ports", "databases", "parameters", "roles")
"""The dimensions of a place that are the same where one of the two is not known."""
OPERATOR = "operator"
"""In `Place.roles`: the operator's own access, not the app's."""
ANYWHERE = Place()


def place(
    *,
    hosts: Iterable[str] = (),
    addresses: Iterable[str] = (),
    ports: Iterable[int] = (),
    databases: Iterable[str] = (),
    parameters: Iterable[str] = (),
    roles: Iterable[str] = (),
    clients: Iterable[str] = (),
) -> Place:
    """A place by its dimensions; empty texts are left out, and hosts compare without case."""
    return Place(
        hosts=frozenset(h.lower() for h in hosts if h),
        addresses=frozenset(a for a in addresses if a),
        ports=frozenset(ports),
        databases=frozenset(d for d in databases if d),
        parameters=frozenset(p for p in parameters if p),
        roles=frozenset(r for r in roles if r),
        clients=frozenset(c for c in clients if c),
    )


@dataclass(frozen=True, slots=True)
class Symptom:
    """What a failure or an unknown result is a symptom of.

    Attributes:
        place: where it shows.
        through: the earlier symptoms that end in this one, as far as this one tells them apart.
        is_fault: the failure names what is wrong itself, and is a root cause where no other fault leads to
            it: a refused password that nothing explains is a wrong password.
    """

    kind: SymptomKind
    place: Place = ANYWHERE
    through: frozenset[SymptomKind] = field(default=frozenset())
    is_fault: bool = False


def symptom(
    kind: SymptomKind, where: Place = ANYWHERE, through: Kinds = (), *, is_fault: bool = False
) -> Symptom:
    """A symptom of a kind at a place."""
    return Symptom(kind, where, frozenset(through), is_fault)
