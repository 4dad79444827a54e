"""Common code of the checks for which the app's instance or task has to run."""

from __future__ import annotations

from opskit.checks.fix import Advice, Fix, Remedy
from opskit.checks.interface import Finding, failed, passed, reported
from opskit.workload.interface import ReportedState


def judge_state(state: ReportedState) -> Finding:
    """Judge the state of the instance or task that AWS reports."""
    if state.is_running:
        return passed(state.summary, reported(state.source))
    remedy: Remedy = Advice(state.advice)
    if state.command is not None:
        undo = (state.undo,) if state.undo else ()
        remedy = Fix((state.command,), state.does, undo=undo)
    return failed(state.summary, reported(state.source), fix=remedy)
