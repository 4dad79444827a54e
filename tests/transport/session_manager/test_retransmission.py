"""The messages that are not acknowledged yet, by a clock of the test."""

from __future__ import annotations

import pytest

from opskit.transport.session_manager.retransmission import (
    FIRST_RTO_S,
    LONGEST_RTO_S,
    MOST_UNACKNOWLEDGED,
    PAUSED_FOR_S,
    Outbox,
)

GIVE_UP_S = 30.0


def outbox(*sequences: int, at: float = 0.0) -> Outbox:
    made = Outbox(GIVE_UP_S)
    for sequence in sequences:
        made.add(sequence, b"%d" % sequence, at)
    return made


class TestRepetition:
    def test_only_the_oldest_and_not_before_its_time(self) -> None:
        made = outbox(1, 2)
        assert made.next_at() == FIRST_RTO_S
        assert made.due(FIRST_RTO_S - 0.01) is None
        assert made.due(FIRST_RTO_S) == b"1"
        assert made.due(FIRST_RTO_S + 0.01) is None, "its time begins again"
        assert made.due(3 * FIRST_RTO_S) == b"1"

    def test_after_an_acknowledgement_the_next_one_is_the_oldest(self) -> None:
        made = outbox(1, 2)
        made.acknowledge(1, 0.1)
        assert len(made) == 1
        assert made.due(10) == b"2"

    def test_acknowledgements_come_in_any_order_and_twice(self) -> None:
        made = outbox(1, 2, 3)
        for sequence in (3, 3, 1, 7, 2):
            made.acknowledge(sequence, 0.1)
        assert (len(made), made.due(10), made.next_at()) == (0, None, None)

    def test_a_new_connection_gets_all_in_order(self) -> None:
        made = outbox(1, 2, 3)
        made.acknowledge(2, 0.1)
        assert made.again(5.0) == [b"1", b"3"]
        assert made.due(5.0) is None, "they have only now been sent"


class TestRoundTripTime:
    def test_a_slow_peer_is_given_more_time_up_to_a_limit(self) -> None:
        made = outbox()
        for sequence in range(50):
            made.add(sequence, b"", sequence * 100.0)
            made.acknowledge(sequence, sequence * 100.0 + 20)
        made.add(50, b"", 10_000.0)
        assert made.next_at() == 10_000.0 + LONGEST_RTO_S

    def test_a_quick_and_steady_peer_gets_less(self) -> None:
        made = outbox()
        for sequence in range(100):
            made.add(sequence, b"", float(sequence))
            made.acknowledge(sequence, sequence + 0.02)
        made.add(100, b"", 1000.0)
        next_at = made.next_at()
        assert next_at is not None
        assert 0.02 < next_at - 1000.0 < 0.05

    def test_the_answer_to_a_repetition_says_nothing(self) -> None:
        """Karn's algorithm: which of the two was answered is not known."""
        made = outbox(1)
        made.due(0.5)
        made.acknowledge(1, 20.0)
        made.add(2, b"", 30.0)
        assert made.next_at() == 30.0 + FIRST_RTO_S


class TestLoss:
    def test_a_silent_peer_is_lost_after_the_limit_and_not_before(self) -> None:
        made = outbox(1)
        assert not made.is_lost(GIVE_UP_S)
        assert made.is_lost(GIVE_UP_S + 0.1)

    def test_every_acknowledgement_is_a_sign_of_life(self) -> None:
        made = outbox(1, 2)
        made.acknowledge(1, 25.0)
        assert not made.is_lost(25.0 + GIVE_UP_S)
        assert made.is_lost(25.1 + GIVE_UP_S)

    def test_without_a_message_nobody_has_to_answer(self) -> None:
        assert not outbox().is_lost(1e9)
        made = outbox(1)
        made.acknowledge(1, 0.1)
        assert not made.is_lost(1e9)
        made.add(2, b"", 1e9)
        assert not made.is_lost(1e9 + GIVE_UP_S), "the silence before it does not count"

    def test_a_peer_that_is_away_gets_longer_and_no_repetitions(self) -> None:
        made = outbox(1)
        made.is_paused = True
        assert (made.due(10), made.next_at()) == (None, None)
        assert not made.is_lost(PAUSED_FOR_S)
        assert made.is_lost(PAUSED_FOR_S + 1)

    def test_back_again_its_time_begins_anew(self) -> None:
        made = outbox(1)
        made.is_paused = True
        made.resume(200.0)
        assert not made.is_lost(200.0 + GIVE_UP_S)
        assert made.due(200.0) == b"1"
        made.resume(225.0)
        assert made.is_lost(201.0 + GIVE_UP_S), "it was not away the second time"


@pytest.mark.parametrize(
    ("count", "is_full"), [(MOST_UNACKNOWLEDGED - 1, False), (MOST_UNACKNOWLEDGED, True)]
)
def test_the_sender_waits_for_a_peer_that_does_not_read(count: int, is_full: bool) -> None:
    assert outbox(*range(count)).is_full is is_full
