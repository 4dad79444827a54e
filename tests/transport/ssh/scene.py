"""An SSH server of this process, plainly on loopback and at the end of a session."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from opskit.config import Target
from opskit.errors import AwsError
from opskit.sandbox.session_manager.gateway import Sessions
from opskit.sandbox.ssh.keys import Keys
from opskit.transport.ssh.dialers import DirectDialer, SessionDialer
from tests.fake_aws import FakeClient
from tests.transport.session_manager.scene import Api, Unsigned


@dataclass
class Aws(FakeClient):
    """EC2 and EC2 Instance Connect, as clients see them."""

    keys: Keys
    denied: set[str] = field(default_factory=set)
    console: str | None = None
    pushed: list[dict[str, Any]] = field(default_factory=list)

    def send_ssh_public_key(self, **body: Any) -> Any:
        self._check("ec2-instance-connect:SendSSHPublicKey")
        self.pushed.append(body)
        return self.keys.push(body)[1]

    def get_console_output(self, **_: Any) -> Any:
        self._check("ec2:GetConsoleOutput")
        return {"Output": self.keys.console() if self.console is None else self.console}

    def describe_instances(self, **_: Any) -> Any:
        return {"Reservations": [{"Instances": [{"PrivateIpAddress": "127.0.0.1"}]}]}

    def _check(self, action: str) -> None:
        if action in self.denied:
            raise AwsError(action, "AccessDeniedException", "no")


@dataclass
class Scene:
    """Servers and the ways to them."""

    home: Path
    keys: Keys
    aws: Aws
    port: int
    bastion: int
    sessions: Sessions

    def target(self, **settings: Any) -> Target:
        return Target("linkbox", {}, **settings)

    def over_session(self, **settings: Any) -> SessionDialer:
        api = Api(self.sessions)
        return SessionDialer(self.target(**settings), api, Unsigned(), self.aws, self.aws, "i-1")

    def plain(self, **settings: Any) -> DirectDialer:
        wanted = {
            "ssh_host": f"127.0.0.1:{self.port}",
            "ssh_key_file": str(self.home / "keys/id_ed25519"),
            **settings,
        }
        return DirectDialer(self.target(**wanted), self.aws, "i-1")

    def host_key(self, name: str = "app") -> str:
        words = (self.home / f"keys/host-{name}.pub").read_text().split()
        return " ".join(words[:2])

    def know(self, *lines: str) -> None:
        """Write known_hosts."""
        (self.home / ".ssh/known_hosts").write_text("".join(f"{line}\n" for line in lines))

    def know_both(self) -> None:
        self.know(
            f"[127.0.0.1]:{self.port} {self.host_key()}",
            f"[127.0.0.1]:{self.bastion} {self.host_key('bastion')}",
        )

    def open_sessions(self) -> list[Any]:
        found: list[Any] = Api(self.sessions).describe_sessions(State="Active")["Sessions"]
        return found
