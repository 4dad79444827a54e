"""Observes a rotation: database and parameters first, then the journal's decision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opskit.credential_source.interface import Version
from opskit.engine.interface import LoginFailure
from opskit.errors import OpskitError
from opskit.facts.interface import run_concurrently
from opskit.rotation.protocol.interface import (
    ControlPlaneState,
    DatabaseCredential,
    RotationIntent,
)
from opskit.rotation.protocol.journal import Record
from opskit.rotation.protocol.login_outage import LoginOutage
from opskit.rotation.protocol.services import RotationServices
from opskit.rotation.protocol.state_machine import (
    CredentialState,
    DatabaseState,
    Direction,
    Observation,
    PasswordVersion,
)
from opskit.rotation.steps.credential_writer import CredentialSnapshot

OURS = ((DatabaseState.NEW, "the new password"), (DatabaseState.OLD, "the old password"))


class Observer:
    """Observes one rotation, and keeps the parts of the last observation.

    Attributes:
        record: the journal's records; None before the first observation.
        stored: the state of the credential's locations; None before the first observation.
        control: the control plane's state.
        candidates: the passwords that were tried.
        change_sent_at: when this runner sent its last change; None: none.
    """

    def __init__(
        self, services: RotationServices, number: int, intent: RotationIntent, outage: LoginOutage
    ) -> None:
        self._services, self._number, self._intent = services, number, intent
        self._outage = outage
        self._quiet_since: float | None = None
        self.record: Record | None = None
        self.stored: CredentialSnapshot | None = None
        self.control = ControlPlaneState(False, "")
        self.candidates = PasswordCandidates(services, intent)
        self.change_sent_at: float | None = None

    @property
    def versions(self) -> tuple[Version, ...]:
        """The parameters' versions; empty before the first observation."""
        return self.stored.versions if self.stored else ()

    def observe(self, wants: Direction) -> Observation:
        """Observe database and parameters first, then the decision: the next request must not miss one.

        Args:
            wants: the direction to take while none is decided.

        Raises:
            AwsError, OpskitError: something could not be read.
        """
        services = self._services
        began = services.clock()
        reads: list[Callable[[], Any]] = [
            services.writer.read,
            services.strategy.control,
            self.candidates.try_ours,
        ]
        stored: CredentialSnapshot
        control: ControlPlaneState
        ours: DatabaseState | None
        stored, control, ours = run_concurrently(reads)
        database = ours or self.candidates.try_others(stored)
        self.stored, self.control = stored, control
        now = services.clock()
        if not self._intent.is_alternating:
            self._outage.observed(database, stored.state, began, now)
        is_stable = self._is_stable(control, now)
        services.fence.mark_observed()
        record = self.record = services.journal.read(self._number)
        decision = record.decided_by
        if self._intent.is_alternating and (record.decision or wants) is Direction.ROLLBACK:
            # The other user's password is no obstacle: the present one's was never touched.
            database = DatabaseState.OLD if database is DatabaseState.NEW else database
        return Observation(
            decision=record.decision,
            is_closed=record.close is not None,
            has_joiners=bool(record.joins),
            database=database,
            is_pending=control.is_pending,
            is_stable=is_stable,
            stored=stored.state,
            was_published=self._was_published(stored, record),
            fence_is_over=decision is not None
            and record.age_s(decision.at) > services.fence.seconds + 1,
            fingerprint=stored.fingerprint,
            is_app_current=decision is not None
            and decision.body.get("app_runs_on") == stored.fingerprint,
        )

    def _is_stable(self, control: ControlPlaneState, now: float) -> bool:
        """Whether for the hold-down nothing was pending, and this runner has sent no change."""
        if control.is_pending:
            self._quiet_since = None
        elif self._quiet_since is None:
            self._quiet_since = now
        if self._services.strategy.is_synchronous:
            return True
        if self._quiet_since is None:
            return False
        quiet_since = max(self._quiet_since, self.change_sent_at or 0.0)
        return now - quiet_since >= self._services.fence.hold_down_s

    def _was_published(self, stored: CredentialSnapshot, record: Record) -> bool:
        """Whether any parameter was written since the start; a recreated one's versions restart at 1."""
        if any(
            version != update.old_version
            for version, update in zip(stored.versions, self._intent.published, strict=True)
        ):
            return True
        opened_at = record.opened_at
        return opened_at is not None and any(at and at > opened_at for at in stored.written_at)

    def credential_of(self, which: PasswordVersion) -> DatabaseCredential:
        """Return the credential with a password; for OTHER, the one that the locations hold.

        Raises:
            OpskitError: they hold none.
        """
        if which is PasswordVersion.NEW:
            return self._intent.new
        if which is PasswordVersion.OLD:
            return self._intent.old
        values = self.stored.values if self.stored else ()
        credential = self._intent.login_in(values) if values else None
        if credential is None:
            raise OpskitError("what the parameter holds is no login")
        return credential

    def password_after(self, direction: Direction) -> PasswordVersion | None:
        """Return the password that is stored once the direction is completed; None for no single one."""
        if direction is Direction.SUPERSEDED:
            return self.stored.state.password if self.stored else PasswordVersion.OTHER
        return PasswordVersion.NEW if direction is Direction.FORWARD else PasswordVersion.OLD


class PasswordCandidates:
    """The passwords that may log in.

    Attributes:
        works: the login that the database accepted last; None: none.
        tried: the places of the passwords that it rejected.
        why: the message of a login that could not be judged.
    """

    def __init__(self, services: RotationServices, intent: RotationIntent) -> None:
        self._services, self._intent = services, intent
        self.works: DatabaseCredential | None = None
        self.tried: list[str] = []
        self.why = ""

    def try_ours(self) -> DatabaseState | None:
        """Try the rotation's two passwords, the new one first; None if the database rejects both."""
        self.tried, self.why = [], ""
        for state, where in OURS:
            login = self._intent.new if state is DatabaseState.NEW else self._intent.old
            accepted = self._try(state, f"{where} of this rotation", login)
            if accepted is not None:
                return accepted
        return None

    def try_others(self, stored: CredentialSnapshot) -> DatabaseState:
        """Try the parameters' password, if it is neither of the two, then all other stored ones."""
        if stored.state is CredentialState.OTHER:
            login = self._intent.login_in(stored.values)
            where = "what the parameter holds"
            accepted = self._try(DatabaseState.HELD, where, login) if login else None
            if accepted is not None:
                return accepted
        for where, login in self._services.other_candidates():
            accepted = self._try(DatabaseState.OTHER, where, login)
            if accepted is not None:
                return accepted
        self.works = None
        return DatabaseState.NONE

    def _try(
        self, state: DatabaseState, where: str, login: DatabaseCredential
    ) -> DatabaseState | None:
        """Try one login; None if the database rejects its password."""
        result = self._services.connector.try_login(login.user, login.password)
        if result.succeeded:
            self.works = login
            return state
        if result.failure is LoginFailure.PASSWORD:
            self.tried.append(where)
            return None
        self.why = result.message
        return DatabaseState.UNJUDGED
