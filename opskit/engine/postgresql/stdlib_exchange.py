"""A PostgreSQL conversation without a login, run on the instance by the probe.

It is sent as text, so it keeps to Python 3.6 and imports nothing of opskit.
Source: PostgreSQL documentation, chapter Frontend/Backend Protocol, message flow.
"""

import base64

REPLY_BYTES = 2048
"""The longest first answer is an error of a few hundred bytes."""


def converse(conversation, arguments):
    """Send the startup message, after an SSLRequest over TLS if the server accepts it; nothing else."""
    if "ssl_request" in arguments:
        conversation.connection.sendall(base64.b64decode(arguments["ssl_request"]))
        conversation.parts.append(conversation.connection.recv(1))
        if conversation.parts[-1] != b"S":
            return
        conversation.start_tls()
    conversation.connection.sendall(base64.b64decode(arguments["startup"]))
    conversation.parts.append(conversation.connection.recv(REPLY_BYTES))
