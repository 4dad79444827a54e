"""The LinkBox fixture: network, permissions, parameters, database, load balancer."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from opskit.sandbox import topology

Make = Callable[[str], Any]
IMAGE = "ami-0abcdef1234567890"
ANYWHERE = "0.0.0.0/0"
EPHEMERAL = (1024, 65535)


@dataclass(frozen=True, slots=True)
class ResourceIds:
    """The ids that faults and tests need."""

    instance: str
    web_group: str
    database_group: str
    balancer_group: str
    database_acl: str
    app_acl: str
    vpc: str
    key: str
    app_table: str
    app_subnet: str
    second_app_subnet: str
    second_database_subnet: str


def seed(client: Make, password: str) -> ResourceIds:
    """Create everything through the API."""
    ec2 = client("ec2")
    vpc = ec2.create_vpc(CidrBlock=topology.VPC_CIDR)["Vpc"]["VpcId"]
    _tag(ec2, vpc, "linkbox-vpc")
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    subnets = _subnets(ec2, vpc)
    groups = _groups(ec2, vpc)
    acls = _acls(ec2, vpc, subnets)
    table = _tables(ec2, vpc, subnets)
    key = _key(client("kms"))
    _roles(client("iam"), key)
    instance = _instances(ec2, subnets, groups)
    _database(client("rds"), subnets, groups, password, _storage_key(client("kms")))
    _load_balancer(client("elbv2"), vpc, subnets, groups, instance)
    _parameters(client("ssm"), password)
    _endpoints(ec2, vpc, subnets["app-a"])
    return ResourceIds(
        instance, groups["web-sg"], groups["database-sg"], groups["alb-public-sg"],
        acls["db"], acls["app"], vpc, key,
        table, subnets["app-a"], subnets["app-b"], subnets["db-b"],
    )  # fmt: skip


def _tag(ec2: Any, resource: str, name: str) -> None:
    tags = [{"Key": "Name", "Value": name}, {"Key": "Project", "Value": "linkbox"}]
    ec2.create_tags(Resources=[resource], Tags=tags)


def _subnets(ec2: Any, vpc: str) -> dict[str, str]:
    ids = {}
    for number, name, zone in (
        (1, "public-a", "a"),
        (2, "app-a", "a"),
        (3, "app-b", "b"),
        (4, "public-b", "b"),
        (5, "db-a", "a"),
        (6, "db-b", "b"),
    ):
        reply = ec2.create_subnet(
            VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=f"{topology.REGION}{zone}"
        )
        ids[name] = reply["Subnet"]["SubnetId"]
        _tag(ec2, ids[name], f"linkbox-{name}")
    return ids


def _groups(ec2: Any, vpc: str) -> dict[str, str]:
    ids = {}
    for name, about in (
        ("alb-public-sg", "load balancer"),
        ("web-sg", "app"),
        ("database-sg", "database"),
        ("batch-sg", "batch"),
    ):
        reply = ec2.create_security_group(GroupName=name, Description=about, VpcId=vpc)
        ids[name] = reply["GroupId"]
    for group, source, port in (
        ("web-sg", "alb-public-sg", topology.APP_PORT),
        ("database-sg", "web-sg", topology.DATABASE_PORT),
    ):
        pair = {"GroupId": ids[source]}
        rule = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "UserIdGroupPairs": [pair]}
        ec2.authorize_security_group_ingress(GroupId=ids[group], IpPermissions=[rule])
    ec2.authorize_security_group_ingress(
        GroupId=ids["alb-public-sg"], IpProtocol="tcp", FromPort=80, ToPort=80, CidrIp=ANYWHERE
    )
    return ids


AclRow = tuple[int, bool, str, int, int]
"""Number, whether egress, range, first and last port; every row allows."""


def app_acl() -> tuple[AclRow, ...]:
    """The ACL rows of the app's subnets; the ports are those of this sandbox."""
    app, database = topology.APP_PORT, topology.DATABASE_PORT
    return (
        (100, False, "10.0.0.0/16", app, app),
        (110, False, "10.0.5.0/24", *EPHEMERAL),
        (120, False, "10.0.6.0/24", *EPHEMERAL),
        (100, True, "10.0.5.0/24", database, database),
        (110, True, "10.0.6.0/24", database, database),
        (120, True, "10.0.0.0/16", *EPHEMERAL),
    )


def database_acl() -> tuple[AclRow, ...]:
    """The ACL rows of the database's subnets."""
    port = topology.DATABASE_PORT
    return (
        (100, False, "10.0.2.0/24", port, port),
        (110, False, "10.0.3.0/24", port, port),
        (100, True, "10.0.2.0/24", *EPHEMERAL),
        (110, True, "10.0.3.0/24", *EPHEMERAL),
    )


