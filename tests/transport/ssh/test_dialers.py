"""The ways to the SSH server: whose host key is taken, with which key we log in, and what is said if not."""

from __future__ import annotations

import logging
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from paramiko import Ed25519Key, HostKeys

from opskit.errors import NotExecuted
from opskit.sandbox.ssh import keys as sandbox_keys
from opskit.transport.ssh.commands import Ssh
from opskit.transport.ssh.dialers import Dialer
from tests.transport.ssh.scene import Scene

OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIirrUIzyHHVQ8zT9Gd0D3dIWrHDCcUFc6rrPCFyv9iV"


def says(route: Dialer, script: str = "echo hello") -> tuple[int, str, tuple[str, ...]]:
    done = Ssh(route).run(script, timeout_s=20)
    return done.exit_status, done.stdout, done.notices


def refused(route: Dialer) -> NotExecuted:
    with pytest.raises(NotExecuted) as caught:
        route.open()
    return caught.value


@contextmanager
def agent(location: Path, key: Ed25519Key) -> Iterator[None]:
    """An SSH agent with one key. Source: draft-miller-ssh-agent, messages 11 to 14."""

    def text(data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + data

    def answer(asked: bytes) -> bytes:
        if asked[0] == 11:
            return b"\x0c" + struct.pack(">I", 1) + text(key.asbytes()) + text(b"mine")
        (length,) = struct.unpack_from(">I", asked, 1)
        (size,) = struct.unpack_from(">I", asked, 5 + length)
        data = asked[9 + length : 9 + length + size]
        return b"\x0e" + text(key.sign_ssh_data(data).asbytes())

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError, struct.error):
            while True:
                (length,) = struct.unpack(">I", connection.recv(4, socket.MSG_WAITALL))
                connection.sendall(text(answer(connection.recv(length, socket.MSG_WAITALL))))

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(location))
    listener.listen()
    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        location.unlink()


class TestSession:
    """Over AWS-StartSSHSession."""

    def test_a_key_that_the_console_shows_is_verified(self, scene: Scene) -> None:
        assert says(scene.over_session()) == (0, "hello\n", ())
        assert not (scene.home / ".ssh/known_hosts").exists()

    def test_an_unknown_key_is_taken_and_said_but_not_kept(self, scene: Scene) -> None:
        scene.aws.console = "no keys here"
        status, out, [message] = says(scene.over_session())
        assert (status, out) == (0, "hello\n")
        assert "SHA256:" in message
        assert "for this session only" in message
        assert not (scene.home / ".ssh/known_hosts").exists()

    def test_a_console_that_may_not_be_read_is_said(self, scene: Scene) -> None:
        scene.aws.denied = {"ec2:GetConsoleOutput"}
        assert "ec2:GetConsoleOutput" in says(scene.over_session())[2][0]

    def test_a_known_key_needs_no_console(self, scene: Scene) -> None:
        scene.know(f"i-1 {scene.host_key()}")
        scene.aws.denied = {"ec2:GetConsoleOutput"}
        assert says(scene.over_session()) == (0, "hello\n", ())

    def test_a_changed_key_is_refused_and_nothing_pushed(self, scene: Scene) -> None:
        scene.know(f"i-1 {OTHER}")
        error = refused(scene.over_session())
        assert "has changed" in error.sentence
        assert "ssh-keygen -R i-1" in error.next_step
        assert scene.aws.pushed == []

    def test_a_key_that_contradicts_the_console_is_refused(self, scene: Scene) -> None:
        scene.aws.console = scene.keys.console().replace("SHA256:", "SHA256:+")
        # A fingerprint has 43 characters: shifted by one it is another.
        error = refused(scene.over_session())
        assert "is not one of i-1" in error.sentence
        assert scene.aws.pushed == []

    def test_the_key_is_ephemeral_and_for_one_user(self, scene: Scene) -> None:
        says(scene.over_session(ssh_user="ec2-user"))
        says(scene.over_session())
        first, second = scene.aws.pushed
        assert first["SSHPublicKey"] != second["SSHPublicKey"]
        assert (first["InstanceId"], first["InstanceOSUser"]) == ("i-1", "ec2-user")
        assert first["SSHPublicKey"].startswith("ssh-ed25519 ")

    def test_an_expired_key_is_not_taken(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sandbox_keys, "VALID_S", -1.0)
        error = refused(scene.over_session())
        assert "took none of 1 keys for ec2-user" in error.sentence
        assert "ec2-instance-connect" in error.next_step

    def test_a_missing_right_is_named(self, scene: Scene) -> None:
        scene.aws.denied = {"ec2-instance-connect:SendSSHPublicKey"}
        assert "ec2:osuser ec2-user" in str(refused(scene.over_session()).missing)

    def test_a_named_key_file_is_used_instead(self, scene: Scene) -> None:
        named = str(scene.home / "keys/id_ed25519")
        assert says(scene.over_session(ssh_key_file=named))[1] == "hello\n"
        assert scene.aws.pushed == []

    def test_an_instance_without_a_server(self, scene: Scene) -> None:
        def refuse(*_: Any) -> Any:
            raise ConnectionRefusedError

        scene.sessions._dial = refuse
        error = refused(scene.over_session())
        assert "no SSH server answers at i-1" in error.sentence
        assert "the session ended" in error.sentence

    @pytest.mark.parametrize("kind", ["lost", "disorder"])
    def test_a_bad_connection_of_the_session_loses_nothing(self, scene: Scene, kind: str) -> None:
        times = 2 if kind == "lost" else None
        wrong = {"kind": kind, "service": "ssmmessages", "action": "DataChannel", "times": times}
        scene.sessions.fault_injector.replace([wrong])
        count = "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo $i; done"
        assert says(scene.over_session(), count)[1] == "".join(f"{n}\n" for n in range(1, 3001))


