"""The emulated AWS where it must not be moto: seen through the tools that people use."""

from __future__ import annotations

import json

import pytest

from opskit.sandbox import lifecycle
from tests.conftest import Operator

PASSWORD = ("--name", "/linkbox/db-password")


def aws(operator: Operator, *words: str) -> tuple[int, str, str]:
    done = operator.run("aws", *words)
    return done.returncode, done.stdout, done.stderr


def test_ciphertext_is_not_the_secret(operator: Operator) -> None:
    query = ("--query", "Parameter.Value", "--output", "text")
    _, sealed, _ = aws(operator, "ssm", "get-parameter", *PASSWORD, *query)
    _, plain, _ = aws(operator, "ssm", "get-parameter", *PASSWORD, "--with-decryption", *query)
    assert sealed.startswith("AQ")
    assert plain.strip() not in sealed


def test_a_disabled_key_refuses_everybody_but_not_the_metadata(operator: Operator) -> None:
    lifecycle.send_command(operator.running, "inject", ["key-disabled"])
    status, _, message = aws(operator, "ssm", "get-parameter", *PASSWORD, "--with-decryption")
    assert (status != 0, "InvalidKeyId" in message, "DisabledException" in message) == (
        True,
        True,
        True,
    )
    assert aws(operator, "ssm", "get-parameter", *PASSWORD)[0] == 0


def test_a_key_policy_without_the_role_counts(operator: Operator) -> None:
    key = operator.running.ids["key"]
    _, before, _ = aws(
        operator, "kms", "get-key-policy", "--key-id", key, "--policy-name", "default"
    )
    other = {"AWS": "arn:aws:iam::123456789012:user/somebody"}
    statement = {"Effect": "Allow", "Principal": other, "Action": "kms:*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    put = ("kms", "put-key-policy", "--key-id", key, "--policy-name", "default", "--policy")
    assert aws(operator, *put, policy)[0] == 0
    try:
        status, _, message = aws(operator, "ssm", "get-parameter", *PASSWORD, "--with-decryption")
        found, _ = operator.diagnose(layer="iam")
    finally:
        aws(operator, *put, json.loads(before)["Policy"])
    assert status != 0
    assert "no resource-based policy allows the kms:Decrypt action" in message
    assert [c["code"] for c in found["root_causes"]] == ["IAM012"]


def test_an_unknown_instance_cannot_be_commanded(operator: Operator) -> None:
    send = ("ssm", "send-command", "--instance-ids", "i-0123456789abcdef0")
    status, _, message = aws(
        operator, *send, "--document-name", "AWS-RunShellScript", "--parameters", "commands=id"
    )
    assert status != 0
    assert "InvalidInstanceId" in message


@pytest.mark.parametrize("bad", ["short", "with/slash-in-it", 'with"quote-in-it'])
def test_rds_refuses_bad_passwords(operator: Operator, bad: str) -> None:
    modify = ("rds", "modify-db-instance", "--db-instance-identifier", "linkbox-db")
    status, _, message = aws(operator, *modify, "--master-user-password", bad)
    assert status != 0
    assert "InvalidParameterValue" in message


def test_a_password_applies_later_and_really(operator: Operator) -> None:
    operator.wait_for(0)
    _, plain, _ = aws(
        operator,
        "ssm",
        "get-parameter",
        *PASSWORD,
        "--with-decryption",
        "--query",
        "Parameter.Value",
    )
    modify = (
        "rds",
        "modify-db-instance",
        "--db-instance-identifier",
        "linkbox-db",
        "--apply-immediately",
    )
    _, answer, _ = aws(operator, *modify, "--master-user-password", "Another-password-1")
    database = json.loads(answer)["DBInstance"]
    assert database["DBInstanceStatus"] == "available"
    assert not database.get("PendingModifiedValues"), "it shows a moment later"
    found, status = operator.wait_for(1, layer="auth")
    assert (status, found["root_causes"][0]["code"]) == (1, "AUT001")
    aws(operator, *modify, "--master-user-password", json.loads(plain))
    assert operator.wait_for(0, layer="auth")[1] == 0


def test_a_stopped_database_takes_no_password(operator: Operator) -> None:
    lifecycle.send_command(operator.running, "inject", ["database-stopped"])
    modify = ("rds", "modify-db-instance", "--db-instance-identifier", "linkbox-db")
    status, _, message = aws(operator, *modify, "--master-user-password", "Another-password-1")
    assert status != 0
    assert "InvalidDBInstanceState" in message


def test_a_lost_reply_was_applied_all_the_same(operator: Operator) -> None:
    put = ("ssm", "put-parameter", "--type", "String", "--value", "x", "--name")
    operator.inject({"kind": "lost", "service": "ssm", "action": "PutParameter", "times": 1})
    status, _, message = aws(operator, *put, "/scratch/lost")
    operator.inject()
    assert aws(operator, "ssm", "get-parameter", "--name", "/scratch/lost")[0] == 0
    # The client asks again by itself and is told that somebody was there before: it was itself.
    assert status != 0
    assert "ParameterAlreadyExists" in message
    aws(operator, "ssm", "delete-parameter", "--name", "/scratch/lost")


def test_a_slow_service_is_waited_for(operator: Operator) -> None:
    operator.wait_for(0)
    operator.inject({"kind": "slow", "service": "kms", "seconds": 1.0})
    found, status = operator.diagnose()
    assert status == 0
    assert found["seconds"] >= 1


def test_an_interface_has_its_own_groups(operator: Operator) -> None:
    """As in EC2, and unlike moto: modifying replaces, and the primary interface's are the instance's."""
    ids = operator.running.ids
    query = "Reservations[0].Instances[0].[SecurityGroups[].GroupId,NetworkInterfaces[0].Groups[].GroupId]"
    described = ("ec2", "describe-instances", "--instance-ids", ids["instance"])

    def groups() -> list[list[str]]:
        found: list[list[str]] = json.loads(aws(operator, *described, "--query", query)[1])
        return found

    web, database = ids["web_group"], ids["database_group"]
    assert groups() == [[web], [web]]
    named = ("--query", "Reservations[0].Instances[0].NetworkInterfaces[0].NetworkInterfaceId")
    interface = json.loads(aws(operator, *described, *named)[1])
    modify = ("ec2", "modify-network-interface-attribute", "--network-interface-id", interface)
    assert aws(operator, *modify, "--groups", database)[0] == 0
    assert groups() == [[database], [database]]
    instance = ("ec2", "modify-instance-attribute", "--instance-id", ids["instance"])
    assert aws(operator, *instance, "--groups", web)[0] == 0
    assert groups() == [[web], [web]]
