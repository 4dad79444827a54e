"""Both resolvers of the VPC, the real one and the sandbox's own, give the same answers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import dns.resolver
import pytest

from opskit.sandbox import loopback, topology
from opskit.sandbox.aws.dns_records import names_inside, resolve
from opskit.sandbox.network import dns_server, dnsmasq
from tests.conftest import LIMIT_S
from tests.sandbox.test_dns_records import record, zone

Ask = Callable[[str], tuple[str, list[str]]]
ANSWERS = {
    "db.linkbox.internal": ("NOERROR", ["10.0.5.10"]),
    "DB.Linkbox.Internal": ("NOERROR", ["10.0.5.10"]),
    "alias.linkbox.internal": ("NOERROR", ["10.0.5.10"]),
    "two.linkbox.internal": ("NOERROR", ["10.0.5.10", "10.0.6.10"]),
    "a.w.linkbox.internal": ("NOERROR", ["10.0.5.11"]),
    "text.linkbox.internal": ("NOERROR", []),
    "public.example.com": ("NOERROR", ["192.0.2.1"]),
    "w.linkbox.internal": ("NXDOMAIN", []),
    "no.linkbox.internal": ("NXDOMAIN", []),
    "elsewhere.example.org": ("NXDOMAIN", []),
}


@pytest.fixture(params=["own", "dnsmasq"])
def served(request: pytest.FixtureRequest, aws_in_memory: None, tmp_path: Path) -> Iterator[Ask]:
    """A resolver that serves an account, and `refresh` of it where it has to be told."""
    ec2: Any = boto3.client("ec2", region_name=topology.REGION)
    vpc = ec2.create_vpc(CidrBlock=topology.VPC_CIDR)["Vpc"]["VpcId"]
    zone(
        "linkbox.internal",
        record("db.linkbox.internal", "A", "10.0.5.10"),
        record("alias.linkbox.internal", "CNAME", "db.linkbox.internal"),
        record("two.linkbox.internal", "A", "10.0.5.10", "10.0.6.10"),
        record("*.w.linkbox.internal", "A", "10.0.5.11"),
        record("text.linkbox.internal", "TXT", '"a"'),
        vpc=vpc,
    )
    zone("example.com", record("public.example.com", "A", "192.0.2.1"))
    address = "127.0.0.1", loopback.free_port()
    ask = asking(address)
    if request.param == "own":
        dns_server.serve(*address, lambda name: resolve(name, inside=True))
        yield ask
        return
    binary = dnsmasq.program()
    if binary is None:
        assert os.environ.get("CI") != "true", "CI must have dnsmasq"
        pytest.skip("dnsmasq is not installed")
    server = dnsmasq.Dnsmasq(binary, address, tmp_path, names_inside)
    server.refresh()
    try:
        yield ask
    finally:
        server.stop()


def asking(address: tuple[str, int]) -> Ask:
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port, resolver.lifetime = [address[0]], address[1], 2

    def ask(name: str) -> tuple[str, list[str]]:
        try:
            answer = resolver.resolve(name, "A", raise_on_no_answer=False)
        except dns.resolver.NXDOMAIN:
            return "NXDOMAIN", []
        return "NOERROR", sorted(str(item) for item in answer.rrset or [])

    return ask


def test_every_name_has_its_answer(served: Ask) -> None:
    limit = time.monotonic() + LIMIT_S
    while True:
        try:
            served("db.linkbox.internal")
            break
        except dns.exception.DNSException:
            assert time.monotonic() < limit
    assert {name: served(name) for name in ANSWERS} == ANSWERS


def test_a_name_that_does_not_exist_is_not_in_the_configuration() -> None:
    text = dnsmasq.configuration(
        ("10.0.0.2", 53),
        {"gone.x": ("NXDOMAIN", []), "a.x": ("NOERROR", [("a.x", "A", "10.0.0.1")])},
    )
    assert "gone.x" not in text
    assert "host-record=a.x,10.0.0.1\n" in text
