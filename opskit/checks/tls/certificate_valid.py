"""The server's certificate is valid today.

Means: every client that verifies the certificate refuses to connect.
Found by: the certificate that the server presents; without it RDS's CertificateDetails.ValidTill, which
is the server certificate's expiry, not the CA's.
Looks alike: an old bundle in the client (TLS003): libpq has one message for both.
Fix: let RDS renew it: apply the pending maintenance, or change the CA.
Not the fix: a client that does not verify.
"""

from __future__ import annotations

from datetime import timedelta

from opskit.checks.fix import Danger, Fix
from opskit.checks.fix_commands import call
from opskit.checks.interface import (
    Finding,
    failed,
    observed,
    passed,
    reported,
    undecided,
    warned,
)
from opskit.facts.certificate import Certificate
from opskit.facts.database import Database
from opskit.facts.given_facts import Now
from opskit.facts.interface import Fact, Known

explains = ("auth", "app")

SOON = timedelta(days=30)


def check(now: Now, database: Database, certificate: Fact[Certificate]) -> Finding:
    """Judge the certificate's dates."""
    ends, basis = (
        database.instance.certificate_valid_till,
        reported("rds:DescribeDBInstances says so"),
    )
    if isinstance(certificate, Known):
        ends, basis = certificate.value.not_after, observed("the server shows this certificate")
    if ends is None:
        return undecided("the certificate was not seen", "a TLS handshake with the server")
    name = database.instance.identifier
    fix = Fix(
        (
            call(
                "rds",
                "ModifyDBInstance",
                DBInstanceIdentifier=name,
                CACertificateIdentifier=database.instance.ca_identifier or "rds-ca-rsa2048-g1",
                ApplyImmediately=True,
            ),
        ),
        "renews the server's certificate by applying its CA again",
        no_undo="an expired certificate is not wanted back",
        dangers=(Danger.INTERRUPTS_DATABASE,),
        caution="Engine versions that cannot rotate a certificate in place restart for it.",
    )
    if ends < now.moment:
        return failed(f"the certificate of {name} expired on {ends:%Y-%m-%d}", basis, fix=fix)
    if ends < now.moment + SOON:
        return warned(f"the certificate of {name} expires on {ends:%Y-%m-%d}", basis, fix=fix)
    return passed(f"server certificate until {ends:%Y-%m-%d}", basis)
