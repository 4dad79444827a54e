"""Everything that must hold before a rotation is opened, and the plan that follows from it.

It reads, and changes nothing. What is not known is said; only what is known to be wrong refuses.
"""

from __future__ import annotations

import json
import re
import secrets
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from opskit import __version__, engine
from opskit.checks.derived import derive_all, facts_for
from opskit.config import Target
from opskit.engine.interface import Engine, LoginFailure, RoleFacts
from opskit.errors import AwsError, Incomplete, TargetError, UsageError
from opskit.facts.app_instance import AppInstance
from opskit.facts.database import Database
from opskit.facts.gather import Clients, gather
from opskit.facts.identity import Identity
from opskit.facts.interface import Fact, Known, RunKey, Ssm, Unknown, pages
from opskit.facts.parameters import Parameters, is_shared, part
from opskit.facts.permissions import Group
from opskit.facts.probe import InstanceProbe
from opskit.facts.rds import DbCluster, DbClusters, DbInstance
from opskit.facts.region import Region
from opskit.facts.snapshot import Snapshot
from opskit.policy.operator import OperatorAccess
from opskit.rotation import batches
from opskit.rotation import password as passwords
from opskit.rotation.door import Door
from opskit.rotation.interface import Login, Opening, Published
from opskit.rotation.journal import Journal, Record
from opskit.rotation.master import QUIET
from opskit.rotation.restart import Batch, unhealthy, write
from opskit.secret import Secret

NEEDED: frozenset[type] = frozenset(
    {Identity, Parameters, Database, DbClusters, AppInstance, InstanceProbe, OperatorAccess}
)
DEADLINE_S = 60.0
ROLE_LIMIT_S = 10.0
MOST_DRAWS = 200
MOST_VERSIONS = 100
"""Parameter Store keeps so many; it drops the oldest unless that has a label."""
STRATEGIES = ("auto", "master", "role", "alternating")
CLONE = "_clone"


@dataclass(frozen=True, slots=True)
class Wishes:
    """What was asked for.

    Attributes:
        restart: `auto`, `none`, or what to restart, in order.
        supplied: a password that was brought; None: one is made.
        admin_parameter: holds an administrator's user name and password as JSON; empty for none.
    """

    strategy: str = "auto"
    restart: tuple[str, ...] = ("auto",)
    length: int = passwords.DEFAULT_LENGTH
    supplied: Secret | None = None
    ca_file: str | None = None
    admin_parameter: str = ""


