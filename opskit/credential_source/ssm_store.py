"""Reads and writes single parameters for a rotation; a read is never older than its own writes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from opskit import utc
from opskit.aws_protocols import AwsClient, paginate
from opskit.credential_source.interface import (
    CredentialLocation,
    CredentialStore,
    CredentialUpdate,
    LocationOvertaken,
    LocationProperties,
    StoredValue,
)
from opskit.credential_source.ssm_reading import NOT_FOUND, NOT_FOUND_CODES
from opskit.errors import AwsError
from opskit.secret import Secret

ENCRYPTED, PLAIN = "SecureString", "String"
"""Types of parameters."""
EXISTS = "ParameterAlreadyExists"
STALE_FOR_S = 10.0
"""A read may lag this long behind an acknowledged write."""
PAUSE_S = 0.2
MOST_VERSIONS = 100
"""Parameter Store's limit of versions; beyond it the oldest is deleted, unless it has a label."""


class ParameterStore(CredentialStore):
    """Parameter Store, which writes unconditionally: only the creation of a parameter can be refused.

    Args:
        reading: client for reads.
        changing: client for writes; it repeats no call.
    """

    def __init__(
        self,
        reading: AwsClient,
        changing: AwsClient,
        sleep: Callable[[float], None],
        clock: Callable[[], float],
    ) -> None:
        self._reading, self._changing = reading, changing
        self._sleep, self._clock = sleep, clock
        self._least: dict[str, int] = {}

    def read(self, update: CredentialUpdate) -> StoredValue | None:
        """Read a parameter, at least as new as the newest version known.

        A lower version that persists is no stale read: the parameter was deleted, and perhaps created
        again, which restarts its versions at 1.
        """
        least = self._least.setdefault(update.name, int(update.old_version))
        limit = self._clock() + STALE_FOR_S
        while True:
            stored = self._read_once(update)
            version = int(stored.version) if stored else 0
            if version >= least or self._clock() > limit:
                self._least[update.name] = version
                return stored
            self._sleep(PAUSE_S)

    def publish(self, update: CredentialUpdate, text: Secret) -> None:
        """Write a parameter that holds another value, and move its labels to the written version."""
        stored = self.read(update)
        version = int(stored.version) if stored else 0
        if stored is None or stored.text != text:
            version = self._put(update, text, is_new=stored is None)
        if update.labels:
            self._changing.label_parameter_version(
                Name=update.name, ParameterVersion=version, Labels=list(update.labels)
            )

    def is_complete(self, update: CredentialUpdate, stored: StoredValue) -> bool:
        """Whether the labels point at the version; an app that reads by label gets that version."""
        if stored.version == update.old_version:
            return True
        for label in update.labels:
            try:
                name = f"{update.name}:{label}"
                reply = self._reading.get_parameter(Name=name, WithDecryption=False)
            except AwsError as error:
                if error.code in NOT_FOUND_CODES:
                    return False
                raise
            if int(reply["Parameter"]["Version"]) != stored.version:
                return False
        return True

    def _put(self, update: CredentialUpdate, text: Secret, *, is_new: bool) -> int:
        """Write the parameter; a deleted one is created without overwriting another user's."""
        is_encrypted = update.kind == ENCRYPTED
        key = {"KeyId": update.key_id} if update.key_id and is_encrypted else {}
        try:
            reply = self._changing.put_parameter(
                Name=update.name,
                Value=text.reveal(),
                Type=update.kind,
                Tier=update.tier,
                Overwrite=not is_new,
                **key,
            )
        except AwsError as error:
            if error.code == EXISTS:
                raise LocationOvertaken(update.name) from None
            raise
        self._least[update.name] = version = int(reply["Version"])
        return version

    def _read_once(self, update: CredentialUpdate) -> StoredValue | None:
        try:
            reply = self._reading.get_parameter(Name=update.name, WithDecryption=True)
        except AwsError as error:
            if error.code == NOT_FOUND:
                return None
            raise
        row = reply["Parameter"]
        text = Secret(str(row["Value"]), is_public=update.kind != ENCRYPTED)
        return StoredValue(update.name, text, int(row["Version"]), row.get("LastModifiedDate"))


def create(client: AwsClient, name: str, text: Secret, key_id: str | None) -> None:
    """Create a SecureString.

    Raises:
        AwsError: it exists already, or cannot be created.
    """
    key = {"KeyId": key_id} if key_id else {}
    client.put_parameter(Name=name, Value=text.reveal(), Type=ENCRYPTED, Overwrite=False, **key)


def inspect(client: AwsClient, name: str) -> tuple[Secret, LocationProperties] | None:
    """A parameter's newest value, and its properties; None if it does not exist.

    Raises:
        AwsError: it cannot be read.
    """
    try:
        reply = client.get_parameter(Name=name, WithDecryption=True)
        value = Secret(str(reply["Parameter"]["Value"]))
        filters = [{"Key": "Name", "Option": "Equals", "Values": [name]}]
        rows = list(paginate(client.describe_parameters, "Parameters", ParameterFilters=filters))
        versions = list(paginate(client.get_parameter_history, "Parameters", Name=name))
    except AwsError as error:
        if error.code == NOT_FOUND:
            return None
        raise
    if not rows or not versions:
        # The parameter was deleted between the first read and this one.
        return None
    newest = max(int(row["Version"]) for row in versions)
    oldest = min(versions, key=lambda row: int(row["Version"]))
    labels = (row.get("Labels", ()) for row in versions if int(row["Version"]) == newest)
    return value, LocationProperties(
        kind=str(rows[0]["Type"]),
        version=newest,
        key_id=rows[0].get("KeyId"),
        tier=str(rows[0].get("Tier", "Standard")),
        labels=tuple(label for some in labels for label in some),
        pattern=str(rows[0].get("AllowedPattern", "")),
        is_full=len(versions) >= MOST_VERSIONS and bool(oldest.get("Labels")),
    )


def history(client: AwsClient, location: CredentialLocation) -> tuple[StoredValue, ...]:
    """The versions of a SecureString, newest first; none if it does not exist.

    Raises:
        AwsError: they cannot be read.
    """
    name = location.name
    read = client.get_parameter_history
    try:
        rows = list(paginate(read, "Parameters", Name=name, WithDecryption=True))
    except AwsError as error:
        if error.code == NOT_FOUND:
            return ()
        raise
    rows.sort(key=lambda row: -int(row["Version"]))
    return tuple(
        StoredValue(
            name,
            Secret(str(row["Value"]), is_document=location.is_combined),
            int(row["Version"]),
        )
        for row in rows
    )


def describe(client: AwsClient, name: str) -> Mapping[str, Any]:
    """A parameter's description; empty if there is none, or it cannot be read."""
    filters = [{"Key": "Name", "Option": "Equals", "Values": [name]}]
    with contextlib.suppress(AwsError):
        for row in client.describe_parameters(ParameterFilters=filters)["Parameters"]:
            return dict(row)
    return {}


def last_write(client: AwsClient, name: str) -> str:
    """Which version was written when, and by whom; empty if that cannot be read."""
    row = describe(client, name)
    if not row:
        return ""
    at = row.get("LastModifiedDate")
    when = f" at {utc.second(at)}" if at else ""
    who = row.get("LastModifiedUser") or "an unknown user"
    return f"{name}: version {row.get('Version', '?')} was written{when} by {who}"
