"""Starts a rotation: creates its `open` record, which holds both passwords, before anything is changed."""

from __future__ import annotations

from collections.abc import Callable

from opskit.errors import AwsError, CannotProceed
from opskit.rotation.planning.plan import RotationOvertaken
from opskit.rotation.protocol.fence import Fence, StaleObservation
from opskit.rotation.protocol.interface import RotationIntent
from opskit.rotation.protocol.journal import Journal
from opskit.rotation.protocol.services import Event
from opskit.rotation.protocol.state_machine import CallOutcome

TRIES = 5
PAUSE_S = 0.5


class RotationStart:
    """The creation of one `open` record, with retries.

    Args:
        flags: the target's options, for the next step of an error.

    Attributes:
        may_exist: after an error: the record may have been created by a call without a reply.
    """

    def __init__(
        self, journal: Journal, fence: Fence, flags: str, sleep: Callable[[float], None]
    ) -> None:
        self._journal, self._fence, self._flags, self._sleep = journal, fence, flags, sleep
        self.may_exist = False

    def run(self, number: int, intent: RotationIntent) -> bool:
        """Create the record.

        Returns:
            Whether the replies to all calls were seen. If not, this process has to join the rotation
            like any other.

        Raises:
            RotationOvertaken: another process has just started a rotation.
            CannotProceed: the record cannot be written.
        """
        outcome = CallOutcome.UNKNOWN
        for tried in range(TRIES):
            self._sleep(PAUSE_S * tried)
            outcome = self._create(number, intent)
            if outcome is CallOutcome.UNKNOWN:
                self.may_exist = True
            elif outcome is not CallOutcome.NOT_APPLIED:
                break
        if outcome is CallOutcome.APPLIED:
            return not self.may_exist
        if outcome is CallOutcome.EXISTS:
            self.may_exist = False
            raise RotationOvertaken
        raise CannotProceed(
            "AWS did not say whether the rotation was opened",
            "opskit rotate-password --status   shows it",
        )

    def event(self, number: int) -> Event:
        """Return the event that reports the created record."""
        return Event(
            "step", "open", f"both passwords are kept in {self._journal.path}/{number}/open"
        )

    def _create(self, number: int, intent: RotationIntent) -> CallOutcome:
        """Try once to create the record."""
        self._fence.mark_observed()
        try:
            return self._journal.open(number, intent)
        except StaleObservation:
            return CallOutcome.NOT_APPLIED
        except AwsError as error:
            raise CannotProceed(
                f"the journal cannot be written: {error.permission}: {error.code}: {error.message[:200]}",
                f"opskit diagnose iam --for operator {self._flags}   prints what is missing",
            ) from None
