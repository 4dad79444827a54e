"""Requests and policies with the outcome that AWS documents, each with the page that says so.

Data only: it knows neither the engine that is tested with it nor the sandbox's evaluator.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/app"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/app/i-0abc"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
BASE = f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/linkbox"
PASSWORD = f"{BASE}/db-password"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
READ = "ssm:GetParameter"
DECRYPT = "kms:Decrypt"
VIA = {"kms:ViaService": "ssm.us-east-1.amazonaws.com"}
PAIR = {"kms:EncryptionContext:PARAMETER_ARN": PASSWORD}

ALLOWED, EXPLICIT, IMPLICIT, DEPENDS = "allowed", "explicitDeny", "implicitDeny", "depends"

LOGIC = "IAM User Guide, Policy evaluation logic"
ACTION = "IAM User Guide, IAM JSON policy elements: Action"
NOT_ACTION = "IAM User Guide, IAM JSON policy elements: NotAction"
RESOURCE = "IAM User Guide, IAM JSON policy elements: Resource"
NOT_RESOURCE = "IAM User Guide, IAM JSON policy elements: NotResource"
GRAMMAR = "IAM User Guide, Grammar of the IAM JSON policy language"
VARIABLES = "IAM User Guide, IAM policy elements: Variables and tags"
OPERATORS = "IAM User Guide, IAM JSON policy elements: Condition operators"
SEVERAL = "IAM User Guide, Conditions with multiple context keys or values"
MULTI = "IAM User Guide, Multivalued context keys"
KEYS = "IAM User Guide, AWS global condition context keys"
BOUNDARY = "IAM User Guide, Permissions boundaries for IAM entities"
SCP = "Organizations User Guide, SCP evaluation"
KEY_POLICY = "KMS Developer Guide, Default key policy"
KMS_ACCESS = "KMS Developer Guide, Troubleshooting key access"
KMS_KEYS = "KMS Developer Guide, Condition keys for AWS KMS"
GRANTS = "KMS Developer Guide, Grants in AWS KMS"
STORE = "Systems Manager User Guide, Restricting access to parameters using IAM policies"
STORE_KMS = "KMS Developer Guide, How Parameter Store uses AWS KMS"
PRINCIPAL = "IAM User Guide, AWS JSON policy elements: Principal"
NOT_PRINCIPAL = "IAM User Guide, AWS JSON policy elements: NotPrincipal"


@dataclass(frozen=True, slots=True)
class Case:
    """One request and what AWS decides.

    Attributes:
        page: of the documentation that says so.
        scps: the SCPs of each level, root first.
        key_policy, grants: for requests to KMS.
        context: keys with a value; all others are absent, but for `unknown`.
        unknown: keys that the request may or may not carry.
    """

    name: str
    page: str
    expected: str
    identity: tuple[Any, ...] = ()
    action: str = READ
    resource: str = PASSWORD
    boundary: Any = None
    scps: tuple[tuple[Any, ...], ...] = ()
    key_policy: Any = None
    grants: tuple[Any, ...] = ()
    context: dict[str, Any] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()


def statement(effect: str = "Allow", **elements: Any) -> dict[str, Any]:
    """A statement about reading the password, but for what is given."""
    made: dict[str, Any] = {"Effect": effect, "Action": READ, "Resource": PASSWORD}
    if "NotAction" in elements:
        del made["Action"]
    if "NotResource" in elements:
        del made["Resource"]
    return made | elements


def policy(*statements: Any, version: str = "2012-10-17") -> dict[str, Any]:
    """A document."""
    return {"Version": version, "Statement": list(statements)}


def allow(**elements: Any) -> dict[str, Any]:
    """A document of one allow."""
    return policy(statement(**elements))


def deny(**elements: Any) -> dict[str, Any]:
    """A document of one deny."""
    return policy(statement("Deny", **elements))


def when(operator: str, key: str, *values: Any, effect: str = "Allow") -> dict[str, Any]:
    """A document of one statement with a condition."""
    value = values[0] if len(values) == 1 else list(values)
    return policy(statement(effect, Condition={operator: {key: value}}))


EVERYTHING = policy({"Effect": "Allow", "Action": "*", "Resource": "*"})
NOTHING_OF_SSM = policy({"Effect": "Allow", "Action": "s3:*", "Resource": "*"})
NO_SSM = policy({"Effect": "Deny", "Action": "ssm:*", "Resource": "*"})


def _logic() -> tuple[Case, ...]:
    return (
        Case("nothing-attached", LOGIC, IMPLICIT),
        Case("allow", LOGIC, ALLOWED, (allow(),)),
        Case("deny-alone", LOGIC, EXPLICIT, (deny(),)),
        Case("deny-beats-allow", LOGIC, EXPLICIT, (allow(), deny())),
        Case("deny-beats-allow-in-one-document", LOGIC, EXPLICIT, (policy(statement(), statement("Deny")),)),
        Case("order-does-not-matter", LOGIC, EXPLICIT, (policy(statement("Deny"), statement()),)),
        Case("deny-of-something-else", LOGIC, ALLOWED, (allow(), deny(Action="ssm:PutParameter"))),
        Case("allow-in-the-second-policy", LOGIC, ALLOWED, (NOTHING_OF_SSM, allow())),
        Case("deny-all-of-the-service", LOGIC, EXPLICIT, (EVERYTHING, NO_SSM)),
        Case("administrator", LOGIC, ALLOWED, (EVERYTHING,)),
        Case("one-statement-without-a-list", GRAMMAR, ALLOWED, ({"Version": "2012-10-17", "Statement": statement()},)),
        Case("action-as-a-list", GRAMMAR, ALLOWED, (allow(Action=["s3:GetObject", READ]),)),
        Case("resource-as-a-list", GRAMMAR, ALLOWED, (allow(Resource=["arn:aws:s3:::b", PASSWORD]),)),
        Case("version-may-be-missing", GRAMMAR, ALLOWED, ({"Statement": [statement()]},)),
        Case("empty-statement-list", GRAMMAR, IMPLICIT, (policy(),)),
    )  # fmt: skip


def _actions() -> tuple[Case, ...]:
    rows = [
        ("exact", READ, ALLOWED),
        ("no-matter-of-case", "SSM:getparameter", ALLOWED),
        ("star", "*", ALLOWED),
        ("star-colon-star", "*:*", ALLOWED),
        ("service-star", "ssm:*", ALLOWED),
        ("prefix-star", "ssm:Get*", ALLOWED),
        ("star-inside", "ssm:*Parameter", ALLOWED),
        ("star-may-be-empty", "ssm:GetParameter*", ALLOWED),
        ("question-mark", "ssm:GetParamete?", ALLOWED),
        ("question-mark-is-not-empty", "ssm:GetParameter?", IMPLICIT),
        ("plural", "ssm:GetParameters", IMPLICIT),
        ("by-path", "ssm:GetParametersByPath", IMPLICIT),
        ("history", "ssm:GetParameterHistory", IMPLICIT),
        ("describe", "ssm:DescribeParameters", IMPLICIT),
        ("other-service", "secretsmanager:Get*", IMPLICIT),
    ]
    plain = [Case(f"action-{n}", ACTION, e, (allow(Action=a),)) for n, a, e in rows]
    asked = [
        ("plural-under-star", "ssm:GetParameters", "ssm:GetParameter*", ALLOWED),
        ("by-path-under-star", "ssm:GetParametersByPath", "ssm:GetParameter*", ALLOWED),
        ("history-under-star", "ssm:GetParameterHistory", "ssm:GetParameter*", ALLOWED),
        ("describe-not-under-it", "ssm:DescribeParameters", "ssm:GetParameter*", IMPLICIT),
        ("plural-by-singular", "ssm:GetParameters", READ, IMPLICIT),
        ("put-by-get", "ssm:PutParameter", "ssm:Get*", IMPLICIT),
    ]
    others = [Case(f"action-{n}", STORE, e, (allow(Action=p),), action=a) for n, a, p, e in asked]
    negated = (
        Case("not-action-other", NOT_ACTION, ALLOWED, (allow(NotAction="s3:*"),)),
        Case("not-action-this", NOT_ACTION, IMPLICIT, (allow(NotAction="ssm:*"),)),
        Case("not-action-list", NOT_ACTION, IMPLICIT, (allow(NotAction=["s3:*", "ssm:Get*"]),)),
        Case("deny-not-action-other", NOT_ACTION, EXPLICIT, (EVERYTHING, deny(NotAction="s3:*"))),
        Case("deny-not-action-this", NOT_ACTION, ALLOWED, (EVERYTHING, deny(NotAction="ssm:*"))),
    )
    return (*plain, *others, *negated)


def _resources() -> tuple[Case, ...]:
    account = f"us-east-1:{ACCOUNT}"
    rows = [
        ("exact", PASSWORD, ALLOWED),
        ("star", "*", ALLOWED),
        ("path", f"{BASE}/*", ALLOWED),
        ("prefix-without-slash", f"{BASE}*", ALLOWED),
        ("question-mark", f"{BASE}/db-passwor?", ALLOWED),
        ("star-reaches-over-slashes", f"arn:aws:ssm:{account}:parameter/*", ALLOWED),
        ("any-region", f"arn:aws:ssm:*:{ACCOUNT}:parameter/linkbox/*", ALLOWED),
        ("any-account", "arn:aws:ssm:us-east-1:*:parameter/linkbox/*", ALLOWED),
        ("star-at-the-end-of-a-segment-reaches-over-colons", "arn:aws:ssm:*", ALLOWED),
        ("double-slash", f"arn:aws:ssm:{account}:parameter//linkbox/*", IMPLICIT),
        ("no-region", f"arn:aws:ssm::{ACCOUNT}:parameter/linkbox/*", IMPLICIT),
        ("no-account", "arn:aws:ssm:us-east-1::parameter/linkbox/*", IMPLICIT),
        ("neither", "arn:aws:ssm:::parameter/linkbox/*", IMPLICIT),
        ("other-region", f"arn:aws:ssm:eu-west-1:{ACCOUNT}:parameter/linkbox/*", IMPLICIT),
        ("other-account", "arn:aws:ssm:us-east-1:210987654321:parameter/linkbox/*", IMPLICIT),
        ("other-partition", f"arn:aws-cn:ssm:{account}:parameter/linkbox/*", IMPLICIT),
        ("path-without-star", BASE, IMPLICIT),
        ("path-with-slash-only", f"{BASE}/", IMPLICIT),
        ("other-path", f"arn:aws:ssm:{account}:parameter/production/linkbox/*", IMPLICIT),
        ("longer-path", f"{BASE}/prod/*", IMPLICIT),
        ("no-slash-at-all", f"arn:aws:ssm:{account}:parameterlinkbox/*", IMPLICIT),
        ("case-matters", f"arn:aws:ssm:{account}:parameter/LinkBox/*", IMPLICIT),
        ("a-name-is-no-arn", "/linkbox/*", IMPLICIT),
        ("other-service", f"arn:aws:secretsmanager:{account}:secret:linkbox/*", IMPLICIT),
    ]
    plain = [Case(f"resource-{n}", RESOURCE, e, (allow(Resource=r),)) for n, r, e in rows]
    negated = (
        Case("not-resource-other", NOT_RESOURCE, ALLOWED, (allow(NotResource="arn:aws:s3:::*"),)),
        Case("not-resource-this", NOT_RESOURCE, IMPLICIT, (allow(NotResource=f"{BASE}/*"),)),
        Case("deny-not-resource-this", NOT_RESOURCE, ALLOWED, (allow(), deny(NotResource=f"{BASE}/*"))),
        Case("deny-not-resource-other", NOT_RESOURCE, EXPLICIT, (allow(), deny(NotResource="arn:aws:s3:::*"))),
        Case("by-path-needs-the-path-itself", STORE, ALLOWED, (allow(Action="ssm:GetParametersByPath", Resource=BASE),),
             action="ssm:GetParametersByPath", resource=BASE),
        Case("by-path-is-not-below-itself", STORE, IMPLICIT,
             (allow(Action="ssm:GetParametersByPath", Resource=f"{BASE}/*"),),
             action="ssm:GetParametersByPath", resource=BASE),
        Case("prefix-admits-a-neighbour", STORE, ALLOWED, (allow(Resource=f"{BASE}*"),),
             resource=BASE.replace("linkbox", "linkbox-prod") + "/db-password"),
    )  # fmt: skip
    return (*plain, *negated)


def _variables() -> tuple[Case, ...]:
    team = f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/${{aws:PrincipalTag/team}}/*"
    tag = {"aws:PrincipalTag/team": "linkbox"}
    default = team.replace("team}", "team, 'linkbox'}")
    return (
        Case("variable-in-resource", VARIABLES, ALLOWED, (allow(Resource=team),), context=tag),
        Case("variable-with-another-value", VARIABLES, IMPLICIT, (allow(Resource=team),), context={"aws:PrincipalTag/team": "x"}),
        Case("variable-without-value", VARIABLES, IMPLICIT, (allow(Resource=team),)),
        Case("variable-not-known", VARIABLES, DEPENDS, (allow(Resource=team),), unknown=("aws:PrincipalTag/team",)),
        Case("variable-default", VARIABLES, ALLOWED, (allow(Resource=default),)),
        Case("variable-default-not-needed", VARIABLES, IMPLICIT, (allow(Resource=default),), context={"aws:PrincipalTag/team": "x"}),
        Case("variable-is-text-in-2008", VARIABLES, IMPLICIT, (policy(statement(Resource=team), version="2008-10-17"),), context=tag),
        Case("username-is-absent-for-roles", VARIABLES, IMPLICIT,
             (allow(Resource=f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/${{aws:username}}/*"),)),
        Case("literal-star-is-no-wildcard", VARIABLES, IMPLICIT, (allow(Resource=f"{BASE}/${{*}}"),)),
        Case("literal-star-matches-itself", VARIABLES, ALLOWED, (allow(Resource=f"{BASE}/${{*}}"),), resource=f"{BASE}/*"),
        Case("literal-question-mark", VARIABLES, IMPLICIT, (allow(Resource=f"{BASE}/db-passwor${{?}}"),)),
        Case("literal-dollar", VARIABLES, ALLOWED, (allow(Resource=f"{BASE}/${{$}}x"),), resource=f"{BASE}/$x"),
        Case("wildcard-in-a-tag-is-literal", VARIABLES, IMPLICIT, (allow(Resource=team),), context={"aws:PrincipalTag/team": "*"}),
        Case("variable-in-condition", VARIABLES, ALLOWED,
             (when("StringEquals", "ssm:resourceTag/team", "${aws:PrincipalTag/team}"),),
             context=tag | {"ssm:resourceTag/team": "linkbox"}),
        Case("variable-in-condition-without-value", VARIABLES, IMPLICIT,
             (when("StringEquals", "ssm:resourceTag/team", "${aws:PrincipalTag/team}"),),
             context={"ssm:resourceTag/team": "linkbox"}),
    )  # fmt: skip


OPERATOR_ROWS: tuple[tuple[str, str, Any, Any, bool], ...] = (
    # operator, key, value in the policy, value in the request (None: absent), whether it holds
    ("StringEquals", "aws:RequestedRegion", "us-east-1", "us-east-1", True),
    ("StringEquals", "aws:RequestedRegion", "US-EAST-1", "us-east-1", False),
    ("StringEquals", "aws:RequestedRegion", "us-*", "us-east-1", False),
    ("StringEquals", "aws:RequestedRegion", ["eu-west-1", "us-east-1"], "us-east-1", True),
    ("StringEquals", "aws:REQUESTEDREGION", "us-east-1", "us-east-1", True),
    ("StringEquals", "aws:SourceVpce", "vpce-1", None, False),
    ("StringNotEquals", "aws:RequestedRegion", "us-east-1", "us-east-1", False),
    ("StringNotEquals", "aws:RequestedRegion", "eu-west-1", "us-east-1", True),
    ("StringNotEquals", "aws:RequestedRegion", ["eu-west-1", "us-east-1"], "us-east-1", False),
    ("StringNotEquals", "aws:SourceVpce", "vpce-1", None, True),
    ("StringEqualsIgnoreCase", "aws:RequestedRegion", "US-East-1", "us-east-1", True),
    ("StringNotEqualsIgnoreCase", "aws:RequestedRegion", "US-East-1", "us-east-1", False),
    ("StringLike", "aws:RequestedRegion", "us-*", "us-east-1", True),
    ("StringLike", "aws:RequestedRegion", "us-east-?", "us-east-1", True),
    ("StringLike", "aws:RequestedRegion", "eu-*", "us-east-1", False),
    ("StringNotLike", "aws:RequestedRegion", "eu-*", "us-east-1", True),
    ("StringNotLike", "aws:RequestedRegion", "us-*", "us-east-1", False),
    ("NumericEquals", "aws:MultiFactorAuthAge", "300", "300", True),
    ("NumericEquals", "aws:MultiFactorAuthAge", "300", "300.0", True),
    ("NumericNotEquals", "aws:MultiFactorAuthAge", "300", "301", True),
    ("NumericLessThan", "aws:MultiFactorAuthAge", "300", "299", True),
    ("NumericLessThan", "aws:MultiFactorAuthAge", "300", "300", False),
    ("NumericLessThanEquals", "aws:MultiFactorAuthAge", "300", "300", True),
    ("NumericGreaterThan", "aws:MultiFactorAuthAge", "300", "301", True),
    ("NumericGreaterThan", "aws:MultiFactorAuthAge", 300, "300", False),
    ("NumericGreaterThanEquals", "aws:MultiFactorAuthAge", "300", "300", True),
    ("NumericEquals", "aws:MultiFactorAuthAge", "300", None, False),
    ("DateEquals", "aws:CurrentTime", "2026-06-01T00:00:00Z", "2026-06-01T00:00:00Z", True),
    ("DateNotEquals", "aws:CurrentTime", "2026-06-01T00:00:00Z", "2026-06-01T00:00:00Z", False),
    ("DateLessThan", "aws:CurrentTime", "2026-06-30T23:59:59Z", "2026-06-01T00:00:00Z", True),
    ("DateLessThan", "aws:CurrentTime", "2026-05-01T00:00:00Z", "2026-06-01T00:00:00Z", False),
    ("DateLessThanEquals", "aws:CurrentTime", "2026-06-01T00:00:00Z", "2026-06-01T00:00:00Z", True),
    ("DateGreaterThan", "aws:CurrentTime", "2026-05-01", "2026-06-01T00:00:00Z", True),
    ("DateGreaterThan", "aws:EpochTime", "1767225600", "1780272000", True),
    (
        "DateGreaterThanEquals",
        "aws:TokenIssueTime",
        "2026-06-01T00:00:00Z",
        "2026-06-01T00:00:00Z",
        True,
    ),
    ("Bool", "aws:SecureTransport", "true", "true", True),
    ("Bool", "aws:SecureTransport", True, "true", True),
    ("Bool", "aws:SecureTransport", "false", "true", False),
    ("Bool", "aws:MultiFactorAuthPresent", "true", None, False),
    ("BinaryEquals", "kms:RequestAlias", "QmluYXJ5", "QmluYXJ5", True),
    ("BinaryEquals", "kms:RequestAlias", "QmluYXJ5", "qmluyxj5", False),
    ("IpAddress", "aws:SourceIp", "203.0.113.0/24", "203.0.113.9", True),
    ("IpAddress", "aws:SourceIp", "203.0.113.0/24", "203.0.114.9", False),
    ("IpAddress", "aws:SourceIp", "203.0.113.9", "203.0.113.9", True),
    ("IpAddress", "aws:SourceIp", ["198.51.100.0/24", "203.0.113.0/24"], "203.0.113.9", True),
    ("IpAddress", "aws:SourceIp", "2001:db8::/32", "2001:db8::1", True),
    ("IpAddress", "aws:SourceIp", "2001:db8::/32", "203.0.113.9", False),
    ("IpAddress", "aws:SourceIp", "203.0.113.0/24", None, False),
    ("NotIpAddress", "aws:SourceIp", "203.0.113.0/24", "203.0.114.9", True),
    ("NotIpAddress", "aws:SourceIp", "203.0.113.0/24", "203.0.113.9", False),
    ("NotIpAddress", "aws:SourceIp", "203.0.113.0/24", None, True),
    ("ArnEquals", "aws:PrincipalArn", ROLE, ROLE, True),
    ("ArnEquals", "aws:PrincipalArn", "arn:aws:iam::*:role/app", ROLE, True),
    ("ArnLike", "aws:PrincipalArn", "arn:aws:iam::*:role/*", ROLE, True),
    ("ArnLike", "aws:PrincipalArn", "arn:aws:iam::123456789012:role/other*", ROLE, False),
    ("ArnLike", "aws:PrincipalArn", "arn:aws:iam:*:role/app", ROLE, False),
    ("ArnNotEquals", "aws:PrincipalArn", ROLE, ROLE, False),
    ("ArnNotLike", "aws:PrincipalArn", "arn:aws:iam::*:role/admin-*", ROLE, True),
    ("ArnNotLike", "aws:PrincipalArn", "arn:aws:iam::*:role/a*", ROLE, False),
    ("ArnLike", "aws:SourceArn", "arn:aws:s3:::b", None, False),
    ("Null", "aws:TokenIssueTime", "true", None, True),
    ("Null", "aws:TokenIssueTime", "false", None, False),
    ("Null", "aws:TokenIssueTime", "false", "2026-06-01T00:00:00Z", True),
    ("Null", "aws:TokenIssueTime", "true", "2026-06-01T00:00:00Z", False),
    ("StringEqualsIfExists", "aws:SourceVpce", "vpce-1", None, True),
    ("StringEqualsIfExists", "aws:SourceVpce", "vpce-1", "vpce-1", True),
    ("StringEqualsIfExists", "aws:SourceVpce", "vpce-1", "vpce-2", False),
    ("StringLikeIfExists", "ec2:InstanceType", "t3.*", None, True),
    ("BoolIfExists", "aws:MultiFactorAuthPresent", "true", None, True),
    ("BoolIfExists", "aws:MultiFactorAuthPresent", "true", "false", False),
    ("ArnLikeIfExists", "aws:SourceArn", "arn:aws:s3:::b", None, True),
    ("NumericLessThanIfExists", "aws:MultiFactorAuthAge", "300", "400", False),
    ("ForAllValues:StringEquals", "aws:TagKeys", ["a", "b"], ["a"], True),
    ("ForAllValues:StringEquals", "aws:TagKeys", ["a", "b"], ["a", "c"], False),
    ("ForAllValues:StringEquals", "aws:TagKeys", ["a", "b"], None, True),
    ("ForAllValues:StringLike", "aws:TagKeys", ["team-*"], ["team-a", "team-b"], True),
    ("ForAnyValue:StringEquals", "aws:TagKeys", ["a", "b"], ["c", "b"], True),
    ("ForAnyValue:StringEquals", "aws:TagKeys", ["a", "b"], ["c", "d"], False),
    ("ForAnyValue:StringEquals", "aws:TagKeys", ["a", "b"], None, False),
    ("ForAnyValue:StringLike", "aws:PrincipalOrgPaths", "o-1/r-1/*", ["o-1/r-1/ou-1/"], True),
    ("ForAllValues:StringNotEquals", "aws:TagKeys", ["a"], ["b", "c"], True),
    ("ForAllValues:StringNotEquals", "aws:TagKeys", ["a"], ["a", "c"], False),
    ("ForAnyValue:StringNotEquals", "aws:TagKeys", ["a"], ["a", "c"], True),
    ("ForAnyValue:StringNotEquals", "aws:TagKeys", ["a"], ["a"], False),
)


def _operators() -> tuple[Case, ...]:
    found = []
    for number, (operator, key, wanted, present, holds) in enumerate(OPERATOR_ROWS):
        context = (
            {} if present is None else {key.replace("REQUESTEDREGION", "RequestedRegion"): present}
        )
        page = MULTI if operator.startswith("For") else OPERATORS
        name = f"{operator.replace(':', '-')}-{number}"
        values = wanted if isinstance(wanted, list) else [wanted]
        if key == "aws:PrincipalArn":
            context = {}
        expected = ALLOWED if holds else IMPLICIT
        found.append(
            Case(f"allow-{name}", page, expected, (when(operator, key, *values),), context=context)
        )
    return tuple(found)


def _conditions() -> tuple[Case, ...]:
    region, home = {"aws:RequestedRegion": "us-east-1"}, {"aws:SourceVpce": "vpce-1"}
    both = statement(
        Condition={"StringEquals": {"aws:RequestedRegion": "us-east-1", "aws:SourceVpce": "vpce-1"}}
    )
    two = statement(
        Condition={
            "StringEquals": {"aws:RequestedRegion": "us-east-1"},
            "Bool": {"aws:SecureTransport": "true"},
        }
    )
    unknown = ("aws:SourceVpce",)
    endpoint = when("StringEquals", "aws:SourceVpce", "vpce-1")
    only_home = when("StringNotEquals", "aws:SourceVpce", "vpce-1", effect="Deny")
    return (
        Case("two-keys-are-and", SEVERAL, ALLOWED, (policy(both),), context=region | home),
        Case("two-keys-one-missing", SEVERAL, IMPLICIT, (policy(both),), context=region),
        Case("two-operators-are-and", SEVERAL, ALLOWED, (policy(two),), context=region | {"aws:SecureTransport": "true"}),
        Case("two-operators-one-fails", SEVERAL, IMPLICIT, (policy(two),), context=region | {"aws:SecureTransport": "false"}),
        Case("unknown-key-depends", KEYS, DEPENDS, (endpoint,), unknown=unknown),
        Case("unknown-key-and-a-plain-allow", KEYS, ALLOWED, (endpoint, allow()), unknown=unknown),
        Case("unknown-key-and-another-that-fails", KEYS, IMPLICIT, (policy(both),), unknown=unknown, context={"aws:RequestedRegion": "eu-west-1"}),
        Case("unknown-key-and-a-plain-deny", KEYS, EXPLICIT, (endpoint, deny()), unknown=unknown),
        Case("unknown-deny-over-an-allow", KEYS, DEPENDS, (allow(), only_home), unknown=unknown),
        Case("unknown-deny-over-nothing", KEYS, IMPLICIT, (only_home,), unknown=unknown),
        Case("deny-outside-the-endpoint", KEYS, EXPLICIT, (allow(), only_home)),
        Case("deny-not-inside-the-endpoint", KEYS, ALLOWED, (allow(), only_home), context=home),
        Case("unknown-null-depends", KEYS, DEPENDS, (when("Null", "aws:SourceVpce", "false"),), unknown=unknown),
        Case("unknown-if-exists-depends", KEYS, DEPENDS, (when("StringEqualsIfExists", "aws:SourceVpce", "vpce-1"),), unknown=unknown),
        Case("insecure-transport-denied", KEYS, ALLOWED, (allow(), when("Bool", "aws:SecureTransport", "false", effect="Deny")),
             context={"aws:SecureTransport": "true"}),
        Case("mfa-deny-takes-roles", KEYS, EXPLICIT,
             (allow(), when("BoolIfExists", "aws:MultiFactorAuthPresent", "false", effect="Deny"))),
        Case("principal-account", KEYS, ALLOWED, (when("StringEquals", "aws:PrincipalAccount", ACCOUNT),)),
        Case("principal-type", KEYS, ALLOWED, (when("StringEquals", "aws:PrincipalType", "AssumedRole"),)),
    )  # fmt: skip


def _ceilings() -> tuple[Case, ...]:
    read = allow()
    return (
        Case("boundary-allows", BOUNDARY, ALLOWED, (read,), boundary=EVERYTHING),
        Case("boundary-allows-just-this", BOUNDARY, ALLOWED, (EVERYTHING,), boundary=read),
        Case("boundary-does-not-allow", BOUNDARY, IMPLICIT, (read,), boundary=NOTHING_OF_SSM),
        Case("boundary-denies", BOUNDARY, EXPLICIT, (read,), boundary=policy(statement("Deny"))),
        Case("boundary-grants-nothing-itself", BOUNDARY, IMPLICIT, (), boundary=EVERYTHING),
        Case("boundary-other-resource", BOUNDARY, IMPLICIT, (read,), boundary=allow(Resource=f"{BASE}/other")),
        Case("boundary-depends", BOUNDARY, DEPENDS, (read,), boundary=when("StringEquals", "aws:SourceVpce", "v"), unknown=("aws:SourceVpce",)),
        Case("scp-full-access", SCP, ALLOWED, (read,), scps=((EVERYTHING,), (EVERYTHING,))),
        Case("scp-deny-list", SCP, EXPLICIT, (read,), scps=((EVERYTHING, NO_SSM), (EVERYTHING,))),
        Case("scp-deny-at-the-account", SCP, EXPLICIT, (read,), scps=((EVERYTHING,), (EVERYTHING, NO_SSM))),
        Case("scp-allow-list-with-it", SCP, ALLOWED, (read,), scps=((EVERYTHING,), (allow(Action="ssm:*", Resource="*"),))),
        Case("scp-allow-list-without-it", SCP, IMPLICIT, (read,), scps=((EVERYTHING,), (NOTHING_OF_SSM,))),
        Case("scp-missing-at-one-level", SCP, IMPLICIT, (read,), scps=((EVERYTHING,), (), (EVERYTHING,))),
        Case("scp-grants-nothing", SCP, IMPLICIT, (), scps=((EVERYTHING,), (EVERYTHING,))),
        Case("scp-two-at-one-level", SCP, ALLOWED, (read,), scps=((NOTHING_OF_SSM, EVERYTHING),)),
        Case("scp-denies-other-regions", SCP, ALLOWED, (read,), context={"aws:RequestedRegion": "us-east-1"},
             scps=((EVERYTHING, when("StringNotEquals", "aws:RequestedRegion", "us-east-1", effect="Deny")),)),
        Case("scp-denies-this-region", SCP, EXPLICIT, (read,), context={"aws:RequestedRegion": "us-east-1"},
             scps=((EVERYTHING, when("StringNotEquals", "aws:RequestedRegion", "eu-west-1", effect="Deny")),)),
        Case("scp-exempts-the-role", SCP, ALLOWED, (read,),
             scps=((EVERYTHING, when("ArnNotLike", "aws:PrincipalArn", ROLE, effect="Deny")),)),
        Case("scp-exempts-another-role", SCP, EXPLICIT, (read,),
             scps=((EVERYTHING, when("ArnNotLike", "aws:PrincipalArn", ROLE + "x", effect="Deny")),)),
        Case("scp-and-boundary", SCP, IMPLICIT, (read,), scps=((EVERYTHING,),), boundary=NOTHING_OF_SSM),
    )  # fmt: skip


def key(*statements: Any) -> dict[str, Any]:
    """A key policy."""
    return policy(*statements)


def to(principal: Any, effect: str = "Allow", **elements: Any) -> dict[str, Any]:
    """A statement of a key policy."""
    made = {"Effect": effect, "Principal": principal, "Action": "kms:*", "Resource": "*"}
    return made | elements


def key_case(
    name: str, page: str, expected: str, identity: Any, key_policy: Any, **more: Any
) -> Case:
    """A request to decrypt the password, through Parameter Store."""
    context = VIA | PAIR | more.pop("context", {})
    documents = identity if isinstance(identity, tuple) else (identity,)
    return Case(
        name, page, expected, documents, action=DECRYPT, resource=KEY, key_policy=key_policy,
        context=context, **more,
    )  # fmt: skip


def _keys() -> tuple[Case, ...]:
    may = allow(Action=DECRYPT, Resource=KEY)
    delegated = key(to({"AWS": ROOT}))
    named = key(to({"AWS": ROLE}))
    other = key(to({"AWS": f"arn:aws:iam::{ACCOUNT}:role/other"}))
    right = {"StringEquals": PAIR}
    wrong = {"StringEquals": {"kms:EncryptionContext:PARAMETER_ARN": f"{BASE}/db-secret"}}
    via = {"StringEquals": VIA}
    via_other = {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}
    caller = {"StringEquals": {"kms:CallerAccount": ACCOUNT, **VIA}}
    return (
        key_case("key-delegates-and-role-may", KEY_POLICY, ALLOWED, may, delegated),
        key_case("key-delegates-by-account-id", PRINCIPAL, ALLOWED, may, key(to({"AWS": ACCOUNT}))),
        key_case("key-delegates-and-role-may-not", KEY_POLICY, IMPLICIT, (), delegated),
        key_case("key-delegates-and-role-is-denied", KEY_POLICY, EXPLICIT, (may, deny(Action=DECRYPT, Resource="*")), delegated),
        key_case("key-names-the-role", KEY_POLICY, ALLOWED, (), named),
        key_case("key-names-the-session", PRINCIPAL, ALLOWED, (), key(to({"AWS": SESSION}))),
        key_case("key-names-another-role", KMS_ACCESS, IMPLICIT, may, other),
        key_case("key-names-another-role-in-a-list", KMS_ACCESS, ALLOWED, (), key(to({"AWS": [f"arn:aws:iam::{ACCOUNT}:role/x", ROLE]}))),
        key_case("key-delegates-to-another-account", KMS_ACCESS, IMPLICIT, may, key(to({"AWS": "arn:aws:iam::210987654321:root"}))),
        key_case("key-admits-a-service-only", PRINCIPAL, IMPLICIT, may, key(to({"Service": "logs.amazonaws.com"}))),
        key_case("key-empty", KMS_ACCESS, IMPLICIT, may, key()),
        key_case("key-delegates-other-actions", KMS_ACCESS, IMPLICIT, may, key(to({"AWS": ROOT}, Action="kms:Describe*"))),
        key_case("key-denies-the-role", KMS_ACCESS, EXPLICIT, may, key(to({"AWS": ROOT}), to({"AWS": ROLE}, "Deny"))),
        key_case("key-denies-the-account", KMS_ACCESS, EXPLICIT, may, key(to({"AWS": ROLE}), to({"AWS": ROOT}, "Deny"))),
        key_case("key-denies-everybody", KMS_ACCESS, EXPLICIT, may, key(to({"AWS": ROOT}), to("*", "Deny"))),
        key_case("key-denies-encrypt-only", KMS_ACCESS, ALLOWED, may, key(to({"AWS": ROOT}), to({"AWS": ROLE}, "Deny", Action="kms:Encrypt"))),
        key_case("aws-managed-form", STORE_KMS, ALLOWED, (), key(to({"AWS": "*"}, Condition=caller)), context={"kms:CallerAccount": ACCOUNT}),
        key_case("aws-managed-form-other-account", STORE_KMS, IMPLICIT, (), key(to({"AWS": "*"}, Condition=caller)), context={"kms:CallerAccount": "210987654321"}),
        key_case("aws-managed-form-and-a-deny", STORE_KMS, EXPLICIT, (deny(Action="kms:*", Resource="*"),),
                  key(to({"AWS": "*"}, Condition=caller)), context={"kms:CallerAccount": ACCOUNT}),
        key_case("star-principal", PRINCIPAL, ALLOWED, (), key(to("*"))),
        key_case("not-principal-with-account", NOT_PRINCIPAL, ALLOWED, may,
                  key(to({"AWS": ROOT}), {"Effect": "Deny", "NotPrincipal": {"AWS": [ROLE, ROOT]}, "Action": DECRYPT, "Resource": "*"})),
        key_case("not-principal-without-it", NOT_PRINCIPAL, EXPLICIT, may,
                  key(to({"AWS": ROOT}), {"Effect": "Deny", "NotPrincipal": {"AWS": [ROLE + "x", ROOT]}, "Action": DECRYPT, "Resource": "*"})),
        key_case("not-principal-and-a-boundary", NOT_PRINCIPAL, EXPLICIT, may,
                  key(to({"AWS": ROOT}), {"Effect": "Deny", "NotPrincipal": {"AWS": [ROLE, ROOT]}, "Action": DECRYPT, "Resource": "*"}),
                  boundary=EVERYTHING),
        key_case("identity-by-alias-arn", KMS_ACCESS, IMPLICIT, allow(Action=DECRYPT, Resource=KEY.replace("key/1234abcd-12ab-34cd-56ef-1234567890ab", "alias/linkbox")), delegated),
        key_case("identity-by-alias-condition", KMS_KEYS, ALLOWED,
                  allow(Action=DECRYPT, Resource="*", Condition={"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/linkbox"}}),
                  delegated, context={"kms:ResourceAliases": ["alias/linkbox", "alias/old"]}),
        key_case("identity-other-key", KMS_ACCESS, IMPLICIT, allow(Action=DECRYPT, Resource=KEY.replace("1234abcd", "ffff0000")), delegated),
        key_case("identity-any-key", KMS_ACCESS, ALLOWED, allow(Action=DECRYPT, Resource="*"), delegated),
        key_case("identity-via-service", KMS_KEYS, ALLOWED, allow(Action=DECRYPT, Resource=KEY, Condition=via), delegated),
        key_case("identity-via-another-service", KMS_KEYS, IMPLICIT, allow(Action=DECRYPT, Resource=KEY, Condition=via_other), delegated),
        key_case("identity-right-parameter", STORE_KMS, ALLOWED, allow(Action=DECRYPT, Resource=KEY, Condition=right), delegated),
        key_case("identity-wrong-parameter", STORE_KMS, IMPLICIT, allow(Action=DECRYPT, Resource=KEY, Condition=wrong), delegated),
        key_case("identity-parameters-by-path", STORE_KMS, ALLOWED,
                  allow(Action=DECRYPT, Resource=KEY, Condition={"StringLike": {"kms:EncryptionContext:PARAMETER_ARN": f"{BASE}/*"}}), delegated),
        key_case("key-right-parameter", STORE_KMS, ALLOWED, (), key(to({"AWS": ROLE}, Condition=right))),
        key_case("key-wrong-parameter", STORE_KMS, IMPLICIT, (), key(to({"AWS": ROLE}, Condition=wrong))),
        key_case("key-via-service", KMS_KEYS, ALLOWED, may, key(to({"AWS": ROOT}, Condition=via))),
        key_case("key-via-another-service", KMS_KEYS, IMPLICIT, may, key(to({"AWS": ROOT}, Condition=via_other))),
        key_case("boundary-and-delegation", BOUNDARY, IMPLICIT, may, delegated, boundary=NOTHING_OF_SSM),
        key_case("boundary-limits-a-named-role", LOGIC, IMPLICIT, (), named, boundary=NOTHING_OF_SSM),
        key_case("boundary-does-not-limit-a-named-session", LOGIC, ALLOWED, (), key(to({"AWS": SESSION})), boundary=NOTHING_OF_SSM),
        key_case("scp-over-the-key-policy", SCP, EXPLICIT, (), named, scps=((EVERYTHING, deny(Action="kms:*", Resource="*")),)),
        key_case("scp-allow-list-over-the-key-policy", SCP, IMPLICIT, (), named, scps=((NOTHING_OF_SSM,),)),
        key_case("grant", GRANTS, ALLOWED, (), key(), grants=(_grant(),)),
        key_case("grant-to-another", GRANTS, IMPLICIT, (), key(), grants=(_grant(GranteePrincipal=ROLE + "x"),)),
        key_case("grant-of-another-operation", GRANTS, IMPLICIT, (), key(), grants=(_grant(Operations=["Encrypt"]),)),
        key_case("grant-subset-right", GRANTS, ALLOWED, (), key(),
                  grants=(_grant(Constraints={"EncryptionContextSubset": {"PARAMETER_ARN": PASSWORD}}),)),
        key_case("grant-subset-wrong", GRANTS, IMPLICIT, (), key(),
                  grants=(_grant(Constraints={"EncryptionContextSubset": {"PARAMETER_ARN": BASE}}),)),
        key_case("grant-equals-right", GRANTS, ALLOWED, (), key(),
                  grants=(_grant(Constraints={"EncryptionContextEquals": {"PARAMETER_ARN": PASSWORD}}),)),
        key_case("grant-equals-needs-all", GRANTS, IMPLICIT, (), key(),
                  grants=(_grant(Constraints={"EncryptionContextEquals": {"PARAMETER_ARN": PASSWORD, "x": "y"}}),)),
        key_case("grant-under-a-deny", GRANTS, EXPLICIT, (deny(Action=DECRYPT, Resource="*"),), key(), grants=(_grant(),)),
    )  # fmt: skip


def _grant(**changes: Any) -> dict[str, Any]:
    return {"GranteePrincipal": ROLE, "Operations": ["Decrypt"]} | changes


CASES: tuple[Case, ...] = (
    *_logic(),
    *_actions(),
    *_resources(),
    *_variables(),
    *_operators(),
    *_conditions(),
    *_ceilings(),
    *_keys(),
)
