"""Containers beside each other, and a check's finding on them with its fix as a reader gets it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from opskit.checks.catalogue import check_of
from opskit.checks.fix_verification import verify_fix
from opskit.checks.interface import Finding
from opskit.checks.run import run_check
from opskit.checks.shell_rendering import Caller, join
from opskit.commands import InstanceCommand
from opskit.facts.probe import InstanceProbe
from opskit.probe.response import ConnectionSetting, Container, Health
from tests import builders as b

CALLER = Caller("us-east-1", "", "--prefix /linkbox")
SILENT = Health("http://127.0.0.1:3000/health", None, 1.0, "Connection refused")
ANSWERS = Health("http://127.0.0.1:3000/health", 200, 3.0, "")
UNHEALTHY = Health("http://127.0.0.1:3000/health", 503, 3.0, "no")


def setting(name: str, value: str, source: str = "process", **more: Any) -> ConnectionSetting:
    variable = more.pop("variable", f"PG{name.upper()}")
    return ConnectionSetting(source, name, value, variable, more.pop("file", ""), **more)


def container(name: str, *settings: ConnectionSetting, **changes: Any) -> Container:
    """A container that runs; with these settings in place of those that are right."""
    own = {s.name: s for s in b.container().settings}
    own |= {s.name: s for s in settings}
    return replace(b.container(), name=name, service=name, settings=tuple(own.values()), **changes)


def ended(name: str, *settings: ConnectionSetting, **changes: Any) -> Container:
    """One that ended with a failure."""
    made = {
        "status": "exited",
        "exit_code": 1,
        "finished_at": "2026-01-01T09:00:00Z",
        "image": "linkbox/backend:1.4.1",
        "restart_policy": "no",
    }
    return container(name, *settings, **{**made, **changes})


def probe(*containers: Container, health: Health | None = ANSWERS, **more: Any) -> InstanceProbe:
    serving = tuple(c.name for c in containers if c.serves_health)
    return b.probe(
        containers=containers, health=health, serving=more.pop("serving", serving), **more
    )


def judge(code: str, *replaced: Any) -> Finding:
    snapshot, check = b.snapshot(*replaced), check_of(code)
    return verify_fix(check, run_check(check, snapshot), snapshot, CALLER)


def commands(finding: Finding) -> list[str]:
    """The programs of the fix, as typed on the instance."""
    assert finding.fix is not None, finding
    found = [c for c in finding.fix.commands if isinstance(c, InstanceCommand)]
    assert len(found) == len(finding.fix.commands)
    return [" && ".join(join(program) for program in c.programs) for c in found]
