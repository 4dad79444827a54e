"""The instance has a profile with a role, an ECS task a task role.

Means: programs on the instance get no credentials, so they can read no parameter; Session Manager
usually fails too. A running process uses the values it has read.
Found by: the instance's profile in EC2 and the profile's role in IAM.
Looks alike: an agent that is merely offline: there the profile is in place.
Fix: attach the profile; credentials arrive within a minute.
Not the fix: access keys in a file on the instance.
"""

from __future__ import annotations

from opskit.checks.fix import Advice, Fix, Remedy
from opskit.checks.interface import Finding, failed, passed, reported
from opskit.checks.seen import Seen, one_of
from opskit.symptom import SymptomKind
from opskit.workload.interface import Workload, WorkloadRole

passes_on = one_of(Seen(WorkloadRole, "role_name"))
leads_to = (
    SymptomKind.NO_CREDENTIALS,
    SymptomKind.AGENT_OFFLINE,
    SymptomKind.CREDENTIAL_UNREADABLE,
)


def check(app: Workload, role: WorkloadRole) -> Finding:
    """Judge the role and its source."""
    if role.role_name:
        return passed(f"{app.label} has role {role.role_name}")
    missing = role.missing(app)
    fix: Remedy = Advice(missing.advice)
    if missing.command is not None:
        fix = Fix((missing.command,), missing.does, no_undo=missing.no_undo)
    return failed(missing.summary, *(reported(text) for text in missing.evidence), fix=fix)
