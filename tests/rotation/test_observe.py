"""What one observation of a rotation says: which password logs in, what is stable, what was written."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from opskit.engine.interface import LoginFailure, LoginResult
from opskit.errors import OpskitError
from opskit.rotation.protocol.fence import Fence, StaleObservation
from opskit.rotation.protocol.interface import (
    ControlPlaneState,
    DatabaseCredential,
    RotationIntent,
)
from opskit.rotation.protocol.journal import Journal
from opskit.rotation.protocol.login_outage import LoginOutage
from opskit.rotation.protocol.observe import Observer
from opskit.rotation.protocol.state_machine import (
    CredentialState,
    DatabaseState,
    Direction,
    Observation,
    PasswordVersion,
)
from opskit.rotation.steps.credential_writer import CredentialSnapshot
from opskit.secret import Secret
from tests.rotation.memory import NOW, ParameterStoreInMemory
from tests.rotation.test_records import NAME, NEW, OLD, intent

FENCE_S = 1200.0
FOREIGN = Secret("typed-Password-1")


class Scene:
    """A rotation whose database, parameters and control plane a test sets."""

    def __init__(self, of: RotationIntent | None = None, *, is_synchronous: bool = False) -> None:
        self.now = 0.0
        self.accepts: tuple[Secret, ...] = (OLD,)
        self.failure = LoginFailure.PASSWORD
        self.tried: list[tuple[str, Secret]] = []
        self.others: list[tuple[str, DatabaseCredential]] = []
        self.stored = CredentialSnapshot(CredentialState.OLD, (1,), (OLD,))
        self.control = ControlPlaneState(False, "")
        self.store = ParameterStoreInMemory()
        self.journal = Journal(self.store, self.store, NAME)  # type: ignore[arg-type]
        self.intent = of or intent()
        self.journal.open(1, self.intent)
        self.fence = Fence(FENCE_S, clock=lambda: self.now)
        services: Any = SimpleNamespace(
            clock=lambda: self.now,
            writer=SimpleNamespace(read=lambda: self.stored),
            strategy=SimpleNamespace(control=lambda: self.control, is_synchronous=is_synchronous),
            connector=SimpleNamespace(try_login=self._login),
            fence=self.fence,
            journal=self.journal,
            other_candidates=lambda: self.others,
        )
        self.observer = Observer(services, 1, self.intent, LoginOutage())

    def _login(self, user: str, password: Secret) -> LoginResult:
        self.tried.append((user, password))
        if password in self.accepts:
            return LoginResult(True, None, "", 1.0)
        return LoginResult(False, self.failure, "no", 1.0)

    def observe(self, wants: Direction = Direction.FORWARD) -> Observation:
        return self.observer.observe(wants)

    def hold(self, *values: Secret, state: CredentialState = CredentialState.OTHER) -> None:
        self.stored = CredentialSnapshot(state, (2,), values)


class TestDatabase:
    @pytest.mark.parametrize(
        ("accepts", "state"),
        [
            ((OLD,), DatabaseState.OLD),
            ((NEW,), DatabaseState.NEW),
            ((OLD, NEW), DatabaseState.NEW),
            ((), DatabaseState.NONE),
        ],
    )
    def test_its_own_two_are_tried_first(
        self, accepts: tuple[Secret, ...], state: DatabaseState
    ) -> None:
        scene = Scene()
        scene.accepts = accepts
        assert scene.observe().database is state
        works = scene.observer.candidates.works
        assert (works is None) is (state is DatabaseState.NONE)

    def test_a_password_that_somebody_put_into_the_parameter(self) -> None:
        scene = Scene()
        scene.accepts = (FOREIGN,)
        scene.hold(FOREIGN)
        assert scene.observe().database is DatabaseState.HELD
        assert scene.observer.candidates.works == DatabaseCredential("linkbox", FOREIGN)

    def test_then_those_of_earlier_rotations(self) -> None:
        scene = Scene()
        scene.accepts = (FOREIGN,)
        scene.others = [
            ("version 3", DatabaseCredential("linkbox", Secret("another-Password-1"))),
            ("version 2", DatabaseCredential("linkbox", FOREIGN)),
        ]
        assert scene.observe().database is DatabaseState.OTHER
        assert scene.observer.candidates.tried[-1] == "version 3"

    def test_a_closed_port_is_no_wrong_password_and_ends_the_trying(self) -> None:
        scene = Scene()
        scene.accepts, scene.failure = (), LoginFailure.NO_ANSWER
        assert scene.observe().database is DatabaseState.UNJUDGED
        assert len(scene.tried) == 1
        assert (scene.observer.candidates.why, scene.observer.candidates.tried) == ("no", [])

    def test_each_observation_begins_anew(self) -> None:
        scene = Scene()
        scene.accepts = ()
        scene.observe()
        assert len(scene.observer.candidates.tried) == 2
        scene.accepts = (NEW,)
        scene.observe()
        assert scene.observer.candidates.tried == []

    def test_places_are_named_and_passwords_are_not(self) -> None:
        scene = Scene()
        scene.accepts = ()
        scene.hold(FOREIGN)
        scene.observe()
        assert scene.observer.candidates.tried == [
            "the new password of this rotation",
            "the old password of this rotation",
            "what the parameter holds",
        ]

    @pytest.mark.parametrize(
        ("wants", "state"),
        [(Direction.FORWARD, DatabaseState.NEW), (Direction.ROLLBACK, DatabaseState.OLD)],
    )
    def test_going_back_to_the_other_of_two_users_needs_no_change(
        self, wants: Direction, state: DatabaseState
    ) -> None:
        scene = Scene(intent(new=DatabaseCredential("linkbox_2", NEW)))
        scene.accepts = (OLD, NEW)
        assert scene.observe(wants).database is state

    def test_a_decision_counts_more_than_what_this_run_wants(self) -> None:
        scene = Scene(intent(new=DatabaseCredential("linkbox_2", NEW)))
        scene.accepts = (NEW,)
        scene.journal.write(1, "decision", {"direction": "rollback"})
        assert scene.observe(Direction.FORWARD).database is DatabaseState.OLD


class TestStability:
    def states(self, scene: Scene, *steps: tuple[float, bool]) -> list[bool]:
        """Observations at times, each with whether something is pending there."""
        stable = []
        for at, is_pending in steps:
            scene.now, scene.control = at, ControlPlaneState(is_pending, "")
            stable.append(scene.observe().is_stable)
        return stable

    def test_only_after_a_quiet_time(self) -> None:
        scene = Scene()
        hold = scene.fence.hold_down_s
        steps = ((100, False), (100 + hold - 1, False), (100 + hold, False))
        assert self.states(scene, *steps) == [False, False, True]

    def test_what_is_pending_begins_it_again(self) -> None:
        scene = Scene()
        hold = scene.fence.hold_down_s
        steps = (
            (0, False),
            (hold, True),
            (hold + 1, False),
            (2 * hold, False),
            (2 * hold + 1, False),
        )
        assert self.states(scene, *steps) == [False, False, False, False, True]

    def test_so_does_a_change_of_its_own(self) -> None:
        scene = Scene()
        hold = scene.fence.hold_down_s
        scene.observe()
        scene.observer.change_sent_at = 50.0
        assert self.states(scene, (hold, False), (50 + hold, False)) == [False, True]

    def test_sql_is_in_force_at_once(self) -> None:
        assert Scene(is_synchronous=True).observe().is_stable


class TestRecord:
    def test_nothing_is_decided_at_first(self) -> None:
        seen = Scene().observe()
        assert (seen.decision, seen.is_closed, seen.has_joiners, seen.fence_is_over) == (
            None, False, False, False,
        )  # fmt: skip

    def test_who_joined_and_what_was_closed(self) -> None:
        scene = Scene()
        scene.journal.write(1, "slot-2", {"kind": "join"})
        scene.journal.write(1, "done", {"direction": "forward"})
        seen = scene.observe()
        assert (seen.has_joiners, seen.is_closed, seen.decision) == (True, True, Direction.FORWARD)

    @pytest.mark.parametrize(("age_s", "is_over"), [(FENCE_S, False), (FENCE_S + 2, True)])
    def test_the_fence_of_a_decision_by_aws_s_clock(self, age_s: float, is_over: bool) -> None:
        scene = Scene()
        scene.journal.write(1, "decision", {"direction": "forward"})
        scene.store.now += timedelta(seconds=age_s)
        assert scene.observe().fence_is_over is is_over

    def test_a_request_may_follow_for_as_long_as_the_fence_says(self) -> None:
        scene = Scene()
        with pytest.raises(StaleObservation):
            scene.fence.check()
        scene.observe()
        scene.now += scene.fence.max_observation_age_s
        scene.fence.check()
        scene.now += 1
        with pytest.raises(StaleObservation):
            scene.fence.check()

    @pytest.mark.parametrize(("runs_on", "is_current"), [("2@None", True), ("1@None", False)])
    def test_an_app_that_was_healthy_with_what_the_parameter_still_holds(
        self, runs_on: str, is_current: bool
    ) -> None:
        scene = Scene()
        scene.hold(NEW, state=CredentialState.NEW)
        scene.journal.write(1, "decision", {"direction": "forward", "app_runs_on": runs_on})
        seen = scene.observe()
        assert seen.fingerprint == "2@None"
        assert seen.is_app_current is is_current


class TestParameters:
    @pytest.mark.parametrize(
        ("version", "minutes", "was_published"),
        [(1, None, False), (2, None, True), (0, None, True), (1, -1, False), (1, 1, True)],
    )
    def test_whether_one_was_written_since_the_start(
        self, version: int, minutes: int | None, was_published: bool
    ) -> None:
        scene = Scene()
        at = None if minutes is None else NOW + timedelta(minutes=minutes)
        scene.stored = CredentialSnapshot(CredentialState.OLD, (version,), (OLD,), (at,))
        assert scene.observe().was_published is was_published

    def test_their_versions(self) -> None:
        assert Scene().observer.versions == ()
        scene = Scene()
        scene.observe()
        assert scene.observer.versions == (1,)

    def test_the_credential_of_each_state(self) -> None:
        scene = Scene()
        with pytest.raises(OpskitError, match="is no login"):
            scene.observer.credential_of(PasswordVersion.OTHER)
        scene.hold(FOREIGN)
        scene.observe()
        states: Sequence[PasswordVersion] = (
            PasswordVersion.NEW, PasswordVersion.OLD, PasswordVersion.OTHER,
        )  # fmt: skip
        held = [scene.observer.credential_of(state).password for state in states]
        assert held == [NEW, OLD, FOREIGN]

    def test_what_they_hold_at_the_end(self) -> None:
        scene = Scene()
        assert scene.observer.password_after(Direction.SUPERSEDED) is PasswordVersion.OTHER
        scene.hold(FOREIGN, state=CredentialState.MIXED)
        scene.observe()
        after = [scene.observer.password_after(direction) for direction in Direction]
        by_direction = dict(zip(Direction, after, strict=True))
        assert by_direction == {
            Direction.FORWARD: PasswordVersion.NEW,
            Direction.ROLLBACK: PasswordVersion.OLD,
            Direction.SUPERSEDED: None,
        }
