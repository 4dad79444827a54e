"""Unusual set-ups in which the app works: a diagnosis finds no fault in them."""

from __future__ import annotations

import json

from opskit.sandbox import fixture, topology
from opskit.sandbox.faults.interface import FaultContext
from tests.accuracy.faults.access import (
    ACCOUNT_ARN,
    ROLE,
    boundary,
    denied,
    document,
    key_policy,
    organization,
    rewritten,
)
from tests.accuracy.faults.application import CONTAINER, setting, shell
from tests.accuracy.faults.database import sql
from tests.accuracy.faults.network import (
    PORT,
    admitting,
    egress_to_group,
    entry,
    from_web,
    ranges,
    rule,
    sending,
)
from tests.accuracy.faults.parameters import putting
from tests.accuracy.interface import Action, Case, healthy

ROLE_ARN = f"arn:aws:iam::{topology.ACCOUNT}:role/{ROLE}"


def by_prefix_list(h: FaultContext) -> None:
    """Allow the app by a prefix list."""
    entries = [{"Cidr": "10.0.2.0/24"}, {"Cidr": "10.0.3.0/24"}]
    row = h.client("ec2").create_managed_prefix_list(
        PrefixListName="app", AddressFamily="IPv4", MaxEntries=5, Entries=entries
    )["PrefixList"]
    admitting(rule(PORT, {"PrefixListIds": [{"PrefixListId": row["PrefixListId"]}]}))(h)


def all_protocols(h: FaultContext) -> None:
    """Allow the app's group every protocol."""
    admitting({"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": h.ids.web_group}]})(h)


def group_of_both(h: FaultContext) -> None:
    """Use one group on both ends, which allows itself."""
    ec2 = h.client("ec2")
    interface = ec2.describe_instances(InstanceIds=[h.ids.instance])["Reservations"][0]
    interface = interface["Instances"][0]["NetworkInterfaces"][0]["NetworkInterfaceId"]
    ec2.modify_network_interface_attribute(
        NetworkInterfaceId=interface, Groups=[h.ids.web_group, h.ids.database_group]
    )
    admitting(rule(PORT, {"UserIdGroupPairs": [{"GroupId": h.ids.database_group}]}))(h)


def two_groups_at_database(h: FaultContext) -> None:
    """Attach a second group to the database, which allows no one."""
    group = h.client("ec2").create_security_group(
        GroupName="audit", Description="audit", VpcId=h.ids.vpc
    )["GroupId"]
    h.client("rds").modify_db_instance(
        DBInstanceIdentifier=topology.DATABASE_IDENTIFIER,
        VpcSecurityGroupIds=[group, h.ids.database_group],
        ApplyImmediately=True,
    )


def second_group_at_app(h: FaultContext) -> None:
    """Attach the batch workers' group to the app, beside its own."""
    ec2 = h.client("ec2")
    filters = [{"Name": "group-name", "Values": ["batch-sg"]}]
    group = ec2.describe_security_groups(Filters=filters)["SecurityGroups"][0]["GroupId"]
    row = ec2.describe_instances(InstanceIds=[h.ids.instance])["Reservations"][0]["Instances"][0]
    ec2.modify_network_interface_attribute(
        NetworkInterfaceId=row["NetworkInterfaces"][0]["NetworkInterfaceId"],
        Groups=[group, h.ids.web_group],
    )


def dead_route_elsewhere(h: FaultContext) -> None:
    """Leave a black hole in the app's route table that leads to no subnet of ours."""
    ec2 = h.client("ec2")
    interface = ec2.create_network_interface(SubnetId=h.ids.second_app_subnet)["NetworkInterface"]
    ec2.create_route(
        RouteTableId=h.ids.app_table,
        DestinationCidrBlock="192.168.7.0/24",
        NetworkInterfaceId=interface["NetworkInterfaceId"],
    )
    ec2.delete_network_interface(NetworkInterfaceId=interface["NetworkInterfaceId"])