class TestPlain:
    """Without AWS between."""

    def test_an_unknown_key_that_the_console_shows(self, scene: Scene) -> None:
        assert says(scene.plain()) == (0, "hello\n", ())

    def test_an_unknown_key_is_refused_with_the_line_to_add(self, scene: Scene) -> None:
        scene.aws.console = ""
        error = refused(scene.plain())
        line = f"[127.0.0.1]:{scene.port} {scene.host_key()}"
        assert "is not known: SHA256:" in error.sentence
        assert "get-console-output --instance-id i-1" in error.next_step
        assert f"echo '{line}' >> " in error.next_step
        scene.know(line)
        assert says(scene.plain())[1] == "hello\n"

    def test_a_hashed_name_is_found(self, scene: Scene) -> None:
        scene.aws.console = ""
        scene.know(f"{HostKeys.hash_host(f'[127.0.0.1]:{scene.port}')} {scene.host_key()}")
        assert says(scene.plain())[1] == "hello\n"

    @pytest.mark.parametrize("word", ["changed", "revoked"])
    def test_a_changed_or_revoked_key(self, scene: Scene, word: str) -> None:
        name = f"[127.0.0.1]:{scene.port}"
        line = f"{name} {OTHER}" if word == "changed" else f"@revoked {name} {scene.host_key()}"
        scene.know(line)
        assert word in refused(scene.plain()).sentence

    def test_over_a_bastion(self, scene: Scene) -> None:
        scene.know_both()
        bastion = f"ec2-user@127.0.0.1:{scene.bastion}"
        assert says(scene.plain(ssh_bastion=bastion))[1] == "hello\n"

    def test_an_unknown_bastion_is_refused(self, scene: Scene) -> None:
        error = refused(scene.plain(ssh_bastion=f"127.0.0.1:{scene.bastion}"))
        assert "is not known" in error.sentence
        assert "on that host" in error.next_step

    def test_a_bastion_that_does_not_lead_there(self, scene: Scene) -> None:
        scene.know_both()
        route = scene.plain(ssh_bastion=f"127.0.0.1:{scene.bastion}", ssh_host="127.0.0.1:1")
        assert "does not lead to 127.0.0.1:1: refused, or no answer" in refused(route).sentence

    def test_by_the_names_of_ssh_config(self, scene: Scene) -> None:
        scene.know_both()
        (scene.home / ".ssh/config").write_text(
            f"Host app\n HostName 127.0.0.1\n Port {scene.port}\n User ec2-user\n ProxyJump door\n"
            f"Host door\n HostName 127.0.0.1\n Port {scene.bastion}\n"
            f"Host *\n IdentityFile {scene.home}/keys/id_ed25519\n"
        )
        assert says(scene.plain(ssh_host="app", ssh_key_file=None))[1] == "hello\n"

    def test_the_agent_has_the_key(
        self, scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        location = tmp_path / "agent"
        monkeypatch.setenv("SSH_AUTH_SOCK", str(location))
        with agent(location, Ed25519Key(filename=str(scene.home / "keys/id_ed25519"))):
            assert says(scene.plain(ssh_key_file=None))[1] == "hello\n"

    def test_a_key_with_a_passphrase_is_the_agents_business(
        self, scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        key = serialization.load_ssh_private_key(
            (scene.home / "keys/id_ed25519").read_bytes(), None
        )
        locked = tmp_path / "locked"
        locked.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.OpenSSH,
                serialization.BestAvailableEncryption(b"words"),
            )
        )
        error = refused(scene.plain(ssh_key_file=str(locked)))
        assert "has a passphrase" in error.sentence
        assert "ssh-add" in error.next_step
        locked.with_name("locked.pub").write_text((scene.home / "keys/id_ed25519.pub").read_text())
        monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
        with agent(tmp_path / "agent", Ed25519Key(filename=str(scene.home / "keys/id_ed25519"))):
            assert says(scene.plain(ssh_key_file=str(locked)))[1] == "hello\n"

    def test_a_key_that_is_not_there(self, scene: Scene) -> None:
        assert "there is no key /no/key" in refused(scene.plain(ssh_key_file="/no/key")).sentence

    def test_another_user_is_not_let_in(self, scene: Scene) -> None:
        error = refused(scene.plain(ssh_user="root"))
        assert "for root" in error.sentence

    def test_nothing_listens(self, scene: Scene) -> None:
        assert (
            "no connection to 127.0.0.1:1" in refused(scene.plain(ssh_host="127.0.0.1:1")).sentence
        )

    def test_a_proxy_command_is_not_run(self, scene: Scene) -> None:
        (scene.home / ".ssh/config").write_text("Host app\n ProxyCommand touch proof\n")
        assert "ProxyCommand" in refused(scene.plain(ssh_host="app")).sentence


def test_the_private_key_reaches_neither_log_nor_aws_nor_disk(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import base64

    made: list[Ed25519PrivateKey] = []
    generate = Ed25519PrivateKey.generate

    def recorded() -> Ed25519PrivateKey:
        made.append(generate())
        return made[-1]

    monkeypatch.setattr(Ed25519PrivateKey, "generate", recorded)
    caplog.set_level(logging.DEBUG)
    with scene.over_session().open() as connection:
        assert connection.transport.is_authenticated()
        shown = repr(vars(connection))
    [key] = made
    seed = key.private_bytes_raw()
    forms = [seed.hex(), base64.b64encode(seed).decode()[:-3], repr(seed)]
    seen = shown + caplog.text + repr(scene.aws.pushed) + repr(scene.sessions._all)
    assert "ssh-ed25519" in seen
    for form in forms:
        assert form not in seen
    for path in scene.home.rglob("*"):
        if path.is_file():
            assert seed not in path.read_bytes(), path
            assert base64.b64encode(seed)[:-3] not in path.read_bytes(), path
