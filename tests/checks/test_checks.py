"""One table: what is replaced in a healthy LinkBox, and how each check then ends."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from opskit.checks.catalogue import CODES, all_checks, check_of
from opskit.checks.fix_commands import restart_commands
from opskit.checks.fix_verification import verify_fix
from opskit.checks.interface import Finding, Status
from opskit.checks.run import run_check
from opskit.checks.shell_rendering import Caller, render
from opskit.checks.state_changes import summary
from opskit.commands import AwsCall
from opskit.credential_source.interface import ReadFailure
from opskit.engine.interface import (
    NO_PROOF,
    ExchangeResult,
    LoginFailure,
    ServerAnswer,
    ServerTrust,
)
from opskit.facts.agent import SsmAgent
from opskit.facts.app_subnets import AppSubnets
from opskit.facts.certificate import Certificate
from opskit.facts.database import DatabaseEvidence
from opskit.facts.dns import DatabaseHost, OperatorDns
from opskit.facts.identity import Identity
from opskit.facts.interface import Unknown
from opskit.facts.key import Key
from opskit.facts.load_balancer import LoadBalancer
from opskit.facts.login import ClientLogin, LoginAttemptResult
from opskit.facts.operator_simulation import OperatorNeeds
from opskit.facts.organization import Organization
from opskit.facts.permissions import ResourceScope
from opskit.facts.policies import PolicyText
from opskit.facts.prefix_lists import PrefixLists
from opskit.facts.private_zones import PrivateZone, PrivateZones
from opskit.facts.probe import InstanceProbe
from opskit.facts.rds import DbInstances, DbSubnet
from opskit.facts.simulation import SimulatedDecision, Simulation, SimulatorLimit
from opskit.facts.stored_credential import StoredCredential
from opskit.facts.subnets import NetworkAcls
from opskit.facts.target_health import TargetHealth, TargetHealths
from opskit.facts.tls_setting import TlsSetting
from opskit.facts.unfinished_rotation import UnfinishedRotation
from opskit.facts.value_form import form_of
from opskit.facts.vpc import Vpc, VpcDns
from opskit.facts.vpc_endpoints import VpcEndpoints
from opskit.probe.response import (
    NO_NAME,
    REFUSED,
    ConnectionSetting,
    Health,
    LocationRead,
    LoginAttempt,
    Resolution,
)
from opskit.secret import Secret
from opskit.workload.ec2_instance import InstanceRole
from opskit.workload.ecs_task import TaskRole
from tests import builders as b

FAIL, WARN, PASS, SKIP, UNKNOWN = Status.FAIL, Status.WARN, Status.PASS, Status.SKIP, Status.UNKNOWN
KEY = Key(b.KEY_ARN, "k", "alias/linkbox", "Disabled", False, None)
ALL_IN = b.entry(100, "in", "0.0.0.0/0", None)
ALL_OUT = b.entry(100, "out", "0.0.0.0/0", None)
BOTH = ("subnet-db-a", "subnet-db-b")
LOCAL = ("10.0.0.0/16", "local")
THERE = b.table("app", LOCAL, ("10.1.0.0/16", "pcx-1"), subnets=("subnet-app",))
BACK = b.table("peer", ("10.1.0.0/16", "local"), ("10.0.0.0/16", "pcx-1"), vpc="vpc-2", main=True)
NARROW = b.acl("db", BOTH, ALL_IN, b.entry(90, "out", "10.0.2.0/24", (1024, 40000)))
DENY_FIRST = b.acl(
    "db", BOTH, b.entry(50, "in", "10.0.2.0/24", (5432, 5432), "deny"), ALL_IN, ALL_OUT
)
NO_REPLY = b.acl("db", BOTH, ALL_IN)
DENY_AT_ONE = b.acl("db", BOTH, b.entry(1, "in", "10.0.2.0/24", None, "deny"), ALL_IN, ALL_OUT)
OTHER_HOME = NetworkAcls(
    (
        b.acl("app", ("subnet-app",), ALL_IN, ALL_OUT),
        b.acl("app-b", ("subnet-app-b",), ALL_IN),
        b.acl("rest", ("subnet-public", *BOTH), ALL_IN, ALL_OUT),
    )
)
NO_FRONT = b.groups((b.rule(5432, "sg-web"),))
NO_FRONT = replace(
    NO_FRONT,
    by_id={**NO_FRONT.by_id, "sg-web": replace(NO_FRONT.by_id["sg-web"], ingress=())},
)
UNHEALTHY = TargetHealths((TargetHealth(b.TARGETS, "unhealthy", "Target.Timeout", ""),))
SECOND_ONLY = NetworkAcls(
    (
        b.acl("app", ("subnet-app", "subnet-app-b", "subnet-public"), ALL_IN, ALL_OUT),
        b.acl("db", ("subnet-db-a",), ALL_IN, ALL_OUT),
        b.acl("db-b", ("subnet-db-b",), ALL_IN),
    )
)
GONE = b.connection("timeout")


GET = "ssm:GetParameter"


def no_settings(says: str) -> InstanceProbe:
    """An app that runs without settings, and what it says."""
    health = Health("http://x/health", 503, 2.0, says)
    return b.probe(containers=(b.container(settings=()),), health=health)


NO_SETTINGS = no_settings("AccessDeniedException when calling the GetParameters operation")
DENY_PASSWORD = {
    "Effect": "Deny",
    "Action": "ssm:GetParameters",
    "Resource": b.PARAMETERS.replace("*", "db-password"),
}
"""A deny of one operation on one of the parameters."""
FROM_OFFICE = {"IpAddress": {"aws:SourceIp": "198.51.100.0/24"}}
NOT_FROM_OFFICE = {"NotIpAddress": {"aws:SourceIp": "198.51.100.0/24"}}
GUARDRAIL = Organization(
    (
        (
            PolicyText(
                "guardrail", "p-1", b.document({**b.READS, "Effect": "Deny", "Resource": "*"})
            ),
        ),
    ),
    ("r-1",),
)


NO_GET_PARAMETERS = Organization(
    (
        (
            PolicyText(
                "all", "p-0", b.document({"Effect": "Allow", "Action": "*", "Resource": "*"})
            ),
            PolicyText(
                "guardrail",
                "p-1",
                b.document({"Effect": "Deny", "Action": "ssm:GetParameters", "Resource": "*"}),
            ),
        ),
    ),
    ("r-1",),
)


def simulated(word: str, stopped_by: SimulatorLimit | None = None) -> Simulation:
    """The simulator's word on every read."""
    arns = [b.PARAMETERS.replace("*", name.rsplit("/", 1)[1]) for name in b.NAMES.values()]
    return Simulation(tuple(SimulatedDecision(GET, arn, word, False, stopped_by) for arn in arns))


def decrypt_simulated(word: str, *, conditional: bool = False) -> Simulation:
    """The simulator's word on decrypting."""
    return Simulation((SimulatedDecision("kms:Decrypt", b.KEY_ARN, word, conditional, None),))


