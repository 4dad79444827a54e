"""The SSH hosts on the path to the instance, with their users: from opskit's settings and ~/.ssh/config."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opskit.config import DEFAULT_SSH_USER, Target
from opskit.errors import NotExecuted, UsageError

PORT = 22
MOST_HOPS = 5
DEFAULT_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")
PLACE = re.compile(
    r"(?:(?P<user>[^@]+)@)?(?:\[(?P<bracketed>[^\]]+)\]|(?P<host>[^@:\s]+))(?::(?P<port>\d+))?"
)


@dataclass(frozen=True, slots=True)
class SshHost:
    """One host on the path.

    Attributes:
        name: the host's name in known_hosts.
        key_files: existing files, tried in this order.
        is_only_key: no other key is offered, not even one of the SSH agent.
        known_hosts: files that are searched for the host's key.
        instance_id: the host's EC2 instance; empty where that is not known.
    """

    name: str
    address: str
    port: int
    user: str
    key_files: tuple[Path, ...]
    is_only_key: bool
    known_hosts: tuple[Path, ...]
    instance_id: str = ""

    @property
    def known_as(self) -> str:
        """The name in the form of known_hosts."""
        return self.name if self.port == PORT else f"[{self.name}]:{self.port}"


def resolve_session_host(target: Target, instance_id: str) -> SshHost:
    """The instance at the end of a session; `Host i-*` in ~/.ssh/config applies."""
    message = _lookup_config(_config(), instance_id)
    return SshHost(
        message.get("hostkeyalias", instance_id),
        instance_id,
        PORT,
        target.ssh_user or message.get("user") or DEFAULT_SSH_USER,
        (Path(target.ssh_key_file).expanduser(),) if target.ssh_key_file else (),
        True,
        _known_hosts(message),
        instance_id,
    )


def resolve_jump_hosts(target: Target, address: str, instance_id: str) -> tuple[SshHost, ...]:
    """The hosts on the path to the instance, nearest first, the instance last.

    Args:
        address: the instance's, with a port if that is not 22; aliases of ~/.ssh/config are accepted.

    Raises:
        UsageError: a setting or ~/.ssh/config is wrong.
        NotExecuted: ~/.ssh/config uses a connection method that opskit does not support.
    """
    config = _config()
    last, jump = _host(config, target, "ssh_host", address, target.ssh_user, instance_id)
    before: list[SshHost] = []
    todo = [p.strip() for p in (target.ssh_bastion or jump or "").split(",") if p.strip()]
    while todo:
        if len(before) == MOST_HOPS:
            raise UsageError(f"the way to {address} goes over more than {MOST_HOPS} hosts")
        # The nearest host may itself be behind a jump host.
        host, jump = _host(config, target, "ssh_bastion", todo.pop(), None, "")
        before.insert(0, host)
        todo = todo or [p.strip() for p in (jump or "").split(",") if p.strip()]
    return (*before, last)


def _host(
    config: Any, target: Target, setting: str, text: str, user: str | None, instance_id: str
) -> tuple[SshHost, str | None]:
    """The named host, and the jump hosts that ~/.ssh/config puts before it."""
    match = PLACE.fullmatch(text)
    if match is None:
        raise UsageError(f"{setting} '{text}' is not of the form [USER@]HOST[:PORT]")
    host = match["bracketed"] or match["host"]
    message = _lookup_config(config, host)
    if (message.get("proxycommand") or "none") != "none" and not target.ssh_bastion:
        raise NotExecuted(
            f"~/.ssh/config reaches {host} by a ProxyCommand, which opskit does not run",
            "ssh_bastion in opskit.toml or OPSKIT_SSH_BASTION names a jump host; "
            "--via ssh-session needs none",
        )
    port = str(match["port"] or message.get("port") or PORT)
    if not port.isdecimal():
        raise NotExecuted(f"~/.ssh/config gives {host} the port '{port}'")
    address = message.get("hostname", host)
    named = target.ssh_key_file
    files = [Path(named)] if named else [Path(p) for p in message.get("identityfile", ())]
    if not files:
        files = [Path("~/.ssh") / name for name in DEFAULT_KEYS]
    jump = message.get("proxyjump")
    hop = SshHost(
        message.get("hostkeyalias", address),
        address,
        int(port),
        match["user"] or user or message.get("user") or DEFAULT_SSH_USER,
        tuple(f.expanduser() for f in files),
        bool(named) or message.get("identitiesonly", "no") == "yes",
        _known_hosts(message),
        instance_id,
    )
    return hop, None if jump == "none" else jump


def _known_hosts(message: Mapping[str, Any]) -> tuple[Path, ...]:
    named = str(
        message.get("userknownhostsfile") or "~/.ssh/known_hosts ~/.ssh/known_hosts2"
    ).split()
    return (*(Path(n).expanduser() for n in named), Path("/etc/ssh/ssh_known_hosts"))


def _lookup_config(config: Any, host: str) -> Mapping[str, Any]:
    """The options that ~/.ssh/config has for a host.

    Raises:
        NotExecuted: they cannot be resolved, such as a name that CanonicalizeHostname cannot find.
    """
    from paramiko import SSHException

    try:
        message: Mapping[str, Any] = config.lookup(host)
    except (SSHException, ImportError, OSError) as error:
        raise NotExecuted(
            f"~/.ssh/config cannot be applied to {host}: {type(error).__name__} {error}"
        ) from None
    return message


def _config() -> Any:
    """The parsed ~/.ssh/config; empty where there is none.

    Raises:
        UsageError: the file cannot be read.
    """
    from paramiko import SSHConfig
    from paramiko.ssh_exception import ConfigParseError

    path = Path("~/.ssh/config").expanduser()
    try:
        return SSHConfig.from_path(str(path))
    except FileNotFoundError:
        return SSHConfig()
    except (OSError, ConfigParseError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
