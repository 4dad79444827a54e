"""LinkBox's account as a member of an organization with another management account.

The member may read and change service control policies: the organization has delegated that to it by a
resource policy, as AWS allows.
"""

from __future__ import annotations

import json
from typing import Any

from opskit.sandbox import topology
from opskit.sandbox.aws.iam_evaluator import Policy

MANAGEMENT = "210987654321"


def install() -> None:
    """Create the organization, with LinkBox's account in its own unit below the root."""
    from moto.organizations.models import FakeAccount

    backend = _backend()
    backend.create_organization(topology.REGION, FeatureSet="ALL")
    organization = backend.org
    organization.master_account_id = MANAGEMENT
    backend.accounts[0].id = MANAGEMENT
    unit = backend.create_organizational_unit(ParentId=organization.root_id, Name="workloads")
    unit_id = unit["OrganizationalUnit"]["Id"]
    account = FakeAccount(organization, AccountName="linkbox", Email="linkbox@example.com")
    account.id, account.parent_id = topology.ACCOUNT, unit_id
    backend.accounts.append(account)
    for target in (unit_id, topology.ACCOUNT):
        backend.attach_policy(PolicyId="p-FullAWSAccess", TargetId=target)


def levels() -> list[list[Policy]]:
    """The service control policies from the root down to the account."""
    backend = _backend()
    account = backend.get_account_by_id(topology.ACCOUNT)
    unit = next(u for u in backend.ou if u.id == account.parent_id)
    root = next(u for u in backend.ou if u.id == backend.org.root_id)
    return [
        [
            json.loads(p.content)
            for p in level.attached_policies
            if p.type == "SERVICE_CONTROL_POLICY"
        ]
        for level in (root, unit, account)
    ]


def _backend() -> Any:
    from moto.organizations.models import organizations_backends

    return organizations_backends[topology.ACCOUNT]["aws"]