def neighbour_vpc(h: FaultContext) -> None:
    """Peer with a VPC that has nothing to do with the database."""
    ec2 = h.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    peering = ec2.create_vpc_peering_connection(VpcId=h.ids.vpc, PeerVpcId=vpc)
    peering_id = peering["VpcPeeringConnection"]["VpcPeeringConnectionId"]
    ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=peering_id)
    ec2.create_route(
        RouteTableId=h.ids.app_table,
        DestinationCidrBlock="10.9.0.0/16",
        VpcPeeringConnectionId=peering_id,
    )


def by_managed_policy(h: FaultContext) -> None:
    """Give the rights by a customer managed policy in place of an inline one."""
    iam = h.client("iam")
    policy = iam.create_policy(
        PolicyName="linkbox-read", PolicyDocument=json.dumps(fixture.read_policy(h.ids.key))
    )["Policy"]
    iam.attach_role_policy(RoleName=ROLE, PolicyArn=policy["Arn"])
    iam.delete_role_policy(RoleName=ROLE, PolicyName="linkbox-parameters")
    h.restart_app()


def everything_allowed(h: FaultContext) -> None:
    """Give the role everything."""
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    h.client("iam").put_role_policy(
        RoleName=ROLE, PolicyName="linkbox-parameters", PolicyDocument=document(statement)
    )
    h.restart_app()


def by_not_action(h: FaultContext) -> None:
    """Allow everything but IAM."""
    statement = {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}
    h.client("iam").put_role_policy(
        RoleName=ROLE, PolicyName="linkbox-parameters", PolicyDocument=document(statement)
    )
    h.restart_app()


def decrypt_by_key_policy(h: FaultContext) -> None:
    """Allow decryption in the key's policy only."""
    key_policy(Effect="Allow", Principal={"AWS": ROLE_ARN}, Action="kms:Decrypt", Resource="*")(h)
    policy = fixture.read_policy(h.ids.key)
    del policy["Statement"][1]
    h.client("iam").put_role_policy(
        RoleName=ROLE, PolicyName="linkbox-parameters", PolicyDocument=json.dumps(policy)
    )
    h.restart_app()


def managed_key(h: FaultContext) -> None:
    """Encrypt with the AWS managed key, and allow no decryption: none is needed."""
    h.client("ssm").put_parameter(
        Name="/linkbox/db-password",
        Type="SecureString",
        KeyId="alias/aws/ssm",
        Value=h.password(),
        Overwrite=True,
    )
    policy = fixture.read_policy(h.ids.key)
    del policy["Statement"][1]
    h.client("iam").put_role_policy(
        RoleName=ROLE, PolicyName="linkbox-parameters", PolicyDocument=json.dumps(policy)
    )
    h.restart_app()


def new_password_of(value: str) -> Action:
    """Set a password in the database and in the parameter."""

    def action(h: FaultContext) -> None:
        h.set_password(topology.DATABASE_USER, value)
        h.put("password", value)
        h.restart_app()

    return action


def many_versions(h: FaultContext) -> None:
    """Write the same values many times."""
    for _ in range(12):
        h.put("password", h.password())
        h.put("name", topology.DATABASE_NAME)


def more_parameters(h: FaultContext) -> None:
    """Keep other things beside the credential."""
    ssm = h.client("ssm")
    for name, value in (("feature/x", "on"), ("db-pool-size", "5"), ("db-old-password", "x")):
        ssm.put_parameter(Name=f"/linkbox/{name}", Type="String", Value=value)


def secret_username(h: FaultContext) -> None:
    """Keep the user's name as a SecureString too."""
    ssm = h.client("ssm")
    ssm.delete_parameter(Name="/linkbox/db-username")
    ssm.put_parameter(
        Name="/linkbox/db-username",
        Type="SecureString",
        KeyId="alias/linkbox",
        Value=topology.DATABASE_USER,
    )
    h.restart_app()


def own_role(name: str) -> Action:
    """Let the app log in as a role of its own, not as the master."""

    def action(h: FaultContext) -> None:
        h.sql(f'create role "{name}" login in role linkbox')
        h.set_password(name, h.password())
        h.put("username", name)
        h.restart_app()

    return action


def another_database(name: str, *, owner: str) -> Action:
    """Use a database of another name, which the role owns."""

    def action(h: FaultContext) -> None:
        h.sql(f'create database "{name}" owner "{owner}"')
        h.put("name", name)
        h.restart_app()

    return action


