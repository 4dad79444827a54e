"""How a command that ends early is reported: what is unfinished, the next step, the exit status."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from opskit.errors import (
    AwsError,
    CannotProceed,
    ExitStatus,
    OpskitError,
    RotationUnfinished,
    Terminated,
    UsageError,
)
from opskit.rotation.error_report import report_error, report_interruption, run_reported
from opskit.rotation.interaction import Declined
from opskit.rotation.status import OpenWork
from tests.rotation.test_workflow import FakeReporter, FakeService

COMMAND = "opskit rotate-password --prefix /l"


class ClosingService(FakeService):
    """A service that notes that it was closed."""

    def close(self) -> None:
        self.calls.append(("close", None))


def run(
    error: BaseException, open_work: OpenWork = OpenWork.NOTHING
) -> tuple[ExitStatus, Any, ClosingService, list[Exception]]:
    """Run work that leaves something unfinished and fails."""
    service, reporter, bugs = ClosingService(), FakeReporter(), list[Exception]()

    def work(_: Any) -> ExitStatus:
        service.open_work = open_work
        raise error

    create: Callable[[], Any] = lambda: service  # noqa: E731
    status = run_reported(create, reporter, COMMAND, bugs.append, work)
    return status, reporter.reports[-1][1], service, bugs


@pytest.mark.parametrize(
    ("error", "status", "sentence"),
    [
        (CannotProceed("it is busy"), ExitStatus.NOT_JUDGED, "it is busy"),
        (UsageError("wrong"), ExitStatus.USAGE, "wrong"),
        (Declined(), ExitStatus.INTERRUPTED, "nothing was changed"),
        (KeyboardInterrupt(), ExitStatus.INTERRUPTED, "interrupted; nothing was changed"),
        (
            AwsError("ssm:GetParameter", "Throttling", "slow"),
            ExitStatus.NOT_JUDGED,
            "ssm:GetParameter failed: Throttling slow",
        ),
    ],
)
def test_an_end_that_leaves_nothing(
    error: BaseException, status: ExitStatus, sentence: str
) -> None:
    result, report, service, _ = run(error)
    assert (result, report) == (status, (sentence, ""))
    assert service.names() == ["close"]


@pytest.mark.parametrize("open_work", [OpenWork.ROTATION, OpenWork.MANAGED])
@pytest.mark.parametrize(
    "error", [CannotProceed("it is busy"), AwsError("a:B", "C", ""), Declined(), KeyError("ours")]
)
def test_unfinished_work_decides_the_exit_status(error: BaseException, open_work: OpenWork) -> None:
    status, (sentence, next_step), _, bugs = run(error, open_work)
    assert status is ExitStatus.UNFINISHED
    assert "nothing is lost" in sentence
    is_journal = open_work is OpenWork.ROTATION
    assert (f"{COMMAND} --resume" in next_step) is is_journal
    assert (f"{COMMAND} repair" in next_step) is not is_journal
    assert bugs == ([error] if isinstance(error, KeyError) else [])


def test_a_bug_that_leaves_nothing_is_raised() -> None:
    with pytest.raises(KeyError):
        run(KeyError("ours"))


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Terminated(15)])
def test_an_interruption_names_the_way_on(error: KeyboardInterrupt) -> None:
    status, (sentence, next_step), _, _ = run(error, OpenWork.ROTATION)
    assert status is ExitStatus.INTERRUPTED
    assert sentence == "interrupted; the rotation is unfinished and nothing is lost"
    options = [line.removeprefix(f"{COMMAND} ").split()[0] for line in next_step.splitlines()]
    assert options == ["--status", "--resume", "--rollback"]


def test_an_interrupted_repair_does_not_promise_that_nothing_was_changed() -> None:
    report = report_interruption(OpenWork.REPAIR, COMMAND)
    assert "may have been made" in report.sentence
    assert report.next_step.startswith(f"{COMMAND} repair ")
    report = report_error(CannotProceed("x"), OpenWork.REPAIR, COMMAND)
    assert (report.sentence, report.exit_status) == ("x", ExitStatus.NOT_JUDGED)


def test_an_error_with_a_next_step_keeps_it_first() -> None:
    error = RotationUnfinished("it stopped", "opskit rotate-password repair   first")
    report = report_error(error, OpenWork.ROTATION, COMMAND)
    first, second = report.next_step.splitlines()
    assert first == error.next_step
    assert second.startswith(f"{COMMAND} --status")


def test_a_service_that_cannot_be_created() -> None:
    def create() -> Any:
        raise OpskitError("no Region", "--region")

    def fail(error: Exception) -> None:
        pytest.fail(str(error))

    reporter = FakeReporter()
    status = run_reported(create, reporter, COMMAND, fail, lambda _: ExitStatus.HEALTHY)
    assert status is ExitStatus.NOT_JUDGED
    assert reporter.reports == [("error", ("no Region", "--region"))]
