"""What a format is handed besides the diagnosis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Style:
    """How text may look on the stream it goes to.

    Attributes:
        width: columns; commands to be copied are never wrapped to it.
        detail: 0 quiet (verdict, cause and fix), 1 usual, 2 every check with its evidence.
        command: diagnoses the same target again, as the way to verify.
        operator_command: diagnoses the operator's own rights for the same target.
        runbooks: code -> name of the runbook that treats it.
        path_from: `app` or `alb`: show the way from there with every checkpoint; empty for not.
    """

    color: bool = False
    unicode: bool = True
    width: int = 100
    detail: int = 1
    command: str = "opskit diagnose db"
    operator_command: str = "opskit diagnose operator"
    runbooks: Mapping[str, str] = field(default_factory=dict)
    path_from: str = ""
