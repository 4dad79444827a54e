"""The operator's own calls that are evaluated, and the answer of policies and simulator together."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from opskit.config import Target
from opskit.facts.identity import Identity
from opskit.facts.interface import Unknown
from opskit.facts.key_policy import KeyPolicy, OperatorGrants
from opskit.facts.operator_policies import OperatorPolicies
from opskit.facts.operator_simulation import OperatorNeeds, OperatorSimulation
from opskit.facts.organization import Organization
from opskit.facts.permissions import Permission, ResourceScope, all_permissions
from opskit.facts.policies import PolicyText
from opskit.facts.region import Region
from opskit.facts.simulation import SimulatedDecision, Simulation
from opskit.policy.evaluate import Evaluation, EvaluationResult
from opskit.policy.explanation import DenialReason
from opskit.policy.operator_access import OperatorAccess, OperatorNeed, analyze
from opskit.policy.request import Presence, Principal
from tests import builders as b

ACCOUNT = "123456789012"
USER = f"arn:aws:iam::{ACCOUNT}:user/oncall"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/oncall"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/oncall/anna"
UNKNOWN = Unknown("you may not read it", ("x:Y",))
ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}
OF_S3 = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}


def of(scope: ResourceScope) -> Permission:
    return next(p for p in all_permissions() if p.on is scope)


ANY, ON_KEY, SSH_KEY = (
    of(ResourceScope.EVERYTHING),
    of(ResourceScope.KEY),
    of(ResourceScope.SSH_KEY),
)
INSTANCE = f"arn:aws:ec2:us-east-1:{ACCOUNT}:instance/i-1"


def access(*needs: tuple[Permission, str], **changes: Any) -> OperatorAccess:
    """The operator's access in a healthy LinkBox, but for the changes."""
    facts = {
        "target": Target("linkbox", b.NAMES, "/linkbox"),
        "region": Region("us-east-1"),
        "identity": b.healthy(Identity),
        "needs": OperatorNeeds(needs or ((ANY, "*"),), "ec2-user"),
        "own": b.known(b.operator_policies(ALL)),
        "simulation": b.known(OperatorSimulation(Simulation(()))),
        "organization": b.known(Organization((), ())),
        "key_policy": b.known(b.key_policy({"AWS": f"arn:aws:iam::{ACCOUNT}:root"})),
        "grants": b.known(OperatorGrants(())),
    }
    return analyze(**{**facts, **changes})


def values(need: OperatorNeed) -> dict[str, str]:
    assert need.request is not None
    context = need.request.context.values
    assert all(len(given) == 1 for given in context.values())
    return {key: given[0] for key, given in context.items()}


def result(need: OperatorNeed) -> EvaluationResult | None:
    return need.decision.result if need.decision else None


COMMON = {
    "aws:principalarn": USER,
    "aws:principalaccount": ACCOUNT,
    "aws:principaltype": "User",
    "aws:username": "oncall",
    "aws:requestedregion": "us-east-1",
    "aws:securetransport": "true",
    "aws:currenttime": b.NOW.isoformat(),
    "aws:epochtime": "1767323040",
}
VIA = {"kms:viaservice": "ssm.us-east-1.amazonaws.com", "kms:calleraccount": ACCOUNT}


def test_a_user_s_call() -> None:
    own = replace(b.operator_policies(ALL), tags={"Team": "red"})
    found = access(own=b.known(own))
    [need] = found.needs
    assert (found.who, found.own) == (USER, own)
    assert need.request is not None
    assert (need.request.principal, need.request.action, need.request.resource) == (
        Principal(USER, ACCOUNT), ANY.action, "*",
    )  # fmt: skip
    assert values(need) == {**COMMON, "aws:principaltag/team": "red"}
    assert (need.permission, need.resource, need.context) == (ANY, "*", ())
    assert result(need) is EvaluationResult.ALLOWED
    assert need.is_allowed is True


def test_a_role_s_call_has_a_session_and_no_user_name() -> None:
    own = replace(b.operator_policies(ALL), arn=ROLE, session_arn=SESSION)
    found = access(own=b.known(own))
    [need] = found.needs
    assert need.request is not None
    assert need.request.principal == Principal(ROLE, ACCOUNT, SESSION)
    expected = {**COMMON, "aws:principalarn": ROLE, "aws:principaltype": "AssumedRole"}
    del expected["aws:username"]
    assert values(need) == expected
    assert found.who == ROLE


