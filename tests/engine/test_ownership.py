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


SHARE = (
    """as an administrator: alter role "app_clone" set role = 'app'; what app_clone owns already: """
    'reassign owned by "app_clone" to "app"'
)
OF_ITS_OWN = (
    "of its own: what the app creates while it is app_clone's turn belongs to app_clone, without the "
    "default privileges of app."
)
CANNOT_USE = "which app may not be able to use."


@pytest.mark.parametrize(
    ("own", "others", "sentence"),
    [
        (Ownership(owns=7), NOTHING, f"app has 7 object(s) {OF_ITS_OWN}"),
        (
            Ownership(owns=7, has_default_privileges=True),
            NOTHING,
            f"app has 7 object(s) {OF_ITS_OWN}",
        ),
        (
            Ownership(has_default_privileges=True),
            NOTHING,
            f"app has default privileges {OF_ITS_OWN}",
        ),
        (NOTHING, Ownership(owns=3), f"app_clone owns 3 object(s), {CANNOT_USE}"),
        (Ownership(owns=7), Ownership(owns=3), f"app_clone owns 3 object(s), {CANNOT_USE}"),
        (Ownership("a", owns=7), Ownership("b"), f"app has 7 object(s) {OF_ITS_OWN}"),
    ],
)
def test_objects_of_one_role_are_warned_of(
    own: Ownership, others: Ownership, sentence: str
) -> None:
    assert ownership_warnings("app", own, "app_clone", others) == (f"{sentence} {SHARE}",)


def test_the_second_role_acts_as_the_first_whoever_is_in_use() -> None:
    [warning] = ownership_warnings("app_clone", Ownership(owns=1), "app", NOTHING)
    assert warning.endswith(SHARE)


def test_names_are_quoted_in_statements() -> None:
    [warning] = ownership_warnings("O'App", Ownership(owns=1), "O'App_clone", NOTHING)
    assert """alter role "O'App_clone" set role = 'O''App';""" in warning
    assert """reassign owned by "O'App_clone" to "O'App\"""" in warning


def test_the_second_role_has_the_name_that_rotation_functions_give_it() -> None:
    assert second_role("app") == "app_clone"
