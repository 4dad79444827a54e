"""The service control policies of the account, where they can be read."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from opskit.aws_protocols import paginate
from opskit.errors import AwsError
from opskit.facts.identity import Identity
from opskit.facts.interface import Organizations, run_concurrently
from opskit.facts.policies import PolicyText

MOST_LEVELS = 7
"""A root, five organizational units and the account: the limit of Organizations."""
SCP = "SERVICE_CONTROL_POLICY"


@dataclass(frozen=True, slots=True)
class Organization:
    """The policies of each level from the root to the account.

    Attributes:
        levels: empty outside an organization, and for its management account, which SCPs do not affect.
        targets: the id of each level.
    """

    levels: tuple[tuple[PolicyText, ...], ...]
    targets: tuple[str, ...]


def read(organizations: Organizations, identity: Identity) -> Organization:
    """Find the levels from the account up to the root, then read each level's policies.

    Only the management account and delegated administrators may read them.
    """
    master, targets, summaries = "", [identity.account], []
    try:
        for _ in range(MOST_LEVELS):
            calls: list[Callable[[], Any]] = [_listing(organizations, targets[-1])]
            if not targets[-1].startswith("r-"):
                calls.append(_parent(organizations, targets[-1]))
            if not master:
                calls.append(_master(organizations))
            results = run_concurrently(calls)
            summaries.append(results[0])
            master = master or results[-1]
            if master == identity.account:
                return Organization((), ())
            if targets[-1].startswith("r-"):
                break
            targets.append(results[1])
    except AwsError as error:
        if error.code == "AWSOrganizationsNotInUseException":
            return Organization((), ())
        raise
    ids = list(dict.fromkeys(i for level in summaries for i in level))
    texts = dict(zip(ids, run_concurrently([_reading(organizations, i) for i in ids]), strict=True))
    levels = tuple(tuple(texts[i] for i in level) for level in reversed(summaries))
    return Organization(levels, tuple(reversed(targets)))


def _master(organizations: Organizations) -> Callable[[], str]:
    return lambda: organizations.describe_organization()["Organization"]["MasterAccountId"]


def _parent(organizations: Organizations, target: str) -> Callable[[], str]:
    return lambda: organizations.list_parents(ChildId=target)["Parents"][0]["Id"]


def _listing(organizations: Organizations, target: str) -> Callable[[], list[str]]:
    call = organizations.list_policies_for_target
    return lambda: [p["Id"] for p in paginate(call, "Policies", TargetId=target, Filter=SCP)]


def _reading(organizations: Organizations, policy_id: str) -> Callable[[], PolicyText]:
    def read_one() -> PolicyText:
        row = organizations.describe_policy(PolicyId=policy_id)["Policy"]
        name = row["PolicySummary"]["Name"]
        return PolicyText(name, policy_id, json.loads(row["Content"]))

    return read_one
