"""Parameter and database disagree, and no rotation is open: what the smallest repair is."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from opskit.engine.interface import LoginFailure
from opskit.errors import AwsError, Incomplete
from opskit.facts.interface import Rds, Ssm
from opskit.instance.door import Door
from opskit.rotation.decide import Outcome
from opskit.rotation.interface import Changed, Login, Published
from opskit.rotation.plan import published
from opskit.rotation.surroundings import Surroundings

MOST_TRIES = 20
"""Each costs a failed login in the database's log."""
POLL_S = 0.5


@dataclass(frozen=True, slots=True)
class Repair:
    """What is wrong, and the one write that mends it.

    Attributes:
        is_sound: the parameter's present value logs in.
        tried: where the passwords are kept that do not.
        login: what will log in afterwards.
        proposal: the write in words; None when there is none that opskit can make.
        writes_parameter: the parameter is written; otherwise the master password is set.
        advice: what a person can do where opskit cannot.
    """

    parameter: str
    user: str
    is_sound: bool
    tried: tuple[str, ...]
    login: Login
    proposal: str | None
    writes_parameter: bool
    advice: str


def propose(
    door: Door,
    known: Sequence[tuple[str, Login]],
    parameter: str,
    database: str,
    *,
    is_master: bool,
) -> Repair:
    """Try every known password once, and choose.

    Args:
        known: where it is kept, and the login; the parameter's present value first.
        is_master: RDS can set the password without knowing the present one.

    Raises:
        Incomplete: a login could not be judged; a closed port is not a wrong password.
    """
    tried: list[str] = []
    held = known[0][1]
    for index, (where, login) in enumerate(known[:MOST_TRIES]):
        done = door.try_login(login.user, login.password)
        if done.succeeded and index == 0:
            return Repair(parameter, held.user, True, (), held, None, True, "")
        if done.succeeded:
            text = f"write {where} to {parameter}: it logs in, and the database stays as it is"
            return Repair(parameter, held.user, False, tuple(tried), login, text, True, "")
        if done.failure is not LoginFailure.PASSWORD:
            raise Incomplete(f"no login could be judged {door.words}: {done.message}")
        tried.append(where)
    if is_master:
        text = f"give {held.user} of {database} the password that {parameter} holds, through RDS"
        return Repair(parameter, held.user, False, tuple(tried), held, text, False, "")
    advice = (
        f"an administrator has to give {held.user} the password that {parameter} holds; in psql:\n"
        f"\\password {held.user}"
    )
    return Repair(parameter, held.user, False, tuple(tried), held, None, False, advice)


def carry_out(
    repair: Repair,
    around: Surroundings,
    write: Callable[[Published], Changed],
    rds: Rds,
    door: Door,
    wait_s: float,
) -> None:
    """Make the one write, and wait until what the parameter holds logs in.

    Args:
        write: writes a parameter, its labels with it.
        rds: a client that repeats nothing.

    Raises:
        Incomplete: it was refused, or did not help.
    """
    if repair.writes_parameter:
        done = write(published(around, repair.login))
    else:
        try:
            rds.modify_db_instance(
                DBInstanceIdentifier=around.database.identifier,
                MasterUserPassword=repair.login.password.reveal(),
                ApplyImmediately=False,
            )
            done = Changed(Outcome.APPLIED)
        except AwsError as error:
            done = Changed.by(error)
    if done.outcome is not Outcome.APPLIED:
        raise Incomplete(
            f"the repair was not carried out: {done.why}",
            f"opskit rotate-password repair {around.target.flags}   looks again",
        )
    limit = time.monotonic() + wait_s
    while not door.try_login(repair.login.user, repair.login.password).succeeded:
        if time.monotonic() > limit:
            raise Incomplete(f"{repair.parameter} still does not log in as {repair.user}")
        time.sleep(POLL_S)


def combine(around: Surroundings, name: str, ssm: Ssm) -> None:
    """Create a parameter that holds user name and password together.

    Raises:
        Incomplete: it is there already, or may not be created.
    """
    both = {"username": around.user, "password": around.password.reveal()}
    try:
        ssm.put_parameter(
            Name=name, Value=json.dumps(both), Type="SecureString", Overwrite=False, **around.key
        )
    except AwsError as error:
        raise Incomplete(
            f"{name} was not created: {error.permission}: {error.code}: {error.message[:200]}"
        ) from None
