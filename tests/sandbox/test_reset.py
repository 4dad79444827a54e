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
set -e
prefix=/linkbox/db
aws ssm put-parameter --overwrite --name $prefix-endpoint --value elsewhere.example.com >/dev/null
aws ssm delete-parameter --name $prefix-name
aws ssm put-parameter --type String --name /linkbox/more --value more >/dev/null
aws ssm label-parameter-version --name $prefix-username --labels old >/dev/null
web=$(aws ec2 describe-security-groups --filters Name=group-name,Values=web-sg \
    --query 'SecurityGroups[0].GroupId' --output text)
aws ec2 authorize-security-group-ingress --group-id $web --protocol tcp --port 22 --cidr 0.0.0.0/0 >/dev/null
vpc=$(aws ec2 describe-vpcs --filters Name=tag:Name,Values=linkbox-vpc --query 'Vpcs[0].VpcId' --output text)
new=$(aws ec2 create-security-group --group-name new --description new --vpc-id $vpc --query GroupId --output text)
instance=$(aws ec2 describe-instances --filters Name=tag:Name,Values=linkbox-backend-1 \
    --query 'Reservations[0].Instances[0].InstanceId' --output text)
aws ec2 modify-instance-attribute --instance-id $instance --groups $new
acl=$(aws ec2 describe-network-acls --filters Name=tag:Name,Values=linkbox-app-acl \
    --query 'NetworkAcls[0].NetworkAclId' --output text)
aws ec2 create-network-acl-entry --network-acl-id $acl --ingress --rule-number 5 --protocol -1 \
    --rule-action deny --cidr-block 0.0.0.0/0
table=$(aws ec2 describe-route-tables --filters Name=tag:Name,Values=linkbox-app-rt \
    --query 'RouteTables[0].RouteTableId' --output text)
gateway=$(aws ec2 describe-internet-gateways --query 'InternetGateways[0].InternetGatewayId' --output text)
aws ec2 create-route --route-table-id $table --destination-cidr-block 0.0.0.0/0 --gateway-id $gateway >/dev/null
aws iam delete-role-policy --role-name linkbox-backend-role --policy-name linkbox-parameters
key=$(aws kms describe-key --key-id alias/linkbox --query KeyMetadata.KeyId --output text)
aws kms disable-key --key-id $key
aws rds modify-db-parameter-group --db-parameter-group-name linkbox-postgres17 --parameters \
    ParameterName=rds.force_ssl,ParameterValue=0,ApplyMethod=immediate >/dev/null
aws rds modify-db-instance --db-instance-identifier linkbox-db --backup-retention-period 0 >/dev/null
aws rds modify-db-instance --db-instance-identifier linkbox-db --master-user-password Another-password >/dev/null
aws route53 create-hosted-zone --name c123xyz.us-east-1.rds.amazonaws.com --caller-reference r \
    --vpc VPCRegion=us-east-1,VPCId=$vpc --hosted-zone-config PrivateZone=true >/dev/null
target=$(aws elbv2 describe-target-groups --query 'TargetGroups[0].TargetGroupArn' --output text)
aws elbv2 deregister-targets --target-group-arn $target --targets Id=$instance,Port=3000
aws ecs update-service --cluster linkbox --service linkbox-backend --desired-count 3 >/dev/null
aws iam put-user-policy --user-name oncall --policy-name less --policy-document \
    '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"ssm:DescribeParameters","Resource":"*"}]}'
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
    assert {"Parameters", "SecurityGroups", "NetworkAcls", "DbInstances"} <= set(
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
    done = operator.script(AS_OPERATOR)
    assert done.returncode == 0, done.stderr
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
    services = operator.script(
        "aws ecs list-tasks --cluster linkbox --output text; aws ssm get-parameters-by-path"
        " --path /linkbox --with-decryption; aws ssm describe-parameters 2>&1"
    )
    return {
        "services": services.stdout,
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
