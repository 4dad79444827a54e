"""The calls of the app that are evaluated: the caller, the condition keys and the policies of each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from opskit.config import Target
from opskit.facts.identity import Identity
from opskit.facts.interface import FactUnavailable, Unknown
from opskit.facts.key import Key
from opskit.facts.key_policy import KeyGrants
from opskit.facts.organization import Organization
from opskit.facts.policies import PolicyText
from opskit.facts.region import Region
from opskit.policy.evaluate import EvaluationResult
from opskit.policy.explanation import DenialReason
from opskit.policy.request import Presence, Principal
from opskit.policy.role_access import RequiredPermission, RoleAccess, analyze, parsed
from opskit.workload.ec2_instance import Ec2InstanceWorkload, InstanceRole
from tests import builders as b

ACCOUNT = "123456789012"
BASE = f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/linkbox"
CALLER = Principal(b.ROLE_ARN, ACCOUNT, f"arn:aws:sts::{ACCOUNT}:assumed-role/app-role/i-1")
UNKNOWN = Unknown("you may not read it", ("x:Y",))
READ_ACTIONS = ("ssm:GetParameter", "ssm:GetParameters")
OF_S3 = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def access(**changes: Any) -> RoleAccess:
    """The role's access in a healthy LinkBox, but for the changes."""
    facts = {
        "target": Target("linkbox", b.NAMES, "/linkbox"),
        "region": Region("us-east-1"),
        "identity": b.healthy(Identity),
        "app": b.healthy(Ec2InstanceWorkload),
        "role": b.healthy(InstanceRole),
        "own": b.role_policies(b.READS, b.DECRYPTS),
        "organization": b.known(Organization((), ())),
        "key": b.known(b.healthy(Key)),
        "key_policy": b.known(b.key_policy({"AWS": f"arn:aws:iam::{ACCOUNT}:root"})),
        "grants": b.known(KeyGrants(())),
    }
    return analyze(**{**facts, **changes})


def values(need: RequiredPermission) -> dict[str, str]:
    """The condition keys of a call, which have one value each."""
    context = need.request.context.values
    assert all(len(found) == 1 for found in context.values())
    return {key: found[0] for key, found in context.items()}


COMMON = {
    "aws:principalarn": b.ROLE_ARN,
    "aws:principalaccount": ACCOUNT,
    "aws:principaltype": "AssumedRole",
    "aws:principalisawsservice": "false",
    "aws:userid": "AROA1:i-1",
    "aws:requestedregion": "us-east-1",
    "aws:securetransport": "true",
    "aws:currenttime": b.NOW.isoformat(),
    "aws:epochtime": "1767323040",
    "aws:ec2instancesourcevpc": "vpc-1",
    "aws:ec2instancesourceprivateipv4": "10.0.2.45",
}


def test_every_parameter_is_read_by_both_calls_and_its_path_by_a_third() -> None:
    reads = access().reads
    names = ["db-endpoint", "db-name", "db-password", "db-username"]
    of_names = [
        (action, f"{BASE}/{name}", f"/linkbox/{name}") for name in names for action in READ_ACTIONS
    ]
    path = ("ssm:GetParametersByPath", BASE, "/linkbox")
    assert [(n.action, n.resource, n.name) for n in reads] == [*of_names, path]
    assert [n.decision.result for n in reads] == [
        *[EvaluationResult.ALLOWED] * 8, EvaluationResult.IMPLICIT_DENY,
    ]  # fmt: skip
    denial = reads[-1].denial
    assert denial is not None
    assert denial.denial is DenialReason.NO_STATEMENT
    assert reads[0].denial is None


def test_a_read_carries_what_the_instance_s_credentials_carry() -> None:
    own = replace(b.role_policies(b.READS), tags={"Team": "red"})
    need = access(own=own).reads[0]
    assert need.request.principal == CALLER
    assert values(need) == {
        **COMMON,
        "aws:viaawsservice": "false",
        "aws:principaltag/team": "red",
    }


def test_a_decryption_is_made_by_parameter_store_for_the_password() -> None:
    [need] = access().decrypts
    assert (need.action, need.resource, need.name) == (
        "kms:Decrypt", b.KEY_ARN, "/linkbox/db-password",
    )  # fmt: skip
    assert need.request.principal == CALLER
    assert need.decision.result is EvaluationResult.ALLOWED
    assert values(need) == {
        **COMMON,
        "aws:viaawsservice": "true",
        "kms:viaservice": "ssm.us-east-1.amazonaws.com",
        "kms:calleraccount": ACCOUNT,
        "kms:encryptioncontext:parameter_arn": f"{BASE}/db-password",
        "kms:encryptioncontextkeys": "PARAMETER_ARN",
    }


