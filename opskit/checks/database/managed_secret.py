"""Only the parameter's writer changes the master password.

Means: RDS manages this master password in Secrets Manager and changes it every seven days by
default, so a copy in SSM goes stale.
Found by: MasterUserSecret in rds:DescribeDBInstances.
Looks alike: a password that another user changed by hand.
Fix: `opskit rotate-password repair` writes the secret's value to the parameter; permanently: let the app
read the secret, or give it its own role.
Not the fix: copying the new value by hand, which lasts a week.
"""

from __future__ import annotations

from opskit.checks.fix import Advice, Fix, Remedy
from opskit.checks.fix_commands import restart_commands
from opskit.checks.interface import (
    Finding,
    failed,
    observed,
    passed,
    reported,
    undecided,
    warned,
)
from opskit.checks.parameter_value_fixes import REPAIR, selected
from opskit.checks.parameters.unread import parameter_was_read
from opskit.checks.seen import Seen, one_of
from opskit.facts.database import Database
from opskit.facts.interface import Fact, Known
from opskit.facts.login import LoginAttemptResult
from opskit.facts.probe import InstanceProbe
from opskit.facts.stored_credential import StoredCredential
from opskit.symptom import SymptomKind, place
from opskit.workload.interface import Workload

passes_on = one_of(
    Seen(Database, "instance.managed_secret_arn", lambda arn: arn is None),
    parameter_was_read("username"),
)
leads_to = (SymptomKind.LOGIN_REFUSED, SymptomKind.SETTINGS_DIFFER)


def check(
    database: Database,
    parameters: Fact[StoredCredential],
    login: Fact[LoginAttemptResult],
    app: Fact[Workload],
    probe: Fact[InstanceProbe],
) -> Finding:
    """Judge whether the parameter's user is the managed one."""
    instance = database.instance
    if instance.managed_secret_arn is None:
        return passed(f"the master password of {instance.identifier} is not managed by RDS")
    user = parameters.value.value("username") if isinstance(parameters, Known) else None
    if user is None:
        return undecided(
            f"RDS manages the password of {instance.master_username}; whether the app is that user is not "
            "known",
            "the parameter with the user",
        )
    if user != instance.master_username:
        return passed(f"{user} is not the master user, whose password RDS manages")
    text = (
        f"RDS manages the password of {instance.master_username} in {instance.managed_secret_arn} and "
        "changes it by itself, so the SSM parameter goes stale"
    )
    evidence = reported("rds:DescribeDBInstances names a MasterUserSecret")
    password = parameters.value.get("password") if isinstance(parameters, Known) else None
    if isinstance(login, Known) and login.value.is_wrong_password:
        fix: Remedy = Fix(
            (REPAIR, *restart_commands(app, probe)),
            "writes the secret's value to the parameter",
            no_undo="the parameter's earlier value logs in nowhere",
            caution="It is right until RDS rotates again; for good: let the app read the secret, or give "
            "it a role of its own. RDS refuses another master password as long as it manages it.",
        )
        if password is not None and password.selector:
            fix = Advice(selected(password))
        tried = observed(f"a login from {login.value.tried_from}: {login.value.message}")
        where = place(databases=[instance.identifier], parameters=["password"])
        return failed(text, evidence, tried, fix=fix, place=where)
    advice = Advice("Let the app read the secret, or give it a database role of its own.")
    return warned(text, evidence, fix=advice)