def _acls(ec2: Any, vpc: str, subnets: dict[str, str]) -> dict[str, str]:
    """One ACL for each tier, with explicit allows."""
    filters = [{"Name": "vpc-id", "Values": [vpc]}]
    present = ec2.describe_network_acls(Filters=filters)["NetworkAcls"]
    old = {
        a["SubnetId"]: a["NetworkAclAssociationId"] for acl in present for a in acl["Associations"]
    }
    ids = {}
    for tier, entries in (("app", app_acl()), ("db", database_acl())):
        acl = ec2.create_network_acl(VpcId=vpc)["NetworkAcl"]["NetworkAclId"]
        _tag(ec2, acl, f"linkbox-{tier}-acl")
        ids[tier] = acl
        write_acl(ec2, acl, entries)
        for zone in ("a", "b"):
            ec2.replace_network_acl_association(
                AssociationId=old[subnets[f"{tier}-{zone}"]], NetworkAclId=acl
            )
    return ids


def write_acl(ec2: Any, acl: str, entries: tuple[AclRow, ...]) -> None:
    """Replace an ACL's entries by exactly these and the final deny."""
    for entry in ec2.describe_network_acls(NetworkAclIds=[acl])["NetworkAcls"][0]["Entries"]:
        if int(entry["RuleNumber"]) < 32767:
            ec2.delete_network_acl_entry(
                NetworkAclId=acl, RuleNumber=entry["RuleNumber"], Egress=entry["Egress"]
            )
    for number, egress, cidr, first, last in entries:
        ec2.create_network_acl_entry(
            NetworkAclId=acl,
            RuleNumber=number,
            Egress=egress,
            Protocol="6",
            RuleAction="allow",
            CidrBlock=cidr,
            PortRange={"From": first, "To": last},
        )


def _tables(ec2: Any, vpc: str, subnets: dict[str, str]) -> str:
    """One route table for each tier; the public one leads to the internet. Returns the app's."""
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    ids = {}
    for tier in ("public", "app", "db"):
        table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
        _tag(ec2, table, f"linkbox-{tier}-rt")
        ids[tier] = str(table)
        for zone in ("a", "b"):
            ec2.associate_route_table(RouteTableId=table, SubnetId=subnets[f"{tier}-{zone}"])
    ec2.create_route(RouteTableId=ids["public"], DestinationCidrBlock=ANYWHERE, GatewayId=gateway)
    return ids["app"]


def _endpoints(ec2: Any, vpc: str, subnet: str) -> None:
    """The interface endpoints by which the agent in the private subnet reaches Systems Manager."""
    reply = ec2.create_security_group(
        GroupName="vpce-sg", Description="interface endpoints", VpcId=vpc
    )
    ec2.authorize_security_group_ingress(
        GroupId=reply["GroupId"],
        IpProtocol="tcp",
        FromPort=443,
        ToPort=443,
        CidrIp=topology.VPC_CIDR,
    )
    for service in ("ssm", "ssmmessages", "ec2messages"):
        endpoint = ec2.create_vpc_endpoint(
            VpcId=vpc,
            ServiceName=f"com.amazonaws.{topology.REGION}.{service}",
            VpcEndpointType="Interface",
            SubnetIds=[subnet],
            SecurityGroupIds=[reply["GroupId"]],
            PrivateDnsEnabled=True,
        )
        _tag(ec2, endpoint["VpcEndpoint"]["VpcEndpointId"], f"linkbox-{service}")


def _key(kms: Any) -> str:
    key = str(kms.create_key(Description="LinkBox parameters")["KeyMetadata"]["KeyId"])
    kms.create_alias(AliasName="alias/linkbox", TargetKeyId=key)
    write_key_policy(kms, key)
    return key


def _storage_key(kms: Any) -> str:
    """The key of the database's storage."""
    key: dict[str, Any] = kms.create_key(Description="LinkBox database")["KeyMetadata"]
    kms.create_alias(AliasName="alias/linkbox-database", TargetKeyId=key["KeyId"])
    return str(key["Arn"])


def write_key_policy(kms: Any, key: str) -> None:
    """Write the console's default key policy: it leaves access to the account's policies."""
    statement = {
        "Sid": "Enable IAM User Permissions",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{topology.ACCOUNT}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(policy))


def read_policy(key: str) -> dict[str, Any]:
    """The policy of LinkBox's role: read its parameters and use their key."""
    reads = ["ssm:GetParameter", "ssm:GetParameters", "ssm:GetParametersByPath"]
    parameters = f"arn:aws:ssm:{topology.REGION}:{topology.ACCOUNT}:parameter/linkbox/*"
    key_arn = f"arn:aws:kms:{topology.REGION}:{topology.ACCOUNT}:key/{key}"
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Sid": "ReadLinkbox", "Effect": "Allow", "Action": reads, "Resource": parameters},
            {
                "Sid": "DecryptLinkbox",
                "Effect": "Allow",
                "Action": "kms:Decrypt",
                "Resource": key_arn,
            },
        ],
    }


