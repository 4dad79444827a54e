"""What a shell script starts in place of `opskit` or `aws`: it hands over to the fork server and waits.

Imports next to nothing, since it is started for every command of a script.
"""

import _socket
import os
import sys


def main() -> None:
    """Hand over arguments, environment, directory and streams; end as the command does."""
    import json

    address, program, real, location = sys.argv[1:5]
    environment = dict(os.environ)
    # The command sees the PATH that it would see without us.
    others = [p for p in environment["PATH"].split(":") if p != location]
    environment["PATH"] = ":".join(others)
    prefix = ["--endpoint-url", environment.get("AWS_ENDPOINT_URL", "")] if program == "aws" else []
    request = {
        "argv": [real, *prefix, *sys.argv[5:]],
        "environment": environment,
        "directory": os.getcwd(),  # noqa: PTH109  pathlib takes long to import
        "namespaces": [[0, ["user", "pid", "net", "mnt"]]],
    }
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    connection.connect(address)
    text = json.dumps(request).encode() + b"\n"
    streams = b"".join(n.to_bytes(4, sys.byteorder) for n in (0, 1, 2))
    sent = connection.sendmsg([text], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, streams)])
    connection.sendall(text[sent:])
    message = b""
    while message.count(b"\n") < 2:
        more = connection.recv(100)
        if not more:
            sys.exit("the fork server lost the command")
        message += more
    status = int(message.split()[1])
    # As a shell says it of a command that was ended by a signal.
    os._exit(status if status >= 0 else 128 - status)


main()
