"""A fault, and the context in which its actions run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from opskit.sandbox import topology
from opskit.sandbox.fixture import ResourceIds

PREFIX = "/linkbox/db-"


@dataclass(frozen=True, slots=True)
class DatabaseEvents:
    """What happens to the database without a call or a statement: by RDS itself, or with time.

    Attributes:
        enter: gives the instance a status that no call sets, and the server what the status means.
        age_certificate: lets the server's certificate be one that ends at a moment.
        renew_certificate: lets it be again the one before.
        crash, recover: end and start the server's process, which RDS does not notice.
    """

    enter: Callable[[str], None]
    age_certificate: Callable[[datetime], None]
    renew_certificate: Callable[[], None]
    crash: Callable[[], None]
    recover: Callable[[], None]


EVENTS = {
    "enter-status": "enter",
    "age-certificate": "age_certificate",
    "renew-certificate": "renew_certificate",
    "crash": "crash",
    "recover": "recover",
}
"""Commands of the control socket -> fields of `DatabaseEvents`."""


@dataclass(frozen=True, slots=True)
class FaultContext:
    """The means of a person: the API, SQL as the administrator, and a shell on the instance; and what
    happens to the database by itself.
    """

    client: Callable[[str], Any]
    sql: Callable[[str], object]
    set_password: Callable[[str, str], None]
    shell: Callable[[str], object]
    ids: ResourceIds
    project: str
    events: DatabaseEvents

    def restart_app(self) -> None:
        """Restart the app, as a deploy or a reboot does sooner or later; a stopped instance has none."""
        rows = self.client("ec2").describe_instances(InstanceIds=[self.ids.instance])
        if rows["Reservations"][0]["Instances"][0]["State"]["Name"] == "running":
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
    is_symptom: bool = False
    """Whether its finding is a symptom, whose cause no fact shows: the diagnosis names no root cause."""
    warnings: tuple[str, ...] = ()
    """The codes of warnings beside the finding."""
    shows_after_s: float = 1.0
    """The time within which the packets follow a changed rule, and the app's pool is replaced."""
