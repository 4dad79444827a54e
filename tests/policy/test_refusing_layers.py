"""Each layer that denies by itself is found; together they are the decision."""

from __future__ import annotations

from dataclasses import replace

import pytest

from opskit.credential_source.interface import DECRYPT
from opskit.policy.evaluate import EvaluationResult, decide
from opskit.policy.explanation import DenialReason
from opskit.policy.refusing_layers import denials_of_layers
from opskit.policy.role_access import RoleAccess
from tests.checks.iam.generated import world
from tests.policy.cases import KEY, ROLE, ROOT, SESSION, Case, allow, deny, key_case, policy, when
from tests.policy.test_evaluate import policies_of, request_of


def test_a_layer_denies_exactly_where_the_decision_is_a_denial() -> None:
    counts = {"denied": 0, "allowed": 0, "several": 0}
    for seed in range(300):
        access = world(seed).snapshot().value(RoleAccess)
        assert access is not None
        for need in (*access.reads, *access.decrypts):
            policies = access.policies
            if need.action != DECRYPT:
                policies = replace(policies, key=None, grants=())
            denials = denials_of_layers(need.request, policies)
            if need.decision.result is EvaluationResult.ALLOWED:
                counts["allowed"] += 1
                assert denials == (), seed
            elif need.decision.result is not EvaluationResult.DEPENDS:
                counts["denied"] += 1
                assert denials, (seed, need.action, need.decision)
            if DenialReason.BOUNDARY in {d.denial for d in denials} and len(denials) > 1:
                counts["several"] += 1
                relieved = decide(need.request, replace(policies, boundary=None)).result
                assert relieved is not EvaluationResult.ALLOWED, "one change was enough"
    assert min(counts.values()) > 20, counts


OF_S3 = allow(Action="s3:*", Resource="*")
TO_ROLE = {"Effect": "Allow", "Principal": {"AWS": ROLE}, "Action": DECRYPT, "Resource": "*"}
TO_ACCOUNT = {**TO_ROLE, "Principal": {"AWS": ROOT}}
TO_OTHER = {**TO_ROLE, "Principal": {"AWS": f"{ROLE}x"}}
WITH_KEY = allow(Action=DECRYPT, Resource=KEY)
SCP, TOP, OF_KEY, OWN, EXPLICIT = (
    DenialReason.ORGANIZATION, DenialReason.BOUNDARY, DenialReason.KEY_POLICY,
    DenialReason.NO_STATEMENT, DenialReason.EXPLICIT,
)  # fmt: skip


@pytest.mark.parametrize(
    ("case", "reasons"),
    [
        (Case("x", "", "", (allow(),)), []),
        (Case("x", "", "", (OF_S3,)), [OWN]),
        (Case("x", "", "", (allow(), deny())), [EXPLICIT]),
        (Case("x", "", "", (allow(),), boundary=OF_S3), [TOP]),
        (Case("x", "", "", (OF_S3,), boundary=OF_S3, scps=((OF_S3,), (allow(),))), [SCP, TOP, OWN]),
        (Case("x", "", "", (allow(),), scps=((deny(),), (OF_S3,))), [SCP, SCP]),
        (Case("x", "", "", (when("StringEquals", "aws:SourceVpce", "v"),), unknown=("aws:SourceVpce",)), []),
        (key_case("x", "", "", WITH_KEY, policy(TO_ACCOUNT)), []),
        (key_case("x", "", "", (), policy(TO_ROLE)), []),
        (key_case("x", "", "", (), policy(TO_ACCOUNT)), [OWN]),
        (key_case("x", "", "", (), policy(TO_OTHER)), [OF_KEY]),
        (key_case("x", "", "", deny(Action=DECRYPT, Resource=KEY), policy(TO_OTHER)), [OF_KEY, EXPLICIT]),
        (key_case("x", "", "", WITH_KEY, policy(TO_OTHER), boundary=OF_S3, scps=((OF_S3,),)), [SCP, OF_KEY, TOP]),
        (key_case("x", "", "", (), policy(TO_ROLE), boundary=OF_S3), [TOP]),
        (key_case("x", "", "", (), policy({**TO_ROLE, "Principal": {"AWS": SESSION}}), boundary=OF_S3), []),
        (key_case("x", "", "", (), policy(TO_OTHER), grants=({"GranteePrincipal": ROLE, "Operations": ["Decrypt"]},)), []),
    ],
)  # fmt: skip
def test_the_layers_that_deny(case: Case, reasons: list[DenialReason]) -> None:
    denials = denials_of_layers(request_of(case), policies_of(case))
    assert [d.denial for d in denials] == reasons
