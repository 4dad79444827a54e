"""The style that a report format gets besides the result, and the interface of a rotation's formats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from opskit.rotation.planning.plan import Plan
    from opskit.rotation.protocol.journal import Record
    from opskit.rotation.protocol.record_verification import RecordVerification
    from opskit.rotation.protocol.services import RotationResult
    from opskit.rotation.status import RotationStatus


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


class RotationRenderer(Protocol):
    """Renders each report of a rotation as text to write; empty if there is nothing to write."""

    @property
    def errors_to_stderr(self) -> bool:
        """Whether errors belong to stderr, apart from the results."""

    def event(self, kind: str, text: str, at_s: float, fields: Mapping[str, Any]) -> str:
        """Render an event.

        Args:
            kind: step, wait or note.
            at_s: seconds since the rotation began.
            fields: further data for programs; never a secret.
        """

    def plan(self, plan: Plan, *, dry_run: bool) -> str:
        """Render the plan, its warnings and its problems."""

    def result(self, result: RotationResult) -> str:
        """Render the result of a closed rotation, and the next step."""

    def status(
        self,
        status: RotationStatus,
        fence_s: float,
        advice: str,
        verification: RecordVerification,
    ) -> str:
        """Render an unfinished rotation, the effect of --resume and --rollback, and the advice."""

    def history(self, records: Sequence[Record], initiators: Mapping[int, tuple[str, str]]) -> str:
        """Render past rotations, newest first.

        Args:
            initiators: number -> (initiator, strategy), of those that could be read.
        """

    def error(self, sentence: str, next_step: str) -> str:
        """Render an error."""
