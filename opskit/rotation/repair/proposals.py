"""Finds the smallest repair if parameter and database disagree and no rotation is unfinished."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from opskit.engine.interface import LoginFailure
from opskit.errors import CannotProceed
from opskit.facts.value_form import JSON_OBJECT, suspicions, unsuitable
from opskit.rotation.planning import password as passwords
from opskit.rotation.planning.context import RotationContext
from opskit.rotation.protocol.interface import DatabaseCredential
from opskit.rotation.repair.advice import advise
from opskit.transport.database_connector import DatabaseConnector

MOST_TRIES = 20
"""Limit of logins to try; each failed one is in the database's log."""


@dataclass(frozen=True, slots=True)
class Repair:
    """The state of the password, and the change that repairs it.

    Attributes:
        is_sound: the parameter's current value logs in.
        tried: the places of the passwords that do not log in.
        login: the credential that will log in afterwards.
        proposal: the change as text; empty if opskit can make none.
        writes_parameter: the parameter is written, or created.
        sets_master: RDS is asked to set the master password afterwards.
        sentence, advice: without a proposal, the reason and the next steps.
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
    context: RotationContext,
    connector: DatabaseConnector,
    known: Sequence[tuple[str, DatabaseCredential]],
    region: str,
    new: DatabaseCredential | None = None,
) -> Repair:
    """Try every known password once, and propose the smallest change.

    Args:
        known: place and login of each; the parameter's current value first.
        new: to be set through RDS and written if no known password logs in.

    Raises:
        CannotProceed: a login could not be judged; a closed port does not mean a wrong password.
    """
    accepted, tried = _first_that_logs_in(context, connector, known[:MOST_TRIES])
    if len(known) > MOST_TRIES:
        tried += (f"{len(known) - MOST_TRIES} more, which are older, were not tried",)
    if accepted is not None:
        return _from_known(context, *accepted, tried)
    if new is not None and may_set_master(context):
        return _renewed(context, new, tried)
    why_not = "" if context.is_missing else unsuitable(context.password, _rules(context).longest)
    if may_set_master(context) and not context.is_missing and not why_not:
        return _reset(context, tried)
    odd = f"; its value {why_not}, so it is not made a password" if why_not else ""
    return Repair(
        _name(context),
        context.user,
        DatabaseCredential(context.user, context.password),
        tried=tried,
        sentence=f"no password that is known logs in as {context.user}{odd}",
        advice=advise(context, why_not, region, may_set_master=may_set_master(context)),
    )


def propose_supplied(
    context: RotationContext, connector: DatabaseConnector, login: DatabaseCredential, region: str
) -> Repair:
    """Try the parameter's current value, then a supplied password; nothing else is proposed."""
    present = (
        []
        if context.is_missing
        else [(_present(context), DatabaseCredential(context.user, context.password))]
    )
    known = [*present, ("the password that was given", login)]
    accepted, tried = _first_that_logs_in(context, connector, known)
    if accepted is not None:
        return _from_known(context, *accepted, tried)
    return Repair(
        _name(context),
        context.user,
        login,
        tried=tried,
        sentence=f"the password that was given does not log in as {context.user}; nothing was changed",
        advice=advise(context, "", region, may_set_master=may_set_master(context)),
    )


def may_set_master(context: RotationContext) -> bool:
    """Whether RDS can set this user's password; it refuses one that Secrets Manager manages."""
    return context.is_master and not context.managed_secret_arn


def new_login(context: RotationContext) -> DatabaseCredential:
    """Generate a password that the database and the parameter accept.

    Raises:
        CannotProceed: none matches the parameter's AllowedPattern.
    """
    pattern = context.properties.pattern
    drawn = passwords.generate_fitting(passwords.DEFAULT_LENGTH, _rules(context), pattern)
    if drawn is None:
        raise CannotProceed(f"no generated password fits the AllowedPattern {pattern}")
    return DatabaseCredential(context.user, drawn)


def _first_that_logs_in(
    context: RotationContext,
    connector: DatabaseConnector,
    known: Sequence[tuple[str, DatabaseCredential]],
) -> tuple[tuple[str, DatabaseCredential] | None, tuple[str, ...]]:
    tried: list[str] = []
    for where, login in known:
        result = connector.try_login(login.user, login.password)
        if result.succeeded:
            return (where, login), tuple(tried)
        if result.failure is LoginFailure.IAM_AUTH:
            advice = context.engine.advice
            raise CannotProceed(
                f"{login.user} {advice.iam_login}: no password is asked for",
                f"aws rds generate-db-auth-token   makes a token; {advice.iam_revocation}",
            )
        if result.failure is not LoginFailure.PASSWORD:
            raise CannotProceed(
                f"no login could be judged {connector.description}: {result.message}",
                f"opskit diagnose db {context.target.flags}",
            )
        tried.append(where)
    return None, tuple(tried)


def _from_known(
    context: RotationContext, where: str, login: DatabaseCredential, tried: tuple[str, ...]
) -> Repair:
    name = _name(context)
    if not context.is_missing and login.password == context.password:
        return Repair(name, context.user, login, is_sound=True, tried=tried)
    verb = f"create {name} with" if context.is_missing else f"write to {name}"
    text = f"{verb} {where}: it logs in, and the database stays as it is"
    if JSON_OBJECT in suspicions(context.password):
        text += f". {name} is meant to hold the password alone, and an app that reads JSON there needs it"
        text += " named for user and password both (--parameter-username, --parameter-password)"
    return Repair(name, context.user, login, tried=tried, proposal=text, writes_parameter=True)


def _renewed(context: RotationContext, new: DatabaseCredential, tried: tuple[str, ...]) -> Repair:
    name = _name(context)
    text = (
        f"write a generated password to {name}, and make it the master password of {_database(context)} "
        f"through RDS; every other client of {context.user} needs it then"
    )
    return Repair(
        name, context.user, new, tried=tried, proposal=text, writes_parameter=True, sets_master=True
    )


def _reset(context: RotationContext, tried: tuple[str, ...]) -> Repair:
    name = _name(context)
    text = (
        f"make the password that {name} holds the master password of {_database(context)} through RDS; "
        f"every other client of {context.user} needs it then"
    )
    present = DatabaseCredential(context.user, context.password)
    return Repair(name, context.user, present, tried=tried, proposal=text, sets_master=True)


def _rules(context: RotationContext) -> passwords.Rules:
    in_cluster = context.cluster is not None
    return passwords.rules_of(context.database.engine, in_cluster=in_cluster)


def _database(context: RotationContext) -> str:
    return context.cluster.identifier if context.cluster else context.database.identifier


def _name(context: RotationContext) -> str:
    return context.password_name


def _present(context: RotationContext) -> str:
    return f"the present value of {_name(context)}"
