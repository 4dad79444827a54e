"""Faults that people cause, each made as a person would: through the API, SQL or a file.

No fault sets a flag that a diagnosis could read. Each names the finding expected as its one root cause.
"""

from __future__ import annotations

from dataclasses import replace

from opskit.sandbox.faults import (
    access,
    application,
    database,
    instance,
    network,
    transport,
    vpc_peering,
)
from opskit.sandbox.faults.interface import Fault

LAYERS = ("PAR", "IAM", "RDS", "DNS", "NET", "TCP", "TLS", "AUT", "APP")
"""The prefixes of finding codes, in causal order."""

FAULTS: dict[str, Fault] = {
    fault.name: replace(
        fault, needs_packets=fault.needs_packets or fault.code.startswith(("NET", "DNS"))
    )
    for fault in sorted(
        (
            *application.FAULTS,
            *access.FAULTS,
            *database.FAULTS,
            *instance.FAULTS,
            *network.FAULTS,
            *vpc_peering.FAULTS,
        ),
        key=lambda fault: (LAYERS.index(fault.code[:3]), fault.code),
    )
}
"""Every fault of the app's path to its database, by name."""

TRANSPORT_FAULTS: dict[str, Fault] = {fault.name: fault for fault in transport.FAULTS}
"""Faults of the transports to the instance: the app works, and `diagnose operator` or the session reports
the reason why the instance cannot be reached."""

ALL: dict[str, Fault] = FAULTS | TRANSPORT_FAULTS
