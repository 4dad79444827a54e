"""Host keys by known_hosts and by the instance's console, without a server."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import replace
from pathlib import Path
from typing import Any

import paramiko
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from opskit.errors import AwsError, NotExecuted
from opskit.transport.ssh.host_keys import (
    ConsoleFingerprints,
    known_keys,
    read_console,
    verify_host_key,
)
from opskit.transport.ssh.jump_hosts import SshHost
from tests.fake_aws import FakeClient


def new_key() -> Any:
    public = Ed25519PrivateKey.generate().public_key()
    text = public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    return paramiko.Ed25519Key(data=base64.b64decode(text.split()[1]))


KEY, OTHER = new_key(), new_key()
NONE = ConsoleFingerprints(frozenset(), "its console shows no host keys any more")


def line(name: str, key: Any = KEY) -> str:
    return f"{name} {key.get_name()} {key.get_base64()}"


def hashed(name: str) -> str:
    """A name as OpenSSH writes it with HashKnownHosts."""
    salt = b"0123456789abcdefghij"
    digest = hmac.new(salt, name.encode(), hashlib.sha1).digest()
    return "|".join(("", "1", *(base64.b64encode(part).decode() for part in (salt, digest))))


@pytest.fixture
def known_hosts(tmp_path: Path) -> Path:
    return tmp_path / "known_hosts"


def host(known_hosts: Path, port: int = 22, instance_id: str = "i-1") -> SshHost:
    return SshHost("app", "10.0.2.45", port, "ec2-user", (), False, (known_hosts,), instance_id)


def verified(
    known_hosts: Path,
    console: ConsoleFingerprints | None = None,
    *,
    is_session: bool = False,
    port: int = 22,
) -> str:
    """The notice; without a console it is an error to ask it."""

    def ask() -> ConsoleFingerprints:
        assert console is not None, "the console is asked for an unknown key only"
        return console

    return verify_host_key(host(known_hosts, port), KEY, ask, is_session=is_session)


class TestKnownHosts:
    @pytest.mark.parametrize("is_session", [True, False])
    @pytest.mark.parametrize(
        "text",
        [
            line("app"),
            line("db,app,10.0.2.45"),
            line(hashed("app")),
            f"\n# a comment\nno key at all\napp ssh-new AAAA\n{line('other', OTHER)}\n  {line('app')}  \n",
        ],
        ids=["plain", "several names", "hashed", "beside what cannot be parsed"],
    )
    def test_a_known_key(self, known_hosts: Path, text: str, is_session: bool) -> None:
        known_hosts.write_text(text)
        assert verified(known_hosts, is_session=is_session) == ""

    def test_another_port_is_another_name(self, known_hosts: Path) -> None:
        known_hosts.write_text(line("[app]:2222"))
        assert verified(known_hosts, port=2222) == ""
        with pytest.raises(NotExecuted, match="of app is not known"):
            verified(known_hosts, NONE)

    @pytest.mark.parametrize("is_session", [True, False])
    def test_a_changed_key_is_refused_everywhere(self, known_hosts: Path, is_session: bool) -> None:
        known_hosts.write_text(line("app", OTHER))
        with pytest.raises(NotExecuted, match="has changed") as caught:
            verified(known_hosts, is_session=is_session)
        assert KEY.fingerprint in str(caught.value)
        assert OTHER.fingerprint in str(caught.value)
        assert caught.value.next_step.startswith(
            "if the host was replaced on purpose: ssh-keygen -R"
        )

    def test_a_revoked_key_is_refused_although_it_is_known(self, known_hosts: Path) -> None:
        known_hosts.write_text(f"{line('app')}\n@revoked {line('*')}\n")
        with pytest.raises(NotExecuted, match="marked as revoked"):
            verified(known_hosts)

    def test_a_certificate_authority_is_no_key_of_a_host(self, known_hosts: Path) -> None:
        known_hosts.write_text(f"@cert-authority {line('app')}\n")
        assert known_keys(host(known_hosts)) == []

    def test_files_that_are_not_there_are_passed_over(self, known_hosts: Path) -> None:
        known_hosts.write_text(line("app"))
        beside = known_hosts.parent / "none"
        paths = (beside, known_hosts / "below", known_hosts)
        keys = known_keys(replace(host(known_hosts), known_hosts=paths))
        assert [key.asbytes() for key in keys] == [KEY.asbytes()]

    def test_a_file_that_cannot_be_read_is_no_empty_one(self, known_hosts: Path) -> None:
        known_hosts.mkdir()
        with pytest.raises(NotExecuted, match="known_hosts cannot be read"):
            known_keys(host(known_hosts))

    def test_it_is_never_written(self, known_hosts: Path) -> None:
        verified(known_hosts, NONE, is_session=True)
        assert not known_hosts.exists()


class TestConsole:
    def test_a_key_that_it_shows(self, known_hosts: Path) -> None:
        shown = ConsoleFingerprints(frozenset({OTHER.fingerprint, KEY.fingerprint}))
        assert verified(known_hosts, shown) == ""

    @pytest.mark.parametrize("is_session", [True, False])
    def test_a_key_that_contradicts_it(self, known_hosts: Path, is_session: bool) -> None:
        shown = ConsoleFingerprints(frozenset({OTHER.fingerprint}))
        with pytest.raises(NotExecuted, match="is not one of i-1") as caught:
            verified(known_hosts, shown, is_session=is_session)
        assert line("app") in caught.value.next_step

    def test_without_one_a_session_s_key_is_taken_and_reported(self, known_hosts: Path) -> None:
        notice = verified(known_hosts, NONE, is_session=True)
        assert KEY.fingerprint in notice
        assert NONE.why_none in notice

    def test_without_one_a_key_over_plain_ssh_is_refused(self, known_hosts: Path) -> None:
        with pytest.raises(NotExecuted, match="is not known") as caught:
            verified(known_hosts, NONE)
        assert f"echo '{line('app')}' >> {known_hosts}" in caught.value.next_step
        assert "get-console-output --instance-id i-1" in caught.value.next_step


BEGIN = "-----BEGIN SSH HOST KEY FINGERPRINTS-----"
END = "-----END SSH HOST KEY FINGERPRINTS-----"


class Console(FakeClient):
    """EC2 with an instance's console."""

    def __init__(self, text: str | None, code: str = "") -> None:
        self.text, self.code = text, code

    def get_console_output(self, **_: Any) -> dict[str, str]:
        if self.code:
            raise AwsError("ec2:GetConsoleOutput", self.code, "no")
        return {} if self.text is None else {"Output": self.text}


