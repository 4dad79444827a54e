"""Retransmission: the messages that are not acknowledged yet, and the times to send them again.

Only the oldest message is repeated, as both official sides do it: the agent deliberately withholds
acknowledgements until it is ready, so that repetition is part of its flow control.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

FIRST_RTO_S, LONGEST_RTO_S = 0.2, 1.0
GRANULARITY_S = 0.01
PAUSED_FOR_S = 300.0
"""The gateway reported that the peer is away: it may come back within this time. The official client
waits as long for a silent peer."""
MOST_UNACKNOWLEDGED = 512
"""Messages: beyond it the sender waits, so that a peer that does not read uses no memory here."""


@dataclass(slots=True)
class _Sent:
    sequence: int
    frame: bytes
    at: float
    tries: int


class Outbox:
    """The unacknowledged messages of one direction.

    Args:
        give_up_after_s: without any acknowledgement for this time, the peer is considered gone.
    """

    def __init__(self, give_up_after_s: float) -> None:
        self._sent: deque[_Sent] = deque()
        self._smoothed_s, self._deviation_s, self._rto_s = 0.1, 0.0, FIRST_RTO_S
        self._give_up_after_s = give_up_after_s
        self._progress_at: float | None = None
        self.is_paused = False

    def __len__(self) -> int:
        """The number of unacknowledged messages."""
        return len(self._sent)

    @property
    def is_full(self) -> bool:
        """Whether the sender should wait."""
        return len(self._sent) >= MOST_UNACKNOWLEDGED

    def resume(self, now: float) -> None:
        """Restart all timers: the peer is back, and its silence until now does not count."""
        if self.is_paused:
            self.is_paused = False
            self.suspend_liveness_timeout(now)

    def suspend_liveness_timeout(self, now: float) -> None:
        """Restart the liveness timeout: the silence until now does not count."""
        self._progress_at = now

    def add(self, sequence: int, frame: bytes, now: float) -> None:
        """Record a message that is sent for the first time."""
        if not self._sent:
            self._progress_at = now
        self._sent.append(_Sent(sequence, frame, now, 1))

    def acknowledge(self, sequence: int, now: float) -> None:
        """Remove a message; an unknown number was acknowledged before."""
        for index, sent in enumerate(self._sent):
            if sent.sequence == sequence:
                if sent.tries == 1:
                    self._measure(now - sent.at)
                del self._sent[index]
                self._progress_at = now
                return

    def due(self, now: float) -> bytes | None:
        """The oldest message, if its retransmission is due."""
        if not self._sent or self.is_paused:
            return None
        oldest = self._sent[0]
        if now - oldest.at < self._rto_s:
            return None
        oldest.at, oldest.tries = now, oldest.tries + 1
        return oldest.frame

    def again(self, now: float) -> list[bytes]:
        """Every unacknowledged message, in order: for a new connection."""
        for sent in self._sent:
            sent.at, sent.tries = now, sent.tries + 1
        return [sent.frame for sent in self._sent]

    def is_lost(self, now: float) -> bool:
        """Whether nothing was acknowledged for so long that the peer must be gone."""
        if not self._sent or self._progress_at is None:
            return False
        limit_s = PAUSED_FOR_S if self.is_paused else self._give_up_after_s
        return now - self._progress_at > limit_s

    def next_at(self) -> float | None:
        """The earliest time of the next retransmission."""
        return None if not self._sent or self.is_paused else self._sent[0].at + self._rto_s

    def _measure(self, sample_s: float) -> None:
        """Update Jacobson's estimate of the round-trip time, as TCP does it."""
        self._deviation_s = 0.75 * self._deviation_s + 0.25 * abs(self._smoothed_s - sample_s)
        self._smoothed_s = 0.875 * self._smoothed_s + 0.125 * sample_s
        rto_s = self._smoothed_s + max(GRANULARITY_S, 4 * self._deviation_s)
        self._rto_s = min(LONGEST_RTO_S, rto_s)
