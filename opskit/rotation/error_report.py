"""Reports how a command ended early: the error, the work that it leaves unfinished, and the next step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from opskit.errors import AwsError, CannotProceed, ExitStatus, OpskitError, RotationUnfinished
from opskit.rotation.interaction import Reporter
from opskit.rotation.service import Service
from opskit.rotation.status import OpenWork


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """The sentence, the next steps (one a line) and the exit status of a command that ended early."""

    sentence: str
    next_step: str
    exit_status: ExitStatus


def report_interruption(open_work: OpenWork, command: str) -> ErrorReport:
    """Return the report of an interruption.

    Args:
        command: `opskit rotate-password` with the target's options.
    """
    status = ExitStatus.INTERRUPTED
    if open_work is OpenWork.REPAIR:
        sentence = "interrupted; the one write may have been made"
        return ErrorReport(sentence, f"{command} repair   looks again", status)
    if open_work is OpenWork.NOTHING:
        return ErrorReport("interrupted; nothing was changed", "", status)
    return ErrorReport(*_unfinished("interrupted", open_work, command), status)


def report_error(error: OpskitError, open_work: OpenWork, command: str) -> ErrorReport:
    """Return the report of an error; work in the journal or in RDS makes it `UNFINISHED`.

    Args:
        command: `opskit rotate-password` with the target's options.
    """
    if open_work not in (OpenWork.ROTATION, OpenWork.MANAGED):
        return ErrorReport(error.sentence, error.next_step, error.exit_status)
    texts = _unfinished(error.sentence, open_work, command, error.next_step)
    return ErrorReport(*texts, ExitStatus.UNFINISHED)


def _unfinished(
    why: str, open_work: OpenWork, command: str, next_step: str = ""
) -> tuple[str, str]:
    if open_work is OpenWork.MANAGED:
        repair = f"{command} repair   writes what the secret holds to the parameter"
        return (
            f"{why}; RDS keeps the password that works in its secret, so nothing is lost",
            f"{next_step}\n{repair}".strip(),
        )
    next_steps = [f"{command} --status     shows its status"]
    if next_step:
        next_steps.insert(0, next_step)
    else:
        next_steps += [
            f"{command} --resume     resumes it",
            f"{command} --rollback   rolls it back",
        ]
    return f"{why}; the rotation is unfinished and nothing is lost", "\n".join(next_steps)


def run_reported(
    create_service: Callable[[], Service],
    reporter: Reporter,
    command: str,
    on_bug: Callable[[Exception], None],
    work: Callable[[Service], ExitStatus],
) -> ExitStatus:
    """Create the service, do the work, and report every error with one clear sentence.

    Args:
        command: `opskit rotate-password` with the target's options.
        on_bug: called with an error of opskit itself during work that has to be resumed.

    Returns:
        The exit status.
    """

    def end(report: ErrorReport) -> ExitStatus:
        reporter.error(report.sentence, report.next_step)
        return report.exit_status

    try:
        service = create_service()
        try:
            return work(service)
        except KeyboardInterrupt:
            return end(report_interruption(service.open_work, command))
        except OpskitError as error:
            return end(report_error(error, service.open_work, command))
        except AwsError as error:
            failure = CannotProceed(
                f"{error.permission} failed: {error.code} {error.message[:200]}"
            )
            return end(report_error(failure, service.open_work, command))
        except Exception as error:
            if service.open_work not in (OpenWork.ROTATION, OpenWork.MANAGED):
                raise
            on_bug(error)
            stop = RotationUnfinished("it stopped")
            return end(report_error(stop, service.open_work, command))
        finally:
            service.close()
    except OpskitError as error:
        return end(report_error(error, OpenWork.NOTHING, command))
