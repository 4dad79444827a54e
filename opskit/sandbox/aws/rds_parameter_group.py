"""Parameter groups of the emulated RDS: what a group's values mean for the real server.

Source: Amazon RDS User Guide, DB parameter groups.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FORCE_TLS = "rds.force_ssl"
STATIC = frozenset(
    [
        "max_connections",
        "shared_buffers",
        "shared_preload_libraries",
        "max_wal_senders",
        "max_worker_processes",
        "max_prepared_transactions",
        "max_locks_per_transaction",
        "superuser_reserved_connections",
        "track_activity_query_size",
        "wal_buffers",
    ]
)
"""PostgreSQL parameters that apply at a reboot (ApplyType `static`)."""
IN_SYNC, PENDING_REBOOT = "in-sync", "pending-reboot"


def apply_type(name: str) -> str:
    """AWS's word for when a parameter applies."""
    return "static" if name in STATIC else "dynamic"


def values_of(group: Any) -> dict[str, str]:
    """The values that were set in a group, by parameter."""
    return {
        row["ParameterName"]: str(row["ParameterValue"])
        for row in group.parameters.values()
        if row.get("ParameterValue") is not None
    }


def forces_tls(values: Mapping[str, str]) -> bool:
    """Whether clients have to use TLS; PostgreSQL 15 and later do by default."""
    return values.get(FORCE_TLS, "1") == "1"


def server_settings(values: Mapping[str, str]) -> dict[str, str]:
    """The values that the server itself reads: without RDS's own parameters and without formulas."""
    return {
        name: value
        for name, value in values.items()
        if "." not in name and not value.startswith("{") and "'" not in value
    }