@dataclass
class Plan:
    """What would be done, and what stands against it.

    Attributes:
        lines: (topic, text).
        problems: (sentence, next step); any of them refuses.
        opening: None when there are problems.
        wait_s: until the previous rotation's fence is over.
    """

    lines: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
    opening: Opening | None = None
    key_id: str | None = None
    batches: tuple[Batch, ...] = ()
    number: int = 0
    wait_s: float = 0.0

    def refuse(self, sentence: str, next_step: str = "") -> None:
        """Note what stands against it."""
        self.problems.append((sentence, next_step))


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the facts say; everything else is worked out from it.

    Attributes:
        text: the password parameter's exact value; password: what of it is the password.
        row: the password parameter's description.
    """

    target: Target
    identity: Identity
    parameters: Parameters
    database: DbInstance
    cluster: DbCluster | None
    host: str
    port: int
    user: str
    name: str
    text: Secret
    password: Secret
    row: Any
    app: Fact[AppInstance]
    probe: Fact[InstanceProbe]
    access: Fact[OperatorAccess]
    spoken: Engine


def look_around(
    target: Target,
    clients: Clients,
    region: str,
    on_wait: Callable[[str], None] = lambda _: None,
) -> Surroundings:
    """Read all that a plan needs.

    Raises:
        OpskitError: what is meant cannot be found, or cannot be rotated at all.
    """
    wanted = facts_for(
        {Identity, Parameters, Database, DbClusters, AppInstance, InstanceProbe, OperatorAccess}
    )
    given = (target, Region(region), RunKey(secrets.token_hex(8)))
    snapshot = derive_all(gather(wanted, clients, given, deadline_s=DEADLINE_S, on_wait=on_wait))
    parameters: Parameters = _needed(snapshot, Parameters, "the parameters")
    database: Database = _needed(snapshot, Database, "the database")
    identity: Identity = _needed(snapshot, Identity, "who you are")
    instance = database.instance
    for purpose in ("username", "database"):
        if not parameters.value(purpose):
            raise Incomplete(
                f"{target.parameters[purpose]} was not read, so it is not known whose password this is",
                "opskit diagnose parameters",
            )
    text, row = read_parameter(clients.client("ssm"), target.parameters["password"])
    shared = is_shared(target, "password")
    password = Secret((part(text.reveal(), "password") or "") if shared else text.reveal())
    try:
        spoken = engine.for_rds_engine(instance.engine)
    except engine.UnknownEngine as error:
        raise Incomplete(f"opskit does not speak the engine {error} yet") from None
    clusters = snapshot.value(DbClusters)
    cluster = (
        next((c for c in clusters.all if c.identifier == instance.cluster_id), None)
        if clusters
        else None
    )
    return Surroundings(
        target, identity, parameters, instance, cluster, database.host or "", database.port,
        parameters.value("username") or "", parameters.value("database") or "", text, password, row,
        snapshot.get(AppInstance), snapshot.get(InstanceProbe), snapshot.get(OperatorAccess), spoken,
    )  # fmt: skip


def _needed(snapshot: Snapshot, kind: type, words: str) -> Any:
    fact = snapshot.get(kind)
    if isinstance(fact, Unknown):
        missing = f"missing: {', '.join(fact.missing)}" if fact.missing else ""
        raise Incomplete(f"nothing can be rotated without knowing {words}: {fact.reason}", missing)
    return fact.value


def read_parameter(ssm: Ssm, name: str) -> tuple[Secret, Any]:
    """A parameter's exact value, and its description.

    Raises:
        TargetError: it is not there.
        Incomplete: it cannot be read.
    """
    try:
        value = Secret(str(ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]))
        filters = [{"Key": "Name", "Option": "Equals", "Values": [name]}]
        rows = list(pages(ssm.describe_parameters, "Parameters", ParameterFilters=filters))
        versions = list(pages(ssm.get_parameter_history, "Parameters", Name=name))
    except AwsError as error:
        if error.code == "ParameterNotFound":
            raise TargetError(f"there is no parameter {name}") from None
        raise Incomplete(f"{name} cannot be read: {error.permission}: {error.code}") from None
    row = dict(rows[0])
    current = max(int(v["Version"]) for v in versions)
    row["Version"] = current
    row["Labels"] = [
        label for v in versions if int(v["Version"]) == current for label in v.get("Labels", ())
    ]
    oldest = min(versions, key=lambda v: int(v["Version"]))
    row["IsStuck"] = len(versions) >= MOST_VERSIONS and bool(oldest.get("Labels"))
    return value, row


def make_plan(
    around: Surroundings,
    wishes: Wishes,
    door: Door,
    journal: Journal,
    fence_s: float,
    group_members: Callable[[str], Sequence[str]],
    is_known: Callable[[str], bool],
) -> Plan:
    """Judge, and say what would be done.

    Args:
        is_known: whether any password of a user is written down.
        group_members: name of an Auto Scaling group -> ids of its instances in service.
    """
    plan = Plan()
    strategy = _strategy(around, wishes, plan)
    record = journal.latest()
    plan.number = record.number + 1
    _check_previous(record, fence_s, plan)
    _check_database(around, strategy, plan)
    old = Login(around.user, around.password)
    _check_login(around, old, door, plan)
    new = _new_login(around, wishes, strategy, plan)
    if not plan.problems:
        helper = "administrator" if wishes.admin_parameter else ""
        if not helper and new.user != old.user and is_known(new.user):
            helper = new.user
        _check_role(around, strategy, old, new, door, helper, plan)
    _check_parameter(around, plan)
    _check_rights(around, plan)
    _plan_restart(around, wishes, plan, group_members)
    _describe(around, wishes, strategy, new, door, journal, plan)
    if not plan.problems:
        plan.opening = _opening(around, strategy, old, new, plan, wishes)
    return plan


def _strategy(around: Surroundings, wishes: Wishes, plan: Plan) -> str:
    is_master = around.user == around.database.master_username
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


def _check_previous(record: Record, fence_s: float, plan: Plan) -> None:
    if record.number and record.close is None:
        raise AssertionError("an open rotation is dealt with before a plan is made")
    if record.close is not None and not record.is_closed_clean:
        plan.wait_s = max(0.0, fence_s + 1 - record.age_s(record.close.at))


def _check_database(around: Surroundings, strategy: str, plan: Plan) -> None:
    instance, cluster = around.database, around.cluster
    name = cluster.identifier if cluster else instance.identifier
    secret = (cluster.managed_secret_arn if cluster else None) or instance.managed_secret_arn
    is_master = around.user == instance.master_username
    if secret and is_master:
        kind = "cluster" if cluster else "instance"
        plan.refuse(
            f"Secrets Manager manages the master password of {name} ({secret}): RDS refuses another one",
            f"aws rds modify-db-{kind} --db-{kind}-identifier {name} --rotate-master-user-password "
            "--apply-immediately   rotates it; the app has to read that secret",
        )
    status = cluster.status if cluster else instance.status
    if status not in QUIET:
        plan.refuse(
            f"{name} is {status}",
            f"aws rds wait db-instance-available --db-instance-identifier {instance.identifier}",
        )
    waiting = cluster.pending if cluster else instance.pending
    if waiting and strategy == "master":
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
    if instance.stack and strategy == "master":
        plan.warnings.append(
            f"CloudFormation stack {instance.stack} declares {instance.identifier}: an update of the stack "
            "may write its own password over this one. Let it take the password by a dynamic reference "
            f"({{{{resolve:ssm-secure:{around.target.parameters['password']}}}}}) or leave it out."
        )


def _check_login(around: Surroundings, old: Login, door: Door, plan: Plan) -> None:
    done = door.try_login(old)
    if done.succeeded:
        return
    name = around.target.parameters["password"]
    if done.failure is LoginFailure.PASSWORD:
        plan.refuse(
            f"{name}, version {around.row['Version']}, does not log in as {old.user}: parameter and "
            "database disagree already",
            f"opskit rotate-password repair {name_again(around.target)}",
        )
    else:
        plan.refuse(
            f"no login to {around.host}:{around.port} could be judged {door.words}: {done.message}",
            f"opskit diagnose db {name_again(around.target)}",
        )


def _new_login(around: Surroundings, wishes: Wishes, strategy: str, plan: Plan) -> Login:
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
        return Login(user, wishes.supplied)
    length = min(wishes.length, rules.longest)
    if length < wishes.length:
        plan.warnings.append(
            f"{around.database.engine} takes {rules.longest} characters at the most"
        )
    drawn = passwords.generate(length)
    for _ in range(MOST_DRAWS):
        if not passwords.problems(drawn, rules, pattern):
            return Login(user, drawn)
        drawn = passwords.generate(length)
    plan.refuse(
        f"no password that opskit makes fits the AllowedPattern {pattern} of "
        f"{around.target.parameters['password']}",
        "bring one: --password-stdin",
    )
    return Login(user, drawn)


def _check_role(
    around: Surroundings,
    strategy: str,
    old: Login,
    new: Login,
    door: Door,
    helper: str,
    plan: Plan,
) -> None:
    """What the role may, by its own word.

    Args:
        helper: who can give the second role its password: empty when nobody is known.
    """
    other = new.user if new.user != old.user else ""
    found = around.spoken.role_facts(
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
    if strategy == "master":
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
        _check_partner(old, other, found, helper, plan)


def _check_partner(old: Login, other: str, found: RoleFacts, helper: str, plan: Plan) -> None:
    if not found.other_exists and helper != "administrator":
        plan.refuse(
            f"the second role {other} is not there, and {old.user} cannot make a member of itself",
            "--admin-parameter NAME   names a parameter with an administrator's login: "
            '{"username": ..., "password": ...}',
        )
    elif not helper:
        plan.refuse(
            f"no password of {other} is known, so it cannot change it",
            "--admin-parameter NAME   names a parameter with an administrator's login: "
            '{"username": ..., "password": ...}',
        )
    if found.other_sessions:
        plan.refuse(
            f"{other} has {found.other_sessions} open session(s): somebody still uses the role whose "
            "turn it is",
            "restart what has not been restarted since the last rotation; pg_stat_activity names the clients",
        )
    if found.other_exists and found.other_differs:
        plan.warnings.append(
            f"{other} does not have these settings of {old.user}: {', '.join(found.other_differs)}"
        )


def _check_parameter(around: Surroundings, plan: Plan) -> None:
    name, row = around.target.parameters["password"], around.row
    if row["Type"] != "SecureString":
        plan.refuse(
            f"{name} is a {row['Type']}: whoever may describe parameters can read it",
            f"opskit diagnose hygiene {name_again(around.target)}",
        )
    if row["IsStuck"]:
        plan.refuse(
            f"{name} has {MOST_VERSIONS} versions and the oldest has a label, so no new one can be written",
            f"aws ssm get-parameter-history --name {name} --query 'Parameters[?Labels].[Version,Labels]'",
        )


def _check_rights(around: Surroundings, plan: Plan) -> None:
    """Every later call, the way back included."""
    if isinstance(around.access, Unknown):
        plan.warnings.append(f"your rights could not be checked beforehand: {around.access.reason}")
        return
    needs = [n for n in around.access.value.needs if n.permission.group is Group.ROTATION]
    lacking = sorted({n.permission.action for n in needs if n.is_allowed is False})
    unknown = sorted({n.permission.action for n in needs if n.is_allowed is None})
    if lacking:
        plan.refuse(
            f"you may not {', '.join(lacking)}",
            f"opskit diagnose iam --for operator {name_again(around.target)}   prints what is missing",
        )
    if unknown:
        plan.warnings.append(
            f"whether you may {', '.join(unknown)} could not be checked beforehand; if not, it goes back"
        )


def _plan_restart(
    around: Surroundings,
    wishes: Wishes,
    plan: Plan,
    group_members: Callable[[str], Sequence[str]],
) -> None:
    """Plan the batches; the app must be healthy now, or nobody could tell a failure by it."""
    if wishes.restart == batches.NOTHING:
        plan.warnings.append(
            "the app is not restarted: until it is, its new connections fail with the old password"
        )
        return
    if all(wish.startswith("ecs:") for wish in wishes.restart):
        plan.batches = tuple(batches.ecs(wish) for wish in wishes.restart)
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
    plan.batches = batches.choose(
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
            f"opskit diagnose db {name_again(around.target)}",
        )
    if probe.health is None:
        plan.warnings.append(
            "no health path is known (--health-url): a container that runs counts as healthy"
        )


def _opening(
    around: Surroundings,
    strategy: str,
    old: Login,
    new: Login,
    plan: Plan,
    wishes: Wishes,
) -> Opening:
    plan.key_id = around.row.get("KeyId")
    app = around.app.value.instance.instance_id if isinstance(around.app, Known) else None
    return Opening(
        run=secrets.token_hex(8),
        by=around.identity.arn,
        where=socket.gethostname(),
        tool=__version__,
        strategy=strategy,
        admin_parameter=wishes.admin_parameter,
        old=old,
        new=new,
        published=_published(around, old, new),
        engine=around.database.engine,
        host=around.host,
        port=around.port,
        database=around.name,
        db_instance=around.database.identifier,
        cluster=around.cluster.identifier if around.cluster else None,
        resource=(around.cluster.resource_id if around.cluster else around.database.resource_id),
        instance=app,
        batches=tuple(write(b) for b in plan.batches),
        was_healthy=any(batch.health_url for batch in plan.batches),
    )


def _published(around: Surroundings, old: Login, new: Login) -> tuple[Published, ...]:
    """What is written: the password's parameter, and the user's where users alternate."""
    row, text = around.row, new.password
    if is_shared(around.target, "password"):
        whole = {**json.loads(around.text.reveal())}
        whole |= {"username": new.user, "password": new.password.reveal()}
        text = Secret(json.dumps(whole))
    one = Published(
        name=around.target.parameters["password"],
        kind=row["Type"],
        key_id=row.get("KeyId"),
        tier=row.get("Tier", "Standard"),
        old=around.text,
        new=text,
        old_version=row["Version"],
        labels=tuple(row["Labels"]),
    )
    user = around.parameters.get("username")
    if old.user == new.user or user is None or user.name == one.name:
        return (one,)
    other = Published(
        name=user.name,
        kind=user.kind,
        key_id=None,
        tier="Standard",
        old=Secret(old.user),
        new=Secret(new.user),
        old_version=user.version,
    )
    return (one, other)


WINDOW = {
    "master": "RDS changes it; between that and the parameter new logins fail, for about a second",
    "role": "the role changes its own; between that and the parameter new logins fail, for some milliseconds",
    "alternating": "the two roles take turns; both work until the next rotation",
}
TWO_PARAMETERS = (
    "user name and password stand in two parameters: whoever reads between the two writes gets one half "
    "of each, for some milliseconds. One parameter with both has no such moment: "
    "opskit rotate-password combine --help"
)


def _describe(
    around: Surroundings,
    wishes: Wishes,
    strategy: str,
    new: Login,
    door: Door,
    journal: Journal,
    plan: Plan,
) -> None:
    row, name = around.row, around.target.parameters["password"]
    verified = (
        f"verified by {wishes.ca_file}"
        if wishes.ca_file
        else "certificate not verified (--ca-file)"
    )
    whose = "the master user" if around.user == around.database.master_username else "a role"
    where = around.cluster.identifier if around.cluster else around.database.identifier
    key = f", key {row['KeyId']}" if row.get("KeyId") else ""
    plan.lines = [
        ("rotate", f"the password of {around.user}, {whose} of {where}"),
        ("strategy", f"{strategy}: {WINDOW[strategy]}"),
        ("parameter", f"{name}: version {row['Version']} → {row['Version'] + 1}{key}"),
        ("journal", f"{journal.path}/{plan.number}/"),
        ("login", f"{around.host}:{around.port} {door.words}, TLS, {verified}"),
    ]
    if new.user != around.user and not is_shared(around.target, "password"):
        plan.warnings.append(TWO_PARAMETERS)
    if new.user != around.user:
        plan.lines.insert(2, ("user", f"{around.user} → {new.user}"))
    for batch in plan.batches:
        health = f", then {batch.health_url}" if batch.health_url else ""
        plan.lines.append(
            ("restart", f"{batch}{f': {batch.command}' if batch.command else ''}{health}")
        )
    if not plan.batches:
        plan.lines.append(("restart", "nothing"))
    plan.lines.append(
        ("if it fails", "back to the present password, which stays readable in the journal")
    )


def name_again(target: Target) -> str:
    """The options that name this target again."""
    origin = target.origins.get("prefix", "")
    if target.prefix:
        return f"--prefix {target.prefix}"
    found = re.search(r"\[targets\.(.+)\]", origin or next(iter(target.origins.values()), ""))
    return f"--target {found.group(1)}" if found else ""
