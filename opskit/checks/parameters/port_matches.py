"""The endpoint parameter names no other port than the database's.

Means: the app connects to a port on which nothing listens, or which the security groups drop.
Found by: comparing `host:port` in the parameter with the port that RDS reports.
Looks alike: a security group that allows another port (NET003): there the parameter is right.
Fix: write the endpoint without the wrong port and restart the app.
Not the fix: opening the wrong port in the security group.
"""

from __future__ import annotations

from opskit.checks.interface import Finding, failed, passed, reported, skipped
from opskit.checks.parameter_value_fixes import put_and_restart
from opskit.checks.parameters.unread import parameter_was_read, unread
from opskit.checks.seen import one_of
from opskit.config import Target
from opskit.credential_source import source_of
from opskit.facts.database import Database
from opskit.facts.interface import Fact
from opskit.facts.probe import InstanceProbe
from opskit.facts.stored_credential import StoredCredential
from opskit.symptom import NO_LOGIN_THERE, SymptomKind, place
from opskit.workload.interface import Workload

passes_on = one_of(parameter_was_read("endpoint"))
leads_to = (*NO_LOGIN_THERE, SymptomKind.SETTINGS_DIFFER)


def check(
    target: Target,
    parameters: StoredCredential,
    database: Database,
    app: Fact[Workload],
    probe: Fact[InstanceProbe],
) -> Finding:
    """Compare the two ports."""
    endpoint = parameters.get("endpoint")
    if endpoint is None:
        return unread(source_of(target), parameters, "endpoint")
    if parameters.port is None:
        return passed(f"{endpoint.name} names no port, so the default {database.port} is used")
    if parameters.host != (database.host or "").lower():
        return skipped(f"{endpoint.name} holds another name than RDS, so its port is not compared")
    if parameters.port == database.port:
        return passed(f"{endpoint.name} names port {database.port}, as RDS does")
    right = f"{parameters.host}:{database.port}"

    return failed(
        f"{endpoint.name} names port {parameters.port}, but {database.instance.identifier} listens "
        f"on {database.port}",
        reported(f"RDS says {database.host}:{database.port}"),
        fix=put_and_restart(
            source_of(target), parameters, (endpoint, right), app, probe, "writes the right port"
        ),
        place=place(
            hosts=[parameters.host or ""], ports=[parameters.port], parameters=["endpoint"]
        ),
    )
