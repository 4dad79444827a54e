"""The app's instance may be stopped or terminated, or be known by its id alone: what is read then."""

from __future__ import annotations

from typing import Any

import pytest

from opskit.checks.catalogue import default_checks
from opskit.checks.interface import Status
from opskit.config import Target
from opskit.diagnosis.run import judge
from opskit.facts import instance_role, transport_choice
from opskit.facts.instance_profiles import InstanceProfiles
from opskit.facts.interface import FactUnavailable
from opskit.facts.login import ClientLogin, LoginAttemptResult
from opskit.facts.probe import InstanceProbe
from opskit.facts.subnets import Subnets
from opskit.facts.target_health import TargetHealths
from opskit.reachability.database_paths import source_of
from opskit.workload.ec2_instance import Ec2InstanceWorkload, undescribed
from tests import builders as b
from tests.fake_aws import FakeClient

TARGET: Target = b.healthy(Target)
BY_ID = Ec2InstanceWorkload(undescribed("i-0123"), selection_reason="it was named")


class NoClients:
    """A factory of clients without any operation."""

    def client(self, _: str) -> Any:
        return FakeClient()


@pytest.mark.parametrize("state", ["stopped", "stopping", "shutting-down", "terminated", "pending"])
def test_nothing_is_asked_on_an_instance_that_does_not_run(state: str) -> None:
    with pytest.raises(FactUnavailable, match=f"linkbox-backend-1 .* is {state}"):
        transport_choice.select(TARGET, NoClients(), b.instance(state=state))


def test_an_instance_that_is_known_by_its_id_is_asked() -> None:
    assert transport_choice.select(TARGET, NoClients(), BY_ID).transport is not None


@pytest.mark.parametrize(
    ("app", "missing"),
    [
        (BY_ID, ("ec2:DescribeInstances",)),
        (b.instance(state="terminated", profile_arn=None), ()),
    ],
)
def test_a_profile_that_was_not_seen_is_not_missing(
    app: Ec2InstanceWorkload, missing: tuple[str, ...]
) -> None:
    with pytest.raises(FactUnavailable) as caught:
        instance_role.read(FakeClient(), app, TARGET, b.known(InstanceProfiles(())))
    assert caught.value.unknown.missing == missing


@pytest.mark.parametrize(
    ("app", "missing"),
    [
        (BY_ID, ("ec2:DescribeInstances",)),
        (b.instance(state="terminated", address=None, subnet_id=None, group_ids=()), ()),
    ],
)
def test_an_interface_that_was_not_seen_names_the_right_or_the_state(
    app: Ec2InstanceWorkload, missing: tuple[str, ...]
) -> None:
    with pytest.raises(FactUnavailable) as caught:
        source_of(app, b.healthy(Subnets), None, "")
    assert caught.value.unknown.missing == missing
    assert app.label in caught.value.unknown.reason


@pytest.mark.parametrize(
    "app",
    [
        b.instance(state="stopped"),
        b.instance(
            state="terminated", address=None, subnet_id=None, group_ids=(), vpc_id="",
            profile_arn=None,
        ),
    ],
)  # fmt: skip
def test_an_instance_that_does_not_run_is_the_one_root_cause(app: Ec2InstanceWorkload) -> None:
    unasked = (InstanceProbe, LoginAttemptResult, ClientLogin, TargetHealths)
    snapshot = b.snapshot(app, unknown=unasked)
    diagnosis = judge(snapshot, TARGET, "us-east-1", default_checks())
    assert [j.check.code for j in diagnosis.root_causes] == ["APP001"]
    assert diagnosis.bugs == ()


def test_an_instance_that_is_known_by_its_id_causes_nothing() -> None:
    diagnosis = judge(b.snapshot(BY_ID), TARGET, "us-east-1", default_checks())
    assert diagnosis.root_causes == ()
    assert diagnosis.bugs == ()
    by_code = {j.check.code: j.finding for j in diagnosis.judged}
    assert by_code["NET001"].status is Status.UNKNOWN
    assert by_code["NET001"].missing == ("ec2:DescribeInstances",)
    assert by_code["APP001"].status is Status.PASS