def restored_copy(h: FaultContext) -> None:
    """Keep yesterday's copy beside the database."""
    h.client("rds").create_db_instance(
        DBInstanceIdentifier="linkbox-db-restored", DBName="linkbox", Engine="postgres",
        EngineVersion="17.4", DBInstanceClass="db.t3.micro", AllocatedStorage=20,
        MasterUsername="linkbox_admin", MasterUserPassword="Not-The-Real-One-1",
        DBSubnetGroupName="linkbox-db-subnets", VpcSecurityGroupIds=[h.ids.database_group],
        PubliclyAccessible=False, StorageEncrypted=True,
    )  # fmt: skip


def pending_class(h: FaultContext) -> None:
    """Change the class in the next maintenance window."""
    h.client("rds").modify_db_instance(
        DBInstanceIdentifier=topology.DATABASE_IDENTIFIER,
        DBInstanceClass="db.t3.small",
        ApplyImmediately=False,
    )


def tls_not_forced(h: FaultContext) -> None:
    """Do not force TLS; the app uses it nevertheless."""
    h.client("rds").modify_db_parameter_group(
        DBParameterGroupName="linkbox-postgres17",
        Parameters=[
            {"ParameterName": "rds.force_ssl", "ParameterValue": "0", "ApplyMethod": "immediate"}
        ],
    )


def other_zone(h: FaultContext) -> None:
    """Attach a private zone of another domain."""
    h.client("route53").create_hosted_zone(
        Name="linkbox.internal",
        VPC={"VPCRegion": topology.REGION, "VPCId": h.ids.vpc},
        CallerReference="internal",
        HostedZoneConfig={"PrivateZone": True, "Comment": "services"},
    )


def start_instance(h: FaultContext, address: str, subnet: str, **tags: str) -> str:
    """Start one more instance with the app's group, and give its id."""
    rows = [{"Key": key, "Value": value} for key, value in tags.items()]
    reply = h.client("ec2").run_instances(
        ImageId=fixture.IMAGE, InstanceType="t3.micro", MinCount=1, MaxCount=1,
        PrivateIpAddress=address, SubnetId=subnet, SecurityGroupIds=[h.ids.web_group],
        TagSpecifications=[{"ResourceType": "instance", "Tags": rows}],
    )  # fmt: skip
    return str(reply["Instances"][0]["InstanceId"])


def second_instance(h: FaultContext) -> None:
    """Run a second instance of another name beside the app's."""
    start_instance(h, "10.0.3.47", h.ids.second_app_subnet, Name="spare-1")


def terminated_twin(h: FaultContext) -> None:
    """Leave the terminated instance of the last deployment, of the same name."""
    names = {"Name": "linkbox-backend-0", "Project": "linkbox"}
    instance = start_instance(h, "10.0.2.46", h.ids.app_subnet, **names)
    h.client("ec2").terminate_instances(InstanceIds=[instance])


