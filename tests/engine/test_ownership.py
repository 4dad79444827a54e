"""Which objects of two alternating roles the other one cannot use."""

from __future__ import annotations

import pytest

from opskit.engine.postgresql.ownership import Ownership, ownership_warnings, second_role

NOTHING = Ownership()


@pytest.mark.parametrize(
    ("user", "own", "other", "others"),
    [
        ("app", Ownership(owns=7), "app_clone", Ownership(acts_as="app")),
        ("app_clone", Ownership("app", owns=7), "app", NOTHING),
        ("app", Ownership("owner", owns=7), "app_clone", Ownership("owner", owns=1)),
        ("app", NOTHING, "app_clone", NOTHING),
    ],
)
def test_roles_that_act_as_one_need_no_warning(
    user: str, own: Ownership, other: str, others: Ownership
) -> None:
    assert ownership_warnings(user, own, other, others) == ()


@pytest.mark.parametrize(
    ("own", "others", "part"),
    [
        (Ownership(owns=7), NOTHING, "app has 7 object(s) of its own"),
        (Ownership(has_default_privileges=True), NOTHING, "app has default privileges of its own"),
        (NOTHING, Ownership(owns=3), "app_clone owns 3 object(s), which app may not"),
        (Ownership("a", owns=7), Ownership("b"), "app has 7 object(s)"),
    ],
)
def test_objects_of_one_role_are_warned_of(own: Ownership, others: Ownership, part: str) -> None:
    [warning] = ownership_warnings("app", own, "app_clone", others)
    assert part in warning
    assert "alter role app_clone set role = 'app'" in warning
    assert "reassign owned by app_clone to app" in warning


def test_the_second_role_acts_as_the_first_whoever_is_in_use() -> None:
    [warning] = ownership_warnings("app_clone", Ownership(owns=1), "app", NOTHING)
    assert "alter role app_clone set role = 'app'" in warning


def test_the_second_role_has_the_name_that_rotation_functions_give_it() -> None:
    assert second_role("app") == "app_clone"
