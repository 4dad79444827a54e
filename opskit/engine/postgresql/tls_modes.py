"""TLS in the words of libpq and of RDS for PostgreSQL.

Source: PostgreSQL documentation, `sslmode` and `sslrootcert`; RDS user guide, requiring an SSL connection.
"""

from __future__ import annotations

from opskit.engine.tls_modes import TlsMode, TlsVocabulary

TLS = TlsVocabulary(
    parameter="rds.force_ssl",
    parameter_on=frozenset({"1", "on", "ON", "true"}),
    mode_option="sslmode",
    mode_values={
        TlsMode.DISABLED: "disable",
        TlsMode.PREFERRED: "prefer",
        TlsMode.REQUIRED: "require",
        TlsMode.VERIFY_CA: "verify-ca",
        TlsMode.VERIFY_IDENTITY: "verify-full",
    },
    # `allow` tries without TLS first; `no-verify` is node-postgres's word for encryption alone.
    other_values={"allow": TlsMode.DISABLED, "no-verify": TlsMode.REQUIRED},
    ca_option="sslrootcert",
    ca_variables=("PGSSLROOTCERT",),
)
