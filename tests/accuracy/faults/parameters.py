"""Faults in the parameters that hold the credential, and in their key."""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import quote

from opskit.sandbox import topology
from opskit.sandbox.faults.interface import FaultContext
from tests.accuracy.interface import Action, fault

Value = Callable[[FaultContext], str]


def putting(name: str, value: str | Value) -> Action:
    """Write a parameter and restart the app."""

    def action(h: FaultContext) -> None:
        h.put(name, value if isinstance(value, str) else value(h))
        h.restart_app()

    return action


def deleting(*names: str) -> Action:
    """Delete parameters and restart the app."""

    def action(h: FaultContext) -> None:
        h.client("ssm").delete_parameters(Names=[f"/linkbox/db-{name}" for name in names])
        h.restart_app()

    return action


def with_own_key(h: FaultContext) -> None:
    """Encrypt the password with a key that the role may not use."""
    key = h.client("kms").create_key(Description="team two")["KeyMetadata"]["KeyId"]
    h.client("ssm").put_parameter(
        Name="/linkbox/db-password",
        Type="SecureString",
        KeyId=key,
        Value=h.password(),
        Overwrite=True,
    )
    h.restart_app()


def with_disabled_own_key(h: FaultContext) -> None:
    """The same, and the key is disabled: neither role nor state of the key allow it."""
    kms = h.client("kms")
    key = kms.create_key(Description="old")["KeyMetadata"]["KeyId"]
    statement = {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    h.client("iam").put_role_policy(
        RoleName="linkbox-backend-role", PolicyName="all-keys", PolicyDocument=json.dumps(policy)
    )
    h.client("ssm").put_parameter(
        Name="/linkbox/db-password",
        Type="SecureString",
        KeyId=key,
        Value=h.password(),
        Overwrite=True,
    )
    kms.disable_key(KeyId=key)
    h.restart_app()


def as_json(h: FaultContext) -> str:
    """The secret of another tool, whole."""
    return json.dumps({"username": "linkbox", "password": h.password(), "port": 5432})


CASES = (
    fault("password-deleted", "PAR001", deleting("password"), is_pasted=False),
    fault("username-deleted", "PAR001", deleting("username")),
    fault("endpoint-deleted", "PAR001", deleting("endpoint")),
    fault("name-and-username-deleted", "PAR001", deleting("name", "username")),
    fault("other-instance-pasted", "PAR010",
          putting("endpoint", f"reporting-db.{topology.HOST_SUFFIX}"), heals=False),
    fault("endpoint-mistyped", "PAR004",
          putting("endpoint", f"linkbox-bd.{topology.HOST_SUFFIX}")),
    fault("endpoint-of-another-region", "PAR004",
          putting("endpoint", "linkbox-db.c123xyz.eu-west-1.rds.amazonaws.com")),
    fault("endpoint-is-localhost", "PAR007", putting("endpoint", "localhost")),
    fault("endpoint-is-identifier", "PAR004", putting("endpoint", "linkbox-db")),
    fault("endpoint-is-address", "PAR007", putting("endpoint", "10.0.5.11")),
    fault("endpoint-is-right-address", "TLS003", putting("endpoint", "10.0.5.10")),
    fault("endpoint-is-url", "PAR006",
          putting("endpoint", f"postgresql://{topology.DATABASE_HOST}/linkbox")),
    fault("endpoint-with-blank", "PAR006", putting("endpoint", f" {topology.DATABASE_HOST}")),
    fault("endpoint-with-newline", "PAR006", putting("endpoint", f"{topology.DATABASE_HOST}\n")),
    fault("endpoint-with-quotes", "PAR006", putting("endpoint", f'"{topology.DATABASE_HOST}"')),
    fault("endpoint-with-odd-port", "PAR006",
          putting("endpoint", f"{topology.DATABASE_HOST}: 5432"), status="warn"),
    fault("endpoint-with-letter-in-port", "PAR006",
          putting("endpoint", f"{topology.DATABASE_HOST}:54a2")),
    fault("endpoint-with-mysql-port", "PAR005",
          putting("endpoint", f"{topology.DATABASE_HOST}:3306")),
    fault("username-with-newline", "PAR006", putting("username", "linkbox\n")),
    # The database answers an unknown user as it answers a wrong password, so both are AUT001.
    fault("username-in-capitals", "AUT001", putting("username", "LinkBox")),
    fault("username-of-another-app", "AUT001", putting("username", "orders"), heals=False),
    fault("name-is-identifier", "AUT002", putting("name", "linkbox-db")),
    fault("name-with-newline", "PAR006", putting("name", "linkbox\n")),
    fault("password-is-placeholder", "PAR006", putting("password", "CHANGE_ME")),
    fault("password-is-json", "PAR006", putting("password", as_json)),
    fault("password-percent-encoded", "PAR006",
          putting("password", lambda h: quote(h.password() + "@", safe=""))),
    fault("password-in-quotes", "PAR006", putting("password", lambda h: f"'{h.password()}'")),
    fault("password-with-blank", "PAR006", putting("password", lambda h: h.password() + " ")),
    fault("password-key-of-another-team", "IAM003", with_own_key),
    fault("password-key-disabled", "PAR003", with_disabled_own_key),
)  # fmt: skip