def _roles(iam: Any, key: str) -> None:
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "ec2.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    agent = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["ssmmessages:*", "ec2messages:*", "ssm:UpdateInstanceInformation"],
                "Resource": "*",
            }
        ],
    }
    everything = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
    }
    role = "linkbox-backend-role"
    iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(trust))
    iam.put_role_policy(
        RoleName=role, PolicyName="linkbox-parameters", PolicyDocument=json.dumps(read_policy(key))
    )
    iam.put_role_policy(
        RoleName=role, PolicyName="session-manager", PolicyDocument=json.dumps(agent)
    )
    iam.create_instance_profile(InstanceProfileName="linkbox-backend-profile")
    iam.add_role_to_instance_profile(InstanceProfileName="linkbox-backend-profile", RoleName=role)
    iam.create_user(UserName="oncall")
    iam.put_user_policy(
        UserName="oncall", PolicyName="everything", PolicyDocument=json.dumps(everything)
    )


def _instances(ec2: Any, subnets: dict[str, str], groups: dict[str, str]) -> str:
    ids = []
    for name, project, address, group, subnet in (
        ("linkbox-backend-1", "linkbox", topology.INSTANCE_ADDRESS, "web-sg", "app-a"),
        ("batch-worker-1", "reporting", "10.0.3.31", "batch-sg", "app-b"),
    ):
        tags = [{"Key": "Name", "Value": name}, {"Key": "Project", "Value": project}]
        answer = ec2.run_instances(
            ImageId=IMAGE,
            InstanceType="t3.micro",
            MinCount=1,
            MaxCount=1,
            PrivateIpAddress=address,
            SubnetId=subnets[subnet],
            SecurityGroupIds=[groups[group]],
            TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
        )
        ids.append(str(answer["Instances"][0]["InstanceId"]))
    ec2.associate_iam_instance_profile(
        InstanceId=ids[0], IamInstanceProfile={"Name": "linkbox-backend-profile"}
    )
    return ids[0]


def _database(
    rds: Any, subnets: dict[str, str], groups: dict[str, str], password: str, key_arn: str
) -> None:
    rds.create_db_subnet_group(
        DBSubnetGroupName="linkbox-db-subnets",
        DBSubnetGroupDescription="LinkBox",
        SubnetIds=[subnets["db-a"], subnets["db-b"]],
    )
    rds.create_db_parameter_group(
        DBParameterGroupName="linkbox-postgres17",
        DBParameterGroupFamily="postgres17",
        Description="LinkBox",
    )
    forced = {"ParameterName": "rds.force_ssl", "ParameterValue": "1", "ApplyMethod": "immediate"}
    rds.modify_db_parameter_group(DBParameterGroupName="linkbox-postgres17", Parameters=[forced])
    common = {
        "Engine": "postgres",
        "EngineVersion": "17.4",
        "DBInstanceClass": "db.t3.micro",
        "AllocatedStorage": 20,
        "DBSubnetGroupName": "linkbox-db-subnets",
        "PubliclyAccessible": False,
        "StorageEncrypted": True,
    }
    rds.create_db_instance(
        DBInstanceIdentifier=topology.DATABASE_IDENTIFIER,
        DBName=topology.DATABASE_NAME,
        MasterUsername=topology.DATABASE_USER,
        MasterUserPassword=password,
        VpcSecurityGroupIds=[groups["database-sg"]],
        DBParameterGroupName="linkbox-postgres17",
        BackupRetentionPeriod=7,
        KmsKeyId=key_arn,
        AvailabilityZone=f"{topology.REGION}a",
        Port=topology.DATABASE_PORT,
        **common,
    )
    rds.create_db_instance(
        DBInstanceIdentifier="reporting-db",
        DBName="reporting",
        MasterUsername="reporting",
        MasterUserPassword=password[::-1],
        VpcSecurityGroupIds=[groups["batch-sg"]],
        **common,
    )


def _load_balancer(
    elbv2: Any, vpc: str, subnets: dict[str, str], groups: dict[str, str], instance: str
) -> None:
    load_balancer = elbv2.create_load_balancer(
        Name="linkbox-alb",
        Subnets=[subnets["public-a"], subnets["public-b"]],
        SecurityGroups=[groups["alb-public-sg"]],
    )
    reply = elbv2.create_target_group(
        Name="linkbox-backend",
        Protocol="HTTP",
        Port=topology.APP_PORT,
        VpcId=vpc,
        HealthCheckPath="/health",
        TargetType="instance",
    )
    arn = reply["TargetGroups"][0]["TargetGroupArn"]
    elbv2.create_listener(
        LoadBalancerArn=load_balancer["LoadBalancers"][0]["LoadBalancerArn"],
        Protocol="HTTP",
        Port=80,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": arn}],
    )
    elbv2.register_targets(
        TargetGroupArn=arn, Targets=[{"Id": instance, "Port": topology.APP_PORT}]
    )


def _parameters(ssm: Any, password: str) -> None:
    for name, value in (
        ("endpoint", topology.DATABASE_HOST),
        ("username", topology.DATABASE_USER),
        ("name", topology.DATABASE_NAME),
    ):
        ssm.put_parameter(Name=f"/linkbox/db-{name}", Type="String", Value=value)
    ssm.put_parameter(
        Name="/linkbox/db-password", Type="SecureString", KeyId="alias/linkbox", Value=password
    )
    ssm.put_parameter(Name="/reporting/db-name", Type="String", Value="reporting")
