"""The hands of the person who changes things: a process on the operator's machine in a sandbox.

It reads the name of a case and the number of one of its actions from each line of standard input, does what
the action says, and replies with a line of JSON.
"""

from __future__ import annotations

import functools
import json
import sys
from dataclasses import dataclass
from typing import Any

from opskit.sandbox import lifecycle
from opskit.sandbox.faults.interface import DatabaseEvents, FaultContext
from opskit.sandbox.fixture import ResourceIds
from opskit.sandbox.lifecycle import RunningSandbox


@dataclass(frozen=True, slots=True)
class ShellResult:
    """A script's end on the instance."""

    exit_status: int
    stdout: str


def context_of(running: RunningSandbox) -> FaultContext:
    """The means of a person in a running sandbox."""
    import boto3

    session = boto3.Session()

    @functools.cache
    def client(service: str) -> Any:
        return session.client(service)

    def shell(script: str) -> ShellResult:
        reply = lifecycle.send_command(running, "shell", [script])
        return ShellResult(reply["exit_status"], reply["stdout"])

    def set_password(role: str, password: str) -> None:
        lifecycle.send_command(running, "set-password", [role, password])

    def send(event: str, *words: str) -> None:
        lifecycle.send_command(running, event, words)

    return FaultContext(
        client=client,
        sql=lambda statement: lifecycle.send_command(running, "sql", [statement]),
        set_password=set_password,
        shell=shell,
        ids=ResourceIds(**running.ids),
        project=running.project,
        events=DatabaseEvents(
            enter=lambda status: send("enter-status", status),
            age_certificate=lambda ends: send("age-certificate", ends.isoformat()),
            renew_certificate=lambda: send("renew-certificate"),
            crash=lambda: send("crash"),
            recover=lambda: send("recover"),
        ),
    )


def main() -> None:
    """Serve until standard input ends."""
    from tests.accuracy.matrix import by_name

    running = lifecycle.find(sys.argv[1])
    assert running is not None
    context = context_of(running)
    cases = by_name()
    for line in sys.stdin:
        name, number = line.rstrip("\n").split("\t")
        try:
            cases[name].actions[int(number)](context)
            reply = {"error": ""}
        except Exception as error:
            reply = {"error": f"{type(error).__name__}: {error}"[:600]}
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
