"""The key of the encrypted parameters can decrypt.

Means: nobody can read the password: not you, not the instance. Apps that run go on with what they
read; the next start fails.
Found by: kms:DescribeKey, and the error of the read itself.
Looks alike: a role that may not decrypt (IAM003): there the key is enabled and others can read.
Fix: enable the key; if it waits for deletion, cancel that first, which leaves it disabled.
Not the fix: a new parameter under another key, as long as the old key can be had back.
"""

from __future__ import annotations

from opskit.checks.interface import Finding, Fix, failed, passed, reported, undecided
from opskit.checks.remedy import aws, restart_if_unhealthy
from opskit.facts.app_instance import AppInstance
from opskit.facts.interface import Fact, Known
from opskit.facts.key import Key
from opskit.facts.parameters import DECRYPTION_CODES, Parameters
from opskit.facts.probe import InstanceProbe

explains = ("iam", "auth", "app", "PAR002")


def check(
    parameters: Parameters,
    key: Fact[Key],
    app: Fact[AppInstance],
    probe: Fact[InstanceProbe],
) -> Finding:
    """Judge the key's state; without it, what the read said."""
    broken = [r for r in parameters.refused if r.code in DECRYPTION_CODES]
    if isinstance(key, Known):
        if key.value.state == "Enabled":
            return passed(f"{key.value.named_as} is enabled")
        restart = restart_if_unhealthy(app, probe)
        return _unusable(key.value, [r.message for r in broken], restart)
    if broken:
        return failed(
            f"{broken[0].name} cannot be decrypted: {broken[0].message}",
            reported(f"ssm:GetParameter answered {broken[0].code}"),
        )
    if parameters.get("password"):
        return passed("the password was decrypted")
    return undecided(key.reason, *key.missing)


def _unusable(key: Key, messages: list[str], restart: tuple[str, ...]) -> Finding:
    commands = [aws("kms", "enable-key", key_id=key.key_id)]
    state = {"Disabled": "is disabled", "PendingDeletion": "waits for its deletion"}.get(
        key.state, f"is in state {key.state}"
    )
    if key.state == "PendingDeletion":
        commands.insert(0, aws("kms", "cancel-key-deletion", key_id=key.key_id))
    evidence = [reported(f"kms:DescribeKey says {key.state} of {key.arn}")]
    if key.deleted_at:
        evidence.append(
            reported(f"it will be gone for ever on {key.deleted_at:%Y-%m-%d %H:%M} UTC")
        )
    evidence += [reported(message) for message in messages[:1]]
    return failed(
        f"the key of the password, {key.named_as} ({key.key_id}), {state}, so nobody can decrypt",
        *evidence,
        fix=Fix("lets the key decrypt again", (*commands, *restart)),
    )
