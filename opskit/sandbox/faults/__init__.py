"""Mistakes that people make, each made as a person would: through the API, SQL or a file.

None sets a flag that a diagnosis could read. Each names the finding that is to be its one root cause.
"""

from __future__ import annotations

from dataclasses import replace

from opskit.sandbox.faults import access, application, network, transport, vpc_peering
from opskit.sandbox.faults.interface import Fault

LAYERS = ("PAR", "IAM", "RDS", "DNS", "NET", "TLS", "AUT", "APP")
"""The beginnings of codes, in the causal order of what is broken."""

FAULTS: dict[str, Fault] = {
    fault.name: replace(fault, needs_packets=fault.code.startswith(("NET", "DNS")))
    for fault in sorted(
        (*application.FAULTS, *access.FAULTS, *network.FAULTS, *vpc_peering.FAULTS),
        key=lambda fault: (LAYERS.index(fault.code[:3]), fault.code),
    )
}
"""Every fault of the app's way to its database, by name."""

TRANSPORT_FAULTS: dict[str, Fault] = {fault.name: fault for fault in transport.FAULTS}
"""Those of the road to the instance: the app works, and `diagnose operator` or the session says why
the instance cannot be asked."""

ALL: dict[str, Fault] = FAULTS | TRANSPORT_FAULTS
