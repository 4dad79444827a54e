"""Finds the KMS key with which a missing password parameter is created again."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from opskit.config import Target
from opskit.credential_source import source_of
from opskit.credential_source.interface import DECRYPT
from opskit.errors import CannotProceed
from opskit.facts.gather import gather
from opskit.facts.given_facts import given_facts
from opskit.facts.policies import RolePolicies
from opskit.policy.document import MalformedPolicy, parse
from opskit.policy.pattern import glob
from opskit.rotation.planning.context import DEADLINE_S
from opskit.rotation.protocol.interface import AwsClients

KEY_ARN = re.compile(r"arn:aws[\w-]*:kms:[\w-]+:\d+:key/[\w-]+")


@dataclass(frozen=True, slots=True)
class KeySelection:
    """A key, and the reason for its selection as a clause."""

    key_id: str
    because: str


def select_key(sources: Iterable[tuple[str, set[str]]], default: str) -> KeySelection:
    """Select the key of the first source that names exactly one; the default key if no source names any.

    Args:
        sources: the reason for each source, and the keys that it names.
        default: the credential source's default key.

    Raises:
        CannotProceed: sources name several keys, and none exactly one.
    """
    several: set[str] = set()
    for because, keys in sources:
        if len(keys) == 1:
            return KeySelection(next(iter(keys)), because)
        several |= keys
    if several:
        raise CannotProceed(
            f"the key of the missing parameter is one of {', '.join(sorted(several))}",
            "--key-id KEY   chooses one of them",
        )
    return KeySelection(default, "nothing tells of another key")


def find_key(target: Target, aws: AwsClients, recorded: set[str]) -> KeySelection:
    """Find the key for a password parameter that does not exist.

    Args:
        recorded: the keys in the rotation journal.

    Raises:
        CannotProceed: several keys are possible.
    """
    source = source_of(target)
    given = given_facts(target, aws.region)
    policies = gather({RolePolicies}, aws, given, deadline_s=DEADLINE_S)
    beside = source.keys_beside(aws.client(source.service), "password")
    allowed = policies.value(RolePolicies)
    return select_key(
        (
            ("the last rotation's record names it", recorded),
            ("the parameters beside it are under it", beside),
            ("the app's role may decrypt with it", keys_allowed(allowed) if allowed else set()),
        ),
        source.default_key,
    )


def keys_allowed(policies: RolePolicies) -> set[str]:
    """Return the keys that the role's own policies name for decryption, each by its ARN."""
    keys: set[str] = set()
    for policy in policies.identity:
        try:
            document = parse(policy.document, kind="", name=policy.name)
        except MalformedPolicy:
            continue
        for statement in document.statements:
            decrypts = any(glob(action, DECRYPT) for action in statement.actions)
            if statement.allows and decrypts and not statement.not_actions:
                keys |= {r for r in statement.resources or () if KEY_ARN.fullmatch(r)}
    return keys
