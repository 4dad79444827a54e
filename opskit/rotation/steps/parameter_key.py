"""Finds the KMS key with which a missing password parameter is created again."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from opskit.aws_client import paginate
from opskit.config import Target
from opskit.credential_source.interface import DECRYPT
from opskit.errors import CannotProceed
from opskit.facts.gather import gather
from opskit.facts.given import given_facts
from opskit.facts.interface import Ssm
from opskit.facts.policies import RolePolicies
from opskit.policy.document import MalformedPolicy, parse
from opskit.policy.pattern import glob
from opskit.rotation.planning.context import DEADLINE_S
from opskit.rotation.protocol.interface import AwsClients

KEY_ARN = re.compile(r"arn:aws[\w-]*:kms:[\w-]+:\d+:key/[\w-]+")
DEFAULT = "alias/aws/ssm"


@dataclass(frozen=True, slots=True)
class KeySelection:
    """A key, and the reason for its selection as a clause."""

    key_id: str
    because: str


def select_key(found: Iterable[tuple[str, set[str]]]) -> KeySelection:
    """Select the key of the first source that names exactly one; the default key if no source names any.

    Args:
        found: the reason for each source, and the keys that it names.

    Raises:
        CannotProceed: sources name several keys, and none exactly one.
    """
    several: set[str] = set()
    for because, keys in found:
        if len(keys) == 1:
            return KeySelection(next(iter(keys)), because)
        several |= keys
    if several:
        raise CannotProceed(
            f"the key of the missing parameter is one of {', '.join(sorted(several))}",
            "--key-id KEY   chooses one of them",
        )
    return KeySelection(DEFAULT, "nothing tells of another key")


def find_key(target: Target, aws: AwsClients, recorded: set[str]) -> KeySelection:
    """Find the key for a password parameter that does not exist.

    Args:
        recorded: the keys in the rotation journal.

    Raises:
        CannotProceed: several keys are possible.
    """
    names = target.parameters
    given = given_facts(target, aws.region)
    policies = gather({RolePolicies}, aws, given, deadline_s=DEADLINE_S)
    beside = keys_beside(aws.client("ssm"), names["password"], names.values())
    allowed = policies.value(RolePolicies)
    return select_key(
        (
            ("the last rotation's record names it", recorded),
            ("the parameters beside it are under it", beside),
            ("the app's role may decrypt with it", keys_allowed(allowed) if allowed else set()),
        )
    )


def keys_beside(ssm: Ssm, name: str, others: Iterable[str]) -> set[str]:
    """Return the keys of the target's other SecureStrings, and of those beside the parameter."""
    filters = [[{"Key": "Name", "Option": "Equals", "Values": sorted({*others} - {name})}]]
    path = name.rpartition("/")[0]
    if path:
        filters.append([{"Key": "Path", "Option": "OneLevel", "Values": [path]}])
    rows = (
        row
        for one in filters
        for row in paginate(ssm.describe_parameters, "Parameters", ParameterFilters=one)
    )
    return {str(row["KeyId"]) for row in rows if row["Type"] == "SecureString" and row.get("KeyId")}


def keys_allowed(policies: RolePolicies) -> set[str]:
    """Return the keys that the role's own policies name for decryption, each by its ARN."""
    found: set[str] = set()
    for policy in policies.identity:
        try:
            document = parse(policy.document, kind="", name=policy.name)
        except MalformedPolicy:
            continue
        for statement in document.statements:
            decrypts = any(glob(action, DECRYPT) for action in statement.actions)
            if statement.allows and decrypts and not statement.not_actions:
                found |= {r for r in statement.resources or () if KEY_ARN.fullmatch(r)}
    return found
