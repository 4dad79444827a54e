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
        command: what the user typed, to be repeated as the way to verify.
        runbooks: code -> name of the runbook that treats it.
        path_from: `app` or `alb`: show the way from there with every checkpoint; empty for not.
    """

    color: bool = False
    unicode: bool = True
    width: int = 100
    detail: int = 1
    command: str = "opskit diagnose db"
    runbooks: Mapping[str, str] = field(default_factory=dict)
    path_from: str = ""
