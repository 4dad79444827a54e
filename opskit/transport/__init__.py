"""Transports that run a command on the instance or in the task, and tunnels to the database.

The probe that they carry, and the meaning of its answers, belong elsewhere.
"""

from __future__ import annotations

TRANSPORTS: dict[str, str] = {
    "run-command": "opskit.transport.run_command:create",
    "session-manager": "opskit.transport.session_manager.commands:create",
    "plugin": "opskit.transport.session_manager.plugin:create",
    "ssh-session": "opskit.transport.ssh.commands:create_over_session",
    "ssh": "opskit.transport.ssh.commands:create",
    "ecs-exec": "opskit.transport.ecs_exec:create",
    "local": "opskit.transport.local:create",
}
"""Name for `--via` -> function of a `TransportContext` that creates the transport for commands."""

TUNNELS: dict[str, str] = {
    "session-manager": "opskit.transport.session_manager.tunnel:open_tunnel",
    "plugin": "opskit.transport.session_manager.plugin_tunnel:open_tunnel",
    "ssh-session": "opskit.transport.ssh.tunnel:open_tunnel_over_session",
    "ssh": "opskit.transport.ssh.tunnel:open_tunnel",
    "ecs-exec": "opskit.transport.session_manager.tunnel:open_tunnel",
}
"""Name for `--via` -> function that opens a tunnel; transports that are missing carry commands only."""

CHOICES = ("auto", *TRANSPORTS, "none")
"""The values of `--via`."""
