"""Stands in for session-manager-plugin: the contract of the AWS CLI, checked strictly.

It connects the data channel with opskit's own client, so that what it is asked for really happens.
`STANDIN` says how it behaves otherwise.
"""

from __future__ import annotations

import json
import os
import select
import shlex
import subprocess
import sys
import time

VARIABLE = "AWS_SSM_START_SESSION_RESPONSE"
BEHAVIOUR = os.environ.get("STANDIN", "")


def main() -> None:
    """Be the plugin."""
    if sys.argv[1:] == ["--version"]:
        print("1.2.497.0" if BEHAVIOUR == "old" else "1.2.764.0")
        return
    name, region, operation, profile, request, endpoint = sys.argv[1:]
    answer = json.loads(os.environ.pop(VARIABLE))
    asked = json.loads(request)
    assert name == VARIABLE, "the answer stands in an argument"
    assert sorted(answer) == ["SessionId", "StreamUrl", "TokenValue"]
    assert not any(answer["TokenValue"] in word for word in sys.argv), "the token is an argument"
    assert (operation, bool(region), bool(asked["Target"])) == ("StartSession", True, True)
    assert endpoint.startswith("http")
    if select.select([sys.stdin], [], [], 0.1)[0]:
        say("Cannot perform start session: EOF")
        return
    say(f"\nStarting session with SessionId: {answer['SessionId']}")
    if BEHAVIOUR == "silent":
        time.sleep(60)
    elif BEHAVIOUR == "dies":
        say(f"something is wrong with {answer['TokenValue']} at {answer['StreamUrl']}")
    elif BEHAVIOUR == "local":
        run_here(asked["Parameters"]["command"][0])
    else:
        connect(answer, asked, region, profile)
    say(f"\n\nExiting session with sessionId: {answer['SessionId']}.\n")


def say(text: str) -> None:
    """Chatter goes where the command's output goes."""
    print(text, flush=True)


def run_here(command: str) -> None:
    """Run the command as an agent would, both streams and the status in one."""
    done = subprocess.run(
        shlex.split(command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    sys.stdout.buffer.write(done.stdout + b"EXIT_CODE: %d" % done.returncode)


def connect(answer: dict[str, str], asked: dict[str, object], region: str, profile: str) -> None:
    """Carry the session."""
    from opskit.aws import Aws, MessageGateway
    from opskit.config import Target
    from opskit.transport.session_manager.data_channel import Data, ExitCode
    from opskit.transport.session_manager.session import Session
    from opskit.transport.session_manager.tunnel import SessionTunnel

    aws = Aws(Target("x", {}, region=region, profile=profile or None))
    parameters = asked["Parameters"]
    assert isinstance(parameters, dict)
    ssm = aws.client("ssm")
    assert not isinstance(ssm, MessageGateway)
    gateway = MessageGateway(aws)
    session = Session(ssm, gateway, str(asked["Target"]), "", {}, None, lambda: answer)
    if "portNumber" in parameters:
        tunnel = SessionTunnel(
            session,
            lambda _: say("Connection to destination port failed, check SSM Agent logs."),
            "the instance",
        )
        port = tunnel.start(int(parameters["localPortNumber"][0]))
        say(f"Port {port} opened for sessionId {answer['SessionId']}.\nWaiting for connections...")
        tunnel.is_closed.wait()
        return
    for event in session.events(time.monotonic() + 60):
        if isinstance(event, Data):
            sys.stdout.buffer.write(event.data)
        elif isinstance(event, ExitCode):
            sys.stdout.buffer.write(b"EXIT_CODE: %d" % event.status)
        sys.stdout.flush()


if __name__ == "__main__":
    main()