ONLY_EC2 = {"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}
SESSIONS = {
    "Effect": "Allow",
    "Action": ["ssm:*Session", "ssmmessages:OpenDataChannel"],
    "Resource": "*",
}
CONNECTION = {"Effect": "Allow", "Action": "ssm:GetConnectionStatus", "Resource": "*"}
KEY_FOR_US, KEY_FOR_OTHERS = (
    {
        "Effect": "Allow",
        "Action": "ec2-instance-connect:SendSSHPublicKey",
        "Resource": "*",
        "Condition": {"StringEquals": {"ec2:osuser": user}},
    }
    for user in ("ec2-user", "root")
)
WANTS_ALL = OperatorNeeds(
    tuple(
        (p, b.KEY_ARN if p.on is ResourceScope.KEY else b.PARAMETERS[:-1] + "db-name")
        for p in b.PERMISSIONS
    ),
    "ec2-user",
)
ONLY_OTHER_REGIONS_DENIED = Organization(
    (
        (
            PolicyText(
                "regions",
                "p-1",
                b.document(
                    {"Effect": "Allow", "Action": "*", "Resource": "*"},
                    {
                        "Effect": "Deny",
                        "Action": "*",
                        "Resource": "*",
                        "Condition": {"StringNotEquals": {"aws:RequestedRegion": "us-east-1"}},
                    },
                ),
            ),
        ),
    ),
    ("r-1",),
)
FRONT_BY_ADDRESS = replace(
    NO_FRONT,
    by_id={
        **NO_FRONT.by_id,
        "sg-web": replace(
            NO_FRONT.by_id["sg-web"], ingress=(b.rule(3000, cidrs=("10.0.1.0/24",)),)
        ),
    },
)
READ_ONLY = {
    "Effect": "Allow",
    "Action": [
        "autoscaling:Describe*",
        "ec2:Describe*",
        "ec2:Get*",
        "elasticloadbalancing:Describe*",
        "kms:DescribeKey",
        "rds:Describe*",
        "route53:Get*",
        "route53:List*",
        "ssm:DescribeParameters",
    ],
    "Resource": "*",
}
READS_POLICIES = {
    "Effect": "Allow",
    "Action": [
        "iam:Get*",
        "iam:List*",
        "iam:Simulate*",
        "kms:*",
        "organizations:*",
        "ssm:Describe*",
    ],
    "Resource": "*",
}
SIMULATOR_ALLOWS = simulated("allowed")


def login(failure: LoginFailure, message: str = "no") -> LoginAttemptResult:
    return LoginAttemptResult(False, failure, message, 1.0, "", "the instance", "linkbox")


def client_login(failure: LoginFailure | None, ca_file: str | None = "bundle.pem") -> ClientLogin:
    made = LoginAttemptResult(
        failure is None, failure, "no", 1.0, "TLS", "this machine through i-1", "linkbox"
    )
    return ClientLogin(
        made, ServerTrust((b.HOST,), ca_file, ca_file or "", "nothing is known of it")
    )


def reads(code: str, message: str) -> tuple[LocationRead, ...]:
    return tuple(LocationRead(name, "", code, message) for name in b.NAMES.values())


def settings(**values: str) -> tuple[Any, ...]:
    made = tuple(ConnectionSetting("process", n, v, n.upper(), "") for n, v in values.items())
    return (b.container(settings=made),)


def at(host: str) -> StoredCredential:
    return b.parameters(endpoint=b.parameter("endpoint", value=host))


def asked(host: str) -> OperatorDns:
    """No answer to the operator's resolver."""
    return OperatorDns(host, "NXDOMAIN", (host,), (), ())


def no_name(host: str) -> InstanceProbe:
    """The host does not resolve on the instance."""
    return b.probe(resolutions=(Resolution(host, (), NO_NAME),))


PROXY_HOST = "linkbox.proxy-c123xyz.us-east-1.rds.amazonaws.com"
OLD_HOST = "linkbox-db-old.c123xyz.us-east-1.rds.amazonaws.com"
ORDERS_HOST = "orders-db.c123xyz.us-east-1.rds.amazonaws.com"
ALL_FIT = ("database name", "master user", "name or tags")
ORDERS = replace(
    b.database(
        identifier="orders-db", host=ORDERS_HOST, database_name="orders", master_username="o"
    ),
    doubt="/linkbox/db-endpoint names orders-db, but linkbox-db fits by database name",
)
TWO_DATABASES = DbInstances((b.db_instance(), ORDERS.instance))
WRONG = login(LoginFailure.PASSWORD)
ILL = b.probe(health=Health("http://127.0.0.1:3000/health", 503, 3.0, ""))

NOBODY_LISTENS = Health("http://127.0.0.1:3000/health", None, 1.0, REFUSED)


def pw(text: str, **changes: Any) -> Any:
    """The password parameter with what is known of a value's form."""
    return b.parameter("password", form=form_of(Secret(text), "linkbox"), **changes)


def as_user(name: str, **changes: Any) -> LoginAttemptResult:
    return replace(WRONG, user=name, **changes)


def answering(**changes: Any) -> InstanceProbe:
    """A server that answers otherwise before any password."""
    return b.probe(replace(b.probe().greeting, **changes))


SILENT_SERVER = answering(
    is_engine=None, offers_tls=None, tls_version="", with_tls=None, without_tls=None
)
FULL = ServerAnswer(None, "", "53300", "sorry, too many clients already")
NO_SLOT = answering(with_tls=FULL, without_tls=FULL)
STARTS = ServerAnswer(None, "", "57P03", "the database system is starting up")
STARTING = answering(with_tls=STARTS, without_tls=STARTS)
ELSEWHERE = DatabaseHost("10.0.2.45", 3000, "/linkbox/db-endpoint")


CUT_OFF = b.instance(metadata_tokens="required", metadata_hop_limit=1)
NO_CREDENTIALS = Health("http://127.0.0.1/health", 503, 1, "settings: Unable to locate credentials")


def bridged(health: Health | None) -> InstanceProbe:
    """The app's container in its compose project's network."""
    return b.probe(containers=(b.container(network="linkbox_default"),), health=health)


def other_server(sent: bytes, at: str = "10.0.2.45", port: int = 3000) -> InstanceProbe:
    """A server of another protocol, and what it sends; nothing: it is silent."""
    names = ("tls", "plain", "http-request", "tls-hello")
    heard = {n: ExchangeResult(n, error="timeout") for n in names}
    if sent:
        heard = {
            "tls": ExchangeResult("tls", (sent[:1],)),
            "plain": ExchangeResult("plain", (sent,)),
        }
    tried = (b.connection(), replace(b.connection(), host=at, address="10.0.2.45", port=port))
    greeting = replace(SILENT_SERVER.greeting, is_engine=False if sent else None)
    result = replace(SILENT_SERVER.result, heard=heard, connections=tried)
    return replace(SILENT_SERVER, greeting=greeting, result=result)


NOT_RESOLVED = b.probe(resolutions=())
UNREADABLE = ReadFailure(
    "/linkbox/db-password", "password", "AccessDeniedException", "no", "ssm:GetParameter", None
)


NOBODY_ANSWERS = login(LoginFailure.NO_ANSWER)

CASES: list[tuple[str, Status, tuple[Any, ...]]] = [
    ("IDN001", WARN, (Identity("1", "a", -200.0),)),
    ("IDN001", SKIP, (Identity("1", "a", None),)),
    ("PAR001", FAIL, (b.parameters(database=None),)),
    ("PAR001", FAIL, (b.parameters(password=None),)),
    ("PAR002", UNKNOWN, (StoredCredential((), (), (ReadFailure("/a", "password", "AccessDeniedException", "no", "ssm:GetParameter", None),)),)),
    ("PAR003", FAIL, (KEY,)),
    ("PAR003", SKIP, (replace(KEY, state="PendingDeletion", deleted_at=b.NOW),)),
    ("PAR009", WARN, (UnfinishedRotation(7, b.NOW),)),
    ("PAR009", FAIL, (UnfinishedRotation(7), login(LoginFailure.PASSWORD))),
    ("PAR009", WARN, (UnfinishedRotation(7), login(LoginFailure.NO_ANSWER))),
    ("PAR008", FAIL, (replace(KEY, state="PendingDeletion", deleted_at=b.NOW),)),
    ("PAR004", FAIL, (at(OLD_HOST), NOBODY_ANSWERS, asked(OLD_HOST))),
    ("PAR004", PASS, (at(PROXY_HOST), asked(PROXY_HOST))),
    ("PAR004", UNKNOWN, (at(PROXY_HOST), asked(PROXY_HOST), login(LoginFailure.PASSWORD))),
    ("PAR004", UNKNOWN, (at("db.internal"), asked("db.internal"), NOBODY_ANSWERS)),
    ("PAR004", UNKNOWN, (at(OLD_HOST), asked(OLD_HOST), login(LoginFailure.PASSWORD), b.probe(connections=(replace(b.connection(), host=OLD_HOST),)))),
    ("PAR004", FAIL, (at("linkbox-db"), asked("linkbox-db"), NOBODY_ANSWERS, no_name("linkbox-db"))),
    ("PAR004", FAIL, (at("linkbox-db.c123xyz:5432"), asked("linkbox-db.c123xyz"), NOBODY_ANSWERS, no_name("linkbox-db.c123xyz"))),
    ("PAR004", UNKNOWN, (at("linkbox-db"), asked("linkbox-db"), NOBODY_ANSWERS)),
    ("PAR004", UNKNOWN, (at("linkbox-db"), asked("linkbox-db"), NOBODY_ANSWERS, b.probe(resolutions=(Resolution("linkbox-db", ("10.0.5.9",), ""),)))),
    ("PAR004", UNKNOWN, (at("linkbox-d"), asked("linkbox-d"), NOBODY_ANSWERS, no_name("linkbox-d"))),
    ("PAR004", PASS, (b.parameters(endpoint=b.parameter("endpoint", value="db.internal")),
                      OperatorDns("db.internal", "NOERROR", ("db.internal", b.HOST), ("10.0.5.10",), ()))),
    ("PAR004", SKIP, (b.parameters(endpoint=b.parameter("endpoint", value="10.0.5.10")),)),
    ("PAR005", FAIL, (b.parameters(endpoint=b.parameter("endpoint", value=f"{b.HOST}:5433")),)),
    ("PAR005", PASS, (b.parameters(endpoint=b.parameter("endpoint", value=f"{b.HOST}:5432")),)),
    ("PAR005", SKIP, (at("pooler.internal:6432"),)),
    ("PAR006", FAIL, (b.parameters(password=b.parameter("password", format_problems=("a trailing newline",))), login(LoginFailure.PASSWORD))),
    ("PAR006", WARN, (b.parameters(password=b.parameter("password", format_problems=("a trailing newline",))),)),
    ("PAR006", FAIL, (b.parameters(endpoint=b.parameter("endpoint", value=f"{b.HOST}:5432", raw=f"{b.HOST}:5432 ", format_problems=("a blank at the end",))), ILL)),
    ("PAR006", WARN, (b.parameters(endpoint=b.parameter("endpoint", raw=f" {b.HOST}", format_problems=("a blank at the beginning",))),)),
    ("AUT001", FAIL, (WRONG, b.parameters(password=pw("changeme1")), ILL)),
    ("AUT001", FAIL, (WRONG, b.parameters(password=pw("changeme1", version=2)), ILL)),
    ("AUT001", FAIL, (as_user("reports"), b.parameters(password=pw("good-Pw_123"), username=b.parameter("username", value="reports")), ILL)),
    ("AUT001", FAIL, (as_user("LinkBox"), b.parameters(username=b.parameter("username", value="LinkBox")), ILL)),
    ("PAR006", FAIL, (WRONG, b.parameters(password=pw('{"username": "linkbox", "password": "Abc-12345678"}')), ILL)),
    ("PAR006", PASS, (b.parameters(password=pw("p%40ss-word1")),)),
    ("PAR006", WARN, (NOBODY_ANSWERS, b.parameters(password=pw('{"password": "Abc-12345678"}')), ILL)),
    ("PAR006", UNKNOWN, (NOBODY_ANSWERS, b.parameters(password=pw('{"password": "Abc-12345678"}')))),
    ("PAR006", PASS, (login(LoginFailure.DATABASE_MISSING), b.parameters(password=pw("changeme1")))),
    ("PAR006", PASS, (NOBODY_ANSWERS, b.parameters(password=pw("good-Pw_123")), ILL)),
    ("PAR006", FAIL, (WRONG, b.parameters(username=b.parameter("username", value='"linkbox"', raw='"linkbox"', format_problems=("quotes around it",))))),
    ("PAR001", FAIL, (b.parameters(database=None), b.database(database_name=None))),
    ("PAR001", FAIL, (b.parameters(database=None, username=None, password=None),)),
    ("AUT002", FAIL, (login(LoginFailure.DATABASE_MISSING), b.parameters(database=b.parameter("database", value="linkbox-db")))),
    ("AUT002", FAIL, (login(LoginFailure.ROLE_REFUSED, 'role "x" is not permitted to log in'),)),
    ("AUT003", FAIL, (login(LoginFailure.NOT_READY),)),
    ("PAR007", WARN, (b.parameters(endpoint=b.parameter("endpoint", value="10.0.5.10")),)),
    ("PAR007", FAIL, (b.parameters(endpoint=b.parameter("endpoint", value="10.0.5.99")),)),
    ("PAR007", WARN, (at("10.0.5.99"), b.probe(connections=(replace(b.connection(), host="10.0.5.99"),)))),
    ("PAR010", FAIL, (ORDERS, TWO_DATABASES, login(LoginFailure.PASSWORD), at(ORDERS_HOST))),
    ("PAR010", PASS, (ORDERS, TWO_DATABASES, at(ORDERS_HOST))),
    ("PAR010", WARN, (replace(ORDERS, doubt="only /linkbox/db-endpoint points to orders-db"), DatabaseEvidence({}), NOBODY_ANSWERS, at(ORDERS_HOST))),
    ("PAR010", WARN, (DatabaseEvidence({"linkbox-db": ALL_FIT}, {"linkbox-db": ("linkbox-db-restored",)}),)),
    ("IAM001", FAIL, (InstanceRole(None, None, "p"),)),
    ("IAM002", FAIL, (b.refused(GET), b.role_policies(b.DECRYPTS))),
    ("IAM002", FAIL, (b.refused(GET),)),
    ("IAM002", FAIL, (b.NOT_ASKED, b.role_policies(b.DECRYPTS))),
    ("IAM002", PASS, (b.NOT_ASKED,)),
    ("IAM002", PASS, (b.refused("kms:Decrypt"),)),
    ("IAM002", UNKNOWN, (b.NOT_ASKED, b.role_policies({**b.READS, "Condition": {"StringEquals": {"aws:SourceVpce": "v"}}}))),
    ("IAM002", UNKNOWN, (b.NOT_ASKED, b.role_policies(b.DECRYPTS), SIMULATOR_ALLOWS)),
    ("IAM002", FAIL, (b.NOT_ASKED, b.role_policies({**b.READS, "Condition": {"StringEquals": {"aws:SourceVpce": "v"}}}), simulated("implicitDeny"))),
    ("IAM003", FAIL, (b.refused("kms:Decrypt"), b.role_policies(b.READS))),
    ("IAM003", FAIL, (b.refused("kms:Decrypt"), b.role_policies(b.READS, {**b.DECRYPTS, "Resource": b.KEY_ARN.replace("key/k", "alias/linkbox")}))),
    ("IAM003", SKIP, (b.NOT_ASKED, replace(KEY, is_aws_managed=True, state="Enabled"))),
    ("IAM003", SKIP, (b.NOT_ASKED, replace(KEY, is_aws_managed=True, state="Enabled"), b.role_policies(b.READS))),
    ("IAM003", FAIL, (b.NOT_ASKED, b.role_policies(b.READS))),
    ("IAM003", FAIL, (b.NOT_ASKED, b.role_policies(b.READS), decrypt_simulated("implicitDeny"))),
    ("IAM003", PASS, (b.NOT_ASKED, decrypt_simulated("implicitDeny", conditional=True))),
    ("IAM005", FAIL, (b.refused(GET), b.role_policies(b.DECRYPTS, {**b.READS, "Resource": b.PARAMETERS[:-2]}))),
    ("IAM005", FAIL, (b.refused(GET), b.role_policies(b.DECRYPTS, {**b.READS, "Resource": b.PARAMETERS.replace("/linkbox", "/prod/linkbox")}))),
    ("IAM006", FAIL, (b.refused(GET), b.role_policies(b.DECRYPTS, {**b.READS, "Resource": b.PARAMETERS.replace("parameter/", "parameter//")}))),
    ("IAM007", FAIL, (b.role_policies(b.DECRYPTS, {**b.READS, "Action": GET}), NO_SETTINGS)),
    ("IAM007", FAIL, (b.role_policies(b.READS, b.DECRYPTS), no_settings("AccessDenied when calling the GetParametersByPath operation"))),
    ("IAM007", FAIL, (b.role_policies(b.DECRYPTS, {**b.READS, "Action": "ssm:GetParameters"}), replace(b.refused(GET), result=replace(b.refused(GET).result, containers=(), health=Health("u", 503, 1.0, "AccessDenied GetParameter "))))),
    ("IAM007", PASS, (b.refused("kms:Decrypt"), b.role_policies(b.READS), no_settings("AccessDenied GetParameters operation: kms:Decrypt"))),
    ("IAM007", PASS, (b.role_policies(b.READS, b.DECRYPTS), no_settings("AccessDenied"))),
    ("IAM007", PASS, (b.role_policies(b.DECRYPTS, {**b.READS, "Action": GET}),)),
    ("IAM007", PASS, (b.role_policies(b.DECRYPTS, {**b.READS, "Action": GET}), no_settings("parameters do not exist"))),
    ("IAM007", PASS, (b.role_policies(b.DECRYPTS, {**b.READS, "Action": "ssm:GetParameters"}), b.refused(GET))),
    ("IAM002", SKIP, (b.role_policies(b.DECRYPTS, {**b.READS, "Action": "ssm:GetParameters"}), b.refused(GET))),
    ("IAM008", FAIL, (b.refused(GET), b.role_policies(b.DECRYPTS, {**b.READS, "Resource": b.PARAMETERS.replace("us-east-1", "eu-west-1")}))),
    ("IAM008", FAIL, (b.refused(GET), b.role_policies(b.DECRYPTS, {**b.READS, "Resource": "arn:aws:ssm:::parameter/linkbox/*"}))),
    ("IAM009", FAIL, (b.refused(GET), b.role_policies(b.READS, b.DECRYPTS, boundary={**b.READS, "Action": "s3:*"}))),
    ("IAM009", FAIL, (b.refused(GET), b.role_policies(b.READS, b.DECRYPTS, boundary={**b.READS, "Effect": "Deny", "Resource": "*"}))),
    ("IAM009", FAIL, (b.refused(GET, "because no permissions boundary allows it"),)),
    ("IAM010", FAIL, (b.refused(GET), b.role_policies(b.READS, b.DECRYPTS, {**b.READS, "Effect": "Deny", "Resource": "*"}))),
    ("IAM010", FAIL, (b.refused(GET), b.role_policies(b.READS, b.DECRYPTS, {**b.READS, "Effect": "Deny"}))),
    ("IAM010", FAIL, (b.role_policies(b.READS, b.DECRYPTS, DENY_PASSWORD), NO_SETTINGS)),
    ("IAM007", SKIP, (b.role_policies(b.READS, b.DECRYPTS, DENY_PASSWORD), NO_SETTINGS)),
    ("IAM010", PASS, (b.role_policies(b.READS, b.DECRYPTS, DENY_PASSWORD),)),
    ("IAM013", FAIL, (b.role_policies(b.DECRYPTS, {**b.READS, "Action": GET}, {**b.READS, "Condition": {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}}), NO_SETTINGS)),
    ("IAM009", FAIL, (b.role_policies(b.READS, b.DECRYPTS, boundary={**b.READS, "Action": [GET, "kms:*"], "Resource": "*"}), NO_SETTINGS)),
    ("IAM011", FAIL, (NO_SETTINGS, NO_GET_PARAMETERS)),
    ("IAM013", FAIL, (b.refused(GET), b.role_policies(b.DECRYPTS, {**b.READS, "Condition": FROM_OFFICE}))),
    ("IAM013", FAIL, (b.refused(GET, "because no identity-based policy allows the ssm:GetParameter action"), b.role_policies(b.DECRYPTS, {**b.READS, "Condition": {"StringEquals": {"aws:SourceVpce": "vpce-1"}}}))),
    ("IAM013", FAIL, (b.refused("kms:Decrypt"), b.role_policies(b.READS, {**b.DECRYPTS, "Condition": FROM_OFFICE}))),
    ("IAM002", SKIP, (b.refused(GET), b.role_policies(b.DECRYPTS, {**b.READS, "Condition": FROM_OFFICE}))),
    ("IAM010", FAIL, (b.refused(GET, "with an explicit deny in an identity-based policy"), b.role_policies(b.DECRYPTS, b.READS, {**b.READS, "Effect": "Deny", "Condition": NOT_FROM_OFFICE}))),
    ("IAM010", FAIL, (b.refused(GET), b.role_policies(b.DECRYPTS, b.READS, {**b.READS, "Effect": "Deny", "Condition": NOT_FROM_OFFICE}))),
    ("IAM002", FAIL, (b.refused(GET, "because no session policy allows the ssm:GetParameter action"), b.role_policies(b.DECRYPTS, {**b.READS, "Condition": FROM_OFFICE}))),
    ("IAM010", FAIL, (b.refused(GET, "with an explicit deny in a session policy"),)),
    ("IAM011", FAIL, (b.refused(GET), GUARDRAIL)),
    ("IAM011", FAIL, (b.refused(GET, "with an explicit deny in a service control policy"),)),
    ("IAM011", FAIL, (b.NOT_ASKED, b.role_policies(b.READS, b.DECRYPTS), simulated("implicitDeny", SimulatorLimit.ORGANIZATION))),
    ("IAM012", FAIL, (b.refused("kms:Decrypt"), b.key_policy({"AWS": "arn:aws:iam::123456789012:user/x"}))),
    ("IAM012", FAIL, (b.NOT_ASKED, b.key_policy({"AWS": "arn:aws:iam::123456789012:user/x"}), decrypt_simulated("allowed"))),
    ("IAM012", PASS, (b.NOT_ASKED, b.key_policy({"AWS": b.ROLE_ARN}), b.role_policies(b.READS))),
    ("IAM003", PASS, (b.NOT_ASKED, b.key_policy({"AWS": b.ROLE_ARN}), b.role_policies(b.READS), decrypt_simulated("implicitDeny"))),
    ("IAM014", PASS, (b.NOT_ASKED, b.key_policy({"AWS": b.ROLE_ARN}), b.role_policies(b.READS), decrypt_simulated("implicitDeny"))),
    ("IAM013", FAIL, (b.refused("kms:Decrypt"), b.role_policies(b.READS, {**b.DECRYPTS, "Condition": {"StringEquals": {"kms:EncryptionContext:PARAMETER_ARN": "arn:aws:ssm:x:y:parameter/z"}}}))),
    ("IAM013", FAIL, (b.refused(GET), b.role_policies(b.DECRYPTS, {**b.READS, "Condition": {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}}))),
    ("IAM014", WARN, (b.refused(GET),)),
    ("IAM014", WARN, (b.role_policies(b.DECRYPTS),)),
    ("IAM014", WARN, (b.NOT_ASKED, b.role_policies(b.DECRYPTS), SIMULATOR_ALLOWS)),
    ("IAM004", WARN, (b.probe(caller_arn="arn:aws:iam::1:user/somebody"),)),
    ("IAM004", WARN, (b.probe(other_credentials=("/root/.aws/credentials",)),)),
    ("IAM004", FAIL, (b.probe(health=Health("http://127.0.0.1/health", 503, 1, "AccessDenied: User: arn:aws:iam::1:user/old is not authorized to perform: ssm:GetParameters on resource: x")),)),
    ("IAM004", PASS, (b.probe(health=Health("http://127.0.0.1/health", 503, 1, "User: arn:aws:sts::123456789012:assumed-role/app-role/i-0a is not authorized to perform: ssm:GetParameters")),)),
    ("IAM004", FAIL, (CUT_OFF, bridged(NO_CREDENTIALS))),
    ("IAM004", UNKNOWN, (CUT_OFF, bridged(None))),
    ("IAM004", UNKNOWN, (CUT_OFF, bridged(Health("http://127.0.0.1/health", 503, 1, "connection timed out")))),
    ("IAM004", PASS, (CUT_OFF, bridged(Health("http://127.0.0.1/health", 200, 1, "")))),
    ("IAM004", PASS, (CUT_OFF, b.probe(health=NO_CREDENTIALS))),
    ("IAM004", PASS, (b.instance(metadata_tokens="required", metadata_hop_limit=2), bridged(NO_CREDENTIALS))),
    ("IAM004", PASS, (b.instance(metadata_tokens="optional", metadata_hop_limit=1), bridged(NO_CREDENTIALS))),
    ("RDS001", FAIL, (b.database(status="stopped"), NOBODY_ANSWERS)),
    ("RDS001", FAIL, (b.database(status="incompatible-create"), NOBODY_ANSWERS)),
    ("RDS001", FAIL, (b.database(status="stopped"), DatabaseHost("pooler.internal", 6432, "x"))),
    ("RDS001", WARN, (b.database(status="stopped"),)),
    ("RDS001", WARN, (b.database(status="rebooting"), NOBODY_ANSWERS)),
    ("RDS001", FAIL, (b.database(status="rebooting"), login(LoginFailure.REFUSED))),
    ("RDS001", FAIL, (b.database(status="starting"), login(LoginFailure.NOT_READY))),
    ("RDS001", WARN, (b.database(status="rebooting"),)),
    ("RDS001", WARN, (b.database(status="something-new"),)),
    ("RDS001", WARN, (b.database(status="something-new"), NOBODY_ANSWERS)),
    ("RDS001", UNKNOWN, (b.database(status=""),)),
    ("RDS001", PASS, (b.database(status="storage-config-upgrade"), NOBODY_ANSWERS)),
    ("RDS001", PASS, (b.database(status="backing-up"),)),
    ("RDS002", FAIL, (b.database(status="storage-full"),)),
    ("RDS003", WARN, (b.database(managed_secret_arn="arn:s"),)),
    ("RDS003", FAIL, (b.database(managed_secret_arn="arn:s"), login(LoginFailure.PASSWORD))),
    ("RDS003", PASS, (b.database(managed_secret_arn="arn:s", master_username="admin"),)),
    ("RDS004", WARN, (b.database(parameter_groups=(("g", "pending-reboot"),)),)),
    ("DNS001", FAIL, (b.probe(resolutions=(Resolution(b.HOST, (), "the name does not exist"),)),)),
    ("DNS002", FAIL, (b.probe(resolutions=(Resolution(b.HOST, ("203.0.113.25",), ""),)), VpcDns(True, False))),
    ("DNS002", SKIP, (DatabaseHost("10.0.5.10", 5432, "x"),)),
    ("DNS003", WARN, (OperatorDns(b.HOST, "NXDOMAIN", (b.HOST,), (), ()),)),
    ("NET001", FAIL, (b.groups(()),)),
    ("NET001", WARN, (b.groups(()), b.probe())),
    ("NET001", SKIP, (b.groups((b.rule(3306, "sg-web"),)),)),
    ("NET002", FAIL, (b.groups((b.rule(5432, "sg-alb"),)),)),
    ("NET002", PASS, (b.groups((b.rule(5432, cidrs=("10.0.2.0/24",)),)),)),
    ("NET002", PASS, (b.groups((b.rule(0, "sg-web", protocol="-1"),)),)),
    ("NET002", PASS, (b.groups((b.rule(5432, lists=("pl-1",)),)), PrefixLists({"pl-1": ("10.0.2.0/24",)}))),
    ("NET002", UNKNOWN, (b.groups((b.rule(5432, lists=("pl-1",)),)), b.probe(connections=(GONE,)))),
    ("NET002", PASS, (b.groups((b.rule(5432, lists=("pl-1",)),)),)),
    ("NET003", FAIL, (b.groups((b.rule(3306, "sg-web"),)),)),
    ("NET004", FAIL, (b.acls(db=NO_REPLY),)),
    ("NET004", SKIP, (b.acls(db=DENY_FIRST),)),
    ("NET005", FAIL, (b.groups((b.rule(5432, "sg-web"),), egress=()),)),
    ("NET005", PASS, (b.groups((b.rule(5432, "sg-web"),), egress=(b.rule(5432, "sg-db"),)),)),
    ("NET006", FAIL, (b.groups((b.rule(5432, cidrs=("10.0.3.0/24",)),)),)),
    ("NET006", FAIL, (b.groups((b.rule(5432, lists=("pl-1",)),)), PrefixLists({"pl-1": ("10.9.0.0/16",)}))),
    ("NET007", FAIL, (b.acls(db=DENY_FIRST),)),
    ("NET007", FAIL, (b.acls(db=DENY_AT_ONE),)),
    ("NET008", FAIL, (b.acls(db=NARROW),)),
    ("NET008", WARN, (b.acls(db=NARROW), b.probe(ephemeral_ports=None))),
    ("NET008", PASS, (b.acls(db=NARROW), b.probe(ephemeral_ports=(32768, 39999)))),
    ("NET009", FAIL, (b.tables(b.table("app", LOCAL, ("10.0.5.0/24", "eni-gone"), subnets=("subnet-app",))),)),
    ("NET009", FAIL, (*b.peered(), b.tables(b.table("app", LOCAL, ("10.1.0.0/16", "pcx-gone"), subnets=("subnet-app",)), BACK))),
    ("NET009", PASS, (b.tables(b.table("app", LOCAL, ("10.0.0.0/8", "vgw-gone"), subnets=("subnet-app",))),)),
    ("NET010", FAIL, (*b.peered(), b.tables(BACK))),
    ("NET010", FAIL, (*b.peered(), b.tables(THERE))),
    ("NET010", FAIL, (*b.peered(), b.tables(b.table("app", LOCAL, ("0.0.0.0/0", "igw-1"), subnets=("subnet-app",)), BACK))),
    ("NET010", PASS, (*b.peered(), b.tables(THERE, BACK))),
    ("NET010", UNKNOWN, (*b.peered(), b.tables(b.table("app", LOCAL, ("10.0.0.0/8", "tgw-1"), subnets=("subnet-app",)), BACK))),
    ("NET010", PASS, (b.tables(b.table("app", LOCAL, ("10.0.5.0/24", "eni-1"), subnets=("subnet-app",))),)),
    ("NET011", FAIL, (*b.peered(), b.tables(replace(THERE, subnet_ids=()), BACK))),
    ("NET012", WARN, (SECOND_ONLY,)),
    ("NET012", WARN, (b.groups((b.rule(5432, "sg-web"),), egress=(b.rule(5432, cidrs=("10.0.5.10/32",)),)),)),
    ("NET012", WARN, (b.tables(b.table("db-b", subnets=("subnet-db-b",))),)),
    ("NET013", WARN, (OTHER_HOME,)),
    ("NET013", WARN, (b.groups((b.rule(5432, cidrs=("10.0.2.0/24",)),)),)),
    ("NET013", SKIP, (AppSubnets({}),)),
    ("NET014", FAIL, (NO_FRONT, UNHEALTHY)),
    ("NET014", WARN, (NO_FRONT,)),
    ("NET014", UNKNOWN, (replace(b.healthy(LoadBalancer), kind="network"),)),
    ("NET015", PASS, (VpcEndpoints(()),)),
    ("NET015", FAIL, (b.AGENT_OFFLINE, VpcEndpoints(()), b.tables(b.table("app", ("10.0.0.0/16", "local"), subnets=("subnet-app",))))),
    ("NET015", SKIP, (b.NotKnown(InstanceProbe, Unknown("you may not call ssm:SendCommand")),)),
    ("TCP001", FAIL, (b.probe(connections=(GONE,)),)),
    ("TCP001", SKIP, (b.probe(connections=(b.connection("refused"),)),)),
    ("TCP001", UNKNOWN, (b.probe(connections=()),)),
    ("TCP002", FAIL, (b.probe(connections=(b.connection("refused"),)),)),
    ("TLS001", FAIL, (b.probe(containers=settings(tls_mode="disable")),)),
    ("TLS002", WARN, (Certificate("s", "i", (b.HOST,), b.NOW, b.NOW + timedelta(days=9)),)),
    ("TLS002", FAIL, (Certificate("s", "i", (b.HOST,), b.NOW, b.NOW - timedelta(days=999)),)),
    ("TLS003", WARN, (Certificate("s", "i", ("other.host",), b.NOW, b.NOW),)),
    ("TLS003", FAIL, (b.probe(attempts=(LoginAttempt("container:linkbox-backend", False, "", "SSL error: certificate verify failed", 1, "", "verify-full"),)),)),
    ("AUT001", FAIL, (login(LoginFailure.PASSWORD),)),
    ("AUT001", UNKNOWN, (login(LoginFailure.OTHER),)),
    ("AUT002", FAIL, (login(LoginFailure.DATABASE_MISSING),)),
    ("AUT003", FAIL, (login(LoginFailure.SLOTS),)),
    ("AUT004", UNKNOWN, (b.probe(replace(b.probe().greeting, with_tls=ServerAnswer(None, "", "57P03", "starting up"))),)),
    ("APP001", FAIL, (b.probe(containers=(b.container(status="exited"),), health=None),)),
    ("APP001", FAIL, (b.instance(state="stopped", state_reason="User initiated"),)),
    ("APP001", FAIL, (b.instance(state="terminated", scaling_group="linkbox"),)),
    ("APP001", FAIL, (b.instance(state="pending"),)),
    ("APP001", FAIL, (replace(b.task(), task=replace(b.task().task, status="STOPPED", stopped_reason="OutOfMemory")),)),
    ("APP001", UNKNOWN, (b.probe(containers=()),)),
    ("APP001", FAIL, (b.probe(containers=(), health=NOBODY_LISTENS),)),
    ("APP001", UNKNOWN, (b.probe(containers=(), health=replace(NOBODY_LISTENS, body="timed out")),)),
    ("APP001", UNKNOWN, (b.probe(containers=(), health=NOBODY_LISTENS, serving=("backend",)),)),
    ("APP001", SKIP, (b.probe(asked_containers=False, containers=(), health=NOBODY_LISTENS),)),
    ("APP001", SKIP, (b.probe(asked_containers=False, containers=()),)),
    ("APP002", FAIL, (b.probe(containers=settings(password="bbbbbb")),)),
    ("APP003", FAIL, (b.probe(health=Health("http://x/health", 503, 2.0, "no")),)),
    ("APP003", SKIP, (b.probe(health=None), TargetHealths(()))),
    ("APP003", PASS, (b.probe(health=None),)),
    ("APP003", FAIL, (b.probe(health=None), UNHEALTHY)),
    ("APP004", PASS, (b.parameters(endpoint=b.parameter("endpoint", raw=f" {b.HOST}", format_problems=("a blank at the beginning",))), b.probe(containers=settings(host=f" {b.HOST}")))),
    ("APP004", PASS, (at(f"postgresql://{b.HOST}/x"), b.probe(containers=settings(host="postgresql", port=f"//{b.HOST}/x")))),
    ("APP004", PASS, (at(f"{b.HOST}: 5432"), b.probe(containers=settings(host=b.HOST, port=" 5432")))),
    ("APP004", FAIL, (at(f"{b.HOST}: 5432"), b.probe(containers=settings(host=b.HOST, port="5433")))),
    ("APP004", FAIL, (b.probe(containers=settings(host=f" {b.HOST}")),)),
    ("APP004", FAIL, (b.probe(containers=settings(host="other.host")),)),
    ("HYG001", WARN, (b.database(is_public=True),)),
    ("HYG002", WARN, (b.groups((b.rule(5432, "sg-web"), b.rule(5432, cidrs=("0.0.0.0/0",)))),)),
    ("HYG003", WARN, (b.database(is_multi_az=False),)),
    ("HYG004", WARN, (b.database(backup_days=1),)),
    ("HYG005", WARN, (b.database(is_encrypted=False),)),
    ("HYG006", WARN, (b.parameters(password=b.parameter("password", kind="String")),)),
    ("HYG007", WARN, (b.probe(containers=settings(tls_mode="require")),)),
    ("HYG007", SKIP, (b.probe(containers=settings(tls_mode="disable")),)),
    ("HYG007", UNKNOWN, (b.probe(containers=settings(tls_mode="no-such-mode")),)),
    ("TLS001", FAIL, (b.probe(containers=settings(tls_mode="allow")),)),
    ("OPR001", FAIL, (b.operator_policies({"Effect": "Allow", "Action": "rds:*", "Resource": "*"}),)),
    ("OPR001", UNKNOWN, (b.operator_policies({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}}),)),
    ("OPR002", SKIP, ()),
    ("OPR002", FAIL, (WANTS_ALL, b.operator_policies(ONLY_EC2))),
    ("OPR002", PASS, (WANTS_ALL,)),
    ("OPR003", FAIL, (b.operator_policies(ONLY_EC2),)),
    ("OPR003", WARN, (WANTS_ALL, b.operator_policies(ONLY_EC2, SESSIONS))),
    ("OPR004", WARN, (b.operator_policies(ONLY_EC2),)),
    ("OPR005", WARN, (WANTS_ALL, b.operator_policies(ONLY_EC2))),
    ("OPR005", WARN, (WANTS_ALL, b.operator_policies(SESSIONS))),
    ("OPR005", PASS, (WANTS_ALL, b.operator_policies(SESSIONS, CONNECTION))),
    ("OPR006", WARN, (WANTS_ALL, b.operator_policies(ONLY_EC2))),
    ("OPR006", PASS, (WANTS_ALL,)),
    ("AUT005", PASS, (client_login(None),)),
    ("AUT005", FAIL, (client_login(LoginFailure.CERTIFICATE),)),
    ("AUT005", UNKNOWN, (client_login(None, None),)),
    ("AUT005", UNKNOWN, (client_login(LoginFailure.METHOD, None),)),
    ("AUT001", UNKNOWN, (login(LoginFailure.METHOD, "the server asks for an MD5 hash"),)),
    ("AUT001", UNKNOWN, (login(LoginFailure.CERTIFICATE, "certificate verify failed"),)),
    ("AUT001", FAIL, (login(LoginFailure.IAM_AUTH, "in clear text, as for IAM's tokens (rds_iam)"),)),
    ("AUT005", WARN, (client_login(LoginFailure.NO_ANSWER),)),
    ("AUT005", UNKNOWN, (client_login(LoginFailure.PASSWORD), login(LoginFailure.PASSWORD))),
    ("OPR007", FAIL, (WANTS_ALL, b.operator_policies(ONLY_EC2))),
    ("OPR007", PASS, (WANTS_ALL,)),
    ("OPR007", SKIP, (OperatorNeeds(()),)),
    ("IAM001", PASS, (b.task(),)),
    ("IAM001", FAIL, (b.task(), TaskRole(None, None, family="shop"))),
    ("APP001", PASS, (b.task(), b.probe(asked_containers=False, containers=()))),
    ("OPR008", FAIL, (SsmAgent("ConnectionLost", b.NOW, "3.3.987.0", takes_sessions=False),)),
    ("OPR008", FAIL, (SsmAgent("Inactive", None, "3.3.987.0", takes_sessions=False),)),
    ("OPR008", FAIL, (SsmAgent("Online", b.NOW, "3.3.987.0", takes_sessions=False),)),
    ("OPR008", FAIL, (SsmAgent(None, None, "", takes_sessions=False),)),
    ("OPR008", FAIL, (b.instance(state="stopped"), SsmAgent("ConnectionLost", b.NOW, "3.3.987.0", takes_sessions=False))),
    ("OPR008", WARN, (SsmAgent("Online", b.NOW, "3.0.196.0", takes_sessions=True),)),
    ("OPR008", PASS, (SsmAgent("Online", b.NOW, "3.0.222.0", takes_sessions=True),)),
    ("OPR009", SKIP, ()),
    ("OPR009", WARN, (WANTS_ALL, b.operator_policies(ONLY_EC2))),
    ("OPR009", PASS, (WANTS_ALL,)),
    ("OPR009", PASS, (WANTS_ALL, b.operator_policies(ONLY_EC2, SESSIONS, KEY_FOR_US))),
    ("OPR009", WARN, (WANTS_ALL, b.operator_policies(ONLY_EC2, SESSIONS, KEY_FOR_OTHERS))),
    ("IDN001", PASS, (Identity("1", "a", -119.9),)),
    ("PAR001", PASS, (StoredCredential(tuple(p for p in b.parameters().existing if p.purpose != "password"), (), (replace(UNREADABLE, exists=True),)),)),
    ("PAR002", PASS, (b.parameters(database=None),)),
    ("PAR003", PASS, (replace(KEY, state="Enabled"), StoredCredential((), (), (ReadFailure("/linkbox/db-password", "password", "AccessDeniedException", "no", "ssm:GetParameter", None),)))),
    ("PAR007", PASS, (at("db.internal"),)),
    ("PAR008", PASS, (KEY,)),
    ("PAR009", PASS, (UnfinishedRotation(0), WRONG)),
    ("IAM004", PASS, (b.probe(caller_arn="arn:aws:sts::123456789012:assumed-role/app-role/a-session-of-the-app"),)),
    ("IAM005", PASS, (b.NOT_ASKED, b.role_policies(b.DECRYPTS, {**b.READS, "Resource": b.PARAMETERS.replace("/*", "/db-????*")}))),
    ("IAM006", PASS, (b.NOT_ASKED, b.role_policies(b.READS, b.DECRYPTS, {**b.READS, "Resource": b.PARAMETERS.replace("parameter/", "parameter//")}))),
    ("IAM008", PASS, (b.NOT_ASKED, b.role_policies(b.DECRYPTS, {**b.READS, "Resource": "arn:aws:ssm:*:*:parameter/linkbox/*"}))),
    ("IAM009", PASS, (b.NOT_ASKED, b.role_policies(b.READS, b.DECRYPTS, boundary={"Effect": "Allow", "Action": ["ssm:Get*", "kms:Decrypt"], "Resource": "*"}))),
    ("IAM010", PASS, (b.NOT_ASKED, b.role_policies(b.READS, b.DECRYPTS, {**b.READS, "Effect": "Deny", "Resource": b.PARAMETERS.replace("linkbox", "orders")}))),
    ("IAM011", PASS, (b.NOT_ASKED, ONLY_OTHER_REGIONS_DENIED)),
    ("IAM013", PASS, (b.NOT_ASKED, b.role_policies(b.DECRYPTS, {**b.READS, "Condition": {"StringEquals": {"aws:RequestedRegion": "us-east-1"}}}))),
    ("RDS002", PASS, (b.database(status="storage-optimization"),)),
    ("RDS004", PASS, (b.database(parameter_groups=(("g", "in-sync"), ("h", ""))),)),
    ("DNS001", PASS, (asked(b.HOST),)),
    ("DNS002", PASS, (b.probe(resolutions=(Resolution(b.HOST, ("203.0.113.25",), ""),)), Vpc("vpc-1", ("203.0.113.0/24",)))),
    ("DNS003", PASS, (OperatorDns(b.HOST, "NOERROR", (b.HOST,), ("10.0.6.10", "10.0.5.10"), ()), b.probe(resolutions=(Resolution(b.HOST, ("10.0.5.10", "10.0.6.10"), ""),)))),
    ("NET001", PASS, (b.groups((b.rule(3306, "sg-alb"), b.rule(5432, "sg-web"))),)),
    ("NET003", PASS, (b.groups((replace(b.rule(5432, "sg-web"), from_port=5000, to_port=5432),)),)),
    ("NET004", PASS, (b.acls(db=b.acl("db", BOTH, b.entry(90, "in", "10.0.2.45/32", (5432, 5432)), b.entry(90, "out", "10.0.2.0/24", (1024, 65535)))),)),
    ("NET006", PASS, (b.groups((b.rule(5432, cidrs=("10.0.2.45/32",)),)),)),
    ("NET007", PASS, (b.acls(db=b.acl("db", BOTH, b.entry(50, "in", "10.0.3.0/24", (5432, 5432), "deny"), ALL_IN, b.entry(101, "in", "10.0.2.0/24", None, "deny"), ALL_OUT)),)),
    ("NET011", PASS, (*b.peered(), b.tables(b.table("main", LOCAL, ("10.1.0.0/16", "pcx-1"), main=True), BACK))),
    ("NET012", PASS, (b.groups((b.rule(5432, "sg-web"),), egress=(b.rule(5432, cidrs=("10.0.5.0/24", "10.0.6.0/24")),)),)),
    ("NET013", PASS, (b.groups((b.rule(5432, cidrs=("10.0.2.0/23",)),)),)),
    ("NET014", PASS, (FRONT_BY_ADDRESS,)),
    ("TCP001", PASS, (b.groups(()), b.probe())),
    ("TCP002", PASS, (WRONG,)),
    ("TLS001", PASS, (b.probe(containers=settings(tls_mode="prefer")),)),
    ("TLS002", PASS, (Certificate("s", "i", (b.HOST,), b.NOW, b.NOW + timedelta(days=30)),)),
    ("TLS003", PASS, (Certificate("s", "i", ("other.host", "*." + b.HOST.split(".", 1)[1]), b.NOW, b.NOW),)),
    ("AUT001", PASS, (b.parameters(password=pw("changeme1")),)),
    ("AUT002", UNKNOWN, (WRONG,)),
    ("AUT002", UNKNOWN, (login(LoginFailure.SLOTS),)),
    ("AUT002", PASS, (as_user("reports", succeeded=True, failure=None),)),
    ("AUT001", PASS, (login(LoginFailure.DATABASE_MISSING),)),
    ("AUT001", PASS, (login(LoginFailure.ROLE_REFUSED),)),
    ("AUT001", UNKNOWN, (login(LoginFailure.SLOTS),)),
    ("AUT003", UNKNOWN, (WRONG,)),
    ("AUT003", UNKNOWN, (login(LoginFailure.ROLE_REFUSED),)),
    ("AUT003", FAIL, (WRONG, NO_SLOT)),
    ("AUT003", FAIL, (NOBODY_ANSWERS, STARTING)),
    ("AUT003", WARN, (NO_SLOT,)),
    ("AUT003", PASS, (STARTING,)),
    ("AUT004", UNKNOWN, (NO_SLOT,)),
    ("AUT004", UNKNOWN, (STARTING,)),
    ("AUT004", UNKNOWN, (b.parameters(username=None),)),
    ("AUT004", PASS, (answering(with_tls=None, offers_tls=False, without_tls=ServerAnswer(True, NO_PROOF)),)),
    ("AUT004", FAIL, (answering(with_tls=None, offers_tls=False, without_tls=ServerAnswer(False, "", "28000", "no pg_hba.conf entry")),)),
    ("TLS001", UNKNOWN, (SILENT_SERVER,)),
    ("TLS001", UNKNOWN, (STARTING, replace(b.healthy(TlsSetting), apply_status="pending-reboot"))),
    ("TLS001", UNKNOWN, (SILENT_SERVER, replace(b.healthy(TlsSetting), value=None, is_forced=False))),
    ("TLS001", SKIP, (replace(SILENT_SERVER, result=replace(SILENT_SERVER.result, containers=settings(tls_mode="disable"))), replace(b.healthy(TlsSetting), value="0", is_forced=False))),
    ("TLS001", FAIL, (replace(SILENT_SERVER, result=replace(SILENT_SERVER.result, containers=settings(tls_mode="disable"))),)),
    ("TLS001", UNKNOWN, (b.probe(containers=settings(host=b.HOST)),)),
    ("TLS001", UNKNOWN, (b.probe(containers=settings(tls_mode="no-such-mode")),)),
    ("TLS002", FAIL, (Certificate("s", "i", (b.HOST,), b.NOW + timedelta(days=1), b.NOW + timedelta(days=300)),)),
    ("TLS002", FAIL, (Certificate("s", "i", ("pooler.internal",), b.NOW, b.NOW - timedelta(days=1)), DatabaseHost("pooler.internal", 6432, "x"))),
    ("DNS001", UNKNOWN, (NOT_RESOLVED,)),
    ("DNS001", UNKNOWN, (NOT_RESOLVED, DatabaseHost("db.internal", 5432, "x"), asked("db.internal"))),
    ("DNS001", FAIL, (NOT_RESOLVED, asked(b.HOST))),
    ("DNS002", UNKNOWN, (NOT_RESOLVED,)),
    ("DNS003", UNKNOWN, (NOT_RESOLVED, asked(b.HOST))),
    ("DNS003", UNKNOWN, (OperatorDns(b.HOST, "TIMEOUT", (b.HOST,), (), ()),)),
    ("RDS002", SKIP, (b.database(status="stopped"),)),
    ("RDS003", UNKNOWN, (b.database(managed_secret_arn="arn:s"), b.parameters(username=None), login(LoginFailure.PASSWORD))),
    ("PAR001", UNKNOWN, (StoredCredential(b.parameters().existing[:3], (), ()),)),
    ("PAR001", UNKNOWN, (StoredCredential(b.parameters().existing[:3], (), (UNREADABLE,)),)),
    ("PAR002", SKIP, (StoredCredential((), tuple(b.NAMES.items()), ()),)),
    ("PAR006", UNKNOWN, (StoredCredential(b.parameters().existing[:3], (), (UNREADABLE,)),)),
    ("PAR010", UNKNOWN, (DatabaseEvidence({}), NOBODY_ANSWERS)),
    ("PAR010", PASS, (DatabaseEvidence({}),)),
    ("TCP003", FAIL, (other_server(b"HTTP/1.1 400 Bad Request\r\n"), ELSEWHERE, at("10.0.2.45:3000"), NOBODY_ANSWERS)),
    ("TCP003", FAIL, (other_server(b"SSH-2.0-OpenSSH_9.6\r\n"), ELSEWHERE, NOBODY_ANSWERS, b.parameters(endpoint=None))),
    ("TCP003", FAIL, (other_server(b"J\0\0\0\n8.0.40\0", at=b.HOST, port=5432), NOBODY_ANSWERS)),
    ("TCP003", FAIL, (other_server(b""), ELSEWHERE, at("10.0.2.45:3000"), NOBODY_ANSWERS)),
    ("TCP003", FAIL, (other_server(b"", at=b.HOST, port=5432), NOBODY_ANSWERS)),
    ("TCP003", PASS, (STARTING, NOBODY_ANSWERS)),
    ("TCP003", PASS, (SILENT_SERVER,)),
    ("TCP003", UNKNOWN, (SILENT_SERVER, NOBODY_ANSWERS)),
    ("TCP003", UNKNOWN, (replace(SILENT_SERVER, result=replace(SILENT_SERVER.result, connections=(b.connection("refused"),))), NOBODY_ANSWERS)),
    ("TCP001", UNKNOWN, (b.probe(connections=(b.connection("not connected"),)),)),
    ("TCP002", UNKNOWN, (b.probe(connections=(b.connection("not connected"),)),)),
    ("TCP001", UNKNOWN, (b.probe(connections=(replace(b.connection(), host="other.host"),)),)),
    ("TCP001", FAIL, (b.probe(connections=(replace(b.connection(), host="other.host"), GONE)),)),
    ("NET002", UNKNOWN, (b.groups((b.rule(5432, lists=("pl-1",)),)), b.probe(connections=(replace(b.connection(), address="10.0.9.9"),)))),
    ("NET004", SKIP, (b.acls(db=NARROW),)),
    ("NET012", UNKNOWN, (b.groups((b.rule(5432, lists=("pl-1",)),)),)),
    ("NET013", UNKNOWN, (b.groups((b.rule(5432, lists=("pl-1",)),)),)),
    ("APP004", SKIP, (b.probe(containers=settings(tls_mode="require")),)),
    ("HYG002", UNKNOWN, (b.database(security_group_ids=("sg-elsewhere",)),)),
    ("HYG006", UNKNOWN, (StoredCredential(b.parameters().existing[:2], (), (UNREADABLE,)),)),
    ("IAM014", SKIP, (b.NOT_ASKED,)),
    ("AUT003", PASS, (login(LoginFailure.DATABASE_MISSING),)),
    ("AUT004", FAIL, (b.probe(replace(b.probe().greeting, with_tls=ServerAnswer(False, "", "28000", 'no pg_hba.conf entry for host "10.0.2.45"'))),)),
    ("AUT004", PASS, (b.probe(replace(b.probe().greeting, with_tls=ServerAnswer(True, "MD5"))), WRONG)),
    ("APP002", PASS, (b.probe(containers=(b.container(), b.container(name="linkbox-old", status="exited", settings=settings(password="bbbbbb")[0].settings))),)),
    ("APP004", PASS, (b.probe(containers=settings(host=b.HOST.upper(), port="5432", user="linkbox")),)),
    ("HYG001", PASS, (b.groups((b.rule(5432, cidrs=("0.0.0.0/0",)),)),)),
    ("HYG002", PASS, (b.groups((b.rule(5432, cidrs=("10.0.0.0/8",)), b.rule(443, cidrs=("0.0.0.0/0",)))),)),
    ("HYG003", PASS, (b.database(is_multi_az=True, subnets=(DbSubnet("subnet-db-a", "a"),)),)),
    ("HYG004", PASS, (b.database(backup_days=7),)),
    ("HYG005", PASS, (b.database(is_encrypted=True),)),
    ("HYG006", PASS, (b.parameters(username=b.parameter("username", kind="String"), password=b.parameter("password", kind="SecureString")),)),
    ("HYG007", PASS, (b.probe(containers=settings(tls_mode="verify-ca")),)),
    ("OPR001", PASS, (WANTS_ALL, b.operator_policies(READ_ONLY))),
    ("OPR003", PASS, (WANTS_ALL, b.operator_policies({"Effect": "Allow", "Action": "ssm:*", "Resource": "*"}))),
    ("OPR004", PASS, (WANTS_ALL, b.operator_policies(READS_POLICIES))),
    ("RDS001", FAIL, (b.database(status="inaccessible-encryption-credentials"), NOBODY_ANSWERS)),
    ("RDS001", FAIL, (b.database(status="inaccessible-encryption-credentials-recoverable"), NOBODY_ANSWERS)),
]  # fmt: skip


