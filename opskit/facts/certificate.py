"""The certificate that the server presents."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from opskit.facts.interface import FactUnavailable
from opskit.facts.probe import InstanceProbe
from opskit.symptom import NO_HANDSHAKE


@dataclass(frozen=True, slots=True)
class Certificate:
    """A server certificate's dates and names."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime

    def names_host(self, host: str) -> bool:
        """Whether the certificate was issued for a host, wildcards of one label included."""
        wanted = host.lower()
        _, dot, parent = wanted.partition(".")
        return any(
            name.lower() == wanted or (bool(dot) and name.lower() == f"*.{parent}")
            for name in self.names
        )


def read(probe: InstanceProbe) -> Certificate:
    """Read the first certificate of the chain that the probe returned."""
    if not probe.greeting.certificates:
        raise FactUnavailable(
            "the server showed no certificate",
            "a TLS handshake with the server",
            waits_for=NO_HANDSHAKE,
        )
    from cryptography import x509

    try:
        certificate = x509.load_der_x509_certificate(probe.greeting.certificates[0])
    except ValueError:
        raise FactUnavailable("the server's certificate cannot be read") from None
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        dns_names = tuple(names.get_values_for_type(x509.DNSName))
    except x509.ExtensionNotFound:
        dns_names = ()
    return Certificate(
        certificate.subject.rfc4514_string(),
        certificate.issuer.rfc4514_string(),
        dns_names,
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
    )
