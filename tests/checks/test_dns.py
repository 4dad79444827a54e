"""The layer dns: a resolver that is off, a name that is gone, an address that nobody expects."""

from __future__ import annotations

import pytest

from opskit.checks.interface import Status
from opskit.checks.shell_rendering import render
from opskit.facts.private_zones import PrivateZone, PrivateZones
from opskit.facts.vpc import VpcDns
from opskit.probe.response import Resolution
from tests import builders as b
from tests.checks.app.scene import CALLER, judge

GONE = Resolution(b.HOST, (), "the name does not exist")
SILENT = Resolution(b.HOST, (), "the resolver did not answer")
PUBLIC = Resolution(b.HOST, ("203.0.113.25",), "")


def test_a_resolver_that_is_off_is_switched_on() -> None:
    off = VpcDns(is_supported=False, gives_hostnames=True)
    found = judge("DNS001", b.probe(resolutions=(SILENT,)), off)
    assert found.fix is not None, found.advice
    (command,), (undo,) = found.fix.commands, found.fix.undo
    assert render(command, CALLER).endswith(
        "modify-vpc-attribute --vpc-id vpc-1 --enable-dns-support '{\"Value\":true}'"
    )
    assert '"Value":false' in render(undo, CALLER)
    assert found.fix.ask


@pytest.mark.parametrize(("seen", "words"), [(GONE, "/linkbox/db-endpoint"), (SILENT, "port 53")])
def test_what_to_look_at_depends_on_the_answer(seen: Resolution, words: str) -> None:
    found = judge("DNS001", b.probe(resolutions=(seen,), resolvers=("192.0.2.53",)))
    assert found.status is Status.FAIL
    assert words in found.advice
    assert "192.0.2.53" in found.advice


def test_who_else_is_concerned_is_told() -> None:
    found = judge(
        "DNS002", b.probe(resolutions=(PUBLIC,)), b.database(is_public=True), VpcDns(True, False)
    )
    assert found.fix is not None
    assert "Clients outside the VPC lose their way to it." in found.fix.caution
    assert "that of the whole VPC" in found.fix.caution


def test_a_resolver_that_is_silent_has_looked_into_no_zone() -> None:
    zone = PrivateZones("vpc-1", "us-east-1", (PrivateZone("Z1", "rds.amazonaws.com", 2, False),))
    assert "shadows it" in judge("DNS001", b.probe(resolutions=(GONE,)), zone).summary
    assert "Z1" not in judge("DNS001", b.probe(resolutions=(SILENT,)), zone).summary


def test_a_public_address_that_aws_does_not_explain() -> None:
    found = judge("DNS002", b.probe(resolutions=(PUBLIC,)))
    assert (found.status, found.fix) == (Status.FAIL, None)
    assert "not the VPC's" in found.advice
