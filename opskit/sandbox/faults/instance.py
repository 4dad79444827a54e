"""Faults on the app's instance: its firewall, its credentials, the files of the app; and the way to AWS."""

from __future__ import annotations

import json
import time
from typing import Any

from opskit.sandbox import topology
from opskit.sandbox.faults.interface import Fault, FaultAction, FaultContext

ALIAS_ZONE, ALIAS = "linkbox.internal", "db.linkbox.internal"
WAITS, EVERY_S = 200, 0.1
USER, USER_POLICY = "legacy-deploy", "parameters"
FIREWALL = "$HOME/nftables.conf"
"""The firewall's file, which the system loads when it boots."""
RULES = (
    "table inet hardening {",
    "  chain output {",
    "    type filter hook output priority 0; policy accept;",
    "    tcp dport 5432 drop",
    "  }",
    "}",
)
ENDPOINT_SERVICE = f"com.amazonaws.{topology.REGION}.ssm"


_READS = ("ssm:GetParameter*", "kms:Decrypt")


def set_environment(h: FaultContext, **values: str) -> None:
    """Write lines of the app's `.env`, and create its container again; an empty value removes one."""
    file = f"{h.project}/.env"
    for name, value in values.items():
        h.shell(f"sed -i '/^{name}=/d' {file}")
        if value:
            h.shell(f"echo '{name}={value}' >>{file}")
    h.recreate_app()


def _address(address: str, *, tls_mode: str) -> FaultAction:
    """Store an address, in an app that does not verify the server's name."""

    def action(h: FaultContext) -> None:
        h.put("endpoint", address)
        set_environment(h, PGSSLMODE=tls_mode)

    return action


def _alias(h: FaultContext) -> None:
    """Give the database a short name of our own, which its certificate does not have."""
    route53 = h.client("route53")
    zone = route53.create_hosted_zone(
        Name=ALIAS_ZONE,
        VPC={"VPCRegion": topology.REGION, "VPCId": h.ids.vpc},
        CallerReference=ALIAS_ZONE,
        HostedZoneConfig={"PrivateZone": True, "Comment": "short names"},
    )["HostedZone"]["Id"]
    record = {
        "Name": ALIAS,
        "Type": "CNAME",
        "TTL": 60,
        "ResourceRecords": [{"Value": topology.DATABASE_HOST}],
    }
    change = {"Action": "CREATE", "ResourceRecordSet": record}
    route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": [change]})
    h.put("endpoint", ALIAS)
    h.restart_app()


def _no_alias(h: FaultContext) -> None:
    h.put("endpoint", topology.DATABASE_HOST)
    route53 = h.client("route53")
    for zone in route53.list_hosted_zones_by_name(DNSName=ALIAS_ZONE)["HostedZones"]:
        if zone["Name"].rstrip(".") != ALIAS_ZONE:
            continue
        rows = route53.list_resource_record_sets(HostedZoneId=zone["Id"])["ResourceRecordSets"]
        changes = [
            {"Action": "DELETE", "ResourceRecordSet": row} for row in rows if row["Type"] == "CNAME"
        ]
        if changes:
            route53.change_resource_record_sets(
                HostedZoneId=zone["Id"], ChangeBatch={"Changes": changes}
            )
        route53.delete_hosted_zone(Id=zone["Id"])
    h.restart_app()


def _changing_to(operation: str, state: str) -> FaultAction:
    """Stop or start the instance, and wait until it has the state."""

    def action(h: FaultContext) -> None:
        ec2, ids = h.client("ec2"), [h.ids.instance]
        for _ in range(WAITS):
            rows = ec2.describe_instances(InstanceIds=ids)["Reservations"]
            present = rows[0]["Instances"][0]["State"]["Name"]
            if present == state:
                return
            if present in ("running", "stopped"):
                getattr(ec2, operation)(InstanceIds=ids)
            time.sleep(EVERY_S)
        raise TimeoutError(f"the instance is {present}, not {state}")

    return action


def _firewall_on(h: FaultContext) -> None:
    lines = " ".join(f"'{line}'" for line in RULES)
    h.shell(f"printf '%s\\n' {lines} >{FIREWALL} && nft -f {FIREWALL}")


def _firewall_off(h: FaultContext) -> None:
    h.shell(f"rm -f {FIREWALL}; nft flush ruleset")


def _new_keys(h: FaultContext, *actions: str) -> tuple[str, str]:
    """The access key of a new user who may call these actions: its id and its secret."""
    iam = h.client("iam")
    iam.create_user(UserName=USER)
    if actions:
        statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName=USER, PolicyName=USER_POLICY, PolicyDocument=document)
    key: dict[str, Any] = iam.create_access_key(UserName=USER)["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"]


def _access_keys(*actions: str) -> FaultAction:
    """Leave the keys of a user in the credentials file of the instance."""

    def action(h: FaultContext) -> None:
        key_id, secret = _new_keys(h, *actions)
        pair = (f"aws_access_key_id = {key_id}", f"aws_secret_access_key = {secret}")
        lines = " ".join(f"'{line}'" for line in ("[default]", *pair))
        h.shell(f"mkdir -p $HOME/.aws && printf '%s\\n' {lines} >$HOME/.aws/credentials")
        h.restart_app()

    return action


