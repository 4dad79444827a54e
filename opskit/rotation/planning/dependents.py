"""Checks what else depends on the credential: a second role, RDS Proxies, stacks, the managed secret.

Part of a rotation's preflight: it adds problems and warnings to the plan, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from opskit.engine.advice import EngineAdvice
from opskit.engine.interface import RoleFacts
from opskit.errors import CannotProceed
from opskit.facts.interface import Unknown
from opskit.rotation.planning.context import RotationContext
from opskit.rotation.planning.external_references import Proxy
from opskit.rotation.planning.plan import Plan, RotationOptions
from opskit.rotation.protocol.interface import DatabaseCredential
from opskit.transport.database_connector import DatabaseConnector

BY_ADMINISTRATOR = (
    "--admin-parameter NAME   names a parameter with an administrator's login: "
    '{"username": ..., "password": ...}'
)


def find_password_setter(
    admin_parameter: str,
    user: str,
    connector: DatabaseConnector,
    helpers: Callable[[str], Sequence[DatabaseCredential]],
    plan: Plan,
) -> str:
    """Find who can set a user's password, by logging in.

    It is tried before the start, since a failure would otherwise appear halfway.

    Returns:
        `administrator`, the user itself, or an empty text.
    """
    try:
        candidates = helpers(user)
    except CannotProceed as error:
        plan.refuse(error.sentence, error.next_step)
        return ""
    for login in candidates:
        result = connector.try_login(login.user, login.password)
        if result.succeeded:
            return "administrator" if admin_parameter else user
        if admin_parameter:
            plan.refuse(
                f"{admin_parameter} does not log in as {login.user}: {result.message}",
                BY_ADMINISTRATOR,
            )
    return ""


def check_partner(
    old: DatabaseCredential,
    other: str,
    role: RoleFacts,
    helper: str,
    advice: EngineAdvice,
    plan: Plan,
) -> None:
    """Check the second role of alternating users.

    Args:
        helper: who can set its password; empty if no one is known.
    """
    if not role.other_exists and helper != "administrator":
        plan.refuse(
            f"the second role {other} is not there, and {old.user} cannot make a member of itself",
            BY_ADMINISTRATOR,
        )
    elif not helper:
        plan.refuse(
            f"no password of {other} is known that logs in, so it cannot change it",
            BY_ADMINISTRATOR,
        )
    if role.other_sessions:
        plan.refuse(
            f"{other} has {role.other_sessions} open session(s): another process still uses the role whose "
            "turn it is",
            f"restart what has not been restarted since the last rotation; {advice.session_list}",
        )
    if role.other_exists and role.other_differs:
        plan.warnings.append(
            f"{other} does not have these settings of {old.user}: {', '.join(role.other_differs)}"
        )
    plan.warnings += role.ownership_warnings


def check_managed(context: RotationContext, options: RotationOptions, plan: Plan) -> None:
    """Check a rotation that RDS carries out."""
    if options.supplied is not None:
        plan.refuse(
            f"RDS makes the password of {context.user} itself and keeps it in {context.managed_secret_arn}",
            "without --password-stdin",
        )
    plan.warnings.append(
        f"RDS also rotates {context.managed_secret_arn} by itself, every seven days by default, and the "
        "parameter is stale from then on: let the app read the secret, or give it a role of its own"
    )


def check_elsewhere(
    context: RotationContext, strategy: str, new: DatabaseCredential, plan: Plan
) -> None:
    """Check for other users of the password, and for stacks that declare what is written."""
    _check_stacks(context, strategy, plan)
    if isinstance(context.proxies, Unknown):
        plan.warnings.append(
            f"{context.proxies.reason}: a proxy that logs in by this password would fail from then on"
        )
        return
    for proxy in context.proxies:
        _check_proxy(proxy, context, new, plan)


def _check_proxy(
    proxy: Proxy, context: RotationContext, new: DatabaseCredential, plan: Plan
) -> None:
    """Check an RDS Proxy, which reads its own secrets, and this rotation does not write those."""
    secret = proxy.secret_of(new.user)
    endpoint = (context.parameters.value("endpoint") or "").lower()
    if secret is not None and secret.arn == context.managed_secret_arn:
        # RDS itself writes the managed secret.
        return
    if secret is not None and secret.user:
        plan.refuse(
            f"RDS Proxy {proxy.name} logs in as {new.user} by the secret {secret.arn}, which opskit does "
            "not write: its logins would fail from the change on",
            f"aws secretsmanager rotate-secret --secret-id {secret.arn}   changes the database and the "
            "secret, where it has a rotation function\n"
            f"opskit rotate-password repair {context.target.flags}   then brings the parameter up to date",
        )
    elif endpoint.startswith(proxy.host) and proxy.host:
        who = f"a secret that may be {new.user}'s" if secret else f"no secret for {new.user}"
        plan.refuse(
            f"the app logs in through RDS Proxy {proxy.name}, which has {who}: it would refuse the new "
            "login",
            f"aws rds describe-db-proxies --db-proxy-name {proxy.name} --query 'DBProxies[].Auth'",
        )
    elif secret is not None:
        plan.warnings.append(
            f"RDS Proxy {proxy.name} logs in by {secret.arn}, and it could not be seen as whom: if as "
            f"{new.user}, its logins fail from the change on"
        )


def _check_stacks(context: RotationContext, strategy: str, plan: Plan) -> None:
    """Warn of stacks whose update would overwrite what the rotation writes."""
    instance, name = context.database, context.password_name
    if instance.stack and strategy == "master":
        plan.warnings.append(
            f"CloudFormation stack {instance.stack} declares {instance.identifier}: an update of the stack "
            "may write its own password over this one. Let it take the password by a dynamic reference "
            f"({{{{resolve:ssm-secure:{name}}}}}) or leave it out."
        )
    for written, stack in context.stacks.items():
        if written != name and strategy != "alternating":
            continue
        if isinstance(stack, Unknown):
            plan.warnings.append(f"{stack.reason}: whether a stack declares it is not known")
        elif stack:
            plan.warnings.append(
                f"CloudFormation stack {stack} declares the parameter {written}: an update of the stack "
                "that touches it writes its own value over this one. Take the parameter out of the stack "
                "(DeletionPolicy: Retain), or its value."
            )
