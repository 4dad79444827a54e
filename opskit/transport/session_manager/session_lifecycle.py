"""StartSession and TerminateSession: what was started is ended, also when nobody took it in hand."""

from __future__ import annotations

import atexit
import contextlib
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

from opskit.errors import AwsError, NotExecuted, OpskitError, TargetError
from opskit.redaction import register_secret
from opskit.transport.run_command import SendCommandClient
from opskit.transport.session_manager.session_errors import TELLS, not_connected, not_started

START_WITHIN_S = 5.0
"""So long an interrupted start is waited for, so that it can be taken back."""


class ManagedSession:
    """A session that was started.

    It is started in a thread of its own: an interrupted call would leave a session that nobody knows.

    Args:
        begin: starts it, and gives its id, its token and the address of its data channel.

    Raises:
        Refused: it could not be started.
    """

    def __init__(self, ssm: SendCommandClient, begin: Callable[[], Mapping[str, Any]]) -> None:
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
        """End it; where that is refused it ends by its own idle time-out."""
        atexit.unregister(self._abandon)
        with contextlib.suppress(AwsError, TargetError):
            self._ssm.terminate_session(SessionId=str(self._beginning.result()["SessionId"]))

    def _abandon(self) -> None:
        """End what the interpreter leaves behind, in whichever thread it was carried."""
        # A second Ctrl-C skips it.
        with contextlib.suppress(OpskitError, AwsError, TimeoutError, KeyboardInterrupt):
            self._beginning.result(START_WITHIN_S)
            self.end()


def guarded(reply: Mapping[str, Any]) -> Mapping[str, Any]:
    """The reply, with what opens the data channel never to be written from now on."""
    for name in ("TokenValue", "StreamUrl"):
        register_secret(str(reply.get(name) or ""))
    return reply


def start(
    ssm: SendCommandClient, target: str, document: str, parameters: Mapping[str, list[str]]
) -> Mapping[str, Any]:
    """Start a session: its id, its token and the address of its data channel.

    Tried once more where the agent is back by the time that it is asked for.

    Raises:
        Refused: it could not be started.
    """
    asked = {"Target": target, "DocumentName": document, "Reason": "opskit"}
    is_back = False
    while True:
        try:
            return ssm.start_session(**asked, Parameters=dict(parameters))
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
