"""The workflows of `repair` and `create-combined-parameter`, without a command line and without AWS."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest

from opskit.config import Target
from opskit.errors import CannotProceed, ExitStatus, RotationUnfinished, UsageError
from opskit.rotation.interaction import Declined
from opskit.rotation.planning.context import RotationContext
from opskit.rotation.protocol.interface import DatabaseCredential
from opskit.rotation.protocol.journal import Record
from opskit.rotation.protocol.record_verification import RecordVerification
from opskit.rotation.repair.proposals import Repair
from opskit.rotation.repair.workflow import (
    RepairRequest,
    create_combined_parameter,
    repair_password,
)
from opskit.secret import Secret
from tests import builders as b
from tests.rotation.test_preflight import context
from tests.rotation.test_workflow import RECORD, FakePrompter, FakeReporter, person

NAME = "/linkbox/db-password"
TYPED = "Typed-Password_1"
TARGET = Target("linkbox", b.NAMES, "/linkbox", origins={"prefix": "--prefix"})
FOUND = Repair(
    NAME,
    "linkbox",
    DatabaseCredential("linkbox", Secret(TYPED)),
    proposal="create it",
    writes_parameter=True,
)
NONE = replace(FOUND, proposal="", writes_parameter=False, sentence="no password", advice="ask")
PRESENT = context(target=TARGET)
ABSENT = replace(PRESENT, properties=PRESENT.source.absent, text=Secret(""), password=Secret(""))


@dataclass
class FakeRepairService:
    """A service whose only repair is a password that is supplied or generated."""

    context: RotationContext
    record: Record | None = None
    verification: RecordVerification = field(default_factory=RecordVerification)
    needs_repair: bool = False
    sound: bool = False
    supplied: list[str | None] = field(default_factory=list)
    applied: list[RotationContext] = field(default_factory=list)
    created: list[str] = field(default_factory=list)

    @property
    def repairs(self) -> FakeRepairService:
        return self

    def unfinished(self) -> Record | None:
        return self.record

    def verify(self, _: Record) -> RecordVerification:
        return self.verification

    def status(self, _: Record) -> Any:
        return SimpleNamespace(needs_repair=self.needs_repair)

    def load_context(self, _: Any, *, may_be_missing: bool = False) -> RotationContext:
        assert may_be_missing or not self.context.is_missing
        return self.context

    def propose(
        self, _: RotationContext, supplied: Secret | None = None, *, makes_new: bool = False
    ) -> Repair:
        self.supplied.append(supplied.reveal() if supplied else None)
        if self.sound:
            return replace(NONE, is_sound=True)
        return FOUND if supplied is not None or makes_new else NONE

    def with_key(self, missing: RotationContext, key_id: str) -> tuple[RotationContext, str]:
        return replace(
            missing, properties=replace(missing.properties, key_id=key_id or "found")
        ), "it was named"

    def apply_repair(self, _: Repair, repaired: RotationContext) -> None:
        self.applied.append(repaired)

    def create_combined_parameter(self, _: RotationContext, name: str) -> None:
        self.created.append(name)


def run(
    service: FakeRepairService,
    request: RepairRequest | None = None,
    prompter: FakePrompter | None = None,
) -> tuple[ExitStatus, str]:
    reporter = FakeReporter()
    status = repair_password(
        service,  # type: ignore[arg-type]
        request or RepairRequest(),
        reporter,
        prompter or FakePrompter(),
    )
    return status, reporter.sentences()


def test_the_password_of_a_missing_parameter_is_asked_for() -> None:
    service, prompter = FakeRepairService(ABSENT), person()
    status, sentences = run(service, RepairRequest(key_id="key-1"), prompter)
    assert status is ExitStatus.HEALTHY
    assert prompter.questions == [
        "Password of linkbox (it is tried before it is written)",
        "Do that now?",
    ]
    assert service.supplied == [None, TYPED]
    assert service.applied[0].properties.key_id == "key-1"
    assert "under the key key-1: it was named" in sentences
    assert sentences.endswith("opskit diagnose db --prefix /linkbox")
    assert TYPED not in sentences


@pytest.mark.parametrize("missing", [True, False])
def test_without_a_repair_the_next_step_is_reported(missing: bool) -> None:
    service = FakeRepairService(ABSENT if missing else PRESENT)
    prompter = FakePrompter() if missing else person()
    with pytest.raises(CannotProceed, match="no password") as caught:
        run(service, prompter=prompter)
    assert caught.value.next_step == "ask"
    assert service.applied == []
    assert prompter.questions == [], "only the password of a missing parameter is asked for"


def test_a_supplied_password_is_tried() -> None:
    service = FakeRepairService(ABSENT)
    assert run(service, RepairRequest(password_from_stdin=True))[0] is ExitStatus.HEALTHY
    assert service.supplied == [TYPED]


def test_an_existing_parameter_keeps_its_key() -> None:
    service = FakeRepairService(PRESENT)
    with pytest.raises(UsageError, match="--key-id"):
        run(service, RepairRequest(key_id="key-1"))
    assert run(service, RepairRequest(makes_new=True))[0] is ExitStatus.HEALTHY
    assert service.applied == [PRESENT]


def test_a_password_that_logs_in_is_left_alone() -> None:
    service = FakeRepairService(PRESENT, sound=True)
    status, sentences = run(service, prompter=person())
    assert status is ExitStatus.HEALTHY
    assert "nothing to repair" in sentences
    assert service.applied == []


def test_an_answer_of_no_writes_nothing() -> None:
    service = FakeRepairService(PRESENT)
    with pytest.raises(Declined):
        run(service, RepairRequest(makes_new=True), person(consents=False))
    assert service.applied == []


def test_two_sources_exclude_each_other() -> None:
    with pytest.raises(UsageError):
        run(FakeRepairService(PRESENT), RepairRequest(password_from_stdin=True, makes_new=True))


@pytest.mark.parametrize(
    ("needs_repair", "problems", "is_refused"),
    [(False, (), True), (True, (), False), (True, ("it writes /other",), True)],
)
def test_an_unfinished_rotation_is_resumed_unless_it_needs_the_repair(
    needs_repair: bool, problems: tuple[str, ...], is_refused: bool
) -> None:
    service = FakeRepairService(
        PRESENT, RECORD, RecordVerification(problems=problems), needs_repair
    )
    request = RepairRequest(makes_new=True)
    if not is_refused:
        assert run(service, request)[0] is ExitStatus.HEALTHY
        return
    with pytest.raises(RotationUnfinished) as caught:
        run(service, request)
    assert "--status" in caught.value.next_step
    assert service.supplied == []


@pytest.mark.parametrize("consents", [True, False])
def test_a_combined_parameter_is_created_after_consent(consents: bool) -> None:
    service, reporter = FakeRepairService(PRESENT), FakeReporter()
    prompter = person(consents=consents)
    arguments = service, "/l/both", reporter, prompter
    if consents:
        assert create_combined_parameter(*arguments) is ExitStatus.HEALTHY  # type: ignore[arg-type]
        assert "parameter_username = parameter_password = '/l/both'" in reporter.sentences()
    else:
        with pytest.raises(Declined):
            create_combined_parameter(*arguments)  # type: ignore[arg-type]
    assert service.created == (["/l/both"] if consents else [])
