"""PostgreSQL's environment variables and connection URLs, as data for the probe.

Sources: PostgreSQL documentation, libpq: environment variables, connection URIs and SSL support; the
`postgres` container image (POSTGRES_*); Elastic Beanstalk (RDS_*). DB_* and DATABASE_* are habits of web
frameworks.
"""

from __future__ import annotations

from opskit.engine.environment import ConnectionEnvironment
from opskit.engine.postgresql.tls_modes import TLS
from opskit.engine.tls_modes import TlsMode

DEFAULT_PORT = 5432

ENVIRONMENT = ConnectionEnvironment(
    variables={
        "host": ("PGHOST", "DB_HOST", "DATABASE_HOST", "POSTGRES_HOST", "RDS_HOSTNAME"),
        "port": ("PGPORT", "DB_PORT", "DATABASE_PORT", "POSTGRES_PORT", "RDS_PORT"),
        "user": (
            "PGUSER",
            "DB_USER",
            "DB_USERNAME",
            "DATABASE_USER",
            "POSTGRES_USER",
            "RDS_USERNAME",
        ),
        "password": (
            "PGPASSWORD",
            "DB_PASSWORD",
            "DATABASE_PASSWORD",
            "POSTGRES_PASSWORD",
            "RDS_PASSWORD",
        ),
        "database": (
            "PGDATABASE",
            "DB_NAME",
            "DB_DATABASE",
            "DATABASE_NAME",
            "POSTGRES_DB",
            "RDS_DB_NAME",
        ),
        "tls_mode": ("PGSSLMODE", "DB_SSLMODE", "DATABASE_SSLMODE", "DB_SSL_MODE"),
        "ca_file": ("PGSSLROOTCERT", "DB_SSLROOTCERT"),
    },
    # A container that names another database is shown too: its host is then the wrong one.
    url_schemes=("postgres", "postgresql", "mysql", "mariadb"),
    url_parameters={"tls_mode": TLS.mode_option, "ca_file": TLS.ca_option},
    default_port=DEFAULT_PORT,
    default_tls_mode=TLS.mode_values[TlsMode.PREFERRED],
    encrypting_tls_mode=TLS.mode_values[TlsMode.REQUIRED],
    verifying_tls_modes=(
        TLS.mode_values[TlsMode.VERIFY_IDENTITY],
        TLS.mode_values[TlsMode.VERIFY_CA],
    ),
    client_program="psql",
)
