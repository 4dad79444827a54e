"""The certificate authorities of the emulated RDS, and the certificates of its server, as files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

AUTHORITIES = ("rds-ca-rsa2048-g1", "rds-ca-rsa4096-g1", "rds-ca-ecc384-g1")
"""RDS's authorities, the default one first; the RDS bundle holds all of them."""
CERTIFICATE_DAYS = 365


class Authorities:
    """The authorities of one sandbox.

    Args:
        directory: for their keys and certificates.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def make(self) -> None:
        """Create them."""
        import trustme

        self._directory.mkdir(mode=0o700)
        for name in AUTHORITIES:
            authority = trustme.CA(organization_name=f"LinkBox sandbox RDS {name}")
            self._file(name, "key").write_bytes(authority.private_key_pem.bytes())
            self._file(name, "pem").write_bytes(authority.cert_pem.bytes())

    @property
    def bundle(self) -> bytes:
        """The RDS bundle: the certificates of all authorities."""
        return b"".join(self._file(name, "pem").read_bytes() for name in AUTHORITIES)

    def issue(self, authority: str, name: str, ends: datetime | None = None) -> bytes:
        """A new key, its certificate for a host name, and no chain, as PEM.

        Args:
            ends: the certificate's expiry; a year from now by default.
        """
        import trustme

        issuer = trustme.CA.from_pem(
            self._file(authority, "pem").read_bytes(), self._file(authority, "key").read_bytes()
        )
        expiry = ends or datetime.now(UTC) + timedelta(days=CERTIFICATE_DAYS)
        return bytes(
            issuer.issue_cert(name, not_after=expiry).private_key_and_cert_chain_pem.bytes()
        )

    def _file(self, name: str, suffix: str) -> Path:
        return self._directory / f"{name}.{suffix}"


def ends_at(path: Path) -> datetime:
    """The expiry of the first certificate in a file."""
    from cryptography import x509

    return x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
