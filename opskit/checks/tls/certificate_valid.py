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

from opskit import utc
from opskit.checks.fix import Advice, Danger, Fix, Remedy
from opskit.checks.fix_commands import call
from opskit.checks.interface import (
    Finding,
    failed,
    not_reached,
    observed,
    passed,
    reported,
    warned,
)
from opskit.checks.seen import Seen, one_of
from opskit.facts.certificate import Certificate
from opskit.facts.database import Database
from opskit.facts.dns import DatabaseHost
from opskit.facts.given_facts import Now
from opskit.facts.interface import Fact, Known
from opskit.symptom import NO_HANDSHAKE, SymptomKind, place

leads_to = (SymptomKind.CERTIFICATE_REJECTED,)

SOON = timedelta(days=30)
passes_on = one_of(
    Seen(Certificate, "not_after"), Seen(Database, "instance.certificate_valid_till")
)


def check(
    now: Now, database: Database, certificate: Fact[Certificate], host: Fact[DatabaseHost]
) -> Finding:
    """Judge the dates of the certificate that the app's host shows, else of the one that RDS reports."""
    name, begins = database.instance.identifier, None
    ends, basis = (
        database.instance.certificate_valid_till,
        reported("rds:DescribeDBInstances says so"),
    )
    remedy, where = _renewal(database), place(databases=[name])
    if isinstance(certificate, Known):
        begins, ends = certificate.value.not_before, certificate.value.not_after
        basis = observed("the server shows this certificate")
        if isinstance(host, Known) and not host.value.is_from_rds:
            name = host.value.name
            where = place(hosts=[name])
            remedy = Advice(f"Let the owner of {name} renew its certificate.")
    if ends is None:
        needed = "a TLS handshake with the server"
        return not_reached("the certificate was not seen", NO_HANDSHAKE, needed)
    if ends < now.moment:
        text = f"the certificate of {name} expired on {utc.day(ends)}"
        return failed(text, basis, fix=remedy, place=where)
    if begins is not None and begins > now.moment:
        return failed(
            f"the certificate of {name} is not valid before {utc.minute(begins)}",
            basis,
            fix=Advice(
                "Compare the clocks of this machine and of the clients with AWS's; if they are right, wait."
            ),
            place=where,
        )
    if ends < now.moment + SOON:
        return warned(f"the certificate of {name} expires on {utc.day(ends)}", basis, fix=remedy)
    return passed(f"server certificate until {utc.day(ends)}", basis)


def _renewal(database: Database) -> Remedy:
    """The fix that renews the certificate of an RDS database."""
    name = database.instance.identifier
    return Fix(
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
