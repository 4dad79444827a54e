"""The running app has the password that the parameter holds.

Means: a process keeps the environment it started with; its pool goes on until it reconnects, then
every login fails.
Found by: fingerprints of the container's password and of the parameter's, made under one key.
Looks alike: a wrong password in the parameter (AUT001): there a login with the parameter fails too.
Fix: restart the app if it fetches its settings when it starts; create the container anew if they
were given to it when it was created, since a restart keeps those.
Not the fix: the old password back in the database.
"""

from __future__ import annotations

from opskit.checks.fix import Fix
from opskit.checks.fix_commands import restart_commands
from opskit.checks.interface import Finding, failed, observed, passed, skipped, warned
from opskit.facts.app_instance import AppInstance
from opskit.facts.interface import Fact, Known
from opskit.facts.login import Login
from opskit.facts.parameters import Parameters
from opskit.facts.probe import InstanceProbe
from opskit.instance.probe import Container

explains = ("APP003",)


def check(
    parameters: Parameters, login: Fact[Login], app: Fact[AppInstance], probe: Fact[InstanceProbe]
) -> Finding:
    """Compare the fingerprints."""
    password = parameters.get("password")
    if not isinstance(probe, Known) or password is None:
        return skipped("the container or the parameter was not read")
    stale = [
        container
        for container in probe.value.containers
        if (own := container.setting("password")) is not None and own.value != password.fingerprint
    ]
    if not stale:
        named = [c.name for c in probe.value.containers if c.setting("password")]
        if not named:
            return skipped("no container shows a database password")
        return passed(f"{', '.join(named)} has the password of version {password.version}")
    return _stale(stale[0], password.name, password.version, login, app, probe)


def _stale(
    container: Container,
    name: str,
    version: int,
    login: Fact[Login],
    app: Fact[AppInstance],
    probe: Known[InstanceProbe],
) -> Finding:
    text = f"{container.name} runs with another password than {name}, version {version}, holds"
    evidence = [observed(f"it was started at {container.started_at[:19]}; the fingerprints differ")]
    said = probe.value.attempt_of(container.name)
    if said is not None:
        word = "succeeds" if said.succeeded else f"fails: {said.message}"
        evidence.append(observed(f"a login as {container.name} does it {word}"))
    commands = restart_commands(app, probe)
    fix = Fix(commands, "makes the app fetch its settings again") if commands else None
    parameter_works = isinstance(login, Known) and login.value.succeeded
    if said is not None and said.succeeded and not parameter_works:
        return warned(text + "; its own still works", *evidence)
    return failed(text, *evidence, fix=fix)