@pytest.mark.parametrize("code", list(CODES))
def test_a_healthy_linkbox_passes(code: str) -> None:
    finding = run_check(check_of(code), b.snapshot())
    assert finding.status in (PASS, SKIP), finding


def keys() -> list[str]:
    """A name for each case that stays when other cases are added: the code, the status, which one."""
    seen: dict[str, int] = {}
    found = []
    for code, status, _ in CASES:
        name = f"{code} {status}"
        seen[name] = seen.get(name, 0) + 1
        found.append(f"{name} {seen[name]}")
    return found


GOLDEN = Path(__file__).parents[1] / "golden" / "fixes.json"
CALLER = Caller("us-east-1", "", "--prefix /linkbox")


def remedy(finding: Finding) -> dict[str, Any] | None:
    """A finding's fix or advice as a reader meets it; None where it has neither."""
    if finding.fix is None:
        commands = [render(c, CALLER) for c in finding.advice_commands]
        shown = {"advice": finding.advice, "commands": commands}
        return {name: value for name, value in shown.items() if value} or None
    fix = finding.fix
    shown = {
        "does": fix.does or summary(fix.changes),
        "changes": [change.text for change in fix.changes],
        "dangers": [str(danger) for danger in fix.dangers],
        "ask": fix.ask,
        "caution": fix.caution,
        "commands": [render(c, CALLER) for c in fix.commands],
        "undo": [render(c, CALLER) for c in fix.undo],
        "no_undo": fix.no_undo,
        "restarts": list(fix.restarts),
    }
    return {name: value for name, value in shown.items() if value}


