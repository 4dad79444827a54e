"""The ids of security group rules, which DescribeSecurityGroups does not return."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opskit.aws_protocols import paginate
from opskit.facts.database import Database
from opskit.facts.interface import Ec2, Fact, Known
from opskit.facts.security_groups import IpPermission
from opskit.workload.interface import Workload

RuleKey = tuple[str, bool, str, int | None, int | None, str]
"""Group, whether egress, protocol, first and last port, and the one peer."""


@dataclass(frozen=True, slots=True)
class RuleIds:
    """Rule ids, such as `sgr-0a1b`, by the rule's content."""

    by_rule: Mapping[RuleKey, str]

    def find(self, group_id: str, is_egress: bool, rule: IpPermission, peer: str) -> str | None:
        """The id of a rule; None when it was not read."""
        ports = (rule.from_port, rule.to_port)
        return self.by_rule.get((group_id, is_egress, rule.protocol, *_ports(*ports), peer))


def read(ec2: Ec2, database: Database, app: Fact[Workload]) -> RuleIds:
    """Describe the rules of the app's and the database's groups."""
    groups = set(database.instance.security_group_ids)
    if isinstance(app, Known):
        groups |= set(app.value.group_ids)
    filters = [{"Name": "group-id", "Values": sorted(groups)}]
    call = ec2.describe_security_group_rules
    rows = paginate(call, "SecurityGroupRules", Filters=filters, MaxResults=1000)
    return RuleIds({_key(raw): raw["SecurityGroupRuleId"] for raw in rows})


def _key(raw: Mapping[str, Any]) -> RuleKey:
    peer = (
        raw.get("CidrIpv4")
        or raw.get("CidrIpv6")
        or raw.get("PrefixListId")
        or (raw.get("ReferencedGroupInfo") or {}).get("GroupId", "")
    )
    ports = _ports(raw.get("FromPort"), raw.get("ToPort"))
    return (raw["GroupId"], bool(raw["IsEgress"]), str(raw["IpProtocol"]), *ports, peer)


def _ports(first: int | None, last: int | None) -> tuple[int | None, int | None]:
    """Normalize the ports: "all" is absent in one call's reply and -1 in the other's."""
    return (None, None) if first in (None, -1) else (first, last)
