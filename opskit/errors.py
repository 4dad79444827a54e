"""Errors that a user sees: one sentence, the next step, and an exit status.

    OpskitError
    ├── UsageError          2  an option, an environment variable or opskit.toml is wrong
    ├── TargetError         4  the target or the credentials are missing or unusable
    ├── CannotProceed       3  something essential could not be judged or done; nothing is broken by it
    ├── Bug                70  opskit itself is wrong
    ├── RotationUnfinished  5  something was started and waits to be resumed; nothing is lost
    └── TransportError         a transport to the instance failed
        ├── NotExecuted        the command definitely did not run
        └── OutcomeUnknown     it may have run; callers must check before retrying

A user never sees a traceback; a bug in opskit is reported as one, with the exit status 70.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import TypeAlias

from opskit.symptom import Kinds


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
    """A signal ended the run: the state is as after Ctrl-C.

    Attributes:
        exit_status: as shells compute it: 128 plus the signal's number.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.exit_status = ExitStatus(128 + number)


class OpskitError(Exception):
    """A failure with an explanation for the user.

    Args:
        sentence: the event and its object, in one sentence with the real names.
        next_step: advice; empty when there is none.
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
    """The target or the credentials are missing or unusable."""

    exit_status = ExitStatus.NO_TARGET


class AmbiguousTarget(TargetError):
    """Several resources may be the target's; the user has to say which one is meant."""


class CannotProceed(OpskitError):
    """Something essential could not be judged or done."""

    exit_status = ExitStatus.NOT_JUDGED


class RotationUnfinished(OpskitError):
    """Something was started and waits to be resumed."""

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


@dataclass(frozen=True, slots=True)
class Alternatives:
    """Permissions or conditions of which one is enough."""

    all: tuple[str, ...]

    def __str__(self) -> str:
        return ", or ".join(self.all)


Missing: TypeAlias = str | Alternatives
"""A permission or condition that would make a fact known, or several of which one is enough."""


def alternatives_of(missing: Missing) -> tuple[str, ...]:
    """The alternatives; a single permission or condition is the only one, an empty text is none."""
    if isinstance(missing, Alternatives):
        return missing.all
    return (missing,) if missing else ()


def or_option(missing: Iterable[Missing], option: str) -> tuple[Missing, ...]:
    """What is missing, in whose place an option is enough."""
    needed = " and ".join(dict.fromkeys(str(m) for m in missing if m))
    return (Alternatives((needed, option)),) if needed else (option,)


class TransportError(OpskitError):
    """A transport to the instance failed.

    Args:
        missing: the missing permission or condition, such as `ssm:SendCommand`, or the alternatives;
            empty when unknown.
        symptoms: what is seen of the transport's other end, such as an agent that is offline.
    """

    def __init__(
        self, sentence: str, next_step: str = "", missing: Missing = "", symptoms: Kinds = ()
    ) -> None:
        super().__init__(sentence, next_step)
        self.missing = missing
        self.symptoms = symptoms


class NotExecuted(TransportError):
    """The command definitely did not run."""


class OutcomeUnknown(TransportError):
    """The command may have run; the caller must check before a retry."""


def bug_text(error: Exception) -> str:
    """The type of an unexpected error and its place in opskit; its values might be secrets."""
    frames = own_frames(error)
    location = (
        f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "unknown place"
    )
    return f"{type(error).__name__} at {location}"


def own_frames(error: Exception) -> list[traceback.FrameSummary]:
    """The frames of an error's traceback that are in opskit."""
    frames = traceback.extract_tb(error.__traceback__)
    return [frame for frame in frames if f"{os.sep}opskit{os.sep}" in frame.filename]


class AwsError(Exception):
    """AWS answered a call with an error, or did not answer it.

    It becomes an unknown fact, not an end of the run.

    Attributes:
        code: AWS's error code (`AccessDenied`), or `UNREACHABLE`/`TIMEOUT` when nothing answered.
        permission: the permission that the call needs, such as `rds:DescribeDBInstances`.
    """

    def __init__(self, permission: str, code: str, message: str) -> None:
        super().__init__(f"{permission}: {code}: {message}")
        self.permission = permission
        self.code = code
        self.message = message

    def without(self, *secrets: str) -> AwsError:
        """The same error, with the given secrets removed from its message."""
        message = self.message
        for secret in filter(None, secrets):
            message = message.replace(secret, "(the value)")
        return AwsError(self.permission, self.code, message)

    @property
    def excerpt(self) -> str:
        """The beginning of AWS's message; empty where a proxy before AWS answered with an HTML page."""
        return "" if self.message.lstrip().startswith("<") else self.message[:200]

    @property
    def is_denied(self) -> bool:
        """Whether a permission is missing, as opposed to another cause."""
        return self.code in DENIED_CODES

    @property
    def is_throttled(self) -> bool:
        """Whether AWS rejected the call because there were too many."""
        return self.code in THROTTLING_CODES

    @property
    def is_unreachable(self) -> bool:
        """Whether no connection to AWS could be opened."""
        return self.code == UNREACHABLE

    @property
    def is_unanswered(self) -> bool:
        """Whether no reply came: no connection, or a timeout."""
        return self.code in (UNREACHABLE, TIMEOUT)

    @property
    def may_have_been_applied(self) -> bool:
        """Whether the call may have been applied in spite of the error, now or later."""
        return self.code in AMBIGUOUS_CODES or self.is_throttled or self.code.startswith("Internal")


UNREACHABLE = "Unreachable"
"""opskit's own code: no connection to AWS could be opened."""
TIMEOUT = "Timeout"
"""opskit's own code: AWS did not reply in time."""

DENIED_CODES = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
"""JSON services, query services and EC2 have different codes for it."""

THROTTLING_CODES = frozenset(
    {
        "EC2ThrottledException",
        "PriorRequestNotComplete",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
"""The throttling codes that AWS's SDKs retry, without those that also mean a quota of a resource."""

AMBIGUOUS_CODES = frozenset(
    {
        TIMEOUT,
        UNREACHABLE,
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "ServerError",
        "500",
        "502",
        "503",
        "504",
    }
)
"""No reply, or one that does not decide whether the call was applied."""
