"""Every IAM fix on random policies, judged by an evaluator that shares no code with opskit.

Exactly the wanted requests are decided differently afterwards: they are allowed, and the undo brings
back every document as it was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from opskit.checks.catalogue import check_of
from opskit.checks.fix_verification import verify_fix
from opskit.checks.interface import Finding, Status
from opskit.checks.run import run_check
from opskit.checks.shell_rendering import Caller
from opskit.sandbox.aws import iam_evaluator
from tests import builders as b
from tests.checks.iam.documents import Documents, documents_of
from tests.checks.iam.generated import ACCOUNT, ARN, OTHER_KEY, PARAMETERS, PASSWORD, VIA, world

READING = ("IAM002", "IAM005", "IAM006", "IAM008", "IAM007")
BOTH = ("IAM009", "IAM010", "IAM013")
DECRYPTING = ("IAM003", "IAM012")
CALLER = Caller("us-east-1", "", "")
READ = ("ssm:GetParameter", "ssm:GetParameters")
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/app-role/i-1"
BASE = {
    "aws:PrincipalArn": b.ROLE_ARN,
    "aws:PrincipalAccount": ACCOUNT,
    "aws:PrincipalType": "AssumedRole",
    "aws:RequestedRegion": "us-east-1",
    "aws:SecureTransport": "true",
    "aws:CurrentTime": b.NOW.isoformat(),
}
CONTEXT = "kms:EncryptionContext:PARAMETER_ARN"
CALL = {**BASE, "kms:ViaService": VIA, CONTEXT: PASSWORD}


@dataclass(frozen=True)
class Ask:
    """A request; `is_call` where the app makes it so."""

    action: str
    resource: str
    context: dict[str, str]
    is_call: bool = False

    @property
    def is_wanted(self) -> bool:
        """Whether a fix may change the decision: the reads by name, and decryption by Parameter Store."""
        if self.action in READ:
            return self.resource in PARAMETERS
        via = self.context.get("kms:ViaService")
        return (self.action, self.resource, via) == ("kms:Decrypt", b.KEY_ARN, VIA)


def requests() -> Iterator[Ask]:
    """The wanted requests and a wide neighbourhood."""
    contexts = [
        BASE,
        {**BASE, "aws:SourceVpce": "vpce-1", "aws:MultiFactorAuthPresent": "true"},
        {**BASE, "aws:RequestedRegion": "eu-west-1", "aws:PrincipalTag/team": "other"},
        {k: v for k, v in BASE.items() if k != "aws:SecureTransport"},
    ]
    actions = (*READ, "ssm:GetParametersByPath", "ssm:GetParameterHistory", "ssm:PutParameter", "ssm:DeleteParameter", "ssm:DescribeParameters", "secretsmanager:GetSecretValue", "s3:GetObject", "logs:PutLogEvents")  # fmt: skip
    names = ("/linkbox", "/linkbox/", "/linkbox/other", "/linkbox/db-password/x", "/linkbox-prod/db-password", "/prod/linkbox/db-password", "/other/x", "/linkbox/db-passwor")  # fmt: skip
    resources = [*PARAMETERS, *(ARN + name for name in names)]
    resources += [PASSWORD.replace("us-east-1", "eu-west-1"), PASSWORD.replace(ACCOUNT, "9" * 12)]
    for action in actions:
        for resource in resources:
            for context in contexts:
                is_call = action in READ and resource in PARAMETERS and context is BASE
                yield Ask(action, resource, context, is_call)
    services = (VIA, "ssm.eu-west-1.amazonaws.com", "secretsmanager.us-east-1.amazonaws.com", "")
    for action in ("kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:DescribeKey", "kms:CreateGrant"):  # fmt: skip
        for key in (b.KEY_ARN, OTHER_KEY):
            for via in services:
                for arn in (PASSWORD, f"{ARN}/linkbox/old", f"{ARN}/prod/x", ""):
                    context = BASE | ({"kms:ViaService": via} if via else {})
                    context |= {CONTEXT: arn} if arn else {}
                    is_call = (action, key, context) == ("kms:Decrypt", b.KEY_ARN, CALL)
                    yield Ask(action, key, context, is_call)


UNIVERSE = list(requests())


def decided(kind: str, layer: Any, ask: Ask, role: str = b.ROLE_ARN, session: str = SESSION) -> str:
    """The word of one layer alone."""
    if kind == "identity":
        return iam_evaluator.decide(layer, None, ask.action, ask.resource, ask.context).decision
    if kind == "boundary":
        return iam_evaluator.ceilings(layer, ask.action, ask.resource, ask.context).decision
    own, ceiling = (
        iam_evaluator.AccessDecision("implicitDeny"),
        iam_evaluator.AccessDecision("allowed"),
    )
    request = iam_evaluator.KeyRequest(
        own, ceiling, role, session, ACCOUNT, ask.action, ask.resource, ask.context
    )
    return iam_evaluator.decide_with_key(request, layer).decision


def changed(before: Documents, after: Documents) -> tuple[str, dict[int, tuple[str, str]]]:
    """The one layer that differs, and the requests (by place) that it decides differently."""
    old, new = before.layers, after.layers
    kinds = [kind for kind in old if old[kind] != new[kind]]
    assert len(kinds) == 1, kinds
    kind, found = kinds[0], {}
    for location, ask in enumerate(UNIVERSE):
        if kind == "key" and ask.resource != b.KEY_ARN:
            continue
        words = decided(kind, old[kind], ask), decided(kind, new[kind], ask)
        if words[0] != words[1]:
            found[location] = words
    return kind, found


def judge_fix(code: str, finding: Finding, before: Documents) -> None:
    """Assert that a fix does exactly what it should, and its undo the opposite."""
    assert finding.fix is not None
    after = before.run(finding.fix.commands)
    kind, differences = changed(before, after)
    for location, (old, new) in differences.items():
        ask = UNIVERSE[location]
        assert ask.is_wanted, (code, kind, ask, old, new)
        assert old != "allowed", (code, ask, old, new)
        assert new == "allowed" or not ask.is_call, (code, ask, new)
    expected = [ask for ask in CALLS if ask.action in _lacking(code, kind, before.layers[kind])]
    assert expected, "it ends nothing"
    words = [(ask.action, decided(kind, after.layers[kind], ask)) for ask in expected]
    assert {word for _, word in words} == {"allowed"}, (code, words)
    assert any(UNIVERSE[location].is_call for location in differences), (
        "it changes nothing for the app"
    )
    _judge_others(kind, before, after)
    _judge_call(code, finding, before, after)


CALLS = [ask for ask in UNIVERSE if ask.is_call]


def _lacking(code: str, kind: str, layer: Any) -> set[str]:
    """The operations that a finding is about, and that have to be allowed afterwards."""
    if code in READING:
        return set(READ)
    if code in DECRYPTING:
        return {"kms:Decrypt"}
    if code == "IAM009":
        return {*READ, "kms:Decrypt"}
    words = {(ask.action, decided(kind, layer, ask)) for ask in CALLS}
    if code == "IAM013":
        return {"kms:Decrypt"} if ("kms:Decrypt", "implicitDeny") in words else set()
    found = set(READ) if ("ssm:GetParameter", "explicitDeny") in words else set()
    return found | ({"kms:Decrypt"} if ("kms:Decrypt", "explicitDeny") in words else set())


def _judge_others(kind: str, before: Documents, after: Documents) -> None:
    """Other callers of the key are decided as before."""
    if kind != "key":
        return
    for ask in (a for a in UNIVERSE if a.resource == b.KEY_ARN):
        for role in (f"arn:aws:iam::{ACCOUNT}:role/other", f"arn:aws:iam::{ACCOUNT}:user/oncall"):
            old, new = (decided(kind, d.layers[kind], ask, role, "") for d in (before, after))
            assert old == new, (ask, role)


def _judge_call(code: str, finding: Finding, before: Documents, after: Documents) -> None:
    fix = finding.fix
    assert fix is not None
    assert (after.replaced == []) or code == "IAM010", "an inline policy was replaced"
    back = after.run(fix.undo)
    assert fix.undo, "every IAM fix has an undo"
    assert back.layers == before.layers
    if code != "IAM010":
        assert all(not change.before for change in fix.changes), "it removes something"


def run(seeds: range) -> Counter[str]:
    """Judge the fixes of generated policies; counts findings and offers."""
    counts: Counter[str] = Counter()
    for seed in seeds:
        generated = world(seed)
        snapshot, before = generated.snapshot(), documents_of(generated)
        for code in (*READING, *BOTH, *DECRYPTING):
            check = check_of(code)
            finding = run_check(check, snapshot)
            if finding.status is not Status.FAIL:
                assert finding.status is not Status.UNKNOWN or finding.missing
                continue
            counts[f"{code} found"] += 1
            proven = verify_fix(check, finding, snapshot, CALLER)
            assert proven.fix or proven.advice
            assert "a bug" not in proven.summary
            if finding.fix is not None:
                assert proven.fix is not None, (seed, code, proven.advice)
            if proven.fix is None:
                continue
            counts[f"{code} offered"] += 1
            judge_fix(code, proven, before)
    return counts


def assert_share(counts: Counter[str], least: float) -> None:
    """A fix is offered often enough for the assertions on it to mean something."""
    found = sum(n for name, n in counts.items() if name.endswith("found"))
    offered = sum(n for name, n in counts.items() if name.endswith("offered"))
    assert offered >= least * found, counts


def test_fixes_of_a_sample_change_exactly_what_is_wanted() -> None:
    counts = run(range(200))
    assert_share(counts, 0.4)


@pytest.mark.full
@pytest.mark.parametrize("start", range(0, 3000, 500))
def test_fixes_change_exactly_what_is_wanted(start: int) -> None:
    counts = run(range(start, start + 500))
    assert_share(counts, 0.4)
    offered = {name[:6] for name, n in counts.items() if name.endswith("offered") and n}
    assert offered >= {"IAM002", "IAM003", "IAM005", "IAM009", "IAM010", "IAM012", "IAM013"}
