"""The cases of the matrix: single faults, healthy set-ups, pairs, and rights that the operator lacks."""

from __future__ import annotations

import functools
import itertools
import random

from opskit.sandbox.faults import FAULTS
from tests.accuracy import healthy
from tests.accuracy.faults import CASES
from tests.accuracy.interface import Case, Kind
from tests.builders import PERMISSIONS

PASTED_PAIRS = 40
OTHER_PAIRS = 300
ALWAYS = {("container-stopped", "deny-outside-region")}
"""Pairs of the sample that the tests run, whichever the draw gives."""
RIGHTS_BESIDE = 2
"""So many faults are tried beside each right that the operator lacks."""
OWNED_BY_OTHERS = {
    *("access-keys", "access-keys-env", "access-keys-powerless", "bundle-outdated"),
    *("database-dropped", "database-key-disabled", "database-network", "database-parameters"),
    *("database-public", "database-rdsadmin", "endpoint-alias", "endpoint-policy"),
    *("env-other-host", "organization-denies", "role-no-login", "slots-taken"),
}
CONNECTION = ("TCP", "TLS", "AUT")
"""Layers that are seen only over a connection that is open."""
PASSWORD_FORMS = ("password-is-placeholder", "password-is-json", "password-percent-encoded")
"""Faults of which only a login tells that the value is no password: without one PAR006 warns."""
SOLE = {"peer-route-missing", "peer-route-back-missing", "main-table", "instance-stopped"}
"""Faults that move the database, so that another fault changes what is elsewhere, or that leave no instance on
which a person could change anything."""


@functools.cache
def singles() -> tuple[Case, ...]:
    """The sandbox's own faults, and those of this package."""
    named = {case.name for case in CASES}
    own = (
        Case(
            name=fault.name,
            kind=Kind.SINGLE,
            layer=fault.code[:3],
            codes=(fault.code,),
            actions=(fault.inject,),
            status=fault.status,
            heals=fault.name not in OWNED_BY_OTHERS,
            is_pasted=True,
            shows_after_s=fault.shows_after_s,
        )
        for fault in FAULTS.values()
        if not fault.is_symptom and fault.name not in named
    )
    return (*own, *CASES)


def hides(cause: Case, other: Case) -> bool:
    """Whether a fault leaves no fact from which another one could be seen."""
    if cause.status != "fail":
        return False
    if other.layer in CONNECTION or other.name in PASSWORD_FORMS:
        # Without a connection there is no certificate and no login; without the credential no login.
        return cause.layer in ("NET", "DNS", "RDS", "TCP", "TLS", "AUT") or cause.codes[0] in (
            "PAR001",
            "PAR003",
            "PAR004",
            "PAR005",
            "PAR006",
            "PAR007",
            "PAR008",
            "PAR010",
            "APP001",
        )
    if other.layer == "APP":
        return cause.layer == "APP" or cause.codes[0].startswith(("PAR", "IAM", "AUT"))
    if other.layer == "DNS":
        return cause.codes[0] in ("PAR004", "PAR007", "PAR010")
    return False


@functools.cache
def pairs() -> tuple[Case, ...]:
    """Pairs of faults in different layers: the same ones in each run."""
    faults = [s for s in singles() if s.name not in SOLE and s.status == "fail"]
    every = [(a, b) for a, b in itertools.permutations(faults, 2) if a.layer != b.layer]
    chosen = random.Random(13).sample(every, PASTED_PAIRS + OTHER_PAIRS)
    chosen += [p for p in every if (p[0].name, p[1].name) in ALWAYS and p not in chosen]
    return tuple(
        Case(
            name=f"{a.name} + {b.name}",
            kind=Kind.PAIR,
            layer="+".join(sorted((a.layer, b.layer))),
            codes=(*a.codes, *b.codes),
            actions=(*a.actions, *b.actions),
            hidden=frozenset(
                (*(b.codes if hides(a, b) else ()), *(a.codes if hides(b, a) else ()))
            ),
            heals=a.heals and b.heals,
            is_pasted=number < PASTED_PAIRS or (a.name, b.name) in ALWAYS,
            shows_after_s=max(a.shows_after_s, b.shows_after_s),
        )
        for number, (a, b) in enumerate(chosen)
    )


@functools.cache
def rights() -> tuple[Case, ...]:
    """Every right that the operator may lack, alone and with a fault beside it."""
    actions = sorted({p.action for p in PERMISSIONS})
    faults = [s for s in singles() if s.status == "fail" and s.name not in SOLE]
    chance = random.Random(17)
    cases = []
    for action in actions:
        cases.append(Case(f"without {action}", Kind.RIGHTS, "OPR", (), (), denied=action))
        for fault in chance.sample(faults, RIGHTS_BESIDE):
            cases.append(
                Case(
                    name=f"without {action} + {fault.name}",
                    kind=Kind.RIGHTS,
                    layer="OPR",
                    codes=fault.codes,
                    actions=fault.actions,
                    hidden=frozenset(fault.codes),
                    denied=action,
                    shows_after_s=fault.shows_after_s,
                )
            )
    return tuple(cases)


@functools.cache
def by_name() -> dict[str, Case]:
    """All cases, in the order in which they run."""
    cases = (*singles(), *healthy.CASES, *pairs(), *rights())
    names = {case.name: case for case in cases}
    assert len(names) == len(cases)
    return names
