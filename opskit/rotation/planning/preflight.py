"""Checks everything that must hold before a rotation is started, and makes its plan.

It only reads. An unknown is a warning; only what is known to be wrong refuses the rotation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from opskit.credential_source.ssm_store import MOST_VERSIONS
from opskit.engine.interface import LoginFailure
from opskit.errors import UsageError
from opskit.facts.interface import Unknown
from opskit.facts.permissions import PermissionGroup
from opskit.rotation.planning import password as passwords
from opskit.rotation.planning import restart_targets
from opskit.rotation.planning.context import RotationContext
from opskit.rotation.planning.dependents import (
    check_elsewhere,
    check_managed,
    check_partner,
    find_password_setter,
)
from opskit.rotation.planning.plan import (
    Plan,
    RotationOptions,
    RotationOvertaken,
    describe,
    make_opening,
)
from opskit.rotation.protocol.interface import DatabaseCredential
from opskit.rotation.protocol.journal import Journal, Record
from opskit.rotation.steps.master_user import QUIET
from opskit.rotation.steps.restart import unhealthy
from opskit.transport.database_connector import DatabaseConnector

ROLE_LIMIT_S = 10.0


def make_plan(
    context: RotationContext,
    options: RotationOptions,
    connector: DatabaseConnector,
    journal: Journal,
    fence_s: float,
    group_members: Callable[[str], Sequence[str]],
    helpers: Callable[[str], Sequence[DatabaseCredential]],
) -> Plan:
    """Check the preconditions, and return the plan.

    Args:
        helpers: returns the logins that may be able to set a user's password; raises CannotProceed.
        group_members: name of an Auto Scaling group -> ids of its instances in service.

    Raises:
        RotationOvertaken: another rotation is unfinished by now.
    """
    plan = Plan()
    strategy = _strategy(context, options, plan)
    plan.managed = (context.managed_secret_arn or "") if strategy == "managed" else ""
    record = journal.latest()
    plan.number = record.number + 1
    check_previous(record, fence_s, plan)
    _check_database(context, strategy, plan)
    old = DatabaseCredential(context.user, context.password)
    _check_login(context, old, connector, plan)
    new = old if plan.managed else _new_login(context, options, strategy, plan)
    if plan.managed:
        check_managed(context, options, plan)
    check_elsewhere(context, strategy, new, plan)
    if not plan.problems:
        helper = ""
        if strategy != "master" and (options.admin_parameter or new.user != old.user):
            helper = find_password_setter(
                options.admin_parameter, new.user, connector, helpers, plan
            )
    if not plan.problems:
        _check_role(context, strategy, old, new, connector, helper, plan)
    _check_parameter(context, plan)
    _check_rights(context, plan)
    _plan_restart(context, options, plan, group_members)
    describe(context, strategy, new, connector, journal, plan)
    if not plan.problems and not plan.managed:
        plan.intent = make_opening(context, strategy, old, new, plan, options)
    return plan


def _strategy(context: RotationContext, options: RotationOptions, plan: Plan) -> str:
    is_master = context.is_master
    if is_master and context.managed_secret_arn and options.strategy == "auto":
        return "managed"
    if options.strategy == "master" and not is_master:
        raise UsageError(
            f"{context.user} is not the master user of {context.database.identifier} "
            f"({context.database.master_username} is)",
            "--strategy role",
        )
    if options.strategy != "auto":
        return options.strategy
    if is_master:
        plan.warnings.append(
            f"the app uses the master user {context.user}; a role of its own has fewer rights, and its "
            "password changes at once and without RDS"
        )
    return "master" if is_master else "role"


def check_previous(record: Record, fence_s: float, plan: Plan) -> None:
    """Note how long to wait for the previous rotation's fence.

    Raises:
        RotationOvertaken: it is unfinished.
    """
    if record.number and record.close is None:
        raise RotationOvertaken
    if record.close is not None and not record.is_closed_clean:
        plan.wait_s = max(0.0, fence_s + 1 - record.age_s(record.close.at))


def _check_database(context: RotationContext, strategy: str, plan: Plan) -> None:
    instance, cluster = context.database, context.cluster
    name = cluster.identifier if cluster else instance.identifier
    if context.managed_secret_arn and context.is_master and strategy != "managed":
        plan.refuse(
            f"Secrets Manager manages the master password of {name} ({context.managed_secret_arn}): RDS "
            "refuses another one",
            "without --strategy opskit lets RDS rotate it, and the parameter follows",
        )
    status = cluster.status if cluster else instance.status
    if status not in QUIET:
        plan.refuse(
            f"{name} is {status}",
            f"aws rds wait db-instance-available --db-instance-identifier {instance.identifier}",
        )
    waiting = cluster.pending if cluster else instance.pending
    if waiting and strategy in ("master", "managed"):
        plan.refuse(
            f"{name} has changes that wait to be applied ({', '.join(waiting)}), which a change of the "
            "password could release",
            "let them be applied first, in the maintenance window or now",
        )
    if instance.replica_of:
        plan.refuse(
            f"{instance.identifier} is a read replica; passwords change at its source {instance.replica_of}",
            f"--db-instance {instance.replica_of}",
        )


def _check_login(
    context: RotationContext, old: DatabaseCredential, connector: DatabaseConnector, plan: Plan
) -> None:
    result = connector.try_login(old.user, old.password)
    if result.succeeded:
        return
    name = context.password_name
    if result.failure is LoginFailure.IAM_AUTH:
        plan.refuse(
            f"{old.user} {context.engine.advice.iam_login}: there is no password to rotate",
            "aws rds generate-db-auth-token   is what such a role logs in with",
        )
    elif result.failure is LoginFailure.PASSWORD:
        plan.refuse(
            f"{name}, version {context.properties.version}, does not log in as {old.user}: parameter and "
            "database disagree already",
            f"opskit rotate-password repair {context.target.flags}",
        )
    elif result.failure in (LoginFailure.CERTIFICATE, LoginFailure.METHOD):
        plan.refuse(
            f"{context.host}:{context.port} could not be verified {connector.description}, "
            f"so nothing is changed there: {result.message}",
            "--ca-file FILE   verifies by another CA bundle",
        )
    else:
        plan.refuse(
            f"no login to {context.host}:{context.port} could be judged {connector.description}: "
            f"{result.message}",
            f"opskit diagnose db {context.target.flags}",
        )


def _new_login(
    context: RotationContext, options: RotationOptions, strategy: str, plan: Plan
) -> DatabaseCredential:
    in_cluster = context.cluster is not None and strategy == "master"
    rules = passwords.rules_of(context.database.engine, in_cluster=in_cluster)
    pattern = context.properties.pattern
    user = context.user
    if strategy == "alternating":
        user = context.engine.second_role(user)
    if options.supplied is not None:
        for problem in passwords.problems(options.supplied, rules, pattern):
            plan.refuse(f"the password cannot be taken: {problem}")
        plan.warnings += [f"the password: {w}" for w in passwords.warnings(options.supplied)]
        if options.supplied == context.password and user == context.user:
            plan.refuse("the password is the one that is in force already")
        return DatabaseCredential(user, options.supplied)
    length = min(options.length, rules.longest)
    if length < options.length:
        plan.warnings.append(f"{context.database.engine} takes {rules.longest} characters at most")
    drawn = passwords.generate_fitting(length, rules, pattern)
    if drawn is not None:
        return DatabaseCredential(user, drawn)
    plan.refuse(
        f"no password that opskit makes fits the AllowedPattern {pattern} of "
        f"{context.password_name}",
        "bring one: --password-stdin",
    )
    return DatabaseCredential(user, context.password)


def _check_role(
    context: RotationContext,
    strategy: str,
    old: DatabaseCredential,
    new: DatabaseCredential,
    connector: DatabaseConnector,
    helper: str,
    plan: Plan,
) -> None:
    """Check the role's attributes and permissions, which it reads itself.

    Args:
        helper: who can set the second role's password; empty if no one is known.
    """
    other = new.user if new.user != old.user else ""
    role = context.engine.role_facts(
        connector.server(), old.user, old.password, other, timeout_s=ROLE_LIMIT_S
    )
    advice = context.engine.advice
    if role.uses_iam:
        plan.refuse(f"{old.user} {advice.iam_login}: there is no password to rotate")
    if role.is_replica:
        plan.refuse(f"{context.host} is read-only; passwords change at the writer")
    if role.password_expires:
        plan.warnings.append(
            f"the password of {old.user} ends on {role.password_expires} ({advice.password_expiry}); "
            "rotating does not move that"
        )
    if strategy in ("master", "managed"):
        return
    if not role.may_change_own:
        plan.refuse(
            f"{context.database.identifier} {advice.change_restriction}, and {old.user} is none",
            advice.change_permission(old.user),
        )
    if 0 <= role.connection_limit <= 2:
        plan.warnings.append(
            f"{old.user} may have {role.connection_limit} connections only; a login to verify may be refused"
        )
    if other:
        check_partner(old, other, role, helper, advice, plan)


def _check_parameter(context: RotationContext, plan: Plan) -> None:
    name, properties = context.password_name, context.properties
    if not context.source.is_encrypted(properties.kind):
        plan.refuse(
            f"{name} is a {properties.kind}: everyone who may describe parameters can read it",
            f"opskit diagnose hygiene {context.target.flags}",
        )
    if properties.is_full:
        plan.refuse(
            f"{name} has {MOST_VERSIONS} versions and the oldest has a label, so no new one can be written",
            f"aws ssm get-parameter-history --name {name} --query 'Parameters[?Labels].[Version,Labels]'",
        )


def _check_rights(context: RotationContext, plan: Plan) -> None:
    """Check the operator's permissions for every later call, including those of a rollback."""
    if isinstance(context.access, Unknown):
        plan.warnings.append(
            f"your rights could not be checked beforehand: {context.access.reason}"
        )
        return
    needs = [
        n for n in context.access.value.needs if n.permission.group is PermissionGroup.ROTATION
    ]
    lacking = sorted({n.permission.action for n in needs if n.is_allowed is False})
    unknown = sorted({n.permission.action for n in needs if n.is_allowed is None})
    if lacking:
        plan.refuse(
            f"you may not {', '.join(lacking)}",
            f"opskit diagnose iam --for operator {context.target.flags}   prints what is missing",
        )
    if unknown:
        plan.warnings.append(
            f"whether you may {', '.join(unknown)} could not be checked beforehand; if not, it goes back"
        )


