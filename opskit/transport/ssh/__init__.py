"""SSH as a road: over a session with an ephemeral key, or plainly, through a bastion where there is one.

The protocol itself is paramiko's; here belong the way to the server, its host key, our own key, and what
goes over the connection: commands and streams.
"""