@pytest.mark.parametrize(
    ("key", "code", "status", "replaced"),
    [(key, *case) for key, case in zip(keys(), CASES, strict=True)],
    ids=keys(),
)
def test_case(key: str, code: str, status: Status, replaced: tuple[Any, ...]) -> None:
    """The status, and the whole fix: `OPSKIT_GOLDEN=renew pytest tests/checks -n 0` renews the fixes."""
    if (
        code.startswith("NET0")
        and status is FAIL
        and not any(isinstance(r, (InstanceProbe, b.NotKnown)) for r in replaced)
    ):
        replaced = (*replaced, b.probe(connections=(GONE,)))
    snapshot, check = b.snapshot(*replaced), check_of(code)
    finding = verify_fix(check, run_check(check, snapshot), snapshot, CALLER)
    assert finding.status is status, finding
    assert "None" not in finding.summary
    shown = remedy(finding)
    if status in (FAIL, WARN):
        assert shown, "a finding says what to do: commands, or advice"
    assert "None" not in json.dumps(shown)
    assert finding.fix is None or finding.fix.undo or finding.fix.no_undo, "how is it undone?"
    kept = json.loads(GOLDEN.read_text())
    if os.environ.get("OPSKIT_GOLDEN") == "renew":
        kept = {k: v for k, v in (kept | {key: shown}).items() if k in keys() and v}
        ordered = {k: kept[k] for k in keys() if k in kept}
        GOLDEN.write_text(json.dumps(ordered, indent=1, ensure_ascii=False) + "\n")
    assert shown == kept.get(key)


