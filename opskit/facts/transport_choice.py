"""Selects the transport to the workload."""

from __future__ import annotations

from dataclasses import dataclass

from opskit.config import Target
from opskit.facts.interface import ClientFactory, FactUnavailable
from opskit.symptom import SymptomKind
from opskit.transport.factory import create_transport, named_transport
from opskit.transport.interface import Transport, TransportContext
from opskit.workload.interface import Workload


@dataclass(frozen=True, slots=True)
class TransportChoice:
    """The transport, or why there is none."""

    transport: Transport | None
    why_none: str = ""


def select(target: Target, clients: ClientFactory, app: Workload) -> TransportChoice:
    """Select the transport that `--via` names; `auto` tries them in order until one is not refused.

    Raises:
        FactUnavailable: the app does not run, so that nothing can be asked there.
    """
    if named_transport(target) == "none":
        return TransportChoice(None, f"{target.workload_kind.definite} was not asked (--via none)")
    state = app.reported_state
    if state is not None and not state.is_running:
        raise FactUnavailable(state.summary, waits_for=(SymptomKind.NOT_RUNNING,))
    return TransportChoice(create_transport(TransportContext(target, clients.client, app.location)))
