"""The names and addresses of LinkBox, the environment that the sandbox imitates.

Read them as `topology.NAME` at the time of use: without namespaces the daemon calls `use_loopback` first,
which changes some of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

REGION = "us-east-1"
ACCOUNT = "123456789012"
VPC_CIDR = "10.0.0.0/16"
INSTANCE_ADDRESS = "10.0.2.45"
DATABASE_ADDRESS = "10.0.5.10"
BALANCER_ADDRESS = "10.0.1.20"
DATA_CIDR = "10.1.0.0/16"
DATA_ADDRESS = "10.1.5.10"
"""The database's address after a move into its own VPC."""
DATABASE_PUBLIC_ADDRESS = "203.0.113.25"
"""From TEST-NET-3 (RFC 5737): no host has it, and no route in the sandbox leads there."""
OPERATOR_ADDRESS = "172.31.99.2"
OPERATOR_GATEWAY = "172.31.99.1"
RESOLVER_ADDRESS = "10.0.0.2"
"""VPC base plus two, as in every VPC. The API is served there too, for the instance."""
METADATA_ADDRESS = "169.254.169.254"
TASK_SESSION = "6d9a4f6c0d8a4d0a9c551f6b1f0d6b2e"
"""The path element of one task: the endpoint needs no token, so the path is the secret."""
TASK_PATH = f"/v2/credentials/{TASK_SESSION}"
TASK_ADDRESS = "169.254.170.2"
"""The credentials endpoint of an ECS task."""
SERVICE_ADDRESSES = (RESOLVER_ADDRESS, METADATA_ADDRESS, TASK_ADDRESS)
API_PORT = 4566
GATEWAY_PORT = 4567
DATABASE_IDENTIFIER = "linkbox-db"
DATABASE_PORT = 5432
DATABASE_NAME = "linkbox"
DATABASE_USER = "linkbox"
HOST_SUFFIX = "c123xyz.us-east-1.rds.amazonaws.com"
DATABASE_HOST = f"{DATABASE_IDENTIFIER}.{HOST_SUFFIX}"
SSH_PORT, BASTION_PORT = 22, 22
BASTION_ADDRESS = OPERATOR_GATEWAY
"""The bastion is the router itself: the operator reaches it, and it reaches the instance."""
SSH_USER = "ec2-user"
CONTAINER = "linkbox-backend"
APP_PORT = 3000
CLUSTER = "linkbox"
SERVICE = "linkbox-backend"
"""The same app as an ECS service: its task has the app instance's network, role and files."""
PROJECT_DIRECTORY = "/srv/linkbox"
"""The directory of LinkBox's compose project on the instance."""

IS_LOOPBACK = False


def use_loopback(free_port: Callable[[], int]) -> None:
    """Put every machine on 127.0.0.1, each service on a free port of its own.

    The database's endpoint is then `localhost`, the one name that every machine resolves.
    """
    global IS_LOOPBACK, DATABASE_ADDRESS, DATABASE_HOST, DATABASE_PORT, APP_PORT, API_PORT
    global GATEWAY_PORT, SSH_PORT, BASTION_PORT, BASTION_ADDRESS
    IS_LOOPBACK, DATABASE_ADDRESS, DATABASE_HOST = True, "127.0.0.1", "localhost"
    DATABASE_PORT, APP_PORT, API_PORT = free_port(), free_port(), free_port()
    GATEWAY_PORT, SSH_PORT, BASTION_PORT = free_port(), free_port(), free_port()
    BASTION_ADDRESS = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class CompletedCommand:
    """A finished command: it exited, or its time was over."""

    exit_status: int
    stdout: bytes
    stderr: bytes
    timed_out: bool = False