@pytest.mark.parametrize("check", all_checks(), ids=lambda c: c.code)
def test_without_any_fact_nothing_passes(check: Any) -> None:
    finding = run_check(check, b.snapshot(unknown=tuple(b.linkbox())))
    assert finding.status in (UNKNOWN, SKIP), finding
    if finding.status is UNKNOWN:
        assert finding.missing, "an unknown names what is missing"


def test_a_shadowing_zone_is_named_and_taken_away() -> None:
    zone = PrivateZones("vpc-1", "us-east-1", (PrivateZone("Z1", "rds.amazonaws.com", 2, False),))
    gone = b.probe(resolutions=(Resolution(b.HOST, (), "the name does not exist"),))
    finding = run_check(check_of("DNS001"), b.snapshot(zone, gone))
    assert "Z1" in finding.summary
    assert finding.fix is not None
    assert b.aws_call(finding.fix.commands[0]).operation == "DisassociateVPCFromHostedZone"
    alone = PrivateZones("vpc-1", "us-east-1", (PrivateZone("Z1", "rds.amazonaws.com", 1, False),))
    assert run_check(check_of("DNS001"), b.snapshot(alone, gone)).fix is None, "it holds records"


def test_a_task_without_a_known_interface_leaves_the_network_unknown() -> None:
    blind = replace(b.task(), interface=None)
    found = run_check(check_of("NET002"), b.snapshot(blind))
    assert found.status is UNKNOWN
    assert "ec2:DescribeNetworkInterfaces" in found.missing


def test_a_task_is_mended_by_a_deployment() -> None:
    asked = {"cluster": "apps", "service": "shop", "forceNewDeployment": True}
    command = AwsCall("ecs", "UpdateService", asked)
    assert restart_commands(b.known(b.task()), b.known(b.probe())) == (command,)
