"""Mistakes that people make, each made as a person would: through the API, SQL or a file.

None sets a flag that a diagnosis could read. Each names the finding that is to be its one root cause.
"""

from __future__ import annotations

from dataclasses import replace

from opskit.sandbox.faults import access, moved, network, rest
from opskit.sandbox.faults.interface import Fault

LAYERS = ("PAR", "IAM", "RDS", "DNS", "NET", "TLS", "AUT", "APP")
"""The beginnings of codes, in the causal order of what is broken."""

FAULTS: dict[str, Fault] = {
    fault.name: replace(fault, needs_packets=fault.code.startswith(("NET", "DNS")))
    for fault in sorted(
        (*rest.FAULTS, *access.FAULTS, *network.FAULTS, *moved.FAULTS),
        key=lambda fault: (LAYERS.index(fault.code[:3]), fault.code),
    )
}
"""Every fault by name."""
