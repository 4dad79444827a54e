"""The server's certificate is issued for the name that the app uses, and no login of the app rejects it.

Means: clients with sslmode=verify-full refuse to connect: `does not match host name`, or `certificate
verify failed`.
Found by: the names in the certificate, compared with the endpoint parameter, and a login from the
instance with the container's own settings.
Looks alike: an expired certificate (TLS002).
Fix: use the RDS endpoint itself, or put the current RDS bundle into the image.
Not the fix: sslmode=require, which verifies nothing, nor rejectUnauthorized: false.
"""

from __future__ import annotations

from dataclasses import replace

from opskit.checks.fix import Advice
from opskit.checks.fix_commands import RDS_BUNDLE
from opskit.checks.interface import Finding, derived, failed, observed, passed, skipped, warned
from opskit.checks.seen import Seen, one_of
from opskit.checks.symptoms import containers_place
from opskit.engine.interface import LoginFailure
from opskit.engine.tls_modes import TlsMode, TlsVocabulary
from opskit.facts.certificate import Certificate
from opskit.facts.database import Database
from opskit.facts.database_engine import DatabaseEngine
from opskit.facts.dns import DatabaseHost
from opskit.facts.probe import InstanceProbe
from opskit.probe.response import Container
from opskit.symptom import Symptom, SymptomKind, symptom

passes_on = one_of(Seen(Certificate, "names"))
symptoms = (SymptomKind.CERTIFICATE_REJECTED,)


def check(
    certificate: Certificate,
    host: DatabaseHost,
    database: Database,
    database_engine: DatabaseEngine,
    probe: InstanceProbe,
) -> Finding:
    """Judge the name, then the result of the app's own verification."""
    engine = database_engine.engine
    tls = engine.tls
    for container in probe.running:
        message = probe.attempt_of(container.name)
        if message is None or message.succeeded:
            continue
        if engine.classify(message.message, message.code) is LoginFailure.CERTIFICATE:
            return failed(
                f"{container.name} does not trust the server's certificate: {message.message}",
                observed(
                    f"a login as {container.name} does it, {tls.mode_option}={message.tls_mode}"
                ),
                observed(f"the server's certificate was issued by {certificate.issuer}"),
                fix=_trust(container, certificate, database, tls),
                symptom=_rejected(container),
            )
    if host.is_address:
        return skipped("the endpoint parameter holds an address, which no certificate names")
    if not certificate.names_host(host.name):
        return warned(
            f"the certificate is made for {', '.join(certificate.names)}, not for {host.name}",
            observed("the server shows this certificate"),
            derived(f"clients with {tls.setting(TlsMode.VERIFY_IDENTITY)} turn away"),
            fix=_named(host.source, certificate, database),
        )
    verified = [
        c.name
        for c in probe.running
        if (a := probe.attempt_of(c.name)) is not None
        and a.succeeded
        and (mode := tls.mode_of(a.tls_mode)) is not None
        and mode.is_verified
    ]
    tried = (observed(f"a login as {name} does it verified the server") for name in verified)
    return passed(f"the certificate names {host.name}", *tried)


def _rejected(container: Container) -> Symptom:
    """The symptom of a client that does not accept the certificate of the host that it names."""
    host = container.setting("host")
    where = replace(
        containers_place(container), hosts=frozenset([host.value.lower()] if host else [])
    )
    return symptom(SymptomKind.CERTIFICATE_REJECTED, where, is_fault=True)


def _trust(
    container: Container, certificate: Certificate, database: Database, tls: TlsVocabulary
) -> Advice:
    """Advice on the name that the container verifies, or on its CA bundle."""
    host, bundle = container.setting("host"), container.setting("ca_file")
    if host is not None and not certificate.names_host(host.value):
        return _named(f"{host.variable} of {container.name}", certificate, database)
    if bundle is None:
        return Advice(
            f"{container.name} names no CA bundle, so its client verifies by the system's CAs, which RDS's "
            f"are not among: put {RDS_BUNDLE} into its image, name it with {tls.ca_setting}, and "
            f"create {container.name} again."
        )
    where = f", set in {bundle.file}" if bundle.file else ""
    return Advice(
        f"{container.name} verifies by {bundle.value} ({bundle.variable}{where}): put the present RDS "
        f"bundle there ({RDS_BUNDLE}), which has the CA {database.instance.ca_identifier}, and create "
        f"{container.name} again."
    )


def _named(source: str, certificate: Certificate, database: Database) -> Advice:
    """Advice to use the name that the certificate is issued for."""
    names = [n for n in (database.host,) if n and certificate.names_host(n)] or certificate.names
    return Advice(f"Let {source} hold {' or '.join(names)}, and restart the app.")
