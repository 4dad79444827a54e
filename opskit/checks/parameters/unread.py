"""A parameter as the evidence of a check, and the finding where it has no value here."""

from __future__ import annotations

from collections.abc import Sequence

from opskit.checks.interface import Finding, not_reached, skipped
from opskit.checks.seen import Seen
from opskit.credential_source.interface import CredentialSource, ReadFailure
from opskit.facts.stored_credential import StoredCredential
from opskit.symptom import OPERATOR, SymptomKind, place


def parameter_was_read(purpose: str) -> Seen:
    """The evidence of a check that passes on a parameter's value."""
    return Seen(StoredCredential, "existing", lambda rows: any(p.purpose == purpose for p in rows))


def unread(source: CredentialSource, parameters: StoredCredential, purpose: str) -> Finding:
    """Unknown where the read was refused; skipped where there is none, which has its own code."""
    name = source.location(purpose).name
    refused = [r for r in parameters.refused if r.name == name]
    if refused:
        return unreadable(f"you could not read {name}", refused)
    return skipped(f"{name} was not read")


def unreadable(text: str, refused: Sequence[ReadFailure]) -> Finding:
    """Unknown for lack of the operator's rights, or by a key that no one can use, which has its own code."""
    missing = sorted({f"{r.permission} on {r.name}" for r in refused})
    is_by_key = all(r.is_by_key for r in refused)
    kinds = (SymptomKind.CREDENTIAL_UNREADABLE,) if is_by_key else ()
    return not_reached(text, kinds, *missing, place=place(roles=[OPERATOR]))
