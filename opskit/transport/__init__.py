"""Transports that run a command on the instance or in the task, and tunnels to the database.

The probe that they carry, and the meaning of its answers, belong elsewhere.
"""

from __future__ import annotations

TRANSPORTS: dict[str, str] = {
    "run-command": "opskit.transport.run_command:RunCommand",
    "session-manager": "opskit.transport.session_manager.commands:SessionManager",
    "plugin": "opskit.transport.session_manager.plugin:Plugin",
    "ecs-exec": "opskit.transport.ecs_exec:EcsExec",
    "ssh-session": "opskit.transport.ssh.commands:Ssh",
    "ssh": "opskit.transport.ssh.commands:Ssh",
    "local": "opskit.transport.local:Local",
}
"""Name for `--via` -> dotted path; imported when first used."""
