"""A role's password by SQL: which logins are tried, and what the answers of the server add up to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from opskit.engine.interface import ChangeResult
from opskit.errors import AwsError, CannotProceed, TransportError
from opskit.rotation.protocol.interface import ChangeOutcome, DatabaseCredential
from opskit.rotation.protocol.state_machine import CallOutcome, Direction
from opskit.rotation.steps.database_role import RoleStrategy
from opskit.secret import Secret
from tests.rotation.test_records import NAME, intent

NEW = DatabaseCredential("linkbox", Secret("New-password-5678"))
OLD = DatabaseCredential("linkbox", Secret("Old-password-1234"))
ADMIN = DatabaseCredential("admin", Secret("Admin-password-1"))
DONE, LOST = ChangeResult(True), ChangeResult(None, message="no reply")
WRONG = ChangeResult(False, message="password authentication failed")
FORBIDDEN = ChangeResult(False, is_final=True, message="permission denied")


class Engine:
    """Answers each change with the next result, or its error."""

    def __init__(self, *answers: ChangeResult | Exception) -> None:
        self._answers = list(answers)
        self.users: list[str] = []
        self.asked: dict[str, Any] = {}

    def change_password(self, _: Any, user: str, *rest: Any, **asked: Any) -> ChangeResult:
        self.users.append(user)
        self.asked = asked
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def strategy(
    engine: Engine,
    *logins: DatabaseCredential,
    still_wanted: Callable[[Direction], bool] = lambda _: True,
    partner: str | None = None,
) -> RoleStrategy:
    connector: Any = SimpleNamespace(engine=engine, server=lambda: "the server")
    return RoleStrategy(
        connector,
        intent(),
        lambda _: list(logins),
        still_wanted,
        5.0,
        needs_no_login=True,
        partner=partner,
    )


def changed(
    *answers: ChangeResult | Exception, logins: Sequence[DatabaseCredential]
) -> ChangeOutcome:
    return strategy(Engine(*answers), *logins).change(NEW)


@pytest.mark.parametrize(
    ("answers", "outcome", "why"),
    [
        ((DONE,), CallOutcome.APPLIED, ""),
        ((WRONG, DONE), CallOutcome.APPLIED, ""),
        ((LOST,), CallOutcome.UNKNOWN, "as admin: no reply"),
        ((WRONG, LOST), CallOutcome.UNKNOWN, "as linkbox: no reply"),
        ((FORBIDDEN, FORBIDDEN), CallOutcome.REFUSED, "as admin: permission denied; as linkbox: permission denied"),
        ((FORBIDDEN, WRONG), CallOutcome.NOT_APPLIED, "as admin: permission denied; as linkbox: password authentication failed"),
        ((TransportError("the tunnel ended"),), CallOutcome.NOT_APPLIED, "the tunnel ended"),
        ((CannotProceed("the server is another"),), CallOutcome.NOT_APPLIED, "the server is another"),
        ((AwsError("ssm:StartSession", "AccessDenied", "no"),), CallOutcome.NOT_APPLIED, "ssm:StartSession: AccessDenied"),
    ],
)  # fmt: skip
def test_what_the_answers_add_up_to(
    answers: tuple[ChangeResult | Exception, ...], outcome: CallOutcome, why: str
) -> None:
    assert changed(*answers, logins=(ADMIN, OLD)) == ChangeOutcome(outcome, why)


def test_equal_reasons_are_given_once() -> None:
    answer = changed(WRONG, WRONG, logins=(OLD, DatabaseCredential("linkbox", Secret("x"))))
    assert answer.why == "as linkbox: password authentication failed"


def test_after_a_lost_reply_nobody_else_tries() -> None:
    engine = Engine(LOST, DONE)
    strategy(engine, ADMIN, OLD).change(NEW)
    assert engine.users == ["admin"]


def test_without_a_login_it_is_refused() -> None:
    assert changed(logins=()) == ChangeOutcome(CallOutcome.REFUSED, "no one is known who could")


@pytest.mark.parametrize(
    ("works", "users"),
    [
        (None, ["admin"]),
        (DatabaseCredential("linkbox", Secret("found-Password-1")), ["linkbox"]),
        (DatabaseCredential("other", Secret("found-Password-1")), ["admin"]),
    ],
)
def test_the_login_that_works_is_tried_first_for_its_own_role(
    works: DatabaseCredential | None, users: list[str]
) -> None:
    engine = Engine(DONE)
    strategy(engine, ADMIN).change(NEW, works=works)
    assert engine.users == users


def test_one_that_is_among_them_is_not_tried_twice() -> None:
    engine = Engine(WRONG, WRONG)
    strategy(engine, ADMIN, OLD).change(NEW, works=OLD)
    assert engine.users == ["admin", "linkbox"]


def test_the_change_is_fenced_by_a_lock_of_its_own() -> None:
    asked: list[Direction] = []

    def still_wanted(direction: Direction) -> bool:
        asked.append(direction)
        return False

    engine = Engine(DONE)
    made = strategy(engine, ADMIN, still_wanted=still_wanted, partner="linkbox")
    made.change(NEW, Direction.ROLLBACK)
    assert engine.asked["lock"] == f"opskit {NAME}"
    assert engine.asked["member_of"] == "linkbox"
    assert engine.asked["limit_s"] == 5.0
    assert engine.asked["still_wanted"]() is False
    assert asked == [Direction.ROLLBACK]


def test_nothing_is_ever_pending() -> None:
    assert not strategy(Engine()).control().is_pending
