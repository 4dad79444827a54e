"""The instance role's access to the app's parameters, by its policies alone."""

from __future__ import annotations

from dataclasses import dataclass

from opskit.config import Target
from opskit.credential_source import source_of
from opskit.credential_source.interface import DECRYPT, CredentialSource
from opskit.facts.identity import Identity
from opskit.facts.interface import Fact, FactUnavailable, Known
from opskit.facts.key import Key
from opskit.facts.key_policy import KeyGrants, KeyPolicy
from opskit.facts.organization import Organization
from opskit.facts.policies import PolicyText, RolePolicies
from opskit.facts.region import Region
from opskit.facts.simulation import location_arn
from opskit.policy.document import Document, MalformedPolicy, parse
from opskit.policy.evaluate import Evaluation, Policies, decide
from opskit.policy.explanation import DenialExplanation, explain
from opskit.policy.request import Context, Principal, Request
from opskit.workload.interface import Workload, WorkloadRole

NEVER = frozenset(
    {
        "aws:username", "aws:multifactorauthpresent", "aws:multifactorauthage", "aws:sourcearn",
        "aws:sourceaccount", "aws:federatedprovider", "aws:tagkeys", "aws:sourceidentity",
    }
)  # fmt: skip
"""Condition keys that an instance role's requests to Parameter Store do not carry."""
KEY_POLICY = "key policy"
SERVICE_CONTROL_POLICIES = "service control policies"
WHOLE = ("aws:principaltag/", "aws:requesttag/", "kms:encryptioncontext:")


@dataclass(frozen=True, slots=True)
class RequiredPermission:
    """One permission that the app needs.

    Attributes:
        name: the parameter; for decryption the one whose value is decrypted.
        denial: the explanation, where it is denied.
        request: the call that was evaluated.
    """

    action: str
    resource: str
    name: str
    decision: Evaluation
    denial: DenialExplanation | None
    request: Request


@dataclass(frozen=True, slots=True)
class RoleAccess:
    """The role's access to each parameter and to the password's key, by its policies.

    Attributes:
        reads: GetParameter and GetParameters on each parameter, GetParametersByPath on their path.
        decrypts: kms:Decrypt for the password; none for the AWS managed key, which needs no statement.
        policies: the evaluated policies, as input of the fixes.
        unread: policies that could not be read and might still deny.
    """

    reads: tuple[RequiredPermission, ...]
    decrypts: tuple[RequiredPermission, ...]
    policies: Policies
    unread: tuple[str, ...]


def analyze(
    target: Target,
    region: Region,
    identity: Identity,
    app: Workload,
    role: WorkloadRole,
    own: RolePolicies,
    organization: Fact[Organization],
    key: Fact[Key],
    key_policy: Fact[KeyPolicy],
    grants: Fact[KeyGrants],
) -> RoleAccess:
    """Evaluate every need.

    Raises:
        FactUnavailable: a policy is malformed.
    """
    if role.role_arn is None or role.role_name is None:
        kind = app.kind
        raise FactUnavailable(f"{kind.definite} has no {kind.role_noun}", kind.role_source)
    source = source_of(target)
    asking = _Asking(source, region, identity, app, role.role_arn, role.role_name, own)
    levels = organization.value.levels if isinstance(organization, Known) else ()
    policies = Policies(
        tuple(parsed(p, "identity-based") for p in own.identity),
        parsed(own.boundary, "permissions boundary") if own.boundary else None,
        tuple(tuple(parsed(p, "service control policy") for p in level) for level in levels),
    )
    unread = () if isinstance(organization, Known) else (SERVICE_CONTROL_POLICIES,)
    actions = source.actions
    reads = [asking.read(a, name, policies) for name in source.names for a in actions.read]
    reads += [asking.read(actions.read_path, path, policies) for path in source.paths]
    decrypts: list[RequiredPermission] = []
    if isinstance(key, Known) and not key.value.is_aws_managed:
        if isinstance(key_policy, Known):
            document = parsed(
                PolicyText("the key policy", "", key_policy.value.document), "key policy"
            )
            known_grants = grants.value.all if isinstance(grants, Known) else None
            policies = Policies(
                policies.identity, policies.boundary, policies.organization, document, known_grants
            )
            decrypts.append(asking.decrypt(source.location("password").name, key.value, policies))
        else:
            unread = (*unread, "the key policy")
    return RoleAccess(tuple(reads), tuple(decrypts), policies, unread)


@dataclass(frozen=True, slots=True)
class _Asking:
    """The role as the caller."""

    source: CredentialSource
    region: Region
    identity: Identity
    app: Workload
    role_arn: str
    role_name: str
    own: RolePolicies

    @property
    def principal(self) -> Principal:
        partition, account = self.region.partition, self.identity.account
        session = f"assumed-role/{self.role_name}/{self.app.identifier}"
        return Principal(self.role_arn, account, f"arn:{partition}:sts::{account}:{session}")

    def read(self, action: str, name: str, policies: Policies) -> RequiredPermission:
        plain = Policies(policies.identity, policies.boundary, policies.organization)
        arn = location_arn(self.source, self.region, self.identity, name)
        request = Request(self.principal, action, arn, self._context({}))
        return _need(request, name, plain)

    def decrypt(self, name: str, key: Key, policies: Policies) -> RequiredPermission:
        arn = location_arn(self.source, self.region, self.identity, name)
        encrypted_with = self.source.encryption_context(arn)
        more = {
            "kms:viaservice": self.source.via_service(self.region.name),
            "kms:calleraccount": self.identity.account,
            **{f"kms:encryptioncontext:{k.lower()}": text for k, text in encrypted_with.items()},
            "kms:encryptioncontextkeys": ",".join(encrypted_with),
        }
        request = Request(self.principal, DECRYPT, key.arn, self._context(more))
        return _need(request, name, policies)

    def _context(self, more: dict[str, str]) -> Context:
        values = {
            "aws:principalarn": self.role_arn,
            "aws:principalaccount": self.identity.account,
            "aws:principaltype": "AssumedRole",
            "aws:principalisawsservice": "false",
            "aws:userid": f"{self.own.unique_id}:{self.app.identifier}",
            "aws:requestedregion": self.region.name,
            "aws:securetransport": "true",
            "aws:viaawsservice": "true" if more else "false",
            "aws:currenttime": self.own.read_at.isoformat(),
            "aws:epochtime": str(int(self.own.read_at.timestamp())),
            **self.app.condition_values,
            **{f"aws:principaltag/{k.lower()}": v for k, v in self.own.tags.items()},
            **more,
        }
        return Context(
            {key: (value,) for key, value in values.items()},
            others_unknown=True,
            absent=NEVER,
            complete_prefixes=WHOLE,
        )


def _need(request: Request, name: str, policies: Policies) -> RequiredPermission:
    decision = decide(request, policies)
    denial = explain(request, policies, decision)
    return RequiredPermission(request.action, request.resource, name, decision, denial, request)


def parsed(text: PolicyText, kind: str) -> Document:
    """A policy text parsed as a document.

    Raises:
        FactUnavailable: the text is none that IAM would accept.
    """
    try:
        return parse(text.document, kind=kind, name=text.name, arn=text.arn)
    except MalformedPolicy as error:
        raise FactUnavailable(str(error), "a policy that IAM accepts") from None
