"""Moments as text for people: in UTC and with that zone, whatever zone they were reported in.

boto3 gives times in the zone of the machine that it runs on; a container engine writes RFC 3339, Docker with
`Z`, Podman with an offset.
"""

from __future__ import annotations

from datetime import UTC, datetime


def day(moment: datetime) -> str:
    """The date in UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%d}"


def minute(moment: datetime) -> str:
    """Date and minute in UTC, with the zone."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def second(moment: datetime) -> str:
    """Date and second in UTC, with the zone."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def moment_of(text: str) -> datetime | None:
    """The moment of an RFC 3339 text; without an offset it is UTC. None where it is no such text."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def second_of(text: str) -> str:
    """The moment of an RFC 3339 text as `second` writes it; another text as it is."""
    moment = moment_of(text)
    return second(moment) if moment else text
