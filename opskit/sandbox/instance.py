"""The app instance: its files, its tools, and the environment of its processes."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from opskit.sandbox import topology
from opskit.sandbox.network.namespaces import SYSTEM_PATH

ORDINARY_TOOLS = [
    "awk",
    "base64",
    "basename",
    "bash",
    "cat",
    "chmod",
    "cp",
    "curl",
    "cut",
    "date",
    "dd",
    "dirname",
    "echo",
    "env",
    "expr",
    "false",
    "find",
    "getent",
    "grep",
    "head",
    "hostname",
    "id",
    "ip",
    "kill",
    "ls",
    "mkdir",
    "mktemp",
    "mv",
    "nft",
    "od",
    "openssl",
    "printf",
    "ps",
    "pwd",
    "readlink",
    "rm",
    "sed",
    "sh",
    "sha256sum",
    "sleep",
    "sort",
    "stat",
    "tail",
    "tee",
    "test",
    "timeout",
    "touch",
    "tr",
    "true",
    "uname",
    "uniq",
    "wc",
    "wget",
    "whoami",
    "xargs",
]
SCRIPTS = Path(__file__).parent / "scripts"
AGENT_VERSION = "3.3.987.0"


def prepare(root: Path, project: Path, *, ca_pem: bytes, extra: Mapping[str, str]) -> None:
    """Create the instance's own files.

    Args:
        root: directory of the instance's files; `root/srv` is its /srv.
        project: LinkBox's project directory, as a path on the instance.
        ca_pem: the CA of the database, which the image holds as the RDS bundle.
        extra: more lines of the container's `.env`.
    """
    for directory in ("bin", "srv/linkbox", "var"):
        (root / directory).mkdir(parents=True, mode=0o755, exist_ok=True)
    _make_tools(root / "bin")
    _make_task_tools(root)
    agent = {"version": AGENT_VERSION, "is_running": True}
    agent_file(root).write_text(json.dumps(agent), encoding="utf-8")
    here = root / "srv/linkbox"
    (here / "rds-bundle.pem").write_bytes(ca_pem)
    settings = {
        "PARAMETER_PREFIX": "/linkbox",
        "AWS_REGION": topology.REGION,
        "PORT": str(topology.APP_PORT),
        "PGSSLMODE": "verify-full",
        "PGSSLROOTCERT": str(project / "rds-bundle.pem"),
        "MAINTENANCE_FILE": str(project / "maintenance"),
        **extra,
    }
    (here / ".env").write_text("".join(f"{k}={v}\n" for k, v in settings.items()), encoding="utf-8")
    compose = (
        "services:\n"
        f"  {topology.CONTAINER}:\n"
        "    image: linkbox/backend:1.4.2\n"
        f"    container_name: {topology.CONTAINER}\n"
        "    env_file: .env\n"
        "    network_mode: host\n"
        "    restart: unless-stopped\n"
    )
    (here / "compose.yaml").write_text(compose, encoding="utf-8")


def agent_file(root: Path) -> Path:
    """The state file of the instance's agent: its version, and whether it is stopped."""
    return root / "var/amazon-ssm-agent.json"


def agent(root: Path) -> tuple[str, bool]:
    """The agent's version, and whether it runs."""
    settings = json.loads(agent_file(root).read_text(encoding="utf-8"))
    return str(settings["version"]), bool(settings["is_running"])


def set_version(version: str) -> str:
    """The script that installs another version of the agent on the instance."""
    pattern = f's/"version": "[0-9.]*"/"version": "{version}"/'
    return f"sed -i '{pattern}' \"$HOME/amazon-ssm-agent.json\""


def environment(root: Path, api_url: str, metadata_url: str = "") -> dict[str, str]:
    """The environment of every command on the instance: no credentials, they come from the metadata."""
    more = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata_url} if metadata_url else {}
    if not topology.IS_LOOPBACK:
        more["LINKBOX_HAS_NETWORK"] = "yes"
    return {
        **more,
        "PATH": str(root / "bin"),
        "HOME": str(root / "var"),
        "LANG": "C.UTF-8",
        "AWS_REGION": topology.REGION,
        "AWS_DEFAULT_REGION": topology.REGION,
        "AWS_ENDPOINT_URL": api_url,
        "LINKBOX_CONTAINERS": str(root / "var/containers.json"),
    }


def of_task(root: Path, metadata_url: str) -> dict[str, str]:
    """The environment of a task's container, in place of the instance's."""
    where = "FULL" if metadata_url else "RELATIVE"
    return {
        "PATH": str(root / "task"),
        f"AWS_CONTAINER_CREDENTIALS_{where}_URI": metadata_url + topology.TASK_PATH,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def _make_tools(directory: Path) -> None:
    """Make this directory the instance's whole PATH, so that a removed tool is missing."""
    for tool in ORDINARY_TOOLS:
        path = shutil.which(tool, path=SYSTEM_PATH)
        if path is not None:
            (directory / tool).symlink_to(path)
    (directory / "python3").symlink_to(os.path.realpath(sys.executable))
    python = shlex.quote(sys.executable)
    for name, arguments in {
        "aws": "-m awscli",
        "docker": shlex.quote(str(SCRIPTS / "docker.py")),
        "systemctl": shlex.quote(str(SCRIPTS / "systemctl.py")),
    }.items():
        (directory / name).write_text(
            f'#!/bin/sh\nexec {python} {arguments} "$@"\n', encoding="utf-8"
        )
        (directory / name).chmod(0o755)


def _make_task_tools(root: Path) -> None:
    """Create a container's tools: those of its image, and no container engine."""
    (root / "task").mkdir(mode=0o755)
    for tool in (root / "bin").iterdir():
        if tool.name != "docker":
            (root / "task" / tool.name).symlink_to(tool)
