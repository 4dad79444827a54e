"""An SSH server as a program: runs commands and opens connections on its own machine.

Arguments: the descriptor of a listening socket, the directory of the keys, and the server's name. It ends
at the end of its standard input. Processes of a session outlive the session, as with a real server.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import paramiko

from opskit.sandbox.ssh.keys import Keys

DIAL_LIMIT_S = 3
PIECE = 32_768
GONE = (OSError, EOFError, paramiko.SSHException)
"""The library's errors when a client is gone."""
_started: list[subprocess.Popen[bytes]] = []


class SshServer(paramiko.ServerInterface):  # type: ignore[misc]
    """The server's side of one client's connection."""

    def __init__(self, keys: Keys, name: str, elsewhere: dict[str, list[Any]]) -> None:
        self._keys, self._name, self._elsewhere = keys, name, elsewhere
        self._dialled: dict[int, socket.socket] = {}
        self.transport: Any = None

    def get_allowed_auths(self, username: str) -> str:
        """Allow public keys only."""
        return "publickey"

    def check_auth_publickey(self, username: str, key: Any) -> int:
        """Whether the server accepts a key."""
        takes = self._keys.takes(username, key.get_base64(), is_instance=self._name == "app")
        return int(paramiko.AUTH_SUCCESSFUL if takes else paramiko.AUTH_FAILED)

    def check_channel_request(self, kind: str, chanid: int) -> int:
        """Allow session channels."""
        if kind == "session":
            return int(paramiko.OPEN_SUCCEEDED)
        return int(paramiko.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED)

    def check_channel_exec_request(self, channel: Any, command: bytes) -> bool:
        """Run a command; the bastion runs none."""
        if self._name != "app":
            return False
        threading.Thread(target=_run, args=(channel, command.decode()), daemon=True).start()
        return True

    def check_channel_direct_tcpip_request(
        self, chanid: int, origin: tuple[str, int], destination: tuple[str, int]
    ) -> int:
        """Connect from this machine."""
        host, port = self._elsewhere.get(f"{destination[0]}:{destination[1]}", destination)
        # Called in the thread that serves the client's other channels too: hence a short limit.
        try:
            connection = socket.create_connection((host, port), DIAL_LIMIT_S)
        except OSError:
            return int(paramiko.OPEN_FAILED_CONNECT_FAILED)
        connection.settimeout(None)
        self._dialled[chanid] = connection
        return int(paramiko.OPEN_SUCCEEDED)

    def serve(self) -> None:
        """Serve the channels of this client, until it disconnects."""
        kept: list[Any] = []
        while self.transport.is_active():
            channel = self.transport.accept(1)
            # The library itself holds channels weakly only.
            kept = [c for c in (*kept, channel) if c is not None and not c.closed]
            connection = self._dialled.pop(channel.get_id(), None) if channel else None
            if connection is not None:
                _carry(connection, channel)
        for connection in self._dialled.values():
            connection.close()


def _run(channel: Any, command: str) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    process = subprocess.Popen(
        ["/bin/sh", "-c", command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        cwd="/",
        start_new_session=True,
    )
    _started.append(process)
    threads = [
        threading.Thread(target=_pour, args=(stream, send), daemon=True)
        for stream, send in (
            (process.stdout, channel.sendall),
            (process.stderr, channel.sendall_stderr),
        )
    ]
    threading.Thread(target=_feed, args=(channel, process.stdin), daemon=True).start()
    for thread in threads:
        thread.start()
    status = process.wait()
    with contextlib.suppress(*GONE):
        if status >= 0:
            channel.send_exit_status(status)
    for thread in threads:
        thread.join()
    with contextlib.suppress(*GONE):
        channel.close()
    _started.remove(process)


def _feed(channel: Any, stream: Any) -> None:
    # Closing writes too: the bytes that the process has not read.
    with contextlib.suppress(*GONE), stream:
        while data := channel.recv(PIECE):
            stream.write(data)
            stream.flush()


def _pour(stream: Any, send: Callable[[bytes], None]) -> None:
    with stream, contextlib.suppress(*GONE):
        while data := stream.read1(PIECE):
            send(data)


def _carry(connection: socket.socket, channel: Any) -> None:
    def there() -> None:
        with contextlib.suppress(*GONE):
            while data := channel.recv(PIECE):
                connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)

    def back() -> None:
        with contextlib.suppress(*GONE):
            while data := connection.recv(PIECE):
                channel.sendall(data)
        with contextlib.suppress(*GONE):
            channel.close()
        connection.close()

    for work in (there, back):
        threading.Thread(target=work, daemon=True).start()


def _serve(connection: socket.socket, keys: Keys, name: str, elsewhere: dict[str, Any]) -> None:
    transport = paramiko.Transport(connection)
    transport.daemon = True
    transport.add_server_key(paramiko.Ed25519Key(filename=str(keys.host_key_file(name))))
    server = SshServer(keys, name, elsewhere)
    server.transport = transport
    with contextlib.suppress(*GONE):
        transport.start_server(server=server)
        server.serve()
    transport.close()


def _end_with_input() -> None:
    """End this process and its children when the daemon is gone."""
    sys.stdin.buffer.read()
    for process in _started:
        if process.poll() is None:
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
    os._exit(0)


def main() -> None:
    """Serve each client in a thread."""
    import logging

    logging.getLogger("paramiko").setLevel(logging.CRITICAL)
    listener = socket.socket(fileno=int(sys.argv[1]))
    keys, name = Keys(Path(sys.argv[2])), sys.argv[3]
    elsewhere = json.loads(sys.argv[4])
    threading.Thread(target=_end_with_input, daemon=True).start()
    while True:
        connection, _ = listener.accept()
        arguments = (connection, keys, name, elsewhere)
        threading.Thread(target=_serve, args=arguments, daemon=True).start()


if __name__ == "__main__":
    main()
