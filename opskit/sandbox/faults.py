"""Mistakes that people make, each made as a person would: through the API, SQL or a file.

None sets a flag that a diagnosis could read. Each names the finding that is to be its one root cause.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from opskit.sandbox import linkbox, world
from opskit.sandbox.linkbox import Ids
from opskit.sandbox.postgres import new_password

PREFIX = "/linkbox/db-"
POLICY = {"RoleName": "linkbox-backend-role", "PolicyName": "linkbox-parameters"}


@dataclass(frozen=True, slots=True)
class Hands:
    """What a person has: the API, SQL as the administrator, and a shell on the instance."""

    client: Callable[[str], Any]
    sql: Callable[[str], object]
    set_password: Callable[[str, str], None]
    shell: Callable[[str], object]
    ids: Ids
    project: str

    def restart_app(self) -> None:
        """What a deploy or a reboot does sooner or later."""
        self.shell(f"docker restart {world.CONTAINER}")

    def recreate_app(self) -> None:
        """Create the container anew from its `.env`."""
        compose = f"docker compose --project-directory {self.project}"
        self.shell(f"{compose} up -d --force-recreate {world.CONTAINER}")

    def put(self, name: str, value: str) -> None:
        """Write one of LinkBox's parameters."""
        kind: dict[str, Any] = {"Type": "String"}
        if name == "password":
            kind = {"Type": "SecureString", "KeyId": "alias/linkbox"}
        self.client("ssm").put_parameter(Name=PREFIX + name, Value=value, Overwrite=True, **kind)

    def password(self) -> str:
        """The parameter's present value."""
        reply = self.client("ssm").get_parameter(Name=PREFIX + "password", WithDecryption=True)
        return str(reply["Parameter"]["Value"])


Deed = Callable[[Hands], None]


@dataclass(frozen=True, slots=True)
class Fault:
    """A mistake: what somebody did, what it is to be found as, and how it is taken back."""

    name: str
    summary: str
    code: str
    inject: Deed
    repair: Deed
    needs_packets: bool = False
    """Whether it shows only where packets are really filtered and names are our own."""


def _statement(index: int) -> Deed:
    def inject(h: Hands) -> None:
        policy = linkbox.read_policy(h.ids.key)
        del policy["Statement"][index]
        h.client("iam").put_role_policy(**POLICY, PolicyDocument=json.dumps(policy))
        h.restart_app()

    return inject


def _policy_back(h: Hands) -> None:
    policy = json.dumps(linkbox.read_policy(h.ids.key))
    h.client("iam").put_role_policy(**POLICY, PolicyDocument=policy)
    h.restart_app()


def _key_back(h: Hands) -> None:
    h.client("kms").enable_key(KeyId=h.ids.key)
    h.restart_app()


def _key_off(h: Hands) -> None:
    h.client("kms").disable_key(KeyId=h.ids.key)
    h.restart_app()


def _parameter_gone(h: Hands) -> None:
    h.client("ssm").delete_parameter(Name=PREFIX + "name")
    h.restart_app()


def _putting(name: str, value: Callable[[Hands], str]) -> Deed:
    def deed(h: Hands) -> None:
        h.put(name, value(h))
        h.restart_app()

    return deed


def _rule(source: str, port: int) -> dict[str, Any]:
    pair = [{"GroupId": source}]
    return {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "UserIdGroupPairs": pair}


def _ingress(*wanted: tuple[str, int]) -> Deed:
    """Let the database's group have exactly these rules: (field of Ids, port)."""

    def deed(h: Hands) -> None:
        ec2, group = h.client("ec2"), h.ids.database_group
        present = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0][
            "IpPermissions"
        ]
        if present:
            ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=present)
        rules = [_rule(getattr(h.ids, field), port) for field, port in wanted]
        if rules:
            ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=rules)

    return deed


def _no_profile(h: Hands) -> None:
    ec2 = h.client("ec2")
    for one in ec2.describe_iam_instance_profile_associations()["IamInstanceProfileAssociations"]:
        ec2.disassociate_iam_instance_profile(AssociationId=one["AssociationId"])


def _profile_back(h: Hands) -> None:
    ec2 = h.client("ec2")
    if not ec2.describe_iam_instance_profile_associations()["IamInstanceProfileAssociations"]:
        ec2.associate_iam_instance_profile(
            InstanceId=h.ids.instance, IamInstanceProfile={"Name": "linkbox-backend-profile"}
        )


def _state(operation: str, word: str) -> Deed:
    def deed(h: Hands) -> None:
        import time

        rds, name = h.client("rds"), world.DATABASE_IDENTIFIER
        present = rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]
        if present["DBInstanceStatus"] != word:
            getattr(rds, operation)(DBInstanceIdentifier=name)
        for _ in range(100):
            present = rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]
            if present["DBInstanceStatus"] == word:
                return
            time.sleep(0.1)

    return deed


def _shadow(h: Hands) -> None:
    h.client("route53").create_hosted_zone(
        Name=world.HOST_SUFFIX,
        VPC={"VPCRegion": world.REGION, "VPCId": h.ids.vpc},
        CallerReference=new_password(),
        HostedZoneConfig={"PrivateZone": True, "Comment": "for the new reporting endpoint"},
    )


def _unshadow(h: Hands) -> None:
    route53 = h.client("route53")
    for zone in route53.list_hosted_zones()["HostedZones"]:
        route53.delete_hosted_zone(Id=zone["Id"])


