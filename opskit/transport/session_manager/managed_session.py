"""StartSession and TerminateSession: a started session is terminated even if the caller was interrupted."""

from __future__ import annotations

import atexit
import contextlib
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

from opskit.aws_protocols import AwsClient
from opskit.errors import AwsError, NotExecuted, OpskitError, TargetError
from opskit.redaction import register_secret
from opskit.transport.session_manager.session_errors import TELLS, not_connected, not_started

START_WITHIN_S = 5.0
"""The wait for an interrupted start, so that its session can be terminated."""


class ManagedSession:
    """Starts a session and terminates it even if the caller was interrupted before receiving it.

    The call runs in a thread of its own: an interrupted one would leave a session whose id is unknown.

    Args:
        begin: starts the session, and returns its id, its token and the address of its data channel.

    Raises:
        NotExecuted: the session could not be started.
    """

    def __init__(self, ssm: AwsClient, begin: Callable[[], Mapping[str, Any]]) -> None:
        self._ssm = ssm
        self._beginning: Future[Mapping[str, Any]] = Future()
        atexit.register(self._abandon)

        def work() -> None:
            try:
                self._beginning.set_result(begin())
            except BaseException as error:
                self._beginning.set_exception(error)

        threading.Thread(target=work, daemon=True).start()
        try:
            self.reply = guarded(self._beginning.result())
        except (OpskitError, AwsError):
            atexit.unregister(self._abandon)
            raise

    def end(self) -> None:
        """Terminate it; where AWS refuses that, the session ends by its idle time-out."""
        atexit.unregister(self._abandon)
        with contextlib.suppress(AwsError, TargetError):
            self._ssm.terminate_session(SessionId=str(self._beginning.result()["SessionId"]))

    def _abandon(self) -> None:
        """Terminate a session whose start was interrupted, from the thread that started it."""
        # A second Ctrl-C skips this.
        with contextlib.suppress(OpskitError, AwsError, TimeoutError, KeyboardInterrupt):
            self._beginning.result(START_WITHIN_S)
            self.end()


def guarded(reply: Mapping[str, Any]) -> Mapping[str, Any]:
    """Register the reply's token and stream address as secrets, and return the reply."""
    for name in ("TokenValue", "StreamUrl"):
        register_secret(str(reply.get(name) or ""))
    return reply


def start(
    ssm: AwsClient, target: str, document: str, parameters: Mapping[str, list[str]]
) -> Mapping[str, Any]:
    """Start a session: its id, its token and the address of its data channel.

    One retry, if the agent is reported as connected after all.

    Raises:
        NotExecuted: the session could not be started.
    """
    arguments = {"Target": target, "DocumentName": document, "Reason": "opskit"}
    is_back = False
    while True:
        try:
            return ssm.start_session(**arguments, Parameters=dict(parameters))
        except AwsError as error:
            if error.code != "TargetNotConnected":
                raise not_started(error, target, document) from None
        offline = not_connected(ssm, target)
        if offline is not None or is_back:
            raise offline or NotExecuted(
                f"Session Manager says of {target} that it is connected and that it is not",
                TELLS,
                missing=f"an online SSM agent on {target}",
            )
        is_back = True
