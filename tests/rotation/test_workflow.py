"""The workflow of `rotate-password`, without a command line and without AWS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from opskit.errors import AwsError, ExitStatus, OpskitError, RotationUnfinished, UsageError
from opskit.rotation.interaction import Declined
from opskit.rotation.planning.plan import Plan, RotationOptions, RotationOvertaken
from opskit.rotation.protocol.journal import JournalEntry, Record
from opskit.rotation.protocol.record_verification import RecordVerification
from opskit.rotation.protocol.services import Event, RotationResult
from opskit.rotation.protocol.state_machine import Direction, StopReason
from opskit.rotation.status import OpenWork, RotationStatus
from opskit.rotation.workflow import (
    RequestedAction,
    RotationRequest,
    RotationWorkflow,
    show_history,
)
from opskit.secret import Secret

HER = "arn:aws:iam::1:user/her"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
RECORD = Record(1, NOW - timedelta(hours=1), (), NOW)
DONE = RotationResult(Direction.FORWARD, "", (2,), 0.1, None, ())
ROLLED_BACK = replace(DONE, direction=Direction.ROLLBACK)
SUPERSEDED = replace(DONE, direction=Direction.SUPERSEDED)
OVERTAKEN = replace(
    DONE, direction=None, why=f"{StopReason.REPLACED}: by {HER}", stop=StopReason.REPLACED
)
OURS = RecordVerification(writer="me", is_ours=True)
HERS = RecordVerification(writer=HER, doubts=("it goes through i-9",))
RESUME = RotationRequest(RequestedAction.RESUME)


class FakeReporter:
    """Keeps every report as (kind, what was reported)."""

    def __init__(self) -> None:
        self.reports: list[tuple[str, Any]] = []

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.reports]

    def sentences(self) -> str:
        return "\n".join(text for kind, text in self.reports if kind == "say")

    def say(self, text: str) -> None:
        self.reports.append(("say", text))

    def waiting(self, text: str, *, key: str = "") -> None:
        self.reports.append(("waiting", text))

    def restart_clock(self) -> None:
        self.reports.append(("clock", None))

    def event(self, event: Event) -> None:
        self.reports.append(("event", event))

    def plan(self, plan: Plan, *, dry_run: bool) -> None:
        self.reports.append(("plan", plan))

    def result(self, result: RotationResult) -> None:
        self.reports.append(("result", result))

    def status(
        self, status: RotationStatus, fence_s: float, advice: str, verification: RecordVerification
    ) -> None:
        self.reports.append(("status", advice))

    def history(self, records: Sequence[Record], initiators: Mapping[int, Any]) -> None:
        self.reports.append(("history", (records, initiators)))

    def error(self, sentence: str, next_step: str) -> None:
        self.reports.append(("error", (sentence, next_step)))


@dataclass
class FakePrompter:
    """Answers every question in the same way, and keeps the questions."""

    is_interactive: bool = False
    assumes_yes: bool = True
    consents: bool = True
    questions: list[str] = field(default_factory=list)

    def confirm(self, question: str) -> None:
        if self.assumes_yes:
            return
        if not self.is_interactive:
            raise UsageError("there is no terminal to ask on")
        self.questions.append(question)
        if not self.consents:
            raise Declined

    def password(self, prompt: str) -> Secret:
        self.questions.append(prompt)
        return Secret("Typed-Password_1")


def person(*, consents: bool = True) -> FakePrompter:
    return FakePrompter(is_interactive=True, assumes_yes=False, consents=consents)


@dataclass
class FakeService:
    """A service with the given records and results; `calls` is what it was asked to do."""

    records: list[Record | None] = field(default_factory=lambda: [RECORD])
    verification: RecordVerification = OURS
    results: list[RotationResult] = field(default_factory=lambda: [DONE])
    planned: Plan = field(default_factory=Plan)
    open_work: OpenWork = OpenWork.NOTHING
    calls: list[tuple[str, Any]] = field(default_factory=list)
    prune_error: BaseException | None = None

    journal = SimpleNamespace(path="/opskit/rotation/l/p", all=lambda: [RECORD])
    credentials = SimpleNamespace(
        previous=lambda user: Secret(f"previous-of-{user}"), initiators=lambda: {1: (HER, "role")}
    )

    def names(self) -> list[str]:
        return [name for name, _ in self.calls]

    def unfinished(self) -> Record | None:
        return self.records.pop(0) if len(self.records) > 1 else self.records[0]

    def verify(self, record: Record) -> RecordVerification:
        return self.verification

    def status(self, record: Record) -> Any:
        self.calls.append(("status", record))
        return SimpleNamespace(stop=StopReason.UNHEALTHY)

    def advise(self, stop: StopReason | None) -> str:
        return f"advice for {stop}"

    def resume(self, record: Record, direction: Direction, **options: Any) -> RotationResult:
        self.calls.append(("resume", {"direction": direction, **options}))
        self.open_work = OpenWork.ROTATION
        return self.results.pop(0)

    def load_context(self, on_wait: Any) -> Any:
        return SimpleNamespace(user="linkbox")

    def plan(self, context: Any, options: RotationOptions) -> Plan:
        self.calls.append(("plan", options))
        return self.planned

    def begin(self, plan: Plan) -> RotationResult:
        self.calls.append(("begin", plan))
        self.open_work = OpenWork.ROTATION
        return self.results.pop(0)

    def rotate_managed_secret(self, plan: Plan, context: Any) -> RotationResult:
        self.calls.append(("rotate_managed_secret", plan))
        return self.results.pop(0)

    def prune(self) -> list[int]:
        self.calls.append(("prune", None))
        if self.prune_error is not None:
            raise self.prune_error
        return []


def run(
    service: FakeService,
    request: RotationRequest,
    prompter: FakePrompter | None = None,
    reporter: FakeReporter | None = None,
) -> tuple[ExitStatus, FakeReporter]:
    """Run the workflow in virtual time."""
    now, reporter = [0.0], reporter or FakeReporter()
    status = RotationWorkflow(
        service,  # type: ignore[arg-type]
        request,
        reporter,
        prompter or FakePrompter(),
        sleep=lambda seconds: now.__setitem__(0, now[0] + seconds),
        clock=lambda: now[0],
    ).run()
    return status, reporter


NEW = RotationRequest()


def idle(**fields: Any) -> FakeService:
    """Return a service without an unfinished rotation."""
    return FakeService(records=[None], **fields)


def test_a_rotation_is_planned_confirmed_and_begun() -> None:
    service, prompter = idle(), person()
    status, reporter = run(service, NEW, prompter)
    assert status is ExitStatus.HEALTHY
    assert service.names() == ["plan", "begin", "prune"]
    assert prompter.questions == ["Rotate now?"]
    assert [kind for kind in reporter.kinds() if kind != "waiting"] == ["plan", "clock", "result"]
    assert service.open_work is OpenWork.NOTHING


def test_options_reach_the_plan() -> None:
    request = RotationRequest(
        strategy="role", restart=("none",), password_length=40, admin_parameter="/admin"
    )
    service = idle()
    run(service, request)
    assert service.calls[0][1] == RotationOptions("role", ("none",), 40, None, "/admin")
    run(service := idle(), NEW)
    assert service.calls[0][1].restart == ("auto",)


@pytest.mark.parametrize(
    ("request_", "password"),
    [
        (replace(NEW, password_from_stdin=True), "Typed-Password_1"),
        (replace(NEW, previous_password=True), "previous-of-linkbox"),
    ],
)
def test_the_source_of_the_new_password(request_: RotationRequest, password: str) -> None:
    service = idle()
    run(service, request_)
    assert service.calls[0][1].supplied.reveal() == password


def test_two_sources_of_a_password_exclude_each_other() -> None:
    service = idle()
    with pytest.raises(UsageError):
        run(service, replace(NEW, password_from_stdin=True, previous_password=True))
    assert service.calls == []


@pytest.mark.parametrize(
    ("plan", "request_", "status"),
    [
        (Plan(problems=[("it is busy", "")]), NEW, ExitStatus.NOT_JUDGED),
        (Plan(), replace(NEW, dry_run=True), ExitStatus.HEALTHY),
    ],
)
def test_a_plan_that_is_only_shown(
    plan: Plan, request_: RotationRequest, status: ExitStatus
) -> None:
    service, prompter = idle(planned=plan), person()
    assert run(service, request_, prompter)[0] is status
    assert service.names() == ["plan"]
    assert prompter.questions == []


def test_an_answer_of_no_changes_nothing() -> None:
    service = idle()
    with pytest.raises(Declined):
        run(service, NEW, person(consents=False))
    assert service.names() == ["plan"]


def test_the_fence_of_an_earlier_rotation_is_waited_for() -> None:
    service = idle(planned=Plan(wait_s=90.5))
    status, reporter = run(service, NEW)
    waits = [
        text for kind, text in reporter.reports if kind == "waiting" and "closed clean" in text
    ]
    assert status is ExitStatus.HEALTHY
    assert len(waits) == 91
    assert waits[-1].endswith("for 0 s")
    assert reporter.kinds().index("clock") < reporter.kinds().index("result")


def test_no_wait_refuses_it() -> None:
    service = idle(planned=Plan(wait_s=90.0))
    with pytest.raises(OpskitError, match="for 90 s more"):
        run(service, replace(NEW, no_wait=True))
    assert service.names() == ["plan"]


def test_a_managed_secret_is_rotated_by_rds() -> None:
    service = idle(planned=Plan(managed="arn:secret"))
    assert run(service, NEW)[0] is ExitStatus.HEALTHY
    assert service.names() == ["plan", "rotate_managed_secret", "prune"]


@pytest.mark.parametrize("action", [RequestedAction.ROTATE, RequestedAction.STATUS])
def test_an_unfinished_rotation_is_reported_and_not_touched(action: RequestedAction) -> None:
    service = FakeService()
    status, reporter = run(service, RotationRequest(action))
    assert status is ExitStatus.UNFINISHED
    assert reporter.reports == [("status", f"advice for {StopReason.UNHEALTHY}")]
    assert service.names() == ["status"]


@pytest.mark.parametrize(
    ("action", "sentence"),
    [
        (RequestedAction.STATUS, "no unfinished rotation"),
        (RequestedAction.RESUME, "no unfinished rotation: nothing to resume"),
        (RequestedAction.ROLLBACK, "no unfinished rotation: nothing to resume"),
    ],
)
def test_nothing_is_unfinished(action: RequestedAction, sentence: str) -> None:
    service = idle()
    assert run(service, RotationRequest(action))[1].reports == [("say", sentence)]
    assert service.calls == []


@pytest.mark.parametrize("is_over", [False, True])
def test_two_users_seconds_apart(is_over: bool) -> None:
    """The second one sees no unfinished rotation, and when its record is written there is one."""

    class Overtaken(FakeService):
        def begin(self, plan: Plan) -> RotationResult:
            raise RotationOvertaken

    service, reporter = Overtaken(records=[None, None if is_over else RECORD]), FakeReporter()
    if is_over:
        with pytest.raises(RotationUnfinished, match="over already"):
            run(service, NEW, reporter=reporter)
        return
    assert run(service, NEW, reporter=reporter)[0] is ExitStatus.UNFINISHED
    assert "another user has just started" in reporter.sentences()
    assert reporter.kinds()[-1] == "status"


@pytest.mark.parametrize(
    ("action", "result", "status"),
    [
        (RequestedAction.RESUME, DONE, ExitStatus.HEALTHY),
        (RequestedAction.RESUME, ROLLED_BACK, ExitStatus.FAULT),
        (RequestedAction.ROLLBACK, ROLLED_BACK, ExitStatus.HEALTHY),
        (RequestedAction.ROLLBACK, DONE, ExitStatus.FAULT),
        (RequestedAction.RESUME, SUPERSEDED, ExitStatus.FAULT),
    ],
)
def test_the_exit_status_compares_the_result_with_the_request(
    action: RequestedAction, result: RotationResult, status: ExitStatus
) -> None:
    service = FakeService(results=[result])
    assert run(service, RotationRequest(action))[0] is status
    assert service.open_work is OpenWork.NOTHING


def test_a_rotation_that_stops_stays_unfinished() -> None:
    stop = StopReason.LOCKED_OUT
    stopped = replace(DONE, direction=None, why="no login: tried 3", stop=stop)
    service = FakeService(results=[stopped])
    with pytest.raises(RotationUnfinished, match="it stopped: no login: tried 3") as caught:
        run(service, RESUME)
    assert caught.value.next_step == f"advice for {stop}"
    assert service.open_work is OpenWork.ROTATION
    assert "prune" not in service.names()


def test_another_users_rotation_is_joined_by_consent_only() -> None:
    service, reporter = FakeService(verification=HERS), FakeReporter()
    with pytest.raises(RotationUnfinished, match=HER) as caught:
        run(service, RESUME, reporter=reporter)
    assert "--take-over" in caught.value.next_step
    assert "it goes through i-9" in reporter.sentences()
    assert service.calls == [], "--yes is no consent to that"
    assert run(service, replace(RESUME, take_over=True))[0] is ExitStatus.HEALTHY
    assert service.calls[0] == (
        "resume", {"direction": Direction.FORWARD, "takes_over": True, "restarts": True},
    )  # fmt: skip


def test_on_a_terminal_it_is_shown_before_the_question() -> None:
    service, prompter = FakeService(verification=HERS), person()
    status, reporter = run(service, RESUME, prompter)
    assert status is ExitStatus.HEALTHY
    assert prompter.questions == [f"{HER} began this rotation. Go on with it?"]
    assert "status" in reporter.kinds()
    service = FakeService(verification=HERS)
    with pytest.raises(Declined):
        run(service, RESUME, person(consents=False))
    assert "resume" not in service.names()


@pytest.mark.parametrize("action", [RequestedAction.RESUME, RequestedAction.STATUS])
def test_a_forged_record_is_never_obeyed(action: RequestedAction) -> None:
    forged = RecordVerification(problems=("it writes /other/secret",), writer=HER)
    service = FakeService(verification=forged)
    with pytest.raises(RotationUnfinished, match="it writes /other/secret"):
        run(service, RotationRequest(action, take_over=True), person())
    assert service.calls == []


def test_a_rotation_that_was_touched_just_now_is_joined_after_a_question() -> None:
    joined = JournalEntry("slot-2", {"kind": "join"}, NOW - timedelta(seconds=30))
    service, prompter = FakeService(records=[replace(RECORD, entries=(joined,))]), person()
    _, reporter = run(service, RESUME, prompter)
    assert "touched this rotation 30 s ago" in reporter.sentences()
    assert prompter.questions == ["Go on all the same?"]
    prompter = person()
    run(FakeService(), RESUME, prompter)
    assert prompter.questions == [], "an hour ago is no reason to ask"


def test_what_others_have_replaced_is_ended_by_consent() -> None:
    service = FakeService(results=[OVERTAKEN])
    with pytest.raises(RotationUnfinished, match=HER):
        run(service, RESUME)
    service, prompter = FakeService(results=[OVERTAKEN, SUPERSEDED]), person()
    status, reporter = run(service, RESUME, prompter)
    assert status is ExitStatus.HEALTHY
    assert [options["takes_over"] for name, options in service.calls if name == "resume"] == [
        False,
        True,
    ]
    assert HER in reporter.sentences()
    service = FakeService(results=[OVERTAKEN])
    with pytest.raises(Declined):
        run(service, RESUME, person(consents=False))
    assert service.open_work is OpenWork.ROTATION, "it is as unfinished as before"


def test_an_unfinished_rotation_restarts_what_it_was_begun_with() -> None:
    service = FakeService()
    with pytest.raises(UsageError, match="container:web"):
        run(service, replace(RESUME, restart=("container:web",)))
    assert service.calls == []
    run(service, replace(RESUME, restart=("none",)))
    assert service.calls[0][1]["restarts"] is False


@pytest.mark.parametrize("action", RequestedAction)
@pytest.mark.parametrize(("fence_s", "warns"), [(30.0, True), (1200.0, False)])
def test_a_shorter_fence_is_warned_of_where_it_matters(
    action: RequestedAction, fence_s: float, warns: bool
) -> None:
    request = RotationRequest(action, fence_s=fence_s, fence_origin="--fence")
    _, reporter = run(FakeService(), request)
    is_warned = "--fence 30: another process" in reporter.sentences()
    assert is_warned is (warns and action is not RequestedAction.STATUS)


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), OpskitError("x"), AwsError("ssm:DeleteParameter", "Denied", "")]
)
def test_pruning_is_no_part_of_the_rotation(error: BaseException) -> None:
    service = idle(prune_error=error)
    status, reporter = run(service, NEW)
    assert status is ExitStatus.HEALTHY
    assert "result" in reporter.kinds()


def test_history_reports_every_record() -> None:
    reporter = FakeReporter()
    assert show_history(FakeService(), reporter) is ExitStatus.HEALTHY  # type: ignore[arg-type]
    assert reporter.reports == [("history", ([RECORD], {1: (HER, "role")}))]
