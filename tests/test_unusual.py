"""Set-ups that look unusual and are healthy give no alarm, and are no riddle either."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from opskit.sandbox import fixture, lifecycle
from tests.conftest import Operator

PORT = "--protocol tcp --port 5432"
INGRESS = "aws ec2 authorize-security-group-ingress --group-id $DB"
ONLY = "aws ec2 revoke-security-group-ingress --group-id $DB --protocol tcp --port 5432 --source-group $WEB"
AGAIN = f"{INGRESS} {PORT} --source-group $WEB"

NO_KMS = {
    "Version": "2012-10-17",
    "Statement": {
        "Effect": "Allow",
        "Action": "ssm:GetParameter*",
        "Resource": "arn:aws:ssm:*:*:parameter/linkbox/*",
    },
}

UNUSUAL: dict[str, tuple[str, str]] = {
    "a rule by address range": (
        f"{INGRESS} {PORT} --cidr 10.0.0.0/16; {ONLY}",
        f"{AGAIN}; aws ec2 revoke-security-group-ingress --group-id $DB {PORT} --cidr 10.0.0.0/16",
    ),
    "a prefix list": (
        "PL=$(aws ec2 create-managed-prefix-list --prefix-list-name app --address-family IPv4"
        " --max-entries 5 --entries Cidr=10.0.2.0/24,Description=a Cidr=10.0.3.0/24,Description=b"
        " --query PrefixList.PrefixListId --output text); echo $PL >$TMP/prefix-list;"
        f"{INGRESS} --ip-permissions IpProtocol=tcp,FromPort=5432,ToPort=5432,"
        "PrefixListIds=[{PrefixListId=$PL}]; " + ONLY,
        f"{AGAIN}; aws ec2 revoke-security-group-ingress --group-id $DB --ip-permissions "
        "IpProtocol=tcp,FromPort=5432,ToPort=5432,PrefixListIds=[{PrefixListId=$(cat $TMP/prefix-list)}]",
    ),
    "a group that refers to itself, on both ends": (
        "aws ec2 modify-instance-attribute --instance-id $APP --groups $WEB $DB;"
        f"{INGRESS} {PORT} --source-group $DB; {ONLY}",
        f"{AGAIN}; aws ec2 modify-instance-attribute --instance-id $APP --groups $WEB;"
        f"aws ec2 revoke-security-group-ingress --group-id $DB {PORT} --source-group $DB",
    ),
    "the default ACL everywhere": (
        "for a in $(aws ec2 describe-network-acls --filters Name=vpc-id,Values=$VPC"
        " --query 'NetworkAcls[?!IsDefault].Associations[].NetworkAclAssociationId' --output text); do"
        " aws ec2 replace-network-acl-association --association-id $a --network-acl-id"
        " $(aws ec2 describe-network-acls --filters Name=vpc-id,Values=$VPC Name=default,Values=true"
        " --query 'NetworkAcls[0].NetworkAclId' --output text); done",
        # The own ACLs go back to where they were.
        "put() { aws ec2 replace-network-acl-association --network-acl-id $1 --association-id "
        "$(aws ec2 describe-network-acls --filters Name=association.subnet-id,Values=$2 --query "
        "\"NetworkAcls[0].Associations[?SubnetId=='$2'].NetworkAclAssociationId\" --output text); };"
        "put $APP_ACL $APP_A; put $APP_ACL $APP_B; put $DB_ACL $DB_B;"
        "put $DB_ACL $(aws ec2 describe-subnets --filters Name=cidr-block,Values=10.0.5.0/24"
        " --query 'Subnets[0].SubnetId' --output text)",
    ),
    "a second interface without any rights": (
        "G=$(aws ec2 create-security-group --group-name closed --description closed --vpc-id $VPC"
        " --query GroupId --output text);"
        "aws ec2 revoke-security-group-egress --group-id $G --protocol all --cidr 0.0.0.0/0;"
        "N=$(aws ec2 create-network-interface --subnet-id $APP_B --groups $G"
        " --query NetworkInterface.NetworkInterfaceId --output text);"
        "aws ec2 attach-network-interface --network-interface-id $N --instance-id $APP"
        " --device-index 1 --query AttachmentId --output text >$TMP/attachment",
        "aws ec2 detach-network-interface --attachment-id $(cat $TMP/attachment)",
    ),
    "the AWS managed key, and no kms statement": (
        "V=$(aws ssm get-parameter --name /linkbox/db-password --with-decryption --query"
        " Parameter.Value --output text); printf %s \"$V\" | aws ssm put-parameter --name"
        " /linkbox/db-password --type SecureString --key-id alias/aws/ssm --overwrite --value"
        " file:///dev/stdin;"
        "aws iam put-role-policy --role-name linkbox-backend-role --policy-name linkbox-parameters"
        " --policy-document \"$NO_KMS\"",
        "V=$(aws ssm get-parameter --name /linkbox/db-password --with-decryption --query"
        " Parameter.Value --output text); printf %s \"$V\" | aws ssm put-parameter --name"
        " /linkbox/db-password --type SecureString --key-id alias/linkbox --overwrite --value"
        " file:///dev/stdin;"
        "aws iam put-role-policy --role-name linkbox-backend-role --policy-name linkbox-parameters"
        " --policy-document \"$AS_BUILT\"",
    ),
}  # fmt: skip


@contextmanager
def changed(operator: Operator, name: str, directory: Path) -> Iterator[None]:
    """The sandbox with a change made by hand, taken back at the end."""
    ids = operator.running.ids
    names = {
        "DB": ids["database_group"], "WEB": ids["web_group"], "APP": ids["instance"],
        "VPC": ids["vpc"], "APP_ACL": ids["app_acl"], "DB_ACL": ids["database_acl"],
        "APP_A": ids["app_subnet"], "APP_B": ids["second_app_subnet"],
        "DB_B": ids["second_database_subnet"], "TMP": str(directory),
        "AS_BUILT": json.dumps(fixture.read_policy(ids["key"])), "NO_KMS": json.dumps(NO_KMS),
    }  # fmt: skip
    do, undo = UNUSUAL[name]
    done = operator.script(do, "-ec", **names)
    assert done.returncode == 0, done.stderr
    try:
        yield
    finally:
        done = operator.script(undo, "-ec", **names)
        assert done.returncode == 0, done.stderr


SAMPLE = ("a prefix list", "a second interface without any rights")


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[] if n in SAMPLE else pytest.mark.full) for n in UNUSUAL]
)
def test_no_alarm(operator: Operator, name: str, tmp_path: Path) -> None:
    operator.need_packets()
    operator.wait_until_healthy()
    with changed(operator, name, tmp_path):
        found, status = operator.diagnose()
    assert status == 0, found["root_causes"]
    assert [c for c in found["checks"] if c["status"] in ("fail", "unknown")] == []
    warned = [c for c in found["checks"] if c["status"] == "warn" and c["layer"] != "hygiene"]
    assert not warned
    assert lifecycle.send_command(operator.running, "status")["broken"] == []
