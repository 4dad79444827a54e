"""Restarts the app so that it reads its credential again: one target at a time."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from opskit.aws_protocols import AwsClient
from opskit.checks.fix_commands import is_fixed, recreate
from opskit.checks.shell_rendering import join
from opskit.commands import AwsCall
from opskit.errors import AwsError, CannotProceed, TransportError
from opskit.probe.request import ProbeRequest, script
from opskit.probe.response import Container, Health, parse
from opskit.transport.interface import Transport
from opskit.workload import RESTARTS
from opskit.workload.interface import Location, RestartTarget
from opskit.workload.restart import HostRestart, ServiceRestart

COMMAND_LIMIT_S = 120.0
PROBE_LIMIT_S = 25.0
HEALTH_TIMEOUT_S = 60.0
DEPLOYED_WITHIN_S = 900.0
"""A service of a few tasks with slow health checks needs minutes."""
POLL_S = 0.5
SLOW_POLL_S = 5.0
HEALTH_URL = re.compile(r"https?://[!-~]{1,2000}")


def write(restart_target: RestartTarget) -> str:
    """Serialize a restart target for the journal: names, never a command."""
    return "\t".join(
        (restart_target.kind, restart_target.name, restart_target.where, restart_target.health_url)
    )


def read(text: str) -> RestartTarget:
    """Parse a restart target from the journal.

    Raises:
        CannotProceed: it does not name a container or a service.
    """
    parts = text.split("\t")
    name, place, where, url = parts if len(parts) == 4 else ("", "", "", "")
    kind = RESTARTS.get(name)
    is_url = not url or HEALTH_URL.fullmatch(url)
    if not (
        kind and kind.name_form.fullmatch(place) and kind.place_form.fullmatch(where) and is_url
    ):
        nouns = " nor ".join(other.noun for other in RESTARTS.values())
        raise CannotProceed(
            f"the unfinished rotation's record names {text!r} to be restarted, which is neither {nouns}: "
            "it was not written by this version of opskit, and is not obeyed",
            "--restart none   goes on without restarting anything",
        )
    return RestartTarget(kind.name, place, where, url)


def is_readable(text: str) -> bool:
    """Whether a restart target from the journal names a container or a service."""
    try:
        read(text)
    except CannotProceed:
        return False
    return True


@dataclass(frozen=True, slots=True)
class RestartResult:
    """The result of a restart. `why` is empty if the app is healthy.

    Attributes:
        is_about_login: the app's message is about its login, or is not understood.
        is_unknown: the restart was not carried out, or its result was not seen; a retry may tell.
    """

    is_healthy: bool
    why: str = ""
    is_about_login: bool = True
    is_unknown: bool = False

    @classmethod
    def lost(cls, why: str) -> RestartResult:
        """Create the result of a restart that was not carried out, or whose result was not seen."""
        return cls(False, why, is_about_login=False, is_unknown=True)


@dataclass(frozen=True, slots=True)
class HostRestarter:
    """Restarts things by a program on their machine, through a transport to each.

    Attributes:
        transports: location of a machine -> the transport to it.
        about_login: whether an app's message may be about its login.
    """

    transports: Callable[[Location], Transport]
    region: str
    about_login: Callable[[str], bool]
    health_timeout_s: float = HEALTH_TIMEOUT_S
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def restart(self, restart_target: RestartTarget, kind: HostRestart) -> RestartResult:
        """Run the kind's program, of a container that of its configuration; wait until it is healthy."""
        transport = self.transports(kind.location(restart_target.where))
        command = join(kind.program(restart_target.name))
        is_container = not command
        try:
            if is_container:
                container = self._find(restart_target, transport)
                if container is None:
                    return RestartResult(
                        False, f"{restart_target.name} is not there", is_about_login=False
                    )
                command = command_of(container)
            result = transport.run(command, timeout_s=COMMAND_LIMIT_S)
        except TransportError as error:
            return RestartResult.lost(error.sentence)
        if result.exit_status != 0:
            message = (result.stderr or result.stdout).strip().split("\n")[-1][:200]
            return RestartResult(
                False, f"{command}: exit {result.exit_status}: {message}", is_about_login=False
            )
        return self._wait(restart_target, transport, is_container=is_container)

    def _find(self, restart_target: RestartTarget, transport: Transport) -> Container | None:
        """Find the container on its instance."""
        response = parse(
            transport.run(script(self._asked(restart_target)), timeout_s=PROBE_LIMIT_S).stdout
        )
        return next((c for c in response.containers if c.name == restart_target.name), None)

    def _wait(
        self, restart_target: RestartTarget, transport: Transport, *, is_container: bool
    ) -> RestartResult:
        limit = self.clock() + self.health_timeout_s
        while True:
            try:
                why, text = self._complaint(restart_target, transport, is_container=is_container)
                ill = RestartResult(False, why, self.about_login(text))
            except TransportError as error:
                why, ill = error.sentence, RestartResult.lost(error.sentence)
            if not why:
                return RestartResult(True)
            if self.clock() > limit:
                return ill
            self.sleep(POLL_S)

    def _asked(self, restart_target: RestartTarget) -> ProbeRequest:
        return ProbeRequest(
            key=secrets.token_hex(8),
            region=self.region,
            container=restart_target.name,
            health_url=restart_target.health_url or None,
        )

    def _complaint(
        self, restart_target: RestartTarget, transport: Transport, *, is_container: bool
    ) -> tuple[str, str]:
        """Return the problem and the app's message; empty if there is none."""
        response = parse(
            transport.run(script(self._asked(restart_target)), timeout_s=PROBE_LIMIT_S).stdout
        )
        running = next((c for c in response.containers if c.name == restart_target.name), None)
        if is_container and (running is None or running.status != "running"):
            return f"{restart_target.name} is {running.status if running else 'not there'}", ""
        if not restart_target.health_url:
            return "", ""
        return unhealthy(response.health)


