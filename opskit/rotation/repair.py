"""Parameter and database disagree, and no rotation is open: which change is the smallest repair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from opskit.engine.interface import LoginFailure
from opskit.errors import CannotProceed
from opskit.facts.value_form import JSON_OBJECT, suspicions, unsuitable
from opskit.rotation.planning import password as passwords
from opskit.rotation.planning.context import RotationContext
from opskit.rotation.protocol.interface import DatabaseCredential
from opskit.rotation.repair_advice import advise
from opskit.transport.database_connector import DatabaseConnector

MOST_TRIES = 20
"""Each costs a failed login in the database's log."""


@dataclass(frozen=True, slots=True)
class Repair:
    """The state of the password, and the change that repairs it.

    Attributes:
        is_sound: the parameter's present value logs in.
        tried: where the passwords are kept that do not.
        login: what will log in afterwards.
        proposal: the change in words; empty when there is none that opskit can make.
        writes_parameter: the parameter is written, or created.
        sets_master: RDS is asked to set the master password, after that.
        sentence, advice: where there is no proposal: why not, and what to do next.
    """

    parameter: str
    user: str
    login: DatabaseCredential
    is_sound: bool = False
    tried: tuple[str, ...] = ()
    proposal: str = ""
    writes_parameter: bool = False
    sets_master: bool = False
    sentence: str = ""
    advice: str = ""


def propose(
    around: RotationContext,
    door: DatabaseConnector,
    known: Sequence[tuple[str, DatabaseCredential]],
    region: str,
    new: DatabaseCredential | None = None,
) -> Repair:
    """Try every known password once, and choose the smallest change.

    Args:
        known: where it is kept, and the login; the parameter's present value first.
        new: to be set through RDS and written where no known password logs in.

    Raises:
        Incomplete: a login could not be judged; a closed port is not a wrong password.
    """
    found, tried = _first_that_logs_in(around, door, known[:MOST_TRIES])
    if len(known) > MOST_TRIES:
        tried += (f"{len(known) - MOST_TRIES} more, which are older, were not tried",)
    if found is not None:
        return _from_known(around, *found, tried)
    if new is not None and may_set_master(around):
        return _renewed(around, new, tried)
    why_not = "" if around.is_missing else unsuitable(around.password, _rules(around).longest)
    if may_set_master(around) and not around.is_missing and not why_not:
        return _reset(around, tried)
    odd = f"; its value {why_not}, so it is not made a password" if why_not else ""
    return Repair(
        _name(around),
        around.user,
        DatabaseCredential(around.user, around.password),
        tried=tried,
        sentence=f"no password that is known logs in as {around.user}{odd}",
        advice=advise(around, why_not, region, may_set_master=may_set_master(around)),
    )


def propose_supplied(
    around: RotationContext, door: DatabaseConnector, login: DatabaseCredential, region: str
) -> Repair:
    """Try a password that was given, after the parameter's present value; nothing else is proposed."""
    present = (
        []
        if around.is_missing
        else [(_present(around), DatabaseCredential(around.user, around.password))]
    )
    known = [*present, ("the password that was given", login)]
    found, tried = _first_that_logs_in(around, door, known)
    if found is not None:
        return _from_known(around, *found, tried)
    return Repair(
        _name(around),
        around.user,
        login,
        tried=tried,
        sentence=f"the password that was given does not log in as {around.user}; nothing was changed",
        advice=advise(around, "", region, may_set_master=may_set_master(around)),
    )


def may_set_master(around: RotationContext) -> bool:
    """Whether RDS sets this user's password; it refuses one that Secrets Manager manages."""
    return around.is_master and not around.managed_secret_arn


def new_login(around: RotationContext) -> DatabaseCredential:
    """A generated password that the database and the parameter accept.

    Raises:
        Incomplete: none fits the parameter's AllowedPattern.
    """
    pattern = str(around.row.get("AllowedPattern", ""))
    drawn = passwords.generate_fitting(passwords.DEFAULT_LENGTH, _rules(around), pattern)
    if drawn is None:
        raise CannotProceed(f"no generated password fits the AllowedPattern {pattern}")
    return DatabaseCredential(around.user, drawn)


def _first_that_logs_in(
    around: RotationContext,
    door: DatabaseConnector,
    known: Sequence[tuple[str, DatabaseCredential]],
) -> tuple[tuple[str, DatabaseCredential] | None, tuple[str, ...]]:
    tried: list[str] = []
    for where, login in known:
        done = door.try_login(login.user, login.password)
        if done.succeeded:
            return (where, login), tuple(tried)
        if done.failure is LoginFailure.TOKEN or "PAM authentication failed" in done.message:
            raise CannotProceed(
                f"{login.user} logs in with IAM's tokens (rds_iam): no password is asked for",
                "aws rds generate-db-auth-token   makes a token; an administrator can revoke rds_iam",
            )
        if done.failure is not LoginFailure.PASSWORD:
            raise CannotProceed(
                f"no login could be judged {door.description}: {done.message}",
                f"opskit diagnose db {around.target.flags}",
            )
        tried.append(where)
    return None, tuple(tried)


def _from_known(
    around: RotationContext, where: str, login: DatabaseCredential, tried: tuple[str, ...]
) -> Repair:
    name = _name(around)
    if not around.is_missing and login.password == around.password:
        return Repair(name, around.user, login, is_sound=True, tried=tried)
    verb = f"create {name} with" if around.is_missing else f"write to {name}"
    text = f"{verb} {where}: it logs in, and the database stays as it is"
    if JSON_OBJECT in suspicions(around.password):
        text += f". {name} is meant to hold the password alone, and an app that reads JSON there needs it"
        text += " named for user and password both (--parameter-username, --parameter-password)"
    return Repair(name, around.user, login, tried=tried, proposal=text, writes_parameter=True)


def _renewed(around: RotationContext, new: DatabaseCredential, tried: tuple[str, ...]) -> Repair:
    name = _name(around)
    text = (
        f"write a generated password to {name}, and make it the master password of {_database(around)} "
        f"through RDS; every other client of {around.user} needs it then"
    )
    return Repair(
        name, around.user, new, tried=tried, proposal=text, writes_parameter=True, sets_master=True
    )


def _reset(around: RotationContext, tried: tuple[str, ...]) -> Repair:
    name = _name(around)
    text = (
        f"make the password that {name} holds the master password of {_database(around)} through RDS; "
        f"every other client of {around.user} needs it then"
    )
    held = DatabaseCredential(around.user, around.password)
    return Repair(name, around.user, held, tried=tried, proposal=text, sets_master=True)


def _rules(around: RotationContext) -> passwords.Rules:
    in_cluster = around.cluster is not None
    return passwords.rules_of(around.database.engine, in_cluster=in_cluster)


def _database(around: RotationContext) -> str:
    return around.cluster.identifier if around.cluster else around.database.identifier


def _name(around: RotationContext) -> str:
    return around.target.parameters["password"]


def _present(around: RotationContext) -> str:
    return f"the present value of {_name(around)}"