CASES: tuple[Case, ...] = (
    healthy("ingress by the VPC's range", "NET", admitting(rule(PORT, ranges("10.0.0.0/16")))),
    healthy("ingress by the instance's address", "NET", admitting(rule(PORT, ranges("10.0.2.45/32")))),
    healthy("ingress by two ranges", "NET", admitting(
        rule(PORT, ranges("10.0.2.0/24", "198.51.100.0/24")))),
    healthy("ingress by a prefix list", "NET", by_prefix_list),
    healthy("ingress on a range of ports", "NET", from_web(5000, 6000)),
    healthy("ingress of every protocol", "NET", all_protocols),
    healthy("one group on both ends", "NET", group_of_both),
    healthy("two groups at the database", "NET", two_groups_at_database),
    healthy("two groups at the app", "NET", second_group_at_app),
    healthy("egress to the database's group only", "NET", egress_to_group("database-sg")),
    healthy("egress by ranges", "NET", sending(
        rule(443, ranges("0.0.0.0/0")), rule(PORT, ranges("10.0.5.0/24", "10.0.6.0/24")))),
    healthy("an ACL that denies another port", "NET",
            entry("db", 10, "deny", (3306, 3306), "10.0.0.0/16", egress=False)),
    healthy("an ACL that denies another subnet", "NET",
            entry("db", 10, "deny", (0, 65535), "10.0.1.0/24", egress=False)),
    healthy("an ACL that allows twice", "NET",
            entry("db", 90, "allow", (0, 65535), "10.0.0.0/8", egress=False)),
    healthy("a dead route elsewhere", "NET", dead_route_elsewhere),
    healthy("a peering elsewhere", "NET", neighbour_vpc),
    healthy("a second instance", "NET", second_instance),
    healthy("a terminated instance of the name", "NET", terminated_twin),
    healthy("a managed policy", "IAM", by_managed_policy),
    healthy("everything allowed", "IAM", everything_allowed),
    healthy("allowed by NotAction", "IAM", by_not_action),
    healthy("allowed by the key's policy only", "IAM", decrypt_by_key_policy),
    healthy("the AWS managed key", "IAM", managed_key),
    healthy("each parameter by its name", "IAM", rewritten({"Resource": [
        f"{ACCOUNT_ARN}:parameter/linkbox/db-{n}" for n in ("endpoint", "username", "password", "name")]})),
    healthy("a condition that holds", "IAM", rewritten(
        {"Condition": {"StringEquals": {"aws:RequestedRegion": topology.REGION}}})),
    healthy("a boundary that allows it", "IAM", boundary("ssm:*", "kms:*")),
    healthy("a deny of another path", "IAM", denied(
        Action="ssm:*", Resource=f"{ACCOUNT_ARN}:parameter/payments/*")),
    healthy("a deny of writing", "IAM", denied(Action="ssm:PutParameter", Resource="*")),
    healthy("a deny in other Regions", "IAM", denied(
        Action="*", Resource="*", Condition={"StringNotEquals": {"aws:RequestedRegion": topology.REGION}})),
    healthy("an organization that denies deletion", "IAM", organization(
        Effect="Deny", Action=["kms:ScheduleKeyDeletion", "rds:Delete*"], Resource="*")),
    healthy("the endpoint with its port", "PAR", putting("endpoint", f"{topology.DATABASE_HOST}:5432")),
    healthy("the endpoint in capitals", "PAR", putting(
        "endpoint", topology.DATABASE_HOST.replace("linkbox", "LinkBox"))),
    healthy("a password with URL characters", "PAR", new_password_of("p%40ss:w?rd#1&2=3+4")),
    healthy("a password with quotes and dollars", "PAR", new_password_of("it's$HOME`x`\\n;$(id)")),
    healthy("the longest password", "PAR", new_password_of("Aa1-" * 32)),
    healthy("many versions", "PAR", many_versions),
    healthy("more parameters", "PAR", more_parameters),
    healthy("the user's name as a SecureString", "PAR", secret_username),
    healthy("a role of the app's own", "AUT", own_role("linkbox_app")),
    healthy("a role with capitals", "AUT", own_role("LinkBoxApp")),
    healthy("a database with capitals", "AUT", another_database("LinkBox", owner="linkbox")),
    healthy("a role with an end far away", "AUT", sql("alter role linkbox valid until '2099-01-01'")),
    healthy("a role with a limit", "AUT", sql("alter role linkbox connection limit 12")),
    healthy("a restored copy beside it", "RDS", restored_copy),
    healthy("a change that waits", "RDS", pending_class),
    healthy("TLS not forced", "TLS", tls_not_forced),
    healthy("sslmode=require", "TLS", setting("PGSSLMODE", "require")),
    healthy("a private zone of another domain", "DNS", other_zone),
    healthy("an exited migration", "APP", shell(
        f"docker run -d --name linkbox-migrate --env-file {topology.PROJECT_DIRECTORY}/.env"
        " linkbox/backend:1.4.1 migrate; sleep 1; docker stop linkbox-migrate")),
    healthy("a restarted app", "APP", shell(f"docker restart {CONTAINER}; docker restart {CONTAINER}")),
    healthy("more lines in the .env", "APP", setting("SMTP_PASSWORD", "not-the-database")),
)  # fmt: skip