@pytest.mark.parametrize(
    ("key", "presence"),
    [
        ("aws:SourceVpce", Presence.UNKNOWN),
        ("aws:SourceIp", Presence.UNKNOWN),
        ("aws:MultiFactorAuthPresent", Presence.ABSENT),
        ("aws:username", Presence.ABSENT),
        ("aws:PrincipalTag/other", Presence.ABSENT),
        ("aws:RequestTag/other", Presence.ABSENT),
        ("kms:EncryptionContext:other", Presence.ABSENT),
    ],
)
def test_keys_that_a_call_may_carry_and_keys_that_it_lacks(key: str, presence: Presence) -> None:
    found = access()
    for need in (*found.reads, *found.decrypts):
        assert need.request.context.presence(key) is presence


def test_other_partitions_and_regions_have_other_names() -> None:
    found = access(region=Region("cn-north-1"))
    assert found.reads[0].resource.startswith("arn:aws-cn:ssm:cn-north-1:")
    assert found.reads[0].request.principal.session_arn.startswith("arn:aws-cn:sts::")
    assert values(found.decrypts[0])["kms:viaservice"] == "ssm.cn-north-1.amazonaws.com"


class TestPolicies:
    def test_each_has_its_type_and_name(self) -> None:
        scp = PolicyText("guard", "p-1", b.document(ALL))
        policies = access(
            own=b.role_policies(b.READS, boundary=ALL),
            organization=b.known(Organization(((scp,), (scp, scp)), ("r", "a"))),
        ).policies
        [own] = policies.identity
        assert (own.kind, own.name, own.arn) == ("identity-based", "app-policy", "")
        assert policies.boundary is not None
        assert policies.boundary.kind == "permissions boundary"
        assert policies.boundary.name == "ceiling"
        assert [[(p.kind, p.name, p.arn) for p in level] for level in policies.organization] == [
            [("service control policy", "guard", "p-1")] * n for n in (1, 2)
        ]
        assert policies.key is not None
        assert (policies.key.kind, policies.key.name) == ("key policy", "the key policy")
        assert policies.grants == ()

    def test_the_boundary_and_the_organization_limit_reads_and_decryption(self) -> None:
        scp = PolicyText("guard", "p-1", b.document(OF_S3))
        for changes in (
            {"own": b.role_policies(b.READS, b.DECRYPTS, boundary=OF_S3)},
            {"organization": b.known(Organization(((scp,),), ("r",)))},
        ):
            found = access(**changes)
            for need in (found.reads[0], found.decrypts[0]):
                assert need.decision.result is EvaluationResult.IMPLICIT_DENY

    def test_a_read_is_not_decided_by_the_key_policy(self) -> None:
        found = access(own=b.role_policies(), key_policy=b.known(b.key_policy({"AWS": b.ROLE_ARN})))
        assert found.decrypts[0].decision.result is EvaluationResult.ALLOWED
        assert found.reads[0].decision.result is EvaluationResult.IMPLICIT_DENY

    def test_a_grant_alone_decrypts_and_one_that_is_not_known_may(self) -> None:
        grant = {"GranteePrincipal": b.ROLE_ARN, "Operations": ["Decrypt"]}
        changes = {"own": b.role_policies(), "key_policy": b.known(b.key_policy({"AWS": "x"}))}
        for grants, result in (
            (b.known(KeyGrants((grant,))), EvaluationResult.ALLOWED),
            (b.known(KeyGrants(())), EvaluationResult.IMPLICIT_DENY),
            (UNKNOWN, EvaluationResult.DEPENDS),
        ):
            [need] = access(**changes, grants=grants).decrypts
            assert need.decision.result is result

    def test_what_could_not_be_read_is_named(self) -> None:
        assert access().unread == ()
        assert access(organization=UNKNOWN).unread == ("service control policies",)
        without = access(organization=UNKNOWN, key_policy=UNKNOWN)
        assert without.unread == ("service control policies", "the key policy")
        assert without.decrypts == ()
        assert without.policies.key is None

    def test_the_key_of_aws_needs_no_permission(self) -> None:
        for key in (b.known(replace(b.healthy(Key), is_aws_managed=True)), UNKNOWN):
            found = access(key=key)
            assert (found.decrypts, found.unread, found.policies.key) == ((), (), None)


def test_without_a_role_there_is_nothing_to_evaluate() -> None:
    for change in ({"role_arn": None}, {"role_name": None}):
        with pytest.raises(FactUnavailable, match=r"^the instance has no role$") as caught:
            access(role=replace(b.healthy(InstanceRole), **change))  # type: ignore[arg-type]
        assert caught.value.unknown.missing == ("an instance profile",)


def test_a_policy_that_iam_would_not_accept_is_unavailable() -> None:
    with pytest.raises(FactUnavailable, match=r"^own cannot be read: KeyError$") as caught:
        parsed(PolicyText("own", "", {"Version": "2012-10-17"}), "identity-based")
    assert caught.value.unknown.missing == ("a policy that IAM accepts",)
