"""A sample of the matrix, end to end; `make accuracy` runs the whole."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.accuracy import run, table
from tests.accuracy.matrix import by_name
from tests.accuracy.score import misses
from tests.conftest import Operator

SAMPLE = (
    "username-deleted",
    "role-describes-only",
    "a deny in other Regions",
    "ingress by a prefix list",
    "container-stopped + deny-outside-region",
    "without ec2:DescribeRouteTables",
)
"""One of every kind, of several layers, each right when it was chosen."""


@pytest.fixture
def hands(operator: Operator) -> Iterator[run.Person]:
    operator.need_packets()
    operator.reset()
    person = run.Person(operator)
    yield person
    person.close()
    operator.reset()


@pytest.mark.parametrize("name", SAMPLE)
def test_the_right_cause_is_named_and_its_fix_heals(hands: run.Person, name: str) -> None:
    result = run.run(by_name()[name], hands)
    assert not misses([result]), table.list_of_misses([result])
