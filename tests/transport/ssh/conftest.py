"""The scene as a fixture."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from opskit.sandbox.aws.fault_injection import FaultInjector
from opskit.sandbox.loopback import free_port
from opskit.sandbox.session_manager.gateway import Sessions
from opskit.sandbox.ssh import server as sshd
from opskit.sandbox.ssh.keys import Keys
from tests.transport.ssh.scene import Aws, Scene


@contextmanager
def _listening(keys: Keys, name: str) -> Iterator[int]:
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                arguments: tuple[Any, ...] = (connection, keys, name, {})
                threading.Thread(target=sshd._serve, args=arguments, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """Everything up, an empty home, no agent, and every session ended at the end."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setattr(Sessions, "_admit", lambda *_: None)
    (tmp_path / ".ssh").mkdir()
    keys = Keys(tmp_path / "keys")
    keys.make()
    with _listening(keys, "app") as port, _listening(keys, "bastion") as bastion:
        gateway = free_port()
        sessions = Sessions(
            lambda _: pytest.fail("no command of a session runs here"),
            lambda _, there: socket.create_connection(
                ("127.0.0.1", port if there == 22 else there)
            ),
            lambda _: True,
            f"ws://127.0.0.1:{gateway}",
        )
        sessions.fault_injector = FaultInjector()
        sessions.serve("127.0.0.1", gateway)
        found = Scene(tmp_path, keys, Aws(keys), port, bastion, sessions)
        yield found
    assert found.open_sessions() == []
