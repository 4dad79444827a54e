"""You may read the four parameters.

Means: opskit cannot compare them with the database. This is no fault of the app: the instance
reads them under its own role.
Found by: ssm:GetParameters under your own credentials.
Looks alike: a disabled key, which has its own code (PAR003).
Fix: request ssm:GetParameters on these names and kms:Decrypt on their key.
Not the fix: copying the password to a place where you can read it.
"""

from __future__ import annotations

from opskit import denial_message
from opskit.checks.interface import Finding, passed, skipped
from opskit.checks.parameters.unread import unreadable
from opskit.checks.seen import Seen, one_of
from opskit.denial_message import YOU
from opskit.facts.stored_credential import StoredCredential

passes_on = one_of(Seen(StoredCredential, "existing"))


def check(parameters: StoredCredential) -> Finding:
    """Name the refused reads and the missing permissions."""
    if not parameters.refused and not parameters.existing:
        return skipped("none of them exists")
    if not parameters.refused:
        return passed(f"{len(parameters.existing)} parameters are readable by you")
    names = ", ".join(r.name for r in parameters.refused)
    codes = ", ".join(sorted({r.code for r in parameters.refused}))
    who = {denial_message.parse(r.message).who for r in parameters.refused} - {YOU}
    text = f"{', '.join(sorted(who)) or YOU} could not read {names} ({codes})"
    return unreadable(text, parameters.refused)
