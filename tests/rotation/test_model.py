"""Explores the protocol: its invariants hold, and each of its rules is needed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.rotation.model import Rules, explore, naive, resumes

ONE = (1, 1, 1, 1)
"""One runner at a time; one kill, one late request, one restart."""
ENDS = ("forward", "rollback")
ORDERS_OF_TWO = {
    "forward forward", "forward rollback", "rollback forward", "rollback rollback",
}  # fmt: skip


def check(rules: Rules, size: tuple[int, int, int, int], endings: set[str]) -> None:
    explored = explore(rules, *size)
    roots, bad = resumes(explored, rules)
    counted = {result: explored.endings[result] for result in sorted(endings)}
    print(f"{rules}: {len(explored.parents)} states, {roots} resting, endings {counted}")
    assert {name: explored.path(state) for name, (state, _) in explored.broken.items()} == {}
    assert not bad, f"from {len(bad)} of {roots}: {explored.path(bad[0])}"
    assert roots > 20
    assert all(counted.values()), f"a check that reaches nothing passes everything: {counted}"


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param(Rules(), id="rds refuses while busy", marks=pytest.mark.full),
        pytest.param(Rules(busy="sync"), id="sql"),
        pytest.param(Rules(busy="queue"), id="rds queues"),
        pytest.param(Rules(shows_late=True), id="shows late"),
        pytest.param(Rules(shows_late=True, busy="queue"), id="shows late and queues"),
    ],
)
def test_one_runner_at_a_time(rules: Rules) -> None:
    check(rules, ONE, {"forward", "rollback", *ORDERS_OF_TWO})


@pytest.mark.full
def test_many_kills_and_late_requests() -> None:
    check(Rules(rotations=1), (1, 2, 2, 2), {"forward", "rollback"})


@pytest.mark.full
def test_two_runners_at_once() -> None:
    check(Rules(can_be_ill=False), (2, 0, 0, 0), {"forward", "rollback", *ORDERS_OF_TWO})


TURNS_OF_TWO = Rules(
    rotations=1, busy="sync", is_alternating=True, can_be_ill=False, command_can_fail=False
)


@pytest.mark.full
@pytest.mark.parametrize(
    ("rules", "size"),
    [
        (Rules(rotations=1, command_can_fail=False), (2, 0, 1, 0)),
        (Rules(rotations=1, busy="sync"), (2, 1, 0, 1)),
        (Rules(shows_late=True, can_be_ill=False, command_can_fail=False), (2, 1, 0, 1)),
        (TURNS_OF_TWO, (2, 0, 1, 0)),
    ],
    ids=[
        "a late request",
        "sql and a kill",
        "shows late and a kill, two rotations",
        "users in turn and a late request",
    ],
)
def test_two_runners_and_trouble(rules: Rules, size: tuple[int, int, int, int]) -> None:
    ends = ORDERS_OF_TWO if rules.rotations == 2 else set()
    check(rules, size, {"forward", "rollback", *ends})


@pytest.mark.parametrize(
    ("name", "rules", "size", "broken"),
    [
        ("no fence", Rules(rotations=1, fence=False), ONE, "I4"),
        ("no fence before the next rotation", Rules(fence_before_next=False), ONE, "I4"),
        ("no decision register", Rules(rotations=1, register=False), (2, 0, 0, 0), "I4"),
        ("the journal is believed", Rules(rotations=1, probes=False), ONE, "I2"),
        ("rollback only closes", Rules(rotations=1, undoes=False), ONE, "I4"),
        ("records deleted, no fence", Rules(rotations=1, keeps_records=False, fence=False), ONE, "I1"),
        (
            "repeats inside the SDK, no fence before the next",
            Rules(single_attempts=False, fence_before_next=False),
            ONE,
            "I4",
        ),
        ("no hold-down", Rules(rotations=1, shows_late=True, hold_down=False), ONE, "I4"),
        ("clean although an answer was unknown", Rules(unknown_is_unclean=False), ONE, "I4"),
        ("clean although somebody joined", Rules(join_is_unclean=False), (2, 0, 0, 0), "I4"),
    ],
)  # fmt: skip
def test_every_rule_is_needed(
    name: str, rules: Rules, size: tuple[int, int, int, int], broken: str
) -> None:
    """Without the rule the explorer still finds the counterexample."""
    explored = explore(rules, *size, until=broken)
    assert broken in explored.broken, f"{name}: nothing found in {len(explored.parents)} states"
    path = explored.path(explored.broken[broken][0])
    print(f"{name}: {broken}: {' | '.join(path)}")
    assert 3 < len(path) < 60


BY_HAND = replace(Rules(rotations=1), person="PDA")
"""A person sets another password in parameter and database and restarts the app, or stops half-way."""
DELETED = Rules(rotations=1, deletions=1)


@pytest.mark.parametrize(
    ("rules", "ends"),
    [
        pytest.param(BY_HAND, {"superseded"}, id="parameter first"),
        pytest.param(
            replace(BY_HAND, person="DPA"), {"superseded"}, id="database first",
            marks=pytest.mark.full,
        ),
        pytest.param(
            replace(BY_HAND, busy="sync"), {"superseded"}, id="sql", marks=pytest.mark.full
        ),
        pytest.param(DELETED, set(), id="the parameter is deleted"),
        pytest.param(
            replace(DELETED, person="P"), set(), id="deleted and created again",
            marks=pytest.mark.full,
        ),
    ],
)  # fmt: skip
def test_somebody_does_it_by_hand(rules: Rules, ends: set[str]) -> None:
    """At any time, and not further than they like: a fresh runner still ends it well."""
    check(rules, ONE, {"forward", "rollback", *ends})


@pytest.mark.full
@pytest.mark.parametrize(
    "rules", [replace(BY_HAND, person="PD"), DELETED], ids=["parameter and database", "deleted"]
)
def test_two_runners_and_somebody_by_hand(rules: Rules) -> None:
    check(rules, (2, 0, 0, 0), {"forward", "rollback"})


@pytest.mark.parametrize(
    ("name", "rules", "broken"),
    [
        ("ill on the way back is done", Rules(rotations=1, restart_must_succeed=False), "I6"),
        ("a lost transport is done", Rules(rotations=1, lost_is_not_done=False), "I6"),
        ("superseded at once", replace(BY_HAND, fence_supersedes=False), "I4"),
        (
            "a decision says all of the app",
            replace(BY_HAND, person="DPA", sees_rewrites=False),
            "I6",
        ),
    ],
)
def test_every_rule_of_the_app_and_of_others_is_needed(
    name: str, rules: Rules, broken: str
) -> None:
    explored = explore(rules, *ONE, until=broken)
    assert broken in explored.broken, f"{name}: nothing found in {len(explored.parents)} states"
    path = explored.path(explored.broken[broken][0])
    print(f"{name}: {broken}: {' | '.join(path)}")
    assert 3 < len(path) < 60


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param(
            replace(BY_HAND, supersedes=False), id="others only stop it", marks=pytest.mark.full
        ),
        pytest.param(replace(DELETED, recreates=False), id="a deleted parameter only stops it"),
    ],
)
def test_without_these_rules_a_rotation_never_ends(rules: Rules) -> None:
    explored = explore(rules, *ONE)
    roots, bad = resumes(explored, rules)
    print(f"{len(bad)} of {roots} never end, such as: {' | '.join(explored.path(bad[0]))}")
    assert explored.broken == {}
    assert 0 < len(bad) < roots


@pytest.mark.parametrize(
    ("order", "people", "kills", "broken"),
    [
        (("put", "mod"), 1, 1, {"I2", "I4"}),
        (("put", "mod"), 2, 0, {"I2", "I4"}),
        (("mod", "put"), 1, 1, {"I1", "I2"}),
        (("mod", "wait", "put"), 1, 1, {"I1"}),
        (("mod", "wait", "put"), 2, 0, {"I1 while it runs", "I4"}),
    ],
)
def test_the_usual_runbooks_lose_passwords(
    order: tuple[str, ...], people: int, kills: int, broken: set[str]
) -> None:
    assert broken <= set(naive(order, people, kills))


TURNS = Rules(busy="sync", is_alternating=True)


def test_two_users_in_turn_have_no_window() -> None:
    """Whoever starts at any moment can log in, and whoever runs can connect again."""
    check(TURNS, ONE, {"forward", "rollback", *ORDERS_OF_TWO})


THREE = (1, 2, 1, 2)
"""One runner at a time, which starts three times."""


@pytest.mark.full
def test_two_users_in_turn_three_times() -> None:
    rules = replace(TURNS, rotations=3, can_be_ill=False)
    check(rules, THREE, {f"{a} {b} {c}" for a in ENDS for b in ENDS for c in ENDS})


@pytest.mark.parametrize(("rotations", "breaks"), [(2, False), (3, True)])
def test_without_the_fence_the_third_rotation_breaks_it(rotations: int, breaks: bool) -> None:
    """The first user is used again, and a delayed request of its last turn changes its password."""
    rules = replace(
        TURNS, rotations=rotations, fence_before_next=False, can_be_ill=False, can_refuse=False
    )
    explored = explore(rules, *THREE, until="starts")
    assert ("starts" in explored.broken) is breaks
    if breaks:
        path = explored.path(explored.broken["starts"][0])
        print(" | ".join(path))
        assert sum(" opens " in step for step in path) == 3


def test_a_user_that_is_still_in_use_must_not_have_its_turn() -> None:
    """If opskit restarts the app, nothing is closed before the app runs on the published login."""
    rules = replace(TURNS, idle_is_idle=False, restarts=False)
    explored = explore(rules, *ONE, until="reconnects")
    assert "reconnects" in explored.broken
