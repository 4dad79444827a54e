"""A reset sandbox is as it was after its start, whatever was changed."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

from opskit.sandbox import lifecycle
from tests.conftest import LIMIT_S, Operator
from tests.recorded import difference
from tests.recorded.__main__ import read

AS_OPERATOR = """
import boto3, json
ssm, ec2, iam, kms, rds = map(boto3.client, ("ssm", "ec2", "iam", "kms", "rds"))
named = lambda name: [{"Name": "tag:Name", "Values": [name]}]
ssm.put_parameter(Name="/linkbox/db-endpoint", Value="elsewhere.example.com", Overwrite=True)
ssm.delete_parameter(Name="/linkbox/db-name")
ssm.put_parameter(Name="/linkbox/more", Type="String", Value="more")
ssm.label_parameter_version(Name="/linkbox/db-username", Labels=["old"])
web = ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["web-sg"]}])
web = web["SecurityGroups"][0]["GroupId"]
ec2.authorize_security_group_ingress(
    GroupId=web, IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="0.0.0.0/0")
vpc = ec2.describe_vpcs(Filters=named("linkbox-vpc"))["Vpcs"][0]["VpcId"]
new = ec2.create_security_group(GroupName="new", Description="new", VpcId=vpc)["GroupId"]
instance = ec2.describe_instances(Filters=named("linkbox-backend-1"))
instance = instance["Reservations"][0]["Instances"][0]["InstanceId"]
ec2.modify_instance_attribute(InstanceId=instance, Groups=[new])
acl = ec2.describe_network_acls(Filters=named("linkbox-app-acl"))["NetworkAcls"][0]["NetworkAclId"]
ec2.create_network_acl_entry(NetworkAclId=acl, Egress=False, RuleNumber=5, Protocol="-1",
                             RuleAction="deny", CidrBlock="0.0.0.0/0")
table = ec2.describe_route_tables(Filters=named("linkbox-app-rt"))["RouteTables"][0]["RouteTableId"]
gateway = ec2.describe_internet_gateways()["InternetGateways"][0]["InternetGatewayId"]
ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
iam.delete_role_policy(RoleName="linkbox-backend-role", PolicyName="linkbox-parameters")
kms.disable_key(KeyId=kms.describe_key(KeyId="alias/linkbox")["KeyMetadata"]["KeyId"])
rds.modify_db_parameter_group(DBParameterGroupName="linkbox-postgres17", Parameters=[
    {"ParameterName": "rds.force_ssl", "ParameterValue": "0", "ApplyMethod": "immediate"}])
rds.modify_db_instance(DBInstanceIdentifier="linkbox-db", BackupRetentionPeriod=0)
rds.modify_db_instance(DBInstanceIdentifier="linkbox-db", MasterUserPassword="Another-password")
boto3.client("route53").create_hosted_zone(
    Name="c123xyz.us-east-1.rds.amazonaws.com", CallerReference="r",
    VPC={"VPCRegion": "us-east-1", "VPCId": vpc}, HostedZoneConfig={"PrivateZone": True})
elbv2 = boto3.client("elbv2")
target = elbv2.describe_target_groups()["TargetGroups"][0]["TargetGroupArn"]
elbv2.deregister_targets(TargetGroupArn=target, Targets=[{"Id": instance, "Port": 3000}])
boto3.client("ecs").update_service(cluster="linkbox", service="linkbox-backend", desiredCount=3)
less = {"Effect": "Deny", "Action": "ssm:DescribeParameters", "Resource": "*"}
iam.put_user_policy(UserName="oncall", PolicyName="less", PolicyDocument=json.dumps(
    {"Version": "2012-10-17", "Statement": [less]}))
"""
SERVICES = """
import boto3, botocore
ssm = boto3.client("ssm")
print(sorted(boto3.client("ecs").list_tasks(cluster="linkbox")["taskArns"]))
for read in (lambda: ssm.get_parameters_by_path(Path="/linkbox", WithDecryption=True),
             lambda: ssm.describe_parameters()):
    try:
        print(read()["Parameters"])
    except botocore.exceptions.ClientError as error:
        print(error)
"""
ON_INSTANCE = """
cd /srv/linkbox
sed -i s/verify-full/disable/ .env
chmod 0400 compose.yaml
rm "$HOME/../bin/openssl"
echo new >new-file
systemctl stop amazon-ssm-agent
docker run -d --name worker --env-file .env linkbox/backend:1.4.2 worker
docker stop linkbox-backend
sleep 1000 >/dev/null 2>&1 &
"""
SQL = """
import sys, psycopg
with psycopg.connect(f"host={sys.argv[1]}/pg user=postgres", autocommit=True) as connection:
    for statement in sys.argv[2].split(";"):
        cursor = connection.execute(statement)
        if cursor.description:
            print(*cursor.fetchall(), sep="\\n")
