"""The password is stored as a SecureString.

Means: everyone who may read parameters can read the password, without any permission on a key.
Found by: the parameter's type.
Looks alike: a SecureString under the AWS managed key, which is encrypted.
Fix: a SecureString under another name, which the app reads from then on; the type of an existing
parameter cannot be changed.
Not the fix: a secret name.
"""

from __future__ import annotations

from opskit.checks.fix import Advice
from opskit.checks.interface import Finding, passed, reported, warned
from opskit.checks.parameters.unread import parameter_was_read, unread
from opskit.checks.seen import one_of
from opskit.config import Target
from opskit.credential_source import source_of
from opskit.facts.stored_credential import StoredCredential

passes_on = one_of(parameter_was_read("password"))


def check(target: Target, parameters: StoredCredential) -> Finding:
    """Judge the type."""
    password = parameters.get("password")
    source = source_of(target)
    if password is None:
        return unread(source, parameters, "password")
    if source.is_encrypted(password.kind):
        return passed(f"{password.name} is a {password.kind}")
    return warned(
        f"{password.name} is a {password.kind}, so everyone who may read parameters reads it",
        reported(source.actions.diagnose[0]),
        fix=Advice(
            "AWS does not change a parameter's type, and deleting it to create it again loses its history "
            "and leaves the app without a password meanwhile. Create a SecureString under another name, let "
            "the app read that one, then delete this one and rotate the password, which others may have "
            "read: opskit rotate-password."
        ),
    )
