"""Verifies the server's host key: by known_hosts, then by the fingerprints on the instance's EC2 console.

A key that differs from a known one is rejected by every transport. An unknown key is rejected over plain
SSH. Over a Session Manager session, where AWS guarantees the peer, it is accepted for this connection and
reported. known_hosts is never written.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from opskit.aws_protocols import AwsClient
from opskit.errors import AwsError, NotExecuted
from opskit.transport.ssh.jump_hosts import SshHost

FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
BLOCK = re.compile(
    r"-----BEGIN SSH HOST KEY FINGERPRINTS-----(.*?)-----END SSH HOST KEY FINGERPRINTS-----",
    re.DOTALL,
)
"""The block that cloud-init prints to the console at an instance's first boot."""


@dataclass(frozen=True, slots=True)
class ConsoleFingerprints:
    """The host key fingerprints on an instance's console.

    Attributes:
        fingerprints: of the last first boot; empty where none are printed.
        why_none: the reason why there are none, as a clause.
    """

    fingerprints: frozenset[str]
    why_none: str = ""


def read_console(ec2: AwsClient, instance_id: str) -> ConsoleFingerprints:
    """Read the host key fingerprints that the instance printed when it first booted.

    Source: EC2 API Reference, GetConsoleOutput; cloud-init, module keys-to-console.
    """
    try:
        text = str(ec2.get_console_output(InstanceId=instance_id).get("Output", ""))
    except AwsError as error:
        why = "you may not read" if error.is_denied else "EC2 does not give"
        return ConsoleFingerprints(frozenset(), f"{why} its console ({error.permission})")
    blocks = BLOCK.findall(text)
    if not blocks:
        return ConsoleFingerprints(frozenset(), "its console shows no host keys any more")
    return ConsoleFingerprints(frozenset(FINGERPRINT.findall(blocks[-1])))


def verify_host_key(
    host: SshHost, key: Any, ask_console: Callable[[], ConsoleFingerprints], *, is_session: bool
) -> str:
    """Verify a server's host key.

    Args:
        key: paramiko's key object, whose possession the server has proven.
        ask_console: reads the console; only called for a key that known_hosts does not have.
        is_session: whether the connection goes through Session Manager, so that AWS guarantees the peer.

    Returns:
        a notice about the key; empty where it is known or verified.

    Raises:
        NotExecuted: the key is wrong, or unknown over plain SSH.
    """
    shown = f"{key.fingerprint} ({key.get_name()})"
    known = known_keys(host, key)
    if any(known_key.asbytes() == key.asbytes() for known_key in known):
        return ""
    if known:
        raise NotExecuted(
            f"the host key of {host.known_as} has changed: it shows {shown}, and known_hosts has "
            f"{', '.join(sorted(known_key.fingerprint for known_key in known))}",
            f"if the host was replaced on purpose: ssh-keygen -R {shlex.quote(host.known_as)}   "
            "forgets the old key",
        )
    console = ask_console()
    if key.fingerprint in console.fingerprints:
        return ""
    if console.fingerprints:
        raise NotExecuted(
            f"the host key of {host.known_as} is not one of {host.instance_id}: it shows {shown}, and "
            f"the instance's console {', '.join(sorted(console.fingerprints))}",
            f"if its keys were made again on purpose: {_adding(host, key)}",
        )
    if is_session:
        return (
            f"the host key of {host.instance_id} is not known here: {shown}; {console.why_none}. It is "
            "taken for this session only: Session Manager leads to the instance itself"
        )
    raise NotExecuted(
        f"the host key of {host.known_as} is not known: {shown}"
        + (f"; {console.why_none}" if console.why_none else ""),
        f"compare it with {_source(host)}; if it is the same: {_adding(host, key)}",
        missing=f"the host key of {host.known_as} in known_hosts",
    )


def known_keys(host: SshHost, shown: Any = None) -> list[Any]:
    """The keys that known_hosts has for a host.

    Args:
        shown: the server's key, which must not be marked as revoked.

    Raises:
        NotExecuted: it is revoked, or a file cannot be read.
    """
    from paramiko import HostKeys

    host_keys: list[Any] = []
    for path in host.known_hosts:
        try:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise NotExecuted(f"{path} cannot be read: {error.strerror}") from None
        keys = HostKeys()
        for line in lines:
            if line.startswith("@revoked") and shown and shown.get_base64() in line:
                raise NotExecuted(f"the host key of {host.known_as} is marked as revoked in {path}")
            _add(keys, line.strip())
        host_keys += (keys.lookup(host.known_as) or {}).values()
    return host_keys


def _add(keys: Any, line: str) -> None:
    """Add one line of known_hosts; paramiko's own reader stops at the first line that it cannot parse."""
    from paramiko.hostkeys import HostKeyEntry, InvalidHostKey

    if not line or line.startswith(("#", "@")):
        return
    try:
        entry = HostKeyEntry.from_line(line)
    except (InvalidHostKey, ValueError):
        return
    for name in entry.hostnames if entry else ():
        keys.add(name, entry.key.get_name(), entry.key)


def _source(host: SshHost) -> str:
    """The place where the true fingerprint can be found."""
    if host.instance_id:
        return (
            f"aws ec2 get-console-output --instance-id {host.instance_id} --query Output --output text, "
            "or with ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub on the instance"
        )
    return "what ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub prints on that host"


def _adding(host: SshHost, key: Any) -> str:
    line = f"{host.known_as} {key.get_name()} {key.get_base64()}"
    return f"echo {shlex.quote(line)} >> {host.known_hosts[0]}"
