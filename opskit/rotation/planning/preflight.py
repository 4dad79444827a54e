"""Everything that must hold before a rotation is opened, and the plan that follows from it.

It reads, and changes nothing. What is not known is said; only what is known to be wrong refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from opskit.engine.interface import LoginFailure
from opskit.errors import UsageError
from opskit.facts.interface import Unknown
from opskit.facts.permissions import PermissionGroup
from opskit.rotation.planning import password as passwords
from opskit.rotation.planning import restart_targets
from opskit.rotation.planning.context import MOST_VERSIONS, RotationContext
from opskit.rotation.planning.dependents import (
    check_elsewhere,
    check_managed,
    check_partner,
    find_password_setter,
)
from opskit.rotation.planning.plan import (
    ParameterOvertaken,
    Plan,
    RotationOptions,
    describe,
    make_opening,
)
from opskit.rotation.protocol.interface import DatabaseCredential
from opskit.rotation.protocol.journal import Journal, Record
from opskit.rotation.steps.master_user import QUIET
from opskit.rotation.steps.restart import unhealthy
from opskit.transport.database_connector import DatabaseConnector

ROLE_LIMIT_S = 10.0
CLONE = "_clone"


def make_plan(
    around: RotationContext,
    wishes: RotationOptions,
    door: DatabaseConnector,
    journal: Journal,
    fence_s: float,
    group_members: Callable[[str], Sequence[str]],
    helpers: Callable[[str], Sequence[DatabaseCredential]],
) -> Plan:
    """Judge, and say what would be done.

    Args:
        helpers: who may be able to give a user its password; raises Incomplete.
        group_members: name of an Auto Scaling group -> ids of its instances in service.

    Raises:
        Overtaken: a rotation stands open by now.
    """
    plan = Plan()
    strategy = _strategy(around, wishes, plan)
    plan.managed = (around.managed_secret_arn or "") if strategy == "managed" else ""
    record = journal.latest()
    plan.number = record.number + 1
    check_previous(record, fence_s, plan)
    _check_database(around, strategy, plan)
    old = DatabaseCredential(around.user, around.password)
    _check_login(around, old, door, plan)
    new = old if plan.managed else _new_login(around, wishes, strategy, plan)
    if plan.managed:
        check_managed(around, wishes, plan)
    check_elsewhere(around, strategy, new, plan)
    if not plan.problems:
        helper = ""
        if strategy != "master" and (wishes.admin_parameter or new.user != old.user):
            helper = find_password_setter(wishes.admin_parameter, new.user, door, helpers, plan)
    if not plan.problems:
        _check_role(around, strategy, old, new, door, helper, plan)
    _check_parameter(around, plan)
    _check_rights(around, plan)
    _plan_restart(around, wishes, plan, group_members)
    describe(around, strategy, new, door, journal, plan)
    if not plan.problems and not plan.managed:
        plan.opening = make_opening(around, strategy, old, new, plan, wishes)
    return plan


def _strategy(around: RotationContext, wishes: RotationOptions, plan: Plan) -> str:
    is_master = around.is_master
    if is_master and around.managed_secret_arn and wishes.strategy == "auto":
        return "managed"
    if wishes.strategy == "master" and not is_master:
        raise UsageError(
            f"{around.user} is not the master user of {around.database.identifier} "
            f"({around.database.master_username} is)",
            "--strategy role",
        )
    if wishes.strategy != "auto":
        return wishes.strategy
    if is_master:
        plan.warnings.append(
            f"the app uses the master user {around.user}; a role of its own has fewer rights, and its "
            "password changes at once and without RDS"
        )
    return "master" if is_master else "role"


def check_previous(record: Record, fence_s: float, plan: Plan) -> None:
    """Note how long the previous rotation has to be waited for.

    Raises:
        Overtaken: it stands open by now.
    """
    if record.number and record.close is None:
        raise ParameterOvertaken
    if record.close is not None and not record.is_closed_clean:
        plan.wait_s = max(0.0, fence_s + 1 - record.age_s(record.close.at))


def _check_database(around: RotationContext, strategy: str, plan: Plan) -> None:
    instance, cluster = around.database, around.cluster
    name = cluster.identifier if cluster else instance.identifier
    if around.managed_secret_arn and around.is_master and strategy != "managed":
        plan.refuse(
            f"Secrets Manager manages the master password of {name} ({around.managed_secret_arn}): RDS "
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
    around: RotationContext, old: DatabaseCredential, door: DatabaseConnector, plan: Plan
) -> None:
    done = door.try_login(old.user, old.password)
    if done.succeeded:
        return
    name = around.target.parameters["password"]
    if done.failure is LoginFailure.TOKEN or "PAM authentication failed" in done.message:
        plan.refuse(
            f"{old.user} logs in with IAM's tokens (rds_iam): there is no password to rotate",
            "aws rds generate-db-auth-token   is what such a role logs in with",
        )
    elif done.failure is LoginFailure.PASSWORD:
        plan.refuse(
            f"{name}, version {around.row['Version']}, does not log in as {old.user}: parameter and "
            "database disagree already",
            f"opskit rotate-password repair {around.target.flags}",
        )
    elif done.failure in (LoginFailure.CERTIFICATE, LoginFailure.METHOD):
        plan.refuse(
            f"{around.host}:{around.port} could not be verified {door.description}, "
            f"so nothing is changed there: {done.message}",
            "--ca-file FILE   verifies by another CA bundle",
        )
    else:
        plan.refuse(
            f"no login to {around.host}:{around.port} could be judged {door.description}: {done.message}",
            f"opskit diagnose db {around.target.flags}",
        )


def _new_login(
    around: RotationContext, wishes: RotationOptions, strategy: str, plan: Plan
) -> DatabaseCredential:
    in_cluster = around.cluster is not None and strategy == "master"
    rules = passwords.rules_of(around.database.engine, in_cluster=in_cluster)
    pattern = str(around.row.get("AllowedPattern", ""))
    user = around.user
    if strategy == "alternating":
        user = user.removesuffix(CLONE) if user.endswith(CLONE) else user + CLONE
    if wishes.supplied is not None:
        for problem in passwords.problems(wishes.supplied, rules, pattern):
            plan.refuse(f"the password cannot be taken: {problem}")
        plan.warnings += [f"the password: {w}" for w in passwords.warnings(wishes.supplied)]
        if wishes.supplied == around.password and user == around.user:
            plan.refuse("the password is the one that is in force already")
        return DatabaseCredential(user, wishes.supplied)
    length = min(wishes.length, rules.longest)
    if length < wishes.length:
        plan.warnings.append(
            f"{around.database.engine} takes {rules.longest} characters at the most"
        )
    drawn = passwords.generate_fitting(length, rules, pattern)
    if drawn is not None:
        return DatabaseCredential(user, drawn)
    plan.refuse(
        f"no password that opskit makes fits the AllowedPattern {pattern} of "
        f"{around.target.parameters['password']}",
        "bring one: --password-stdin",
    )
    return DatabaseCredential(user, around.password)


def _check_role(
    around: RotationContext,
    strategy: str,
    old: DatabaseCredential,
    new: DatabaseCredential,
    door: DatabaseConnector,
    helper: str,
    plan: Plan,
) -> None:
    """What the role may, by its own word.

    Args:
        helper: who can give the second role its password: empty when nobody is known.
    """
    other = new.user if new.user != old.user else ""
    found = around.engine.role_facts(
        door.server(), old.user, old.password, other, timeout_s=ROLE_LIMIT_S
    )
    if found.uses_iam:
        plan.refuse(
            f"{old.user} logs in with IAM's tokens (rds_iam): there is no password to rotate"
        )
    if found.is_replica:
        plan.refuse(f"{around.host} is read-only; passwords change at the writer")
    if found.valid_until:
        plan.warnings.append(
            f"the password of {old.user} ends on {found.valid_until} (VALID UNTIL); rotating does "
            "not move that"
        )
    if strategy in ("master", "managed"):
        return
    if not found.may_change_own:
        plan.refuse(
            f"{around.database.identifier} lets only members of rds_password change passwords "
            f"(rds.restrict_password_commands), and {old.user} is none",
            f"as an administrator: grant rds_password to {old.user}",
        )
    if 0 <= found.connection_limit <= 2:
        plan.warnings.append(
            f"{old.user} may have {found.connection_limit} connections only; a login to verify may be refused"
        )
    if other:
        check_partner(old, other, found, helper, plan)


def _check_parameter(around: RotationContext, plan: Plan) -> None:
    name, row = around.target.parameters["password"], around.row
    if row["Type"] != "SecureString":
        plan.refuse(
            f"{name} is a {row['Type']}: whoever may describe parameters can read it",
            f"opskit diagnose hygiene {around.target.flags}",
        )
    if row["IsStuck"]:
        plan.refuse(
            f"{name} has {MOST_VERSIONS} versions and the oldest has a label, so no new one can be written",
            f"aws ssm get-parameter-history --name {name} --query 'Parameters[?Labels].[Version,Labels]'",
        )


def _check_rights(around: RotationContext, plan: Plan) -> None:
    """Every later call, the way back included."""
    if isinstance(around.access, Unknown):
        plan.warnings.append(f"your rights could not be checked beforehand: {around.access.reason}")
        return
    needs = [n for n in around.access.value.needs if n.permission.group is PermissionGroup.ROTATION]
    lacking = sorted({n.permission.action for n in needs if n.is_allowed is False})
    unknown = sorted({n.permission.action for n in needs if n.is_allowed is None})
    if lacking:
        plan.refuse(
            f"you may not {', '.join(lacking)}",
            f"opskit diagnose iam --for operator {around.target.flags}   prints what is missing",
        )
    if unknown:
        plan.warnings.append(
            f"whether you may {', '.join(unknown)} could not be checked beforehand; if not, it goes back"
        )


def _plan_restart(
    around: RotationContext,
    wishes: RotationOptions,
    plan: Plan,
    group_members: Callable[[str], Sequence[str]],
) -> None:
    """Plan the batches; the app must be healthy now, or nobody could tell a failure by it."""
    if wishes.restart == restart_targets.NOTHING:
        plan.warnings.append(
            "the app is not restarted: until it is, its new connections fail with the old password"
        )
        return
    if all(wish.startswith("ecs:") for wish in wishes.restart):
        plan.batches = tuple(restart_targets.ecs(wish) for wish in wishes.restart)
        return
    unknown = next((f for f in (around.app, around.probe) if isinstance(f, Unknown)), None)
    if unknown is not None:
        plan.refuse(
            f"what is to be restarted cannot be asked: {unknown.reason}",
            "--restart none   leaves the restart to you",
        )
    if isinstance(around.app, Unknown) or isinstance(around.probe, Unknown):
        return
    app, probe = around.app.value.instance, around.probe.value
    held = around.parameters.get("password")
    plan.batches = restart_targets.select(
        wishes.restart, app, probe, held.fingerprint if held else "", group_members
    )
    if not plan.batches:
        plan.refuse(
            f"no container on {app.label} uses this password",
            "--restart container:NAME   or --restart none",
        )
    why, _ = unhealthy(probe.health) if probe.health else ("", "")
    if why:
        plan.refuse(
            f"the app is not healthy now, so nobody could tell whether the rotation harmed it: {why}",
            f"opskit diagnose db {around.target.flags}",
        )
    if probe.health is None:
        plan.warnings.append(
            "no health path is known (--health-url): a container that runs counts as healthy"
        )
