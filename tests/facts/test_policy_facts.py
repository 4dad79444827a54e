"""Readers of policies, fed with replies as the IAM, KMS and Organizations API references show them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from opskit.config import Target
from opskit.errors import AwsError
from opskit.facts import (
    instance_profiles,
    instance_role,
    key_policy,
    operator_policies,
    organization,
    policies,
)
from opskit.facts.identity import Identity
from opskit.facts.interface import FactUnavailable, Unknown, run_concurrently
from opskit.facts.key import Key
from opskit.facts.organization import Organization
from opskit.workload.ec2_instance import Ec2InstanceWorkload, InstanceRole
from tests import builders as b
from tests.facts.test_networks import Fake

DOCUMENT = {"Version": "2012-10-17", "Statement": []}
POLICY = {"Policy": {"PolicyName": "managed", "DefaultVersionId": "v3"}}
VERSION = {"PolicyVersion": {"Document": DOCUMENT}}
BOUNDARY = {"PermissionsBoundaryArn": "arn:aws:iam::1:policy/ceiling"}


def test_a_roles_inline_managed_and_boundary_policies() -> None:
    role = {
        "RoleId": "AROA1",
        "Tags": [{"Key": "team", "Value": "x"}],
        "PermissionsBoundary": BOUNDARY,
    }
    fake = Fake(
        get_role={"Role": role},
        list_role_policies={"PolicyNames": ["inline"]},
        list_attached_role_policies={
            "AttachedPolicies": [{"PolicyArn": "arn:aws:iam::1:policy/m"}]
        },
        get_role_policy={"PolicyDocument": DOCUMENT},
        get_policy=lambda **asked: {
            "Policy": {"PolicyName": asked["PolicyArn"][-1], "DefaultVersionId": "v3"}
        },
        get_policy_version=VERSION,
    )
    found = policies.read(fake, InstanceRole("app", "arn:role", "p"))
    assert [(p.name, p.arn) for p in found.identity] == [
        ("inline", ""),
        ("m", "arn:aws:iam::1:policy/m"),
    ]
    assert found.boundary is not None
    assert found.boundary.arn == BOUNDARY["PermissionsBoundaryArn"]
    assert (found.unique_id, dict(found.tags)) == ("AROA1", {"team": "x"})
    assert (
        "get_policy_version",
        {"PolicyArn": "arn:aws:iam::1:policy/m", "VersionId": "v3"},
    ) in fake.asked
    with pytest.raises(FactUnavailable):
        policies.read(fake, InstanceRole(None, None, "p"))


PROFILE = {
    "InstanceProfileName": "p",
    "Arn": "arn:aws:iam::123456789012:instance-profile/p",
    "Roles": [{"RoleName": "app", "Arn": "arn:role"}],
}


def test_the_role_comes_from_the_list_of_profiles_or_from_a_call() -> None:
    app = b.healthy(Ec2InstanceWorkload)
    target = b.healthy(Target)
    listed = instance_profiles.read(Fake(list_instance_profiles={"InstanceProfiles": [PROFILE]}))
    quiet = Fake()
    assert instance_role.read(quiet, app, target, b.known(listed)).role_name == "app"
    assert quiet.asked == []
    asked = Fake(get_instance_profile={"InstanceProfile": PROFILE})
    denied = Unknown("no", ("iam:ListInstanceProfiles",))
    assert instance_role.read(asked, app, target, denied) == InstanceRole("app", "arn:role", "p")
    empty = Fake(get_instance_profile={"InstanceProfile": {**PROFILE, "Roles": []}})
    assert instance_role.read(empty, app, target, denied).role_name is None


def of(member: str, master: str = "999") -> Fake:
    """An organization with one unit between root and account."""
    parents = {member: ("ou-1", "ORGANIZATIONAL_UNIT"), "ou-1": ("r-1", "ROOT")}
    return Fake(
        describe_organization={"Organization": {"MasterAccountId": master}},
        list_parents=lambda ChildId: {  # noqa: N803
            "Parents": [{"Id": parents[ChildId][0], "Type": parents[ChildId][1]}]
        },
        list_policies_for_target=lambda TargetId, Filter: {  # noqa: N803
            "Policies": [{"Id": "p-full"}, {"Id": f"p-{TargetId}"}]
        },
        describe_policy=lambda PolicyId: {  # noqa: N803
            "Policy": {"PolicySummary": {"Name": PolicyId}, "Content": json.dumps(DOCUMENT)}
        },
    )


def test_an_organization_is_climbed_from_the_account_to_the_root() -> None:
    fake = of("123")
    found = organization.read(fake, Identity("123", "a", None))
    assert found.targets == ("r-1", "ou-1", "123")
    assert [[p.name for p in level] for level in found.levels] == [
        ["p-full", "p-r-1"], ["p-full", "p-ou-1"], ["p-full", "p-123"],
    ]  # fmt: skip
    described = [a for o, a in fake.asked if o == "describe_policy"]
    assert len(described) == 4, "each policy once"


def test_no_organization_and_its_management_account_have_no_ceiling() -> None:
    def none(**_: Any) -> Any:
        raise AwsError("organizations:x", "AWSOrganizationsNotInUseException", "")

    alone = Fake(describe_organization=none, list_parents=none, list_policies_for_target=none)
    assert organization.read(alone, Identity("123", "a", None)) == Organization((), ())
    assert organization.read(of("123", master="123"), Identity("123", "a", None)).levels == ()

    def denied(**_: Any) -> Any:
        raise AwsError("organizations:x", "AccessDeniedException", "")

    with pytest.raises(AwsError):
        organization.read(
            Fake(
                describe_organization=denied, list_parents=denied, list_policies_for_target=denied
            ),
            Identity("123", "a", None),
        )


def test_key_policy_and_grants_page_by_page() -> None:
    key = b.healthy(Key)

    def grants(Marker: str = "", **_: Any) -> Any:  # noqa: N803
        return (
            {"Grants": [{"GrantId": "2"}]}
            if Marker
            else {"Grants": [{"GrantId": "1"}], "NextMarker": "m"}
        )

    fake = Fake(get_key_policy={"Policy": json.dumps(DOCUMENT)}, list_grants=grants)
    assert key_policy.read(fake, key).document == DOCUMENT
    role = InstanceRole("app", "arn:role", "p")
    assert [g["GrantId"] for g in key_policy.read_grants(fake, key, role).all] == ["1", "2"]
    assert all(a["GranteePrincipal"] == "arn:role" for o, a in fake.asked if o == "list_grants")
    assert key_policy.read_grants(Fake(), key, InstanceRole(None, None, "p")).all == ()


USER = Fake(
    get_user={"User": {"PermissionsBoundary": BOUNDARY}},
    list_user_policies={"PolicyNames": ["own"]},
    list_attached_user_policies={"AttachedPolicies": [{"PolicyArn": "arn:aws:iam::1:policy/u"}]},
    list_groups_for_user={"Groups": [{"GroupName": "oncall"}]},
    list_group_policies={"PolicyNames": ["group-inline"]},
    list_attached_group_policies={"AttachedPolicies": [{"PolicyArn": "arn:aws:iam::1:policy/g"}]},
    get_user_policy={"PolicyDocument": DOCUMENT},
    get_group_policy={"PolicyDocument": DOCUMENT},
    get_policy=POLICY,
    get_policy_version=VERSION,
)


def test_a_users_policies_include_those_of_the_groups() -> None:
    found = operator_policies.read(USER, Identity("1", "arn:aws:iam::1:user/team/kim", None))
    assert [(p.name, p.holder) for p in found.identity] == [
        ("own", "user kim"), ("group-inline", "group oncall"), ("managed", ""), ("managed", ""),
    ]  # fmt: skip
    assert found.boundary is not None
    assert (found.session_arn, found.is_root) == ("", False)


def test_a_session_is_judged_as_its_role_whose_path_it_has_lost() -> None:
    role = {"Arn": "arn:aws:iam::1:role/sso/OnCall", "Tags": []}
    fake = Fake(
        get_role={"Role": role},
        list_role_policies={"PolicyNames": []},
        list_attached_role_policies={"AttachedPolicies": []},
    )
    session = "arn:aws:sts::1:assumed-role/OnCall/kim@example.com"
    found = operator_policies.read(fake, Identity("1", session, None))
    assert (found.arn, found.session_arn) == (role["Arn"], session)
    assert ("get_role", {"RoleName": "OnCall"}) in fake.asked


def test_root_and_federated_users() -> None:
    assert operator_policies.read(Fake(), Identity("1", "arn:aws:iam::1:root", None)).is_root
    with pytest.raises(FactUnavailable):
        operator_policies.read(Fake(), Identity("1", "arn:aws:sts::1:federated-user/x", None))


def test_calls_at_once_keep_their_order_and_their_errors() -> None:
    assert run_concurrently([lambda n=n: n for n in range(5)]) == [0, 1, 2, 3, 4]  # type: ignore[misc]
    assert run_concurrently([]) == []

    def fail() -> int:
        raise AwsError("x:Y", "AccessDenied", "no")

    with pytest.raises(AwsError):
        run_concurrently([lambda: 1, fail])