def block(*fingerprints: str) -> str:
    rows = "".join(f"256 {f} root@ip-10-0-2-45 (ED25519)\r\n" for f in fingerprints)
    return f"boot\r\n{BEGIN}\r\n{rows}{END}\r\nmore\r\n"


class TestReadConsole:
    def test_the_last_first_boot_counts(self) -> None:
        text = block(OTHER.fingerprint) + block(KEY.fingerprint)
        assert read_console(Console(text), "i-1") == ConsoleFingerprints(
            frozenset({KEY.fingerprint})
        )

    def test_every_kind_of_key(self) -> None:
        shown = read_console(Console(block(KEY.fingerprint, OTHER.fingerprint)), "i-1")
        assert shown.fingerprints == {KEY.fingerprint, OTHER.fingerprint}

    @pytest.mark.parametrize(
        "text",
        [None, "", f"a line with {KEY.fingerprint}", f"{BEGIN}\n256 {KEY.fingerprint} root\n"],
        ids=["none", "empty", "no block", "half a block"],
    )
    def test_fingerprints_outside_of_a_whole_block_do_not_count(self, text: str | None) -> None:
        assert read_console(Console(text), "i-1") == NONE

    @pytest.mark.parametrize(
        ("code", "why"),
        [("UnauthorizedOperation", "you may not read"), ("InternalError", "EC2 does not give")],
    )
    def test_a_console_that_is_not_read(self, code: str, why: str) -> None:
        shown = read_console(Console("", code), "i-1")
        assert shown.fingerprints == frozenset()
        assert shown.why_none == f"{why} its console (ec2:GetConsoleOutput)"
