"""A parameter as the evidence of a check, and the finding where it has no value here."""

from __future__ import annotations

from opskit.checks.interface import Finding, skipped, undecided
from opskit.checks.seen import Seen
from opskit.credential_source.interface import CredentialSource
from opskit.facts.stored_credential import StoredCredential


def parameter_was_read(purpose: str) -> Seen:
    """The evidence of a check that passes on a parameter's value."""
    return Seen(StoredCredential, "existing", lambda rows: any(p.purpose == purpose for p in rows))


def unread(source: CredentialSource, parameters: StoredCredential, purpose: str) -> Finding:
    """Unknown where the read was refused; skipped where there is none, which has its own code."""
    name = source.location(purpose).name
    refused = [r for r in parameters.refused if r.name == name]
    if refused:
        missing = tuple(sorted({f"{r.permission} on {r.name}" for r in refused}))
        return undecided(f"you could not read {name}", *missing)
    return skipped(f"{name} was not read")
