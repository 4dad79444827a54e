"""The key of the encrypted parameters can decrypt.

Means: no one can read the password: not you, not the instance. Running apps use the values they have
read; the next start fails.
Found by: kms:DescribeKey, and the error of the read itself.
Looks alike: a key that is pending deletion (PAR008); a role that may not decrypt (IAM003): there
the key is enabled and others can read.
Fix: enable the key.
Not the fix: a new parameter under another key, as long as the old key can be enabled.
"""

from __future__ import annotations

from opskit.checks.fix import Advice, Fix
from opskit.checks.fix_commands import call, restart_if_unhealthy
from opskit.checks.interface import Finding, failed, passed, reported, skipped, undecided
from opskit.checks.parameters.unread import parameter_was_read
from opskit.checks.seen import Seen, one_of
from opskit.commands import Command
from opskit.config import Target
from opskit.credential_source import source_of
from opskit.facts.interface import Fact, Known
from opskit.facts.key import Key
from opskit.facts.probe import InstanceProbe
from opskit.facts.stored_credential import StoredCredential
from opskit.symptom import SymptomKind, place
from opskit.workload.interface import Workload

leads_to = (SymptomKind.CREDENTIAL_UNREADABLE,)
PENDING = "PendingDeletion"
passes_on = one_of(
    Seen(Key, "state"),
    parameter_was_read("password"),
)


def check(
    target: Target,
    parameters: StoredCredential,
    key: Fact[Key],
    app: Fact[Workload],
    probe: Fact[InstanceProbe],
) -> Finding:
    """Judge the key's state; where it is not known, the error of the read."""
    broken = [r for r in parameters.refused if r.is_by_key]
    if isinstance(key, Known):
        if key.value.state == "Enabled":
            return passed(f"{key.value.named_as} is enabled")
        if key.value.state == PENDING:
            return skipped(f"{key.value.named_as} waits for its deletion, which has its own code")
        restart = restart_if_unhealthy(app, probe)
        return _unusable(key.value, [r.message for r in broken], restart)
    if broken:
        return failed(
            f"{broken[0].name} cannot be decrypted: {broken[0].message}",
            reported(f"{source_of(target).actions.read[0]} answered {broken[0].code}"),
            fix=Advice(
                "kms:DescribeKey on its key would tell which state it is in, and the command."
            ),
            place=place(parameters=["password"]),
        )
    if parameters.get("password"):
        return passed("the password was read")
    return undecided(key.reason, *key.missing)


def _unusable(key: Key, messages: list[str], restart: tuple[Command, ...]) -> Finding:
    state = {"Disabled": "is disabled"}.get(key.state, f"is in state {key.state}")
    return failed(
        f"the key of the password, {key.named_as} ({key.key_id}), {state}, so no one can decrypt",
        reported(f"kms:DescribeKey says {key.state} of {key.arn}"),
        *(reported(message) for message in messages[:1]),
        fix=Fix(
            (call("kms", "EnableKey", KeyId=key.key_id), *restart),
            "lets the key decrypt again",
            undo=(call("kms", "DisableKey", KeyId=key.key_id),),
            ask="Someone disabled it: ask why before the next occasion",
        )
        if key.state == "Disabled"
        else Advice(
            f"KMS does not enable a key in state {key.state}; its owner has to bring it back."
        ),
        place=place(parameters=["password"]),
    )
