"""The server's certificate is made for the name that the app uses, and the app's bundle trusts it.

Means: clients with sslmode=verify-full turn away: `does not match host name`, or `certificate verify
failed`.
Found by: the names in the certificate against the endpoint parameter, and a login from the
instance exactly as the container does it.
Looks alike: an expired certificate (TLS002).
Fix: use the RDS endpoint itself, or put the present RDS bundle into the image.
Not the fix: sslmode=require, which verifies nothing, nor rejectUnauthorized: false.
"""

from __future__ import annotations

from opskit import engine
from opskit.checks.interface import Finding, failed, observed, passed, skipped, warned
from opskit.engine.interface import LoginFailure
from opskit.facts.certificate import Certificate
from opskit.facts.database import Database
from opskit.facts.dns import Host
from opskit.facts.probe import InstanceProbe

explains = ("auth", "app")


def check(
    certificate: Certificate, host: Host, database: Database, probe: InstanceProbe
) -> Finding:
    """Judge the name, then what the app's own verification says."""
    spoken = engine.for_rds_engine(database.instance.engine)
    for container in probe.containers:
        said = probe.attempt_of(container.name)
        if said is None or said.succeeded:
            continue
        if spoken.classify(said.message, said.sqlstate) is LoginFailure.CERTIFICATE:
            return failed(
                f"{container.name} does not trust the server's certificate: {said.message}",
                observed(f"a login as {container.name} does it, sslmode={said.sslmode}"),
                observed(f"the server's certificate was issued by {certificate.issuer}"),
            )
    if host.is_address:
        return skipped("the endpoint parameter holds an address, which no certificate names")
    if not certificate.names_host(host.name):
        return warned(
            f"the certificate is made for {', '.join(certificate.names)}, not for {host.name}",
            observed("clients with sslmode=verify-full turn away"),
        )
    return passed(f"the certificate names {host.name}")
