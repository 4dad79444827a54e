"""From settings and ~/.ssh/config to the hosts that a connection goes over."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from opskit.config import Target
from opskit.errors import NotExecuted, OpskitError, UsageError
from opskit.transport.ssh.connection import dial
from opskit.transport.ssh.jump_hosts import resolve_jump_hosts, resolve_session_host

CONFIG = """
Host app
  HostName 10.0.2.45
  Port 2222
  User deploy
  ProxyJump inner
Host inner
  HostName 10.0.9.9
  ProxyJump outer
Host outer
  User kim
  IdentityFile ~/keys/outer
  HostKeyAlias the-door
Host loop
  ProxyJump loop
Host i-*
  User admin
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    return tmp_path


def places(address: str, **settings: Any) -> list[str]:
    hosts = resolve_jump_hosts(Target("linkbox", {}, **settings), address, "i-1")
    return [f"{h.user}@{h.address}:{h.port}" for h in hosts]


@pytest.mark.parametrize(
    ("address", "settings", "wanted"),
    [
        ("10.0.2.45", {}, ["ec2-user@10.0.2.45:22"]),
        ("10.0.2.45", {"ssh_user": "ubuntu"}, ["ubuntu@10.0.2.45:22"]),
        ("ops@host:2200", {"ssh_user": "ubuntu"}, ["ops@host:2200"]),
        ("[fd00::1]:2200", {}, ["ec2-user@fd00::1:2200"]),
        ("h", {"ssh_bastion": "kim@door:77"}, ["kim@door:77", "ec2-user@h:22"]),
        ("h", {"ssh_bastion": "a,b"}, ["ec2-user@a:22", "ec2-user@b:22", "ec2-user@h:22"]),
        ("app", {}, ["kim@outer:22", "ec2-user@10.0.9.9:22", "deploy@10.0.2.45:2222"]),
        ("app", {"ssh_bastion": "door"}, ["ec2-user@door:22", "deploy@10.0.2.45:2222"]),
    ],
)
def test_the_way(home: Path, address: str, settings: dict[str, str], wanted: list[str]) -> None:
    (home / ".ssh/config").write_text(CONFIG)
    assert places(address, **settings) == wanted


def test_names_keys_and_files(home: Path) -> None:
    (home / ".ssh/config").write_text(CONFIG)
    outer, inner, app = resolve_jump_hosts(Target("linkbox", {}), "app", "i-1")
    assert (outer.known_as, inner.known_as, app.known_as) == (
        "the-door", "10.0.9.9", "[10.0.2.45]:2222",
    )  # fmt: skip
    assert outer.key_files == (home / "keys/outer",)
    assert inner.key_files[0] == home / ".ssh/id_ed25519"
    assert (outer.instance_id, inner.instance_id, app.instance_id) == ("", "", "i-1")
    named = resolve_jump_hosts(Target("linkbox", {}, ssh_key_file="~/k"), "app", "i-1")
    assert {h.key_files for h in named} == {(home / "k",)}
    assert all(h.is_only_key for h in named)


def test_over_a_session_the_instances_name_counts(home: Path) -> None:
    (home / ".ssh/config").write_text(CONFIG)
    host = resolve_session_host(Target("linkbox", {}), "i-1")
    assert (host.user, host.known_as, host.key_files) == ("admin", "i-1", ())
    assert resolve_session_host(Target("linkbox", {}, ssh_user="ubuntu"), "i-1").user == "ubuntu"


@pytest.mark.parametrize(
    ("address", "settings", "words"),
    [
        ("a b", {}, "ssh_host 'a b'"),
        ("h", {"ssh_bastion": "x@y@z"}, "ssh_bastion"),
        ("h:port", {}, "[USER@]HOST[:PORT]"),
        ("loop", {}, "more than 5 hosts"),
    ],
)
def test_what_is_no_way(home: Path, address: str, settings: dict[str, str], words: str) -> None:
    (home / ".ssh/config").write_text(CONFIG)
    with pytest.raises(OpskitError) as caught:
        places(address, **settings)
    assert words in caught.value.sentence


def test_a_config_that_cannot_be_read(home: Path) -> None:
    (home / ".ssh/config").write_text("Host\n\tHostName\n\n???")
    with pytest.raises(UsageError, match=r"config cannot be read"):
        places("h")


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("CanonicalizeHostname yes\nCanonicalDomains x.invalid\nCanonicalizeFallbackLocal no\n",
         "cannot be applied to"),
        ("Host *\n  Port abc\n", "the port 'abc'"),
    ],
)  # fmt: skip
def test_a_config_that_cannot_be_followed_is_a_refusal(home: Path, config: str, words: str) -> None:
    """Under `--via auto` the other roads' refusals are told with it."""
    (home / ".ssh/config").write_text(config)
    with pytest.raises(NotExecuted, match=words):
        places("somewhere")


def test_no_proxy_command_is_none(home: Path) -> None:
    (home / ".ssh/config").write_text("Host *\n  ProxyCommand none\n")
    assert places("10.0.2.45") == ["ec2-user@10.0.2.45:22"]


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux alone has it")
def test_a_connection_to_nobody_is_noticed(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as there:
        [host] = resolve_jump_hosts(Target("x", {}), f"127.0.0.1:{there.getsockname()[1]}", "i-1")
        with dial(host) as connection:
            limit_ms = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
    assert 0 < limit_ms <= 60_000
