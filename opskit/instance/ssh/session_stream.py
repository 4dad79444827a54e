"""A session of AWS-StartSSHSession as a socket: raw bytes both ways, over once the server closes.

One end of a pair of sockets is given away; three threads carry the other: one reads frames, one writes
them and lets time pass, one takes what is sent, at the pace of the acknowledgements.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time

from opskit.errors import OpskitError
from opskit.instance.run_command import Ssm
from opskit.instance.session_manager.channel import Closed, Data
from opskit.instance.session_manager.session import Gateway, Session

DOCUMENT = "AWS-StartSSHSession"
TICK_S = 0.05
MOST_UNSENT = 256
"""Messages on their way to the agent; beyond it the sender waits."""
MOST_TAKEN = 16 * 1024
THREADS_END_WITHIN_S = 2.0
"""They notice within a second that the session is over."""


class SessionStream:
    """A session that leads to the SSH server of an instance.

    Raises:
        Refused: the session could not be started.
    """

    def __init__(self, ssm: Ssm, gateway: Gateway, instance_id: str, port: int) -> None:
        self._session = Session(ssm, gateway, instance_id, DOCUMENT, {"portNumber": [str(port)]})
        self._ours, self.socket = socket.socketpair()
        self._lock = threading.Condition()
        self._stop = threading.Event()
        self._reason = ""
        works = (self._read, self._write, self._send)
        self._threads = [threading.Thread(target=work, daemon=True) for work in works]
        for thread in self._threads:
            thread.start()

    @property
    def why_over(self) -> str:
        """Why nothing comes any more, as far as the session tells."""
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
            for event in self._session.read(self._lock, self._stop):
                if isinstance(event, Data):
                    self._ours.sendall(event.data)
                elif isinstance(event, Closed):
                    said = " ".join(event.reason.replace("-", " ").split())
                    self._end(f"the session ended: {said}" if said else "")
        except OpskitError as error:
            self._end(error.sentence)
        except OSError:
            self._end("")
        finally:
            self._end("")

    def _write(self) -> None:
        while not self._stop.is_set():
            with self._lock:
                # What was put there while we wrote has woken nobody.
                if not self._session.channel.has_frames:
                    self._lock.wait(TICK_S)
            try:
                for event in self._session.write(self._lock):
                    if isinstance(event, Closed):
                        self._end(event.reason)
            except OSError:
                self._end("")
            with self._lock:
                self._lock.notify_all()

    def _send(self) -> None:
        channel = self._session.channel
        while not self._stop.is_set():
            try:
                data = self._ours.recv(MOST_TAKEN)
            except OSError:
                data = b""
            if not data:
                break
            with self._lock:
                while channel.unsent > MOST_UNSENT and not self._stop.is_set():
                    self._lock.wait(1)
                channel.send(data, time.monotonic())
                self._lock.notify_all()
        self._end("")

    def _end(self, reason: str) -> None:
        self._reason = self._reason or reason
        self._stop.set()
        with contextlib.suppress(OSError):
            # Who reads at the other end sees the end; what came before it stays readable.
            self._ours.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._lock.notify_all()