def _public(is_public: bool) -> Deed:
    def deed(h: Hands) -> None:
        h.client("rds").modify_db_instance(
            DBInstanceIdentifier=world.DATABASE_IDENTIFIER,
            PubliclyAccessible=is_public,
            ApplyImmediately=True,
        )
        h.client("ec2").modify_vpc_attribute(
            VpcId=h.ids.vpc, EnableDnsHostnames={"Value": not is_public}
        )

    return deed


def _reply_entry(h: Hands, last_port: int | None) -> None:
    entry = {"NetworkAclId": h.ids.database_acl, "RuleNumber": 100, "Egress": True}
    ec2 = h.client("ec2")
    acl = ec2.describe_network_acls(NetworkAclIds=[h.ids.database_acl])["NetworkAcls"][0]
    if any(e["Egress"] and e["RuleNumber"] == 100 for e in acl["Entries"]):
        ec2.delete_network_acl_entry(**entry)
    if last_port is not None:
        ec2.create_network_acl_entry(
            **entry,
            Protocol="6",
            RuleAction="allow",
            CidrBlock="10.0.2.0/24",
            PortRange={"From": 1024, "To": last_port},
        )


def _mode(mode: str) -> Deed:
    def deed(h: Hands) -> None:
        h.shell(f"sed -i 's/^PGSSLMODE=.*/PGSSLMODE={mode}/' {h.project}/.env")
        h.recreate_app()

    return deed


def _docker(word: str) -> Deed:
    def deed(h: Hands) -> None:
        h.shell(f"docker {word} {world.CONTAINER}")

    return deed


def _password_changed(h: Hands) -> None:
    h.set_password(world.DATABASE_USER, new_password())
    h.restart_app()


def _password_back(h: Hands) -> None:
    h.set_password(world.DATABASE_USER, h.password().strip())
    h.restart_app()


def _changed_with_prefer(h: Hands) -> None:
    _mode("prefer")(h)
    _password_changed(h)


def _back_from_prefer(h: Hands) -> None:
    h.set_password(world.DATABASE_USER, h.password().strip())
    _mode("verify-full")(h)


def _rotated_without_restart(h: Hands) -> None:
    new = new_password()
    h.set_password(world.DATABASE_USER, new)
    h.put("password", new)


_OLD_HOST = f"linkbox-db-old.{world.HOST_SUFFIX}"

_ALL = (
    Fault("parameter-missing", "somebody deleted the parameter with the database's name", "PAR001",
          _parameter_gone, _putting("name", lambda _: world.DATABASE_NAME)),
    Fault("key-disabled", "somebody disabled the key of the parameters", "PAR003", _key_off, _key_back),
    Fault("parameter-drift", "the endpoint parameter still names the old database", "PAR004",
          _putting("endpoint", lambda _: _OLD_HOST), _putting("endpoint", lambda _: world.DATABASE_HOST)),
    Fault("parameter-port", "the endpoint parameter was written with port 5433", "PAR005",
          _putting("endpoint", lambda _: f"{world.DATABASE_HOST}:5433"),
          _putting("endpoint", lambda _: world.DATABASE_HOST)),
    Fault("parameter-newline", "the password was stored with `echo`, newline included", "PAR006",
          _putting("password", lambda h: h.password().strip() + "\n"),
          _putting("password", lambda h: h.password().strip())),
    Fault("no-instance-profile", "the instance lost its profile", "IAM001", _no_profile, _profile_back),
    Fault("role-lacks-get-parameter", "a clean-up took ssm:GetParameter from the role", "IAM002",
          _statement(0), _policy_back),
    Fault("role-lacks-decrypt", "a clean-up took kms:Decrypt from the role", "IAM003",
          _statement(1), _policy_back),
    Fault("database-stopped", "somebody stopped the database to save money", "RDS001",
          _state("stop_db_instance", "stopped"), _state("start_db_instance", "available")),
    Fault("dns-name-gone", "a new private hosted zone shadows the database's name", "DNS001",
          _shadow, _unshadow),
    Fault("dns-public-address", "the database was made public in a VPC without DNS hostnames", "DNS002",
          _public(True), _public(False)),
    Fault("ingress-removed", "somebody removed the database group's only rule", "NET001",
          _ingress(), _ingress(("web_group", world.DATABASE_PORT))),
    Fault("ingress-wrong-group", "the database's rule names the load balancer's group", "NET002",
          _ingress(("balancer_group", world.DATABASE_PORT)), _ingress(("web_group", world.DATABASE_PORT))),
    Fault("ingress-wrong-port", "the database's rule is for MySQL's port", "NET003",
          _ingress(("web_group", 3306)), _ingress(("web_group", world.DATABASE_PORT))),
    Fault("nacl-reply-dropped", "the ACL of the database's subnet lost its allow for replies", "NET004",
          lambda h: _reply_entry(h, None), lambda h: _reply_entry(h, 65535)),
    Fault("tls-not-used", "somebody set PGSSLMODE=disable in the app's .env", "TLS001",
          _mode("disable"), _mode("verify-full")),
    Fault("password-mismatch", "somebody changed the password in the database by hand", "AUT001",
          _password_changed, _password_back),
    Fault("password-mismatch-prefer", "the same, with an app that uses sslmode=prefer", "AUT001",
          _changed_with_prefer, _back_from_prefer),
    Fault("container-stopped", "somebody stopped the app's container", "APP001",
          _docker("stop"),
          _docker("start")),
    Fault("stale-environment", "the password was rotated, the app was not restarted", "APP002",
          _rotated_without_restart, Hands.restart_app),
)  # fmt: skip

FAULTS: dict[str, Fault] = {
    fault.name: replace(fault, needs_packets=fault.code.startswith(("NET", "DNS")))
    for fault in _ALL
}
"""Every fault by name, in the causal order of what they break."""
