"""All stored credentials of a database user: parameter history, rotation journal, RDS-managed secret."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

from opskit.config import Target
from opskit.credential_source import source_of
from opskit.credential_source.ssm_reading import NOT_FOUND
from opskit.errors import AwsError, CannotProceed
from opskit.facts.value_form import readings
from opskit.rotation.planning.context import RotationContext
from opskit.rotation.protocol.interface import AwsClients, DatabaseCredential, RotationIntent
from opskit.rotation.protocol.journal import Journal
from opskit.rotation.steps.managed_secret import read_secret
from opskit.secret import Secret

MOST_HISTORY = 20
"""Limit of earlier passwords to try; each costs a failed login."""


class CredentialHistory:
    """Reads the stored credentials of one target."""

    def __init__(self, target: Target, aws: AwsClients, journal: Journal) -> None:
        self._target, self._aws, self._journal = target, aws, journal
        self._ssm = aws.client("ssm")
        self._source = source_of(target)

    def candidates(self, context: RotationContext) -> list[tuple[str, DatabaseCredential]]:
        """Return every password that may log in, the likeliest first, and where it is stored.

        The managed secret precedes earlier versions, since its password is in force.
        """
        name, user = self._source.location("password").name, context.user
        credentials: list[tuple[str, DatabaseCredential]] = []
        if not context.is_missing:
            credentials.append(
                (f"the present value of {name}", DatabaseCredential(user, context.password))
            )
            for reading in readings(context.password, user):
                credentials.append(
                    (
                        f"the value of {name}, {reading.how}",
                        DatabaseCredential(user, reading.password),
                    )
                )
        known = without_repeats([*credentials, *self.managed(context), *self.from_parameter(user)])
        return [(where, login) for where, login in known if login.password.reveal()]

    def from_parameter(self, user: str) -> list[tuple[str, DatabaseCredential]]:
        """Return every stored password of a user, newest first, and where it is stored."""
        name = self._source.location("password").name
        credentials: list[tuple[str, DatabaseCredential]] = []
        client = self._aws.client(self._source.service)
        for stored in self._source.history(client, "password")[:MOST_HISTORY]:
            credential = self._parse(user, stored.text.reveal())
            if credential is not None:
                credentials.append((f"{name}, version {stored.version}", credential))
        credentials += [
            (f"the journal {self._journal.path}", credential)
            for credential in self.from_journal(user)
        ]
        return without_repeats(credentials)

    def keys(self) -> set[str]:
        """Return the KMS key that the newest rotation's record names for the password parameter."""
        name = self._source.location("password").name
        for record in reversed(self._journal.all()):
            if record.opened_at is not None:
                written = self._journal.intent(record.number).published
                return {p.key_id for p in written if p.name == name and p.key_id}
        return set()

    def _parse(self, user: str, text: str) -> DatabaseCredential | None:
        """Parse a value of the password parameter; None if it belongs to another user."""
        if not self._source.location("password").is_combined:
            return DatabaseCredential(user, Secret(text))
        credential = DatabaseCredential.parse(text)
        is_theirs = (
            credential is not None and credential.user == user and credential.password.reveal()
        )
        return credential if is_theirs else None

    def from_journal(self, user: str) -> list[DatabaseCredential]:
        """Return a user's credentials in the rotation records, newest first."""
        credentials: list[DatabaseCredential] = []
        for record in reversed(self._journal.all()):
            if record.opened_at is not None:
                try:
                    intent = self._journal.intent(record.number)
                except AwsError as error:
                    if error.code == NOT_FOUND:
                        # Another process has pruned the record since it was listed.
                        continue
                    raise
                credentials += [
                    credential for credential in (intent.new, intent.old) if credential.user == user
                ]
        return credentials

    def previous(self, user: str) -> Secret:
        """Return a user's password before the newest rotation that changed it.

        Raises:
            CannotProceed: no record holds one.
        """
        for record in reversed(self._journal.all()):
            if record.opened_at is not None:
                intent = self._journal.intent(record.number)
                if intent.old.user == intent.new.user == user:
                    return intent.old.password
        raise CannotProceed(
            f"no rotation has written down an earlier password of {user}",
            "--password-stdin   takes one that you know",
        )

    def administrator(self, name: str) -> list[DatabaseCredential]:
        """Read the login in the named parameter; none if no parameter is named.

        Raises:
            AwsError: it cannot be read.
            CannotProceed: it does not hold a login.
        """
        if not name:
            return []
        reply = self._ssm.get_parameter(Name=name, WithDecryption=True)
        credential = DatabaseCredential.parse(str(reply["Parameter"]["Value"]))
        if credential is None:
            raise CannotProceed(
                f"{name} does not hold an administrator's login",
                'it is JSON: {"username": ..., "password": ...}',
            )
        return [credential]

    def credentials_that_can_change(
        self, admin_parameter: str, user: str
    ) -> list[DatabaseCredential]:
        """Return the logins that may be able to set a user's password: an administrator's, or its own.

        Raises:
            CannotProceed: an administrator was named, and its login cannot be read.
        """
        try:
            administrators = self.administrator(admin_parameter)
        except AwsError as error:
            raise CannotProceed(
                f"{admin_parameter} cannot be read: {error.permission}: {error.code}",
                "--admin-parameter NAME   names a parameter that you may read",
            ) from None
        return administrators or self.from_journal(user)

    def initiators(self) -> dict[int, tuple[str, str]]:
        """Return number -> (initiator, strategy) of every rotation whose record can be read."""
        initiators: dict[int, tuple[str, str]] = {}
        for record in self._journal.all():
            with contextlib.suppress(AwsError, CannotProceed):
                intent = self._journal.intent(record.number)
                initiators[record.number] = (intent.by, intent.strategy)
        return initiators

    def others(
        self, intent: RotationIntent
    ) -> Callable[[], Sequence[tuple[str, DatabaseCredential]]]:
        """Return a function that reads all passwords of the user except the rotation's own two.

        Each comes with the place where it is stored.
        """
        ours = (intent.old.password, intent.new.password)

        def others() -> Sequence[tuple[str, DatabaseCredential]]:
            known = self.from_parameter(intent.old.user)
            return [(where, login) for where, login in known if login.password not in ours]

        return others

    def managed(self, context: RotationContext) -> list[tuple[str, DatabaseCredential]]:
        """Return the login in the user's RDS-managed secret, if it can be read."""
        arn = context.managed_secret_arn
        if not context.is_master or arn is None:
            return []
        with contextlib.suppress(CannotProceed):
            return [
                (f"the secret {arn}", read_secret(self._aws.client("secretsmanager"), arn).login)
            ]
        return []


def without_repeats(
    credentials: Sequence[tuple[str, DatabaseCredential]],
) -> list[tuple[str, DatabaseCredential]]:
    """Keep each password once, at its first place."""
    kept: list[tuple[str, DatabaseCredential]] = []
    for where, login in credentials:
        if all(login.password != other.password for _, other in kept):
            kept.append((where, login))
    return kept
