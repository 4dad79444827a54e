"""A fault, and the context in which its actions run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from opskit.sandbox import topology
from opskit.sandbox.fixture import ResourceIds

PREFIX = "/linkbox/db-"


@dataclass(frozen=True, slots=True)
class FaultContext:
    """The means of a person: the API, SQL as the administrator, and a shell on the instance."""

    client: Callable[[str], Any]
    sql: Callable[[str], object]
    set_password: Callable[[str, str], None]
    shell: Callable[[str], object]
    ids: ResourceIds
    project: str

    def restart_app(self) -> None:
        """Restart the app, as a deploy or a reboot does sooner or later."""
        self.shell(f"docker restart {topology.CONTAINER}")

    def recreate_app(self) -> None:
        """Recreate the container from its `.env`."""
        compose = f"docker compose --project-directory {self.project}"
        self.shell(f"{compose} up -d --force-recreate {topology.CONTAINER}")

    def put(self, name: str, value: str) -> None:
        """Write one of LinkBox's parameters."""
        kind: dict[str, Any] = {"Type": "String"}
        if name == "password":
            kind = {"Type": "SecureString", "KeyId": "alias/linkbox"}
        self.client("ssm").put_parameter(Name=PREFIX + name, Value=value, Overwrite=True, **kind)

    def password(self) -> str:
        """The parameter's current value."""
        reply = self.client("ssm").get_parameter(Name=PREFIX + "password", WithDecryption=True)
        return str(reply["Parameter"]["Value"])


FaultAction = Callable[[FaultContext], None]


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault: the action that injects it, the finding expected for it, and the action that reverts it.

    Attributes:
        code: of the finding; empty where only a started session can detect it.
    """

    name: str
    summary: str
    code: str
    inject: FaultAction
    revert: FaultAction
    needs_packets: bool = False
    """Whether it shows only with real packet filters and DNS names."""
    status: str = "fail"
    """The status of its finding: `warn` for a fault without harm yet."""
    shows_after_s: float = 1.0
    """The time within which the packets follow a changed rule, and the app's pool is replaced."""
