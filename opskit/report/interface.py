"""The style that a report format gets besides the diagnosis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Style:
    """The format of text on a stream.

    Attributes:
        color: colours are used.
        unicode: the stream can encode marks beyond ASCII.
        width: columns; commands to copy are never wrapped.
        detail: 0 quiet (verdict, cause and fix), 1 usual, 2 every check with its evidence.
        command: diagnoses the same target again, to verify a fix.
        operator_command: diagnoses the operator's own permissions for the same target.
        runbooks: code -> name of the runbook that treats it.
        path_from: `app` or `alb`: show the path from there with every checkpoint; empty: no path.
    """

    color: bool = False
    unicode: bool = True
    width: int = 100
    detail: int = 1
    command: str = "opskit diagnose db"
    operator_command: str = "opskit diagnose operator"
    runbooks: Mapping[str, str] = field(default_factory=dict)
    path_from: str = ""
