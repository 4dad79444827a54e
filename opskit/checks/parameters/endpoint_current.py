"""The endpoint parameter names the database's present endpoint.

Means: the app connects to a name that is gone or belongs to another database.
Found by: comparing the parameter with what RDS says, alias names followed.
Looks alike: a name that does not resolve (DNS001): there the parameter and RDS agree.
Fix: write the present endpoint into the parameter and restart the app.
Not the fix: an entry in /etc/hosts, or a CNAME under the old name: TLS names would not match.
"""

from __future__ import annotations

from opskit.checks.fix import Fix
from opskit.checks.fix_commands import put_parameter, restart_commands
from opskit.checks.interface import Finding, derived, failed, passed, reported, skipped
from opskit.facts.app_instance import AppInstance
from opskit.facts.database import Database
from opskit.facts.dns import OperatorDns
from opskit.facts.interface import Fact, Known
from opskit.facts.parameters import Parameters, is_address
from opskit.facts.probe import InstanceProbe

explains = ("dns", "network", "tcp", "tls", "auth", "app")


def check(
    parameters: Parameters,
    database: Database,
    dns: Fact[OperatorDns],
    app: Fact[AppInstance],
    probe: Fact[InstanceProbe],
) -> Finding:
    """Compare the two names."""
    endpoint, host = parameters.get("endpoint"), parameters.host
    if endpoint is None or host is None:
        return skipped("the endpoint parameter was not read")
    if is_address(host):
        return skipped("the endpoint parameter holds an address")
    if database.host is None:
        return skipped(f"{database.instance.identifier} has no endpoint yet")
    if host == database.host.lower():
        return passed(f"{endpoint.name} agrees with {database.instance.identifier}")
    if isinstance(dns, Known) and database.host.lower() in (n.lower() for n in dns.value.chain):
        return passed(f"{endpoint.name} is an alias of {database.host}")
    return failed(
        f"{endpoint.name} says {host}, but {database.instance.identifier} is at {database.host}",
        reported(f"RDS says that {database.instance.identifier} is at {database.host}"),
        derived(
            f"{database.instance.identifier} is taken to be meant because {database.chosen_because}"
        ),
        fix=Fix(
            (
                put_parameter(endpoint.name, endpoint.kind, database.host),
                *restart_commands(app, probe),
            ),
            "writes the present endpoint and restarts the app",
            undo=(put_parameter(endpoint.name, endpoint.kind, endpoint.value or ""),),
        ),
    )
