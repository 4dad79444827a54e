"""The app verifies whom it talks to.

Means: without verification TLS protects from listening, not from somebody who answers in the
database's place.
Found by: the container's sslmode.
Looks alike: `require` with a root certificate file, which verifies the chain in libpq.
Fix: sslmode=verify-full with the RDS bundle in the image.
Not the fix: rejectUnauthorized: false, whatever the web says.
"""

from __future__ import annotations

from opskit.checks.interface import Finding, observed, passed, skipped, warned
from opskit.facts.probe import InstanceProbe

UNVERIFIED = ("prefer", "require", "no-verify")


def check(probe: InstanceProbe) -> Finding:
    """Judge the mode of every container."""
    modes = [(c.name, c.setting("sslmode")) for c in probe.containers]
    named = [(name, mode) for name, mode in modes if mode is not None]
    if not named:
        return skipped("no container names its sslmode")
    for name, mode in named:
        if mode.value in UNVERIFIED:
            return warned(
                f"{name} does not verify the server ({mode.variable}: sslmode={mode.value})",
                observed("its environment"),
            )
    return passed("the app verifies the server's certificate")