def test_a_call_of_kms_is_made_by_parameter_store() -> None:
    plain, of_key = access((ANY, "*"), (ON_KEY, b.KEY_ARN)).needs
    assert values(plain) == COMMON
    assert values(of_key) == {**COMMON, **VIA}
    assert of_key.resource == b.KEY_ARN


def test_a_key_is_sent_for_one_user_of_the_instance() -> None:
    [need] = access((SSH_KEY, INSTANCE)).needs
    assert need.context == (("ec2:osuser", "ec2-user"),)
    assert values(need) == {**COMMON, "ec2:osuser": "ec2-user"}


@pytest.mark.parametrize(
    ("key", "presence"),
    [
        ("aws:SourceIp", Presence.UNKNOWN),
        ("aws:MultiFactorAuthPresent", Presence.UNKNOWN),
        ("aws:PrincipalTag/other", Presence.ABSENT),
        ("aws:RequestTag/other", Presence.ABSENT),
    ],
)
def test_a_session_may_carry_more_than_is_known(key: str, presence: Presence) -> None:
    [need] = access().needs
    assert need.request is not None
    assert need.request.context.presence(key) is presence


class TestPolicies:
    @pytest.mark.parametrize(
        ("changes", "denial"),
        [
            ({"own": b.known(b.operator_policies(OF_S3))}, DenialReason.NO_STATEMENT),
            (
                {"own": b.known(replace(b.operator_policies(ALL), boundary=PolicyText("top", "", b.document(OF_S3))))},
                DenialReason.BOUNDARY,
            ),
            (
                {"organization": b.known(Organization(((PolicyText("scp", "", b.document(ALL)),), (PolicyText("scp", "", b.document(OF_S3)),)), ("r", "a")))},
                DenialReason.ORGANIZATION,
            ),
        ],
    )  # fmt: skip
    def test_every_type_counts(self, changes: dict[str, Any], denial: DenialReason) -> None:
        [need] = access(**changes).needs
        assert result(need) is EvaluationResult.IMPLICIT_DENY
        assert need.is_allowed is False
        assert need.denial is not None
        assert need.denial.denial is denial

    @pytest.mark.parametrize(
        ("kind", "changes"),
        [
            ("identity-based", {"own": b.operator_policies({**ALL, "Effect": "Deny"})}),
            ("permissions boundary", {"own": replace(b.operator_policies(ALL), boundary=PolicyText("own", "arn:p", b.document({**ALL, "Effect": "Deny"})))}),
        ],
    )  # fmt: skip
    def test_a_deny_is_named_with_its_policy(
        self, kind: str, changes: dict[str, OperatorPolicies]
    ) -> None:
        [need] = access(own=b.known(changes["own"])).needs
        assert need.decision is not None
        assert need.decision.matched is not None
        assert (need.decision.matched.policy.kind, need.decision.matched.policy.name) == (
            kind,
            "own",
        )

    def test_a_service_control_policy_is_named(self) -> None:
        scp = PolicyText("guard", "p-1", b.document({**ALL, "Effect": "Deny"}))
        [need] = access(organization=b.known(Organization(((scp,),), ("r",)))).needs
        assert need.decision is not None
        assert need.decision.matched is not None
        policy = need.decision.matched.policy
        assert (policy.kind, policy.name, policy.arn) == ("service control policy", "guard", "p-1")

    def test_without_the_organization_s_policies_the_others_decide(self) -> None:
        [need] = access(organization=UNKNOWN).needs
        assert need.is_allowed is True

    def test_only_calls_of_kms_are_decided_by_the_key_policy(self) -> None:
        deny = b.known(b.key_policy("*", Effect="Deny"))
        plain, of_key = access((ANY, "*"), (ON_KEY, b.KEY_ARN), key_policy=deny).needs
        assert result(plain) is EvaluationResult.ALLOWED
        assert result(of_key) is EvaluationResult.EXPLICIT_DENY
        assert of_key.decision is not None
        assert of_key.decision.matched is not None
        policy = of_key.decision.matched.policy
        assert (policy.kind, policy.name) == ("key policy", "the key policy")

    def test_without_the_key_policy_a_call_of_kms_is_not_decided(self) -> None:
        plain, of_key = access((ANY, "*"), (ON_KEY, b.KEY_ARN), key_policy=UNKNOWN).needs
        assert result(plain) is EvaluationResult.ALLOWED
        assert (of_key.decision, of_key.denial, of_key.request) == (None, None, None)
        assert of_key.is_allowed is None

    @pytest.mark.parametrize(
        ("grants", "expected"),
        [
            (b.known(OperatorGrants(({"GranteePrincipal": USER, "Operations": [ON_KEY.action.split(":")[1]]},))), EvaluationResult.ALLOWED),
            (b.known(OperatorGrants(())), EvaluationResult.IMPLICIT_DENY),
            (UNKNOWN, EvaluationResult.DEPENDS),
        ],
    )  # fmt: skip
    def test_a_grant_counts(self, grants: Any, expected: EvaluationResult) -> None:
        of_others: KeyPolicy = b.key_policy({"AWS": f"{USER}x"})
        [need] = access((ON_KEY, b.KEY_ARN), key_policy=b.known(of_others), grants=grants).needs
        assert result(need) is expected


