"""Seeded random policies around LinkBox's parameters: mistakes as people make them, among other statements."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

from opskit.facts.key_policy import KeyPolicy
from opskit.facts.operator_policies import OperatorPolicies
from opskit.facts.operator_simulation import OperatorNeeds
from opskit.facts.policies import PolicyText, RolePolicies
from opskit.facts.security_groups import SecurityGroups
from opskit.facts.snapshot import Snapshot
from opskit.facts.subnets import Subnets
from tests import builders as b

NOT_NEEDED = (OperatorNeeds, OperatorPolicies, SecurityGroups, Subnets)
ACCOUNT = "123456789012"
ARN = f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter"
NAMES = sorted(b.NAMES.values())
PARAMETERS = [ARN + name for name in NAMES]
PASSWORD = ARN + b.NAMES["password"]
VIA = "ssm.us-east-1.amazonaws.com"
OTHER_KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/other"
MINE = "role app-role"

READ_ACTIONS = (
    ["ssm:GetParameter", "ssm:GetParameters"],
    ["ssm:GetParameter", "ssm:GetParameters"],
    "ssm:GetParameter",
    ["ssm:GetParameters"],
    "ssm:GetParameter*",
    "ssm:GetParametersByPath",
    "ssm:Get*",
    "ssm:*",
    "ssm:PutParameter",
)
READ_RESOURCES = (
    f"{ARN}/linkbox/*",
    f"{ARN}/linkbox/*",
    PARAMETERS,
    PASSWORD,
    "*",
    f"{ARN}/linkbox",
    f"{ARN}//linkbox/*",
    f"{ARN}/prod/linkbox/*",
    f"{ARN}/linkbox-prod/*",
    f"{ARN}/linkbox/db-*",
    f"arn:aws:ssm:eu-west-1:{ACCOUNT}:parameter/linkbox/*",
    "arn:aws:ssm:us-east-1:999999999999:parameter/linkbox/*",
)
GUARDS = (
    {"StringEquals": {"aws:SourceVpce": "vpce-1"}},
    {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}},
    {"StringEquals": {"aws:RequestedRegion": ["us-east-1", "eu-west-1"]}},
    {"Bool": {"aws:SecureTransport": "true"}},
    {"StringEquals": {"aws:PrincipalTag/team": "other"}},
    {"Bool": {"aws:MultiFactorAuthPresent": "true"}},
    {"DateLessThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}},
)
OBJECTS = (
    {"StringEquals": {"kms:ViaService": VIA}},
    {"StringEquals": {"kms:ViaService": "ssm.eu-west-1.amazonaws.com"}},
    {"StringEquals": {"kms:ViaService": "secretsmanager.us-east-1.amazonaws.com"}},
    {"StringEquals": {"kms:EncryptionContext:PARAMETER_ARN": PASSWORD}},
    {"StringEquals": {"kms:EncryptionContext:PARAMETER_ARN": f"{ARN}/linkbox/old"}},
    {"StringLike": {"kms:EncryptionContext:PARAMETER_ARN": f"{ARN}/prod/*"}},
    {
        "StringEquals": {"kms:ViaService": VIA},
        "StringLike": {"kms:EncryptionContext:PARAMETER_ARN": f"{ARN}/prod/*"},
    },
    {
        "StringEquals": {"kms:EncryptionContext:PARAMETER_ARN": f"{ARN}/linkbox/old"},
        "Bool": {"aws:SecureTransport": "true"},
    },
)
NOISE: tuple[dict[str, Any], ...] = (
    {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "*"},
    {"Effect": "Allow", "Action": "logs:*", "Resource": "*"},
    {"Effect": "Deny", "Action": "s3:DeleteBucket", "Resource": "*"},
    {"Effect": "Deny", "Action": "ssm:PutParameter", "Resource": [f"{ARN}/linkbox/*"]},
    {"Effect": "Deny", "NotAction": ["ssm:*", "kms:*", "s3:*", "logs:*"], "Resource": "*"},
)
DENIED_ACTIONS = (
    ["ssm:GetParameter*", "secretsmanager:GetSecretValue"],
    ["ssm:GetParameter*", "ssm:PutParameter", "ssm:Delete*"],
    "ssm:GetParameter*",
    ["ssm:GetParameter", "ssm:GetParameters"],
    ["SSM:getparameter", "s3:*"],
    ["ssm:GetParameters*", "kms:Decrypt"],
    ["ssm:GetParameter", "ssm:GetParameters", "kms:Decrypt", "kms:Encrypt"],
    "kms:Decrypt",
    "ssm:*",
    ["ssm:Get*"],
    "*",
)
DENIED_RESOURCES = (
    "*",
    "*",
    ["*"],
    ["*"],
    f"{ARN}/*",
    [f"{ARN}/linkbox/*", f"{ARN}/prod/*"],
    f"arn:aws:ssm:*:{ACCOUNT}:parameter/*",
)
INLINE_NAMES = ("app", "read-linkbox-parameters", "Decrypt-LinkBox-parameters", "hardening")


@dataclass(frozen=True)
class World:
    """The role's policies and the key's."""

    policies: RolePolicies
    key: dict[str, Any]

    def snapshot(self) -> Snapshot:
        """The healthy LinkBox with these policies, where only policies tell of access.

        Facts of other layers are left out: the fixes of IAM do not touch them, and it is faster.
        """
        return b.snapshot(b.NOT_ASKED, self.policies, KeyPolicy(self.key), unknown=NOT_NEEDED)


def world(seed: int) -> World:
    """Policies in which one thing, or several, is wrong."""
    rng = Random(seed)
    theme = rng.choice(("allow", "allow", "condition", "deny", "deny", "boundary", "key", "all"))
    boundary = _boundary(rng) if theme in ("boundary", "all") else None
    key = _key(rng) if theme in ("key", "all") else _key_for_account()
    return World(RolePolicies(_identity(rng, theme), boundary, "AROA1", {}, b.NOW), key)


def _document(rng: Random, statements: list[dict[str, Any]]) -> dict[str, Any]:
    for number, statement in enumerate(statements):
        if rng.random() < 0.5:
            statement["Sid"] = f"S{number}"
    if len(statements) == 1 and rng.random() < 0.2:
        return {"Version": "2012-10-17", "Statement": statements[0]}
    return {"Version": "2012-10-17", "Statement": statements}


def _identity(rng: Random, theme: str) -> tuple[PolicyText, ...]:
    healthy = theme in ("boundary", "deny", "key") or rng.random() < 0.3
    rows = [dict(b.READS), dict(b.DECRYPTS)] if healthy else _flawed(rng, theme)
    rows = [{k: v for k, v in row.items() if k != "Sid"} for row in rows]
    rows += [dict(rng.choice(NOISE)) for _ in range(rng.randrange(2))]
    names = rng.sample(INLINE_NAMES, 2)
    found = [PolicyText(names[0], "", _document(rng, rows), MINE)]
    if theme in ("deny", "all"):
        found.append(_denying(rng, names[1]))
        if rng.random() < 0.2:
            found.append(_denying(rng, "second"))
    rng.shuffle(found)
    return tuple(found)


def _flawed(rng: Random, theme: str) -> list[dict[str, Any]]:
    """Statements of which some do not reach what the app needs."""
    reads: dict[str, Any] = {
        "Effect": "Allow",
        "Action": rng.choice(READ_ACTIONS),
        "Resource": rng.choice(READ_RESOURCES),
    }
    decrypts: dict[str, Any] = {"Effect": "Allow", "Action": rng.choice(("kms:Decrypt", "kms:Decrypt", "kms:*", "kms:Encrypt")),
                "Resource": rng.choice((b.KEY_ARN, b.KEY_ARN, OTHER_KEY, "*", b.KEY_ARN.replace("key/k", "alias/linkbox")))}  # fmt: skip
    if theme == "condition":
        if rng.random() < 0.5:
            reads = {**dict(b.READS), "Condition": rng.choice(GUARDS)}
        else:
            reads = dict(b.READS)
            decrypts |= {"Action": "kms:Decrypt", "Resource": rng.choice((b.KEY_ARN, "*"))}
            decrypts["Condition"] = rng.choice((*OBJECTS, *GUARDS))
    kept = [row for row in (reads, decrypts) if rng.random() < 0.85]
    return kept or [dict(NOISE[0])]


def _denying(rng: Random, name: str) -> PolicyText:
    row: dict[str, Any] = {"Effect": "Deny", "Action": rng.choice(DENIED_ACTIONS)}
    if rng.random() < 0.1:
        row["NotResource"] = f"{ARN}/other/*"
    else:
        row["Resource"] = rng.choice(DENIED_RESOURCES)
    if rng.random() < 0.25:
        row["Condition"] = rng.choice((*GUARDS, {"Bool": {"aws:SecureTransport": "true"}}))
    if rng.random() < 0.05:
        row["NotAction"] = row.pop("Action")
    rows = [row, dict(rng.choice(NOISE))] if rng.random() < 0.4 else [row]
    kind = rng.random()
    if kind < 0.7:
        return PolicyText(name, "", _document(rng, rows), MINE)
    arn = f"arn:aws:iam::{ACCOUNT if kind < 0.9 else 'aws'}:policy/{name}"
    return PolicyText(name, arn, _document(rng, rows), version="v2")


def _boundary(rng: Random) -> PolicyText:
    rows: list[dict[str, Any]] = [dict(NOISE[0]), dict(NOISE[1])]
    chance = rng.random()
    if chance < 0.3:
        rows.append({"Effect": "Allow", "Action": rng.choice(READ_ACTIONS), "Resource": rng.choice(READ_RESOURCES)})  # fmt: skip
    elif chance < 0.4:
        rows.append({**b.READS, "Condition": rng.choice(GUARDS)})
    elif chance < 0.5:
        rows.append({**b.DECRYPTS, "Condition": rng.choice(OBJECTS)})
    if rng.random() < 0.15:
        rows.append({"Effect": "Deny", "Action": rng.choice(DENIED_ACTIONS), "Resource": "*"})
    owner = "aws" if rng.random() < 0.1 else ACCOUNT
    version = "" if rng.random() < 0.1 else "v7"
    arn = f"arn:aws:iam::{owner}:policy/ceiling"
    return PolicyText("ceiling", arn, _document(rng, rows), version=version)


def _key_for_account() -> dict[str, Any]:
    principal = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    row = {"Effect": "Allow", "Principal": principal, "Action": "kms:*", "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [row]}


def _key(rng: Random) -> dict[str, Any]:
    people = {"AWS": [f"arn:aws:iam::{ACCOUNT}:user/oncall", f"arn:aws:iam::{ACCOUNT}:role/admin"]}
    rows: list[dict[str, Any]] = [
        {"Effect": "Allow", "Principal": people, "Action": "kms:*", "Resource": "*"}
    ]
    if rng.random() < 0.4:
        action = rng.choice(
            ("kms:Decrypt", "kms:Encrypt", "kms:DescribeKey", ["kms:Decrypt", "kms:Encrypt"])
        )
        rows.append({"Effect": "Allow", "Principal": {"AWS": b.ROLE_ARN}, "Action": action, "Resource": "*"})  # fmt: skip
        if rng.random() < 0.6:
            rows[-1]["Condition"] = rng.choice((*OBJECTS, *GUARDS))
    if rng.random() < 0.15:
        rows.append({"Effect": "Deny", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*"})
    return _document(rng, rows)
