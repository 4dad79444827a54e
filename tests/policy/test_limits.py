"""IAM's limits: names that are free, and policies that still fit."""

from __future__ import annotations

import pytest

from opskit.facts.policies import PolicyText
from opskit.policy.limits import INLINE_SIZE, NAME_LENGTH, free_name, has_room, size

HOLDER = "role app-role"


def inline(name: str, holder: str = HOLDER, text: str = "") -> PolicyText:
    return PolicyText(name, "", {"x": text}, holder)


@pytest.mark.parametrize(
    ("taken", "expected"),
    [
        ((), "read"),
        ((inline("other"),), "read"),
        ((inline("READ"),), "read-2"),
        ((inline("read"), inline("read-2")), "read-3"),
        ((inline("read", "role another"),), "read"),
        ((PolicyText("read", "arn:aws:iam::1:policy/read", {}),), "read"),
    ],
)
def test_a_name_that_the_holder_has_not(taken: tuple[PolicyText, ...], expected: str) -> None:
    assert free_name("read", taken, HOLDER) == expected


def test_signs_that_iam_refuses() -> None:
    assert free_name("read /linkbox/* (prod)", (), HOLDER) == "read-linkbox-prod-"


def test_a_long_name_is_cut_and_keeps_its_number() -> None:
    cut = "x" * NAME_LENGTH
    assert free_name("x" * 500, (), HOLDER) == cut
    second = free_name("x" * 500, (inline(cut),), HOLDER)
    assert second == f"{cut[:-2]}-2"
    assert len(second) == NAME_LENGTH


def test_white_space_does_not_count() -> None:
    assert size({"Sid": "a b\tc", "x": ["ä"]}) == len('{"Sid":"ab\\tc","x":["ä"]}')


@pytest.mark.parametrize("kind", sorted(INLINE_SIZE))
def test_the_inline_policies_of_a_holder_together(kind: str) -> None:
    holder, frame = f"{kind} x", size({"x": ""})
    full = INLINE_SIZE[kind] - 2 * frame
    added = {"x": "b"}
    assert has_room(added, (inline("a", holder, "a" * (full - 1)),), holder)
    assert not has_room(added, (inline("a", holder, "a" * full),), holder)
    assert has_room(added, (inline("a", f"{kind} y", "a" * full),), holder)
    managed = PolicyText("a", "arn:aws:iam::1:policy/a", {"x": "a" * full})
    assert has_room(added, (managed,), holder)