class TestBothSources:
    def simulated(self, decision: str, **more: Any) -> Any:
        answers = (
            SimulatedDecision(ANY.action, "elsewhere", "explicitDeny", False, None),
            SimulatedDecision(ANY.action, "*", decision, more.get("is_conditional", False), None),
        )
        return b.known(OperatorSimulation(Simulation(answers)))

    def test_the_simulator_answers_for_one_action_on_one_resource(self) -> None:
        [need] = access(own=UNKNOWN, simulation=self.simulated("implicitDeny")).needs
        assert (need.simulated, need.is_allowed) == ("implicitDeny", False)
        [need] = access((ANY, "unasked"), own=UNKNOWN, simulation=self.simulated("allowed")).needs
        assert (need.simulated, need.is_allowed) == ("", None)

    def test_an_answer_without_a_context_value_counts_for_nothing(self) -> None:
        simulation = self.simulated("allowed", is_conditional=True)
        [need] = access(own=UNKNOWN, simulation=simulation).needs
        assert (need.simulated, need.is_allowed) == ("", None)

    def test_without_its_policies_the_operator_is_named_by_its_own_identity(self) -> None:
        found = access(own=UNKNOWN, simulation=UNKNOWN)
        assert (found.who, found.own) == (USER, None)
        [need] = found.needs
        assert (need.decision, need.request, need.simulated) == (None, None, "")

    def test_no_policy_limits_the_root_user(self) -> None:
        root = replace(b.operator_policies(), is_root=True)
        [need] = access(own=b.known(root), simulation=UNKNOWN).needs
        assert (need.decision, need.simulated, need.is_allowed) == (None, "allowed", True)

    @pytest.mark.parametrize(
        ("by_policies", "simulated", "of_key", "expected"),
        [
            (EvaluationResult.ALLOWED, "allowed", False, True),
            (EvaluationResult.ALLOWED, "", False, True),
            (EvaluationResult.ALLOWED, "implicitDeny", False, None),
            (EvaluationResult.ALLOWED, "implicitDeny", True, True),
            (EvaluationResult.EXPLICIT_DENY, "explicitDeny", False, False),
            (EvaluationResult.EXPLICIT_DENY, "allowed", False, None),
            (EvaluationResult.IMPLICIT_DENY, "", False, False),
            (EvaluationResult.IMPLICIT_DENY, "allowed", True, False),
            (EvaluationResult.DEPENDS, "allowed", False, True),
            (EvaluationResult.DEPENDS, "explicitDeny", True, False),
            (EvaluationResult.DEPENDS, "", False, None),
            (None, "allowed", False, True),
            (None, "", False, None),
        ],
    )
    def test_they_have_to_agree_but_for_a_key(
        self,
        by_policies: EvaluationResult | None,
        simulated: str,
        of_key: bool,
        expected: bool | None,
    ) -> None:
        decision = Evaluation(by_policies) if by_policies else None
        permission = ON_KEY if of_key else ANY
        assert OperatorNeed(permission, "*", decision, None, simulated).is_allowed is expected
