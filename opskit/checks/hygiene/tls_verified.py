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
from opskit.checks.interface import Finding, observed, passed, skipped, undecided, warned
from opskit.checks.seen import Seen, one_of
from opskit.engine.tls_modes import TlsMode, TlsVocabulary
from opskit.facts.database_engine import DatabaseEngine
from opskit.facts.probe import InstanceProbe
from opskit.probe.response import ConnectionSetting, Container

UNVERIFIED = (TlsMode.PREFERRED, TlsMode.REQUIRED)
passes_on = one_of(
    Seen(InstanceProbe, "running", lambda rows: any(c.setting("tls_mode") for c in rows))
)


def check(probe: InstanceProbe, database_engine: DatabaseEngine) -> Finding:
    """Judge the TLS mode of every container."""
    tls = database_engine.engine.tls
    settings = [(c, c.setting("tls_mode")) for c in probe.running]
    named = [(container, setting) for container, setting in settings if setting is not None]
    if not named:
        return skipped(f"no running container names its {tls.mode_option}")
    for container, setting in named:
        if tls.mode_of(setting.value) in UNVERIFIED:
            return warned(
                f"{container.name} does not verify the server ({setting.variable}: "
                f"{tls.mode_option}={setting.value})",
                observed("its environment"),
                fix=_verify(container, setting, tls),
            )
    for container, setting in named:
        mode = tls.mode_of(setting.value)
        text = f"{container.name} has {tls.mode_option}={setting.value}"
        if mode is None:
            return undecided(f"{text}, which is not known here", "the meaning of this mode")
        if not mode.is_verified:
            return skipped(f"{text}: without TLS there is no certificate to verify")
    names = ", ".join(container.name for container, _ in named)
    return passed(f"{names} {'verify' if len(named) > 1 else 'verifies'} the server's certificate")


def _verify(container: Container, mode: ConnectionSetting, tls: TlsVocabulary) -> Advice:
    """Advice with the mode and the bundle to use, and where they are set."""
    bundle, where = container.setting("ca_file"), f" in {mode.file}" if mode.file else ""
    by = (
        f"it has a bundle already ({bundle.value})"
        if bundle
        else f"it needs the RDS bundle in its image ({RDS_BUNDLE}), named by {tls.ca_setting}"
    )
    return Advice(
        f"Set {tls.setting(TlsMode.VERIFY_IDENTITY)} in {mode.variable}{where} and create {container.name} "
        f"again; {by}. Try it on one instance first: it turns away from a name that the certificate does "
        "not have."
    )
