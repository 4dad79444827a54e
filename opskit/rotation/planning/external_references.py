"""Finds other places that store or declare a credential: RDS Proxy's secrets, CloudFormation stacks.

Source: RDS user guide, "Setting up database credentials in AWS Secrets Manager for RDS Proxy";
CloudFormation user guide, resource tags.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opskit.aws_protocols import AwsClient, paginate
from opskit.credential_source.combined_value import member
from opskit.credential_source.interface import CredentialSource
from opskit.errors import AwsError
from opskit.facts.interface import Rds, Unknown
from opskit.facts.rds import STACK_TAG


@dataclass(frozen=True, slots=True)
class ProxySecret:
    """A secret with which a proxy logs in to its database.

    Attributes:
        user: the user name; empty if neither the proxy nor the secret shows it.
    """

    arn: str
    user: str


@dataclass(frozen=True, slots=True)
class Proxy:
    """An RDS Proxy in front of the database."""

    name: str
    host: str
    secrets: tuple[ProxySecret, ...]

    def secret_of(self, user: str) -> ProxySecret | None:
        """Return the secret with which it logs in as a user, else one whose user is unknown."""
        sure = next((s for s in self.secrets if s.user == user), None)
        return sure or next((s for s in self.secrets if not s.user), None)


def read_proxies(
    rds: Rds, secrets: AwsClient, targets: Sequence[str]
) -> tuple[Proxy, ...] | Unknown:
    """Read the proxies in front of a database.

    Args:
        targets: identifiers of its instances and of its cluster.
    """
    try:
        rows = list(paginate(rds.describe_db_proxies, "DBProxies", token="Marker"))
        ours = [row for row in rows if _leads_to(rds, row["DBProxyName"], targets)]
    except AwsError as error:
        reason = f"RDS Proxies could not be listed: {error.permission}: {error.code}"
        return Unknown(reason, (error.permission,))
    return tuple(_proxy(row, secrets) for row in ours)


def _leads_to(rds: Rds, name: str, targets: Sequence[str]) -> bool:
    rows = paginate(rds.describe_db_proxy_targets, "Targets", token="Marker", DBProxyName=name)
    return any(
        row.get("RdsResourceId") in targets or row.get("TrackedClusterId") in targets
        for row in rows
    )


def _proxy(row: Mapping[str, Any], secrets: AwsClient) -> Proxy:
    arns = {
        entry["SecretArn"]: entry.get("UserName") or ""
        for entry in row.get("Auth", ())
        if entry.get("SecretArn")
    }
    proxy_secrets = tuple(
        ProxySecret(arn, user or _user_in(secrets, arn)) for arn, user in arns.items()
    )
    return Proxy(row["DBProxyName"], str(row.get("Endpoint", "")).lower(), proxy_secrets)


def _user_in(secrets: AwsClient, arn: str) -> str:
    """Return the user name that a secret holds; its password is not used."""
    try:
        text = str(secrets.get_secret_value(SecretId=arn).get("SecretString"))
    except AwsError:
        return ""
    return member(text, "username") or ""


def read_stack(source: CredentialSource, client: AwsClient, name: str) -> str | Unknown:
    """Read the CloudFormation stack that declares a location; empty for none."""
    try:
        tags = source.tags(client, name)
    except AwsError as error:
        reason = f"the tags of {name} could not be read: {error.permission}: {error.code}"
        return Unknown(reason, (error.permission,))
    return tags.get(STACK_TAG, "")
