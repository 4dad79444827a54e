"""A container behind a bridge: one hop more to the metadata, and published ports."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from opskit.sandbox.aws.metadata import MetadataService
from opskit.sandbox.instance import SCRIPTS
from tests.conftest import Operator
from tests.sandbox.test_sandbox import on_instance

TOKEN = (
    "curl -sSf -m 2 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' "
    "http://169.254.169.254/latest/api/token"
)
WITHIN_S = 20


@pytest.fixture
def packets(operator: Operator) -> Iterator[Operator]:
    """A sandbox with namespaces, which is reset afterwards."""
    operator.need_packets()
    operator.wait_until_healthy()
    yield operator
    operator.reset()


def set_options(operator: Operator, *options: str) -> None:
    modify = ("aws", "ec2", "modify-instance-metadata-options", "--instance-id")
    assert operator.run(*modify, operator.running.ids["instance"], *options).returncode == 0


def tokens(operator: Operator) -> str:
    query = ("--query", "Reservations[0].Instances[0].MetadataOptions.HttpTokens")
    named = ("--instance-ids", operator.running.ids["instance"])
    return operator.run("aws", "ec2", "describe-instances", *named, *query).stdout.strip(' "\n')


def ends_well(operator: Operator, command: str) -> bool:
    """Whether a command on the instance succeeds soon."""
    limit = time.monotonic() + WITHIN_S
    while on_instance(operator, command) != "Success":
        if time.monotonic() > limit:
            return False
    return True


@pytest.mark.full
def test_a_container_is_one_hop_further_than_its_instance(packets: Operator) -> None:
    set_options(packets, "--http-tokens", "required", "--http-put-response-hop-limit", "2")
    name, answers = "linkbox-bridged", "curl -sSf -m 3 http://127.0.0.1:3999/health"
    run = f"docker run -d --name {name} --env-file {packets.running.project}/.env -e PORT=3000"
    run = f"{run} --restart always --network bridge -p 3999:3000 linkbox/backend:1.4.2 serve"
    assert on_instance(packets, run) == "Success"
    mode = f"docker inspect --format '{{{{.HostConfig.NetworkMode}}}}' {name} | grep -qx bridge"
    assert on_instance(packets, mode) == "Success"
    assert ends_well(packets, answers), "its database and its published port"
    assert on_instance(packets, f"docker exec {name} {TOKEN}") == "Success"

    set_options(packets, "--http-put-response-hop-limit", "1")
    assert tokens(packets) == "required", "an option that is not named stays"
    assert on_instance(packets, f"docker exec {name} {TOKEN}") == "Failed"
    assert on_instance(packets, TOKEN) == "Success"

    set_options(packets, "--http-put-response-hop-limit", "2")
    reboot = ("aws", "ec2", "reboot-instances", "--instance-ids", packets.running.ids["instance"])
    assert packets.run(*reboot).returncode == 0
    packets.wait_until_healthy()
    assert ends_well(packets, answers), "its restart policy starts it, with its network"
    assert on_instance(packets, f"docker stop {name}") == "Success"
    assert on_instance(packets, answers) == "Failed"


@pytest.mark.parametrize(
    ("mode", "environment"),
    [
        ("bridge", {}),
        ("none", {"LINKBOX_HAS_NETWORK": "yes"}),
        ("container:x", {"LINKBOX_HAS_NETWORK": "yes"}),
    ],
)
def test_a_network_that_is_not_imitated_is_refused(
    tmp_path: Path, mode: str, environment: dict[str, str]
) -> None:
    state = tmp_path / "containers.json"
    run = ("run", "-d", "--name", "x", "--network", mode, "image")
    done = subprocess.run(
        [sys.executable, SCRIPTS / "docker.py", *run],
        env={"LINKBOX_CONTAINERS": str(state), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, state.exists()) == (125, False)
    assert f"no network {mode}" in done.stderr


def test_only_an_answer_with_a_token_is_limited() -> None:
    class Options:
        http_put_response_hop_limit = 1

    class Instance:
        id, metadata_options, iam_instance_profile = "i-1", Options(), None

    class Connection:
        hops = 0

        def setsockopt(self, _: int, __: int, hops: int) -> None:
            self.hops = hops

    connection, service = Connection(), MetadataService(Instance)
    own = {"werkzeug.socket": connection}
    put = {"REQUEST_METHOD": "PUT", "PATH_INFO": "/latest/api/token"}
    life = {"HTTP_X_AWS_EC2_METADATA_TOKEN_TTL_SECONDS": "60"}
    service({**own, **put, **life}, lambda *_: None)
    assert connection.hops == 1
    get = {"REQUEST_METHOD": "GET", "PATH_INFO": "/latest/meta-data/instance-id"}
    service({**own, **get}, lambda *_: None)
    assert connection.hops == 64
