"""SSH as a transport: over a session with an ephemeral key, or directly, through a bastion if there is one.

paramiko implements the protocol. This package holds the path to the server, its host key, our own key, and
the commands and streams that the connection carries.
"""
