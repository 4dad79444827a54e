"""Advises the next steps after a repair that opskit cannot make; none of them leads back to that repair."""

from __future__ import annotations

from opskit.checks.fix import Advice
from opskit.checks.parameter_value_fixes import put_values
from opskit.checks.shell_rendering import Caller, render
from opskit.rotation.planning.context import RotationContext


def advise(context: RotationContext, why_not: str, region: str, *, may_set_master: bool) -> str:
    """Return the next steps, one a line.

    Args:
        why_not: why RDS cannot set the parameter's value as the password, as a predicate; empty if it could.
    """
    again = f"opskit rotate-password repair {context.target.flags}"
    lines = [f"{again} --password-stdin   tries a password that you know, and writes it"]
    name = context.password_name
    if may_set_master:
        lines.append(
            f"{again} --new-password   gives {context.user} a generated one through RDS, which every other "
            "client of it needs then"
        )
    elif context.is_master:
        lines.append(
            f"RDS manages this password: with secretsmanager:GetSecretValue on {context.managed_secret_arn}, "
            "repair writes it"
        )
    elif context.user.lower() == context.database.master_username.lower():
        lines.append(_right_case(context, region))
    else:
        is_usable = not (why_not or context.is_missing)
        lines.append(
            context.engine.advice.set_password(
                context.user, f"the one of {name}" if is_usable else "a new one"
            )
        )
    return "\n".join([*lines, f"opskit diagnose db {context.target.flags}   afterwards"])


def advise_after_reset(context: RotationContext) -> str:
    """Return the next steps if the password was set correctly, and the login still fails."""
    sets = context.engine.advice.set_password(context.user, "the one that the parameter holds")
    return f"{sets}\nopskit diagnose db {context.target.flags}   afterwards"


def _right_case(context: RotationContext, region: str) -> str:
    """Advise if the parameter names the master user in another case, which is another user."""
    master, user = context.database.master_username, context.parameters.get("username")
    why = f"{context.user} differs from the master user {master} in upper and lower case only"
    if user is None:
        return why
    remedy = put_values(context.source, context.parameters, [(user, master)], "")
    if isinstance(remedy, Advice):
        return f"{why}. {remedy.text}"
    caller = Caller(region, context.target.profile or "")
    return f"{render(remedy.commands[0], caller)}   {why}"