def unhealthy(health: Health | None) -> tuple[str, str]:
    """Return an app's problem and its message; empty if it is healthy."""
    if health is None:
        return "the app's health could not be asked", ""
    if health.status is not None and 200 <= health.status < 400:
        return "", ""
    answer = f"answers {health.status}" if health.status else "does not answer"
    return f"{health.url} {answer}: {health.body}", health.body


@dataclass(frozen=True, slots=True)
class ServiceRestarter:
    """Restarts things that an AWS service restarts, and waits for the end of it.

    Attributes:
        client: for reads; write_client: for writes, repeats no call.
    """

    client: AwsClient
    write_client: AwsClient
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def restart(self, restart_target: RestartTarget, kind: ServiceRestart) -> RestartResult:
        """Send the call, and wait until its progress is final."""
        name, place = restart_target.name, restart_target.where
        try:
            _send(self.write_client, kind.restart_call(name, place))
            limit = self.clock() + DEPLOYED_WITHIN_S
            while True:
                reply = _send(self.client, kind.describe_call(name, place))
                why, is_over = kind.progress(reply)
                if is_over or self.clock() > limit:
                    return RestartResult(not why, why)
                self.sleep(SLOW_POLL_S)
        except AwsError as error:
            why = kind.missing.get(error.code, f"{error.permission}: {error.code}")
            if error.may_have_been_applied:
                return RestartResult.lost(why)
            return RestartResult(False, why, is_about_login=False)


def _send(client: AwsClient, call: AwsCall) -> Mapping[str, Any]:
    """Send a call; operations are methods in snake case."""
    method = re.sub("(?<!^)(?=[A-Z])", "_", call.operation).lower()
    reply: Mapping[str, Any] = getattr(client, method)(**call.parameters)
    return reply


def command_of(container: Container) -> str:
    """Return the command that makes a container read its settings again, by its configuration."""
    if is_fixed(container) and container.project_directory:
        return join(recreate(container))
    return join(("docker", "restart", container.name))
