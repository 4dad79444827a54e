"""The app verifies the database's certificate.

Means: without verification TLS protects from eavesdropping, not from an attacker who answers in the
database's place.
Found by: the container's sslmode.
Looks alike: `require` with a root certificate file, which verifies the chain in libpq.
Fix: sslmode=verify-full with the RDS bundle in the image.
Not the fix: rejectUnauthorized: false, which many web pages recommend.
"""

from __future__ import annotations

from opskit.checks.fix import Advice
from opskit.checks.fix_commands import RDS_BUNDLE
from opskit.checks.interface import Finding, observed, passed, skipped, warned
from opskit.facts.probe import InstanceProbe
from opskit.probe.response import ConnectionSetting, Container

UNVERIFIED = ("prefer", "require", "no-verify")


def check(probe: InstanceProbe) -> Finding:
    """Judge the sslmode of every container."""
    modes = [(c, c.setting("tls_mode")) for c in probe.running]
    named = [(container, mode) for container, mode in modes if mode is not None]
    if not named:
        return skipped("no running container names its sslmode")
    for container, mode in named:
        if mode.value in UNVERIFIED:
            return warned(
                f"{container.name} does not verify the server ({mode.variable}: sslmode={mode.value})",
                observed("its environment"),
                fix=_verify(container, mode),
            )
    return passed("the app verifies the server's certificate")


def _verify(container: Container, mode: ConnectionSetting) -> Advice:
    """Advice with the mode and the bundle to use, and where they are set."""
    bundle, where = container.setting("ca_file"), f" in {mode.file}" if mode.file else ""
    by = (
        f"it has a bundle already ({bundle.value})"
        if bundle
        else f"it needs the RDS bundle in its image ({RDS_BUNDLE}), named by sslrootcert (PGSSLROOTCERT)"
    )
    return Advice(
        f"Set sslmode=verify-full in {mode.variable}{where} and create {container.name} again; {by}. Try it "
        "on one instance first: it turns away from a name that the certificate does not have."
    )
