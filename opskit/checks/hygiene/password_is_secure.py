"""The password is stored as a SecureString.

Means: whoever may read parameters reads the password, without any right on a key.
Found by: the parameter's type.
Looks alike: a SecureString under AWS's own key, which is encrypted.
Fix: create it anew as a SecureString; the type of an existing parameter cannot be changed.
Not the fix: a secret name.
"""

from __future__ import annotations

from opskit.checks.interface import Finding, passed, reported, skipped, warned
from opskit.facts.parameters import Parameters


def check(parameters: Parameters) -> Finding:
    """Judge the type."""
    password = parameters.get("password")
    if password is None:
        return skipped("the password parameter was not read")
    if password.kind == "SecureString":
        return passed(f"{password.name} is a SecureString")
    return warned(
        f"{password.name} is a {password.kind}, which anybody who reads parameters can read",
        reported("ssm:GetParameters"),
    )