def _plan_restart(
    context: RotationContext,
    options: RotationOptions,
    plan: Plan,
    group_members: Callable[[str], Sequence[str]],
) -> None:
    """Plan the restart targets; the app must be healthy now, or a failure could not be attributed."""
    if options.restart == restart_targets.NOTHING:
        plan.warnings.append(
            "the app is not restarted: until it is, its new connections fail with the old password"
        )
        return
    if not restart_targets.needs_instance(options.restart):
        plan.restart_targets = tuple(restart_targets.service(option) for option in options.restart)
        return
    unknown = next((f for f in (context.app, context.probe) if isinstance(f, Unknown)), None)
    if unknown is not None:
        plan.refuse(
            f"what is to be restarted cannot be asked: {unknown.reason}",
            "--restart none   leaves the restart to you",
        )
    if isinstance(context.app, Unknown) or isinstance(context.probe, Unknown):
        return
    app, probe = context.app.value, context.probe.value
    fingerprint = context.parameters.get("password")
    plan.restart_targets = restart_targets.select(
        options.restart, app, probe, fingerprint.fingerprint if fingerprint else "", group_members
    )
    if not plan.restart_targets:
        plan.refuse(
            f"no container on {app.label} uses this password",
            "--restart container:NAME   or --restart none",
        )
    why, _ = unhealthy(probe.health) if probe.health else ("", "")
    if why:
        plan.refuse(
            f"the app is not healthy now, so no one could tell whether the rotation harmed it: {why}",
            f"opskit diagnose db {context.target.flags}",
        )
    if probe.health is None:
        plan.warnings.append(
            "no health path is known (--health-url): a container that runs counts as healthy"
        )
