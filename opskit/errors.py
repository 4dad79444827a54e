"""What can go wrong for a user: one sentence, the next step, and an exit status.

    OpskitError
    ├── UsageError          2  an option, an environment variable or opskit.toml is wrong
    ├── TargetError         4  the target or the credentials cannot be had
    ├── Incomplete          3  something essential could not be judged or done, nothing is broken by it
    ├── Bug                70  opskit itself is wrong
    ├── Unfinished          5  something was begun and waits to be resumed; nothing is lost
    └── TransportError         a road to the instance
        ├── Refused            it has surely not run
        └── Lost               it may have run; nobody repeats it without looking first

A traceback is never what a user sees; a bug in opskit itself is said to be one, with the exit status 70.
"""

from __future__ import annotations

import os
import traceback
from enum import IntEnum
from pathlib import Path


class ExitStatus(IntEnum):
    """The exit statuses of every opskit command, the same in every output format."""

    HEALTHY = 0
    FAULT = 1
    USAGE = 2
    NOT_JUDGED = 3
    NO_TARGET = 4
    UNFINISHED = 5
    BUG = 70
    HUNG_UP = 129
    INTERRUPTED = 130
    TERMINATED = 143


EXIT_STATUS_MEANING: dict[ExitStatus, str] = {
    ExitStatus.HEALTHY: "healthy, or done (warnings allowed)",
    ExitStatus.FAULT: "a failure was found",
    ExitStatus.USAGE: "wrong usage or configuration",
    ExitStatus.NOT_JUDGED: "nothing failed, but something essential could not be judged",
    ExitStatus.NO_TARGET: "the target or the credentials could not be resolved",
    ExitStatus.UNFINISHED: "unfinished, nothing lost: the next step is printed",
    ExitStatus.BUG: "a bug in opskit itself, which says nothing about your system",
    ExitStatus.HUNG_UP: "terminal closed (SIGHUP)",
    ExitStatus.INTERRUPTED: "interrupted (Ctrl-C)",
    ExitStatus.TERMINATED: "terminated (SIGTERM)",
}


class Terminated(KeyboardInterrupt):
    """A signal ended the run: everything is left as after Ctrl-C.

    Attributes:
        exit_status: as shells count it, 128 and the signal's number.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.exit_status = ExitStatus(128 + number)


class OpskitError(Exception):
    """An end that a user understands.

    Args:
        sentence: what happened, to what, in one sentence with the real names.
        next_step: what to try; empty when there is nothing to say.
    """

    exit_status: ExitStatus = ExitStatus.NOT_JUDGED

    def __init__(self, sentence: str, next_step: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.next_step = next_step


class UsageError(OpskitError):
    """An option, an environment variable or opskit.toml is wrong."""

    exit_status = ExitStatus.USAGE


class TargetError(OpskitError):
    """The target or the credentials cannot be had."""

    exit_status = ExitStatus.NO_TARGET


class CannotProceed(OpskitError):
    """Something essential could not be judged or done."""

    exit_status = ExitStatus.NOT_JUDGED


class RotationUnfinished(OpskitError):
    """Something was begun and waits to be resumed."""

    exit_status = ExitStatus.UNFINISHED


class Bug(OpskitError):
    """Opskit itself is wrong.

    Args:
        text: the kind and place of the error.
    """

    exit_status = ExitStatus.BUG

    def __init__(self, text: str) -> None:
        super().__init__(
            f"a bug in opskit itself ({text}); this says nothing about your system.",
            "Run it again with --debug and report the lines it prints.",
        )


class TransportError(OpskitError):
    """A road to the instance cannot be gone.

    Args:
        missing: the permission or the condition that would open the road, such as
            `ssm:SendCommand`; empty when it is not known.
    """

    def __init__(self, sentence: str, next_step: str = "", missing: str = "") -> None:
        super().__init__(sentence, next_step)
        self.missing = missing


class NotExecuted(TransportError):
    """The command has surely not run."""


class OutcomeUnknown(TransportError):
    """The command may have run; it is not repeated without looking first."""


def bug_text(error: Exception) -> str:
    """The kind of an unexpected error and its place in opskit; its values might be secrets."""
    frames = own_frames(error)
    location = (
        f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "unknown place"
    )
    return f"{type(error).__name__} at {location}"


def own_frames(error: Exception) -> list[traceback.FrameSummary]:
    """The frames of an error's traceback that are in opskit."""
    found = traceback.extract_tb(error.__traceback__)
    return [frame for frame in found if f"{os.sep}opskit{os.sep}" in frame.filename]


class AwsError(Exception):
    """AWS answered a call with an error, or did not answer it.

    It becomes an unknown fact, not an end of the run.

    Attributes:
        code: AWS's error code (`AccessDenied`), or `Unreachable`/`Timeout` when nothing answered.
        permission: the permission that the call needs, such as `rds:DescribeDBInstances`.
    """

    def __init__(self, permission: str, code: str, message: str) -> None:
        super().__init__(f"{permission}: {code}: {message}")
        self.permission = permission
        self.code = code
        self.message = message

    def without(self, *secrets: str) -> AwsError:
        """The same error, with every secret that its message repeats taken out."""
        message = self.message
        for secret in filter(None, secrets):
            message = message.replace(secret, "(the value)")
        return AwsError(self.permission, self.code, message)

    @property
    def is_denied(self) -> bool:
        """Whether a right is missing, as opposed to something else being wrong."""
        return self.code in DENIED_CODES

    @property
    def may_have_been_applied(self) -> bool:
        """Whether the call may have been carried out all the same, now or later."""
        return (
            self.code in AMBIGUOUS_CODES
            or "hrottl" in self.code
            or self.code.startswith("Internal")
        )


DENIED_CODES = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
"""JSON services, query services and EC2 each have their own word."""

AMBIGUOUS_CODES = frozenset(
    {
        "Timeout",
        "Unreachable",
        "RequestLimitExceeded",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "ServerError",
        "500",
        "502",
        "503",
        "504",
    }
)
"""Nothing answered, or something that is not the last word on whether the call was carried out."""
