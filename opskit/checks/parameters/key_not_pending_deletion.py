"""The key of the encrypted parameters is not pending deletion.

Means: no one can read the password now, and after the waiting period no one ever can: the values under
this key are lost with it.
Found by: kms:DescribeKey, which returns the deletion date.
Looks alike: a disabled key (PAR003), which does nothing by itself.
Fix: cancel the deletion, which leaves the key disabled, then enable it.
Not the fix: a new parameter under another key, as long as this deletion can be cancelled.
"""

from __future__ import annotations

from opskit import utc
from opskit.checks.fix import Fix
from opskit.checks.fix_commands import call, restart_if_unhealthy
from opskit.checks.interface import Finding, failed, passed, reported, undecided
from opskit.checks.parameters.key_enabled import PENDING
from opskit.checks.parameters.unread import parameter_was_read
from opskit.checks.seen import Seen, one_of
from opskit.facts.interface import Fact, Known, Unknown
from opskit.facts.key import Key
from opskit.facts.probe import InstanceProbe
from opskit.facts.stored_credential import StoredCredential
from opskit.symptom import SymptomKind, place
from opskit.workload.interface import Workload

passes_on = one_of(
    Seen(Key, "state"),
    parameter_was_read("password"),
)
leads_to = (SymptomKind.CREDENTIAL_UNREADABLE,)


def check(
    described: Fact[Key],
    parameters: Fact[StoredCredential],
    app: Fact[Workload],
    probe: Fact[InstanceProbe],
) -> Finding:
    """Judge the key's state; a key that decrypts is not pending deletion."""
    if isinstance(described, Unknown):
        if isinstance(parameters, Known) and parameters.value.get("password"):
            return passed("the password was read")
        return undecided(described.reason, *described.missing)
    key = described.value
    if key.state != PENDING:
        return passed(f"{key.named_as} is not waiting for its deletion")
    until = f" until {utc.minute(key.deleted_at)}" if key.deleted_at else ""
    return failed(
        f"the key of the password, {key.named_as} ({key.key_id}), waits for its deletion{until}",
        reported(f"kms:DescribeKey says {key.state} of {key.arn}"),
        fix=Fix(
            (
                call("kms", "CancelKeyDeletion", KeyId=key.key_id),
                call("kms", "EnableKey", KeyId=key.key_id),
                *restart_if_unhealthy(app, probe),
            ),
            "keeps the key and lets it decrypt again",
            no_undo="a deletion is scheduled again by its owner",
            ask="The person who scheduled the deletion meant something by it: say that the key is in use",
            caution="After that day the values under this key are lost for ever.",
        ),
        place=place(parameters=["password"]),
    )
