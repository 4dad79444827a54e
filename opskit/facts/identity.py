"""The operator's identity, and this machine's clock compared with AWS's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from opskit.config import Target
from opskit.errors import UsageError
from opskit.facts.interface import Fact, Known, Sts
from opskit.facts.region import Region


@dataclass(frozen=True, slots=True)
class Identity:
    """The operator as AWS sees it.

    Attributes:
        clock_ahead_s: by how many seconds this machine's clock is ahead of AWS's; None when the
            reply carried no time.
    """

    account: str
    arn: str
    clock_ahead_s: float | None


def read_confirmed(sts: Sts, target: Target, region: Region) -> Identity:
    """Read the operator's identity; reject parameter ARNs of another account or Region.

    Raises:
        UsageError: a parameter is in another account or Region.
    """
    identity = read(sts)
    for reference in target.references.values():
        if reference.account and (reference.account, reference.region) != (
            identity.account,
            region.name,
        ):
            raise UsageError(
                f"{reference.text} is a parameter of account {reference.account} in "
                f"{reference.region}; you are in account {identity.account} and {region.name}",
                "opskit reads parameters of its own account and Region: --profile, --region",
            )
    return identity


def account_words(identity: Fact[Identity], region: Region) -> str:
    """The account and Region in which something is or is not, for a sentence."""
    account = identity.value.account if isinstance(identity, Known) else "unknown"
    return f"account {account}, {region.name}"


def read(sts: Sts) -> Identity:
    """Read the operator's identity, by the one call that needs no permission."""
    reply = sts.get_caller_identity()
    return Identity(str(reply["Account"]), str(reply["Arn"]), _clock_ahead_s(reply))


def _clock_ahead_s(reply: object) -> float | None:
    headers = (
        reply.get("ResponseMetadata", {}).get("HTTPHeaders", {}) if isinstance(reply, dict) else {}
    )
    if "date" not in headers:
        return None
    try:
        aws_time = parsedate_to_datetime(headers["date"])
    except ValueError:
        return None
    # A proxy may add a second date, which parses as a time without a zone.
    return (datetime.now(UTC) - aws_time).total_seconds() if aws_time.tzinfo else None
