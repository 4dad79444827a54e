"""Faults that are not built into the sandbox, by the layer that holds them."""

from __future__ import annotations

from tests.accuracy.faults import access, application, database, network, parameters
from tests.accuracy.interface import Case

CASES: tuple[Case, ...] = (
    *parameters.CASES,
    *access.CASES,
    *database.CASES,
    *network.CASES,
    *application.CASES,
)
