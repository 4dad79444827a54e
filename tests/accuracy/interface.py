"""A case of the matrix."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from opskit.sandbox.faults.interface import FaultContext

Action = Callable[[FaultContext], None]


class Kind(StrEnum):
    """The kinds of cases, in the order in which they run."""

    SINGLE = "single"
    HEALTHY = "healthy"
    PAIR = "pair"
    RIGHTS = "rights"


@dataclass(frozen=True, slots=True)
class Case:
    """A case of the matrix.

    Attributes:
        name: unique in the matrix.
        layer: the layer that holds the fault, as the first three letters of a code.
        codes: of the root causes that a right diagnosis names; empty for a healthy set-up.
        hidden: of the codes those that another fault of the case may hide, since no fact shows them meanwhile.
        actions: what the person does, one after the other.
        status: the status of the finding: `warn` for a fault without harm yet.
        denied: an action that the operator may not call.
        heals: whether a right fix can be a command; otherwise advice is right.
        is_pasted: whether the printed fixes are run.
        options: more options of the diagnosis.
        shows_after_s: the time until the fault shows.
    """

    name: str
    kind: Kind
    layer: str
    codes: tuple[str, ...]
    actions: tuple[Action, ...]
    hidden: frozenset[str] = frozenset()
    status: str = "fail"
    denied: str = ""
    heals: bool = True
    is_pasted: bool = False
    options: tuple[str, ...] = ()
    shows_after_s: float = 1.0


def fault(
    name: str,
    code: str,
    action: Action,
    *,
    status: str = "fail",
    heals: bool = True,
    is_pasted: bool = True,
    shows_after_s: float = 1.0,
) -> Case:
    """A single fault, whose layer is that of its code."""
    return Case(
        name=name,
        kind=Kind.SINGLE,
        layer=code[:3],
        codes=(code,),
        actions=(action,),
        status=status,
        heals=heals,
        is_pasted=is_pasted,
        shows_after_s=shows_after_s,
    )


def healthy(name: str, layer: str, action: Action, *, options: tuple[str, ...] = ()) -> Case:
    """An unusual set-up of a layer, in which the app works."""
    return Case(
        name=name, kind=Kind.HEALTHY, layer=layer, codes=(), actions=(action,), options=options
    )
