"""A mistake, and the hands that make it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from opskit.sandbox import topology
from opskit.sandbox.fixture import ResourceIds

PREFIX = "/linkbox/db-"


@dataclass(frozen=True, slots=True)
class FaultContext:
    """What a person has: the API, SQL as the administrator, and a shell on the instance."""

    client: Callable[[str], Any]
    sql: Callable[[str], object]
    set_password: Callable[[str, str], None]
    shell: Callable[[str], object]
    ids: ResourceIds
    project: str

    def restart_app(self) -> None:
        """What a deploy or a reboot does sooner or later."""
        self.shell(f"docker restart {topology.CONTAINER}")

    def recreate_app(self) -> None:
        """Create the container anew from its `.env`."""
        compose = f"docker compose --project-directory {self.project}"
        self.shell(f"{compose} up -d --force-recreate {topology.CONTAINER}")

    def put(self, name: str, value: str) -> None:
        """Write one of LinkBox's parameters."""
        kind: dict[str, Any] = {"Type": "String"}
        if name == "password":
            kind = {"Type": "SecureString", "KeyId": "alias/linkbox"}
        self.client("ssm").put_parameter(Name=PREFIX + name, Value=value, Overwrite=True, **kind)

    def password(self) -> str:
        """The parameter's present value."""
        reply = self.client("ssm").get_parameter(Name=PREFIX + "password", WithDecryption=True)
        return str(reply["Parameter"]["Value"])


FaultAction = Callable[[FaultContext], None]


@dataclass(frozen=True, slots=True)
class Fault:
    """A mistake: what somebody did, what it is to be found as, and how it is taken back.

    Attributes:
        code: of the finding; empty where only a session that is started can say it.
    """

    name: str
    summary: str
    code: str
    inject: FaultAction
    repair: FaultAction
    needs_packets: bool = False
    """Whether it shows only where packets are really filtered and names are our own."""
    status: str = "fail"
    """How it is reported: `warn` for what does no harm yet."""
    shows_after_s: float = 1.0
    """Within this the packets follow a changed rule, and the app's pool has been replaced."""
