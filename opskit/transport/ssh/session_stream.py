"""A session of AWS-StartSSHSession as a socket: raw bytes both ways, closed when the server closes.

One end of a socket pair goes to the SSH client. Three threads serve the other end: one reads frames, one
writes them and runs the timers, one reads the socket at the pace of the agent's acknowledgements.
"""

from __future__ import annotations

import contextlib
import socket
import threading

from opskit.aws_protocols import AwsClient
from opskit.errors import OpskitError
from opskit.transport.session_manager.data_channel import Closed, Data
from opskit.transport.session_manager.port_session import PortSession
from opskit.transport.session_manager.session import Session, SessionGateway

DOCUMENT = "AWS-StartSSHSession"
MOST_TAKEN = 16 * 1024
THREADS_END_WITHIN_S = 2.0
"""The threads notice within a second that the session is over."""


class SessionStream:
    """A session that is connected to the SSH server of an instance.

    Raises:
        NotExecuted: the session could not be started.
    """

    def __init__(
        self, ssm: AwsClient, gateway: SessionGateway, instance_id: str, port: int
    ) -> None:
        self._session = Session(ssm, gateway, instance_id, DOCUMENT, {"portNumber": [str(port)]})
        self._ours, self.socket = socket.socketpair()
        self._line = PortSession(self._session)
        self._reason = ""
        works = (self._read, self._write, self._send)
        self._threads = [threading.Thread(target=work, daemon=True) for work in works]
        for thread in self._threads:
            thread.start()

    @property
    def why_over(self) -> str:
        """The reason why the session ended, if it gave one."""
        if self._reason or self._session.channel.is_closed:
            return self._reason or "the session ended"
        ready = self._session.channel.is_ready
        return "" if ready else "the session was started, but the agent did not answer in it"

    def close(self) -> None:
        """End the session."""
        self._end("")
        self._session.close()
        for thread in self._threads:
            thread.join(THREADS_END_WITHIN_S)
        self._ours.close()
        self.socket.close()

    def _read(self) -> None:
        try:
            for event in self._session.read(self._line.lock, self._line.is_closed):
                if isinstance(event, Data):
                    self._ours.sendall(event.data)
                elif isinstance(event, Closed):
                    message = event.words
                    self._end(f"the session ended: {message}" if message else "")
        except OpskitError as error:
            self._end(error.sentence)
        except OSError:
            self._end("")
        finally:
            self._end("")

    def _write(self) -> None:
        while not self._line.is_closed.is_set():
            try:
                for event in self._line.write_due():
                    if isinstance(event, Closed):
                        self._end(event.reason)
            except OSError:
                self._end("")

    def _send(self) -> None:
        while not self._line.is_closed.is_set():
            try:
                data = self._ours.recv(MOST_TAKEN)
            except OSError:
                data = b""
            if not data:
                break
            with self._line.lock:
                self._line.wait_for_room()
                self._line.send(data)
        self._end("")

    def _end(self, reason: str) -> None:
        self._reason = self._reason or reason
        self._line.end()
        with contextlib.suppress(OSError):
            # The reader at the other end sees end of file; earlier bytes stay readable.
            self._ours.shutdown(socket.SHUT_RDWR)
