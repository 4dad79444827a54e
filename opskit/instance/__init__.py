"""Ways to run a command on the instance, and the one command that asks everything.

Here belongs transport, and the probe's text and parser. What its answers mean does not.
"""

from __future__ import annotations

ROADS: dict[str, str] = {
    "run-command": "opskit.instance.run_command:RunCommand",
    "session-manager": "opskit.instance.session_manager.commands:SessionManager",
    "plugin": "opskit.instance.session_manager.plugin:Plugin",
    "ecs-exec": "opskit.instance.ecs_exec:EcsExec",
    "ssh-session": "opskit.instance.ssh.commands:Ssh",
    "ssh": "opskit.instance.ssh.commands:Ssh",
    "local": "opskit.instance.local:Local",
}
"""Name for `--via` -> dotted path; imported when first used."""
