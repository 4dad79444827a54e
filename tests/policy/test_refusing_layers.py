"""Each layer that denies by itself is found; together they are the decision."""

from __future__ import annotations

from dataclasses import replace

from opskit.credential_source.interface import DECRYPT
from opskit.policy.evaluate import EvaluationResult, decide
from opskit.policy.explanation import DenialReason
from opskit.policy.refusing_layers import denials_of_layers
from opskit.policy.role_access import RoleAccess
from tests.checks.iam.generated import world


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