def _no_access_keys(h: FaultContext) -> None:
    iam = h.client("iam")
    h.shell("rm -f $HOME/.aws/credentials")
    for row in iam.list_access_keys(UserName=USER)["AccessKeyMetadata"]:
        iam.delete_access_key(UserName=USER, AccessKeyId=row["AccessKeyId"])
    for name in iam.list_user_policies(UserName=USER)["PolicyNames"]:
        iam.delete_user_policy(UserName=USER, PolicyName=name)
    iam.delete_user(UserName=USER)
    h.restart_app()


def _keys_in_environment(h: FaultContext) -> None:
    key_id, secret = _new_keys(h, *_READS)
    set_environment(h, AWS_ACCESS_KEY_ID=key_id, AWS_SECRET_ACCESS_KEY=secret)


def _no_keys_in_environment(h: FaultContext) -> None:
    set_environment(h, AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    _no_access_keys(h)


def _endpoint_policy(*actions: str) -> FaultAction:
    """Give the interface endpoint of Systems Manager a policy that allows these actions only."""

    def action(h: FaultContext) -> None:
        ec2 = h.client("ec2")
        filters = [{"Name": "service-name", "Values": [ENDPOINT_SERVICE]}]
        endpoint = ec2.describe_vpc_endpoints(Filters=filters)["VpcEndpoints"][0]
        statement = {
            "Effect": "Allow",
            "Principal": "*",
            "Action": list(actions),
            "Resource": "*",
        }
        ec2.modify_vpc_endpoint(
            VpcEndpointId=endpoint["VpcEndpointId"],
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
        )
        h.restart_app()

    return action


def _maintenance(h: FaultContext) -> None:
    h.shell(f"touch {h.project}/maintenance")


def _no_maintenance(h: FaultContext) -> None:
    h.shell(f"rm -f {h.project}/maintenance")


def _other_host(h: FaultContext) -> None:
    set_environment(h, PGHOST=f"reporting-db.{topology.HOST_SUFFIX}")


def _own_host(h: FaultContext) -> None:
    set_environment(h, PGHOST="")


def _set_network(h: FaultContext, mode: str) -> None:
    """Write the network into the compose file; in a bridge the app's port is published."""
    file = f"{h.project}/compose.yaml"
    h.shell(f"sed -i '/ports:/d; s/network_mode: .*/network_mode: {mode}/' {file}")
    if mode == "bridge":
        h.shell(f"echo '    ports: [\"{topology.APP_PORT}:{topology.APP_PORT}\"]' >>{file}")
    h.recreate_app()


def _hop_limit(h: FaultContext) -> None:
    """Require IMDSv2 with the hop limit that a hardening guide names, for an app behind a bridge."""
    h.client("ec2").modify_instance_metadata_options(
        InstanceId=h.ids.instance, HttpTokens="required", HttpPutResponseHopLimit=1
    )
    _set_network(h, "bridge")


def _no_hop_limit(h: FaultContext) -> None:
    h.client("ec2").modify_instance_metadata_options(
        InstanceId=h.ids.instance, HttpTokens="optional", HttpPutResponseHopLimit=1
    )
    _set_network(h, "host")


def _name_back(h: FaultContext) -> None:
    h.put("endpoint", topology.DATABASE_HOST)
    set_environment(h, PGSSLMODE="verify-full")


FAULTS = (
    Fault("parameter-address", "the endpoint parameter holds today's address of the database", "PAR007",
          _address(topology.DATABASE_ADDRESS, tls_mode="require"), _name_back,
          needs_packets=True, status="warn"),
    Fault("parameter-old-address", "the endpoint parameter holds an address of earlier", "PAR007",
          _address("10.0.5.77", tls_mode="require"), _name_back, needs_packets=True),
    Fault("endpoint-alias", "the app connects to a CNAME of our own, which the certificate does not name",
          "TLS003", _alias, _no_alias, needs_packets=True),
    Fault("access-keys", "the keys of a user are in the credentials file of the instance", "IAM004",
          _access_keys(*_READS), _no_access_keys, status="warn"),
    Fault("access-keys-powerless", "the same, and the user may read no parameter", "IAM004",
          _access_keys(), _no_access_keys),
    Fault("access-keys-env", "the keys of a user are in the app's .env", "IAM004",
          _keys_in_environment, _no_keys_in_environment, status="warn"),
    Fault("imds-hop-limit", "IMDSv2 has a hop limit of 1, and the app's container is behind a bridge",
          "IAM004", _hop_limit, _no_hop_limit, needs_packets=True, shows_after_s=12),
    Fault("endpoint-policy", "an interface endpoint's policy does not allow to read parameters", "IAM002",
          _endpoint_policy("ssm:UpdateInstanceInformation", "ssm:ListAssociations"),
          _endpoint_policy("*"), warnings=("IAM014",)),
    Fault("host-firewall", "a hardening script closed the database's port in the instance's firewall",
          "TCP001", _firewall_on, _firewall_off, needs_packets=True, is_symptom=True),
    Fault("instance-stopped", "someone stopped the app's instance to save money", "APP001",
          _changing_to("stop_instances", "stopped"), _changing_to("start_instances", "running")),
    Fault("maintenance-mode", "someone left the app in maintenance", "APP003",
          _maintenance, _no_maintenance, is_symptom=True),
    Fault("env-other-host", "the app's .env names the database of another team", "APP004",
          _other_host, _own_host, needs_packets=True),
)  # fmt: skip