"""
CHANGES = """create role other login password 'other';
alter role linkbox connection limit 0 valid until '2020-01-01';
create database another; alter system set max_connections = 7;
alter database linkbox set search_path = nowhere"""
CONTENT = """select rolname, rolpassword, rolconnlimit, rolvaliduntil, rolcanlogin from pg_authid order by 1;
select datname, datallowconn, datconnlimit, datacl from pg_database order by 1;
select setdatabase, setconfig from pg_db_role_setting;
select name, setting from pg_settings where source = 'configuration file' order by 1;
select type, database, user_name, auth_method from pg_hba_file_rules"""
FIREWALL = "table ip mine { chain in { type filter hook input priority 0; tcp dport 3000 drop; }; }"


DIFFERS_ALWAYS = ("fingerprint", "milliseconds", "clock")


def test_whatever_was_changed_is_restored(operator: Operator) -> None:
    operator.need_packets()
    operator.wait_until_healthy()
    healthy, before = facts(operator), seen(operator)
    change(operator)
    changed, after_change = facts(operator), seen(operator)
    assert {"StoredCredential", "SecurityGroups", "NetworkAcls", "DbInstances"} <= set(
        difference(healthy, changed)["facts"]
    )
    assert all(before[name] != after_change[name] for name in before)

    operator.reset()

    assert seen(operator) == before
    assert difference(healthy, facts(operator)) == {"facts": {}}
    found, status = operator.diagnose()
    assert status == 0, found["root_causes"]
    status_of = lifecycle.send_command(operator.running, "status")
    assert (status_of["broken"], status_of["health"], status_of["commands"]) == ([], 200, 0)


def change(operator: Operator) -> None:
    """Change something of every kind, as people do."""
    script(operator, AS_OPERATOR)
    lifecycle.send_command(operator.running, "inject", ["container-stopped"])
    words = ("opskit", "sandbox", "shell", "--on", "instance")
    subprocess.run(
        operator.running.command(words),
        env=operator.running.environment(),
        input=ON_INSTANCE,
        check=True,
        text=True,
        capture_output=True,
        timeout=LIMIT_S,
    )
    sql(operator, CHANGES)
    on(operator, "app", "nft", FIREWALL)
    limit = time.monotonic() + LIMIT_S
    while "available" not in operator.run("aws", "rds", "describe-db-instances", "--query",
            "DBInstances[?DBInstanceIdentifier=='linkbox-db'].DBInstanceStatus").stdout:  # fmt: skip
        assert time.monotonic() < limit
    operator.inject({"kind": "slow", "service": "sts", "seconds": 0.1})


def facts(operator: Operator) -> dict[str, Any]:
    """The recorded snapshot of this moment, without what differs in each one: fingerprints and durations."""

    def stable(raw: Any) -> Any:
        if isinstance(raw, dict):
            is_password = raw.get("name") == "password"
            omitted = {*DIFFERS_ALWAYS, *(["value"] if is_password else [])}
            return {k: stable(v) for k, v in raw.items() if k not in omitted}
        return [stable(item) for item in raw] if isinstance(raw, list) else raw

    return dict(stable(read(operator)))


def seen(operator: Operator) -> dict[str, str]:
    """What no fact shows, or not all of it."""
    return {
        "services": script(operator, SERVICES),
        "database": sql(operator, CONTENT),
        "files": on(
            operator, "app", "sh", "-c", "cd /srv/linkbox && ls -la --time-style=+ . && cat .env"
        ),
        "tools": on(operator, "app", "ls", f"{operator.running.directory}/instance/bin"),
        "agent": on(
            operator,
            "app",
            "cat",
            f"{operator.running.directory}/instance/var/amazon-ssm-agent.json",
        ),
        "containers": str(containers(operator)),
        "processes": processes(operator),
        "rules of the router": on(operator, "", "nft", "list", "ruleset"),
        "rules of the instance": on(operator, "app", "nft", "list", "ruleset"),
    }


def script(operator: Operator, text: str) -> str:
    """The output of a program of the operator's."""
    done = operator.run(sys.executable, "-c", text, is_warm=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def sql(operator: Operator, statements: str) -> str:
    return on(operator, "db", sys.executable, "-c", SQL, operator.running.directory, statements)


def on(operator: Operator, host: str, *words: str) -> str:
    """The output of a command on a machine; on the router without its name."""
    running = operator.running
    command = running.command(words, host) if host else [
        "nsenter", "-t", str(running.first_pid), "-U", "-n", "-m", "-p", "--preserve-credentials",
        "--", *words,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout


def containers(operator: Operator) -> list[tuple[str, list[str]]]:
    path = f"{operator.running.directory}/instance/var/containers.json"
    rows = json.loads(on(operator, "app", "cat", path))
    return sorted((name, row["Env"]) for name, row in rows.items())


def processes(operator: Operator) -> str:
    """The programs that run on the instance, without those of this look."""
    text = on(operator, "app", "sh", "-c", 'for p in /proc/[0-9]*; do '
              '[ "$(readlink $p/ns/net)" = "$(readlink /proc/self/ns/net)" ] && tr "\\0" " " <$p/cmdline'
              ' && echo; done 2>/dev/null; true')  # fmt: skip
    return "\n".join(
        sorted(line for line in text.splitlines() if "readlink" not in line and " <" not in line)
    )
