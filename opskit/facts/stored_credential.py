"""The pieces of the stored credential: their values, and the problems of their form.

The password's value leaves this reader only as a `Credential`, which the snapshot drops.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from opskit import endpoint
from opskit.config import Target
from opskit.credential_source import source_of
from opskit.credential_source.interface import (
    CredentialLocation,
    CredentialSource,
    ReadFailure,
    StoredValue,
    Version,
)
from opskit.facts.given_facts import FingerprintKey
from opskit.facts.interface import SourceClient
from opskit.facts.value_form import SOUND, PasswordForm, flaws, form_of, hold_password_of_url
from opskit.secret import Secret


@dataclass(frozen=True, slots=True)
class CredentialPiece:
    """One piece of the credential as it was read from its location.

    Attributes:
        purpose: endpoint, username, password or database.
        value: without blanks at the ends; None for the password.
        fingerprint: of the exact value, under the run's key.
        format_problems: descriptions of what is wrong with the value's form ("a trailing newline").
        raw: the exact value; None for the password.
        form: of the password's value; meaningless for the others.
        name: the plain name of the location, which may hold other pieces as well.
        selector: the requested version or label; empty for the newest. A location with a selector
            cannot be written: a write makes a new version.
    """

    name: str
    arn: str
    purpose: str
    kind: str
    version: Version
    modified_at: datetime | None
    value: str | None
    fingerprint: str
    format_problems: tuple[str, ...]
    raw: str | None = None
    form: PasswordForm = SOUND
    selector: str = ""


@dataclass(frozen=True, slots=True)
class StoredCredential:
    """The pieces of the credential, as far as the operator can read them."""

    existing: tuple[CredentialPiece, ...]
    missing: tuple[tuple[str, str], ...]
    """(purpose, requested name) of those that do not exist."""
    refused: tuple[ReadFailure, ...]
    other_paths: tuple[str, ...] = ()
    """Where none of them exists: the paths under which parameters of the same names do."""

    def get(self, purpose: str) -> CredentialPiece | None:
        """The piece of a purpose, if it was read."""
        return next((p for p in self.existing if p.purpose == purpose), None)

    def value(self, purpose: str) -> str | None:
        """The value of a purpose, if it was read."""
        parameter = self.get(purpose)
        return parameter.value if parameter else None

    def is_shared(self, parameter: CredentialPiece) -> bool:
        """Whether the same location holds another piece as well."""
        return sum(p.name == parameter.name for p in self.existing) > 1

    @property
    def host(self) -> str | None:
        """The host that the endpoint names, without a port; None where it names none."""
        return self._endpoint[0] or None

    @property
    def port(self) -> int | None:
        """The port that the endpoint names, if it names one."""
        return self._endpoint[1]

    @property
    def _endpoint(self) -> tuple[str, int | None]:
        value = self.value("endpoint") or ""
        return ("", None) if endpoint.form_flaw(value) else endpoint.split(value)


@dataclass(frozen=True, slots=True)
class Credential:
    """The password as read; it is secret and never part of a snapshot."""

    password: Secret


def read(
    client: SourceClient, target: Target, key: FingerprintKey
) -> tuple[StoredCredential, Credential]:
    """Read every location of the target's credential source."""
    source = source_of(target)
    reading = source.read(client)
    pieces = [
        (location, stored, purpose)
        for location, stored in reading.values
        for purpose in location.purposes
    ]
    rows = (_parameter(source, *piece, key) for piece in pieces)
    missing = ((p, location.reference) for location in reading.missing for p in location.purposes)
    texts = (stored.text.reveal() for _, stored, purpose in pieces if purpose == "password")
    password = Secret(next((source.piece(text, "password") for text in texts), "") or "")
    parameters = StoredCredential(
        tuple(sorted(rows, key=lambda p: p.purpose)),
        tuple(sorted(missing)),
        reading.refused,
        reading.other_paths,
    )
    return _with_form(parameters, password), Credential(password)


def _parameter(
    source: CredentialSource,
    location: CredentialLocation,
    stored: StoredValue,
    purpose: str,
    key: FingerprintKey,
) -> CredentialPiece:
    text = source.piece(stored.text.reveal(), purpose)
    secret = Secret(text or "", is_public=purpose != "password")
    if purpose != "password":
        hold_password_of_url(secret.reveal())
    missing = (f"no text under the key {purpose}",) if text is None else ()
    return CredentialPiece(
        name=location.name,
        selector=location.selector,
        arn=stored.arn,
        purpose=purpose,
        kind=stored.kind,
        version=stored.version,
        modified_at=stored.modified_at,
        value=None if purpose == "password" else secret.reveal().strip(),
        fingerprint=secret.fingerprint(key.text),
        format_problems=missing or flaws(secret.reveal()),
        raw=None if purpose == "password" else secret.reveal(),
    )


def _with_form(parameters: StoredCredential, password: Secret) -> StoredCredential:
    """The pieces with the password's form; a JSON value of another user holds no password."""
    form = form_of(password, parameters.value("username") or "")
    rows = (replace(p, form=form) if p.purpose == "password" else p for p in parameters.existing)
    return replace(parameters, existing=tuple(rows))


def version_after(parameter: CredentialPiece) -> Version:
    """The version after a write; a source that does not count its versions gives a new text."""
    return parameter.version + 1 if isinstance(parameter.version, int) else "changed"


def rewritten(parameter: CredentialPiece, text: str) -> CredentialPiece:
    """A piece other than the password, after a new value was written."""
    return replace(
        parameter,
        value=text.strip(),
        raw=text,
        fingerprint="changed",
        format_problems=flaws(text),
        version=version_after(parameter),
    )
