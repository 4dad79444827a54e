"""The sandbox's own small IAM evaluator: decides whether a principal may call an action.

Sources: IAM User Guide, policy evaluation logic, condition operators, variables; Organizations User
Guide, SCP evaluation; KMS Developer Guide, default key policy and grants. It shares no code with opskit's
own evaluation, so that a mistake is not shared. In the sandbox everything is known, so a decision is never
indeterminate.
"""

from __future__ import annotations

import fnmatch
import ipaddress
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Policy = Mapping[str, Any]
Context = Mapping[str, Any]
"""Condition keys, each with a value or a list of values; a missing key is absent from the request."""


@dataclass(frozen=True, slots=True)
class AccessDecision:
    """`allowed`, `explicitDeny` or `implicitDeny`, and the policy type that decided.

    Attributes:
        policy_type: the name in AWS's messages: identity-based, resource-based, permissions boundary,
            service control policy.
    """

    decision: str
    policy_type: str = "identity-based"

    @property
    def is_allowed(self) -> bool:
        """Whether the call is allowed."""
        return self.decision == "allowed"

    def reason(self, action: str) -> str:
        """The end of AWS's message; it calls a missing allow of an SCP a deny too."""
        article = "a" if self.policy_type[0] not in "aeiou" else "an"
        plain = "boundary" in self.policy_type or "control" in self.policy_type
        noun = self.policy_type if plain else f"{self.policy_type} policy"
        if self.decision == "explicitDeny" or "control" in self.policy_type:
            return f"with an explicit deny in {article} {noun}"
        return f"because no {noun} allows the {action} action"


def decide(
    identity: Iterable[Policy],
    boundary: Policy | None,
    action: str,
    resource: str,
    context: Context,
    *,
    scps: Sequence[Sequence[Policy]] = (),
) -> AccessDecision:
    """Evaluate identity policies under a boundary and an organization's policies.

    Args:
        scps: the policies of each level from the root to the account; empty outside an organization.
    """
    ceiling = ceilings(boundary, action, resource, context, scps=scps)
    effects = [_effect(policy, action, resource, context) for policy in identity]
    if ceiling.decision == "explicitDeny" or "Deny" in effects:
        return ceiling if ceiling.decision == "explicitDeny" else AccessDecision("explicitDeny")
    if "Allow" not in effects and ceiling.policy_type != "service control policy":
        return AccessDecision("implicitDeny")
    return ceiling


def ceilings(
    boundary: Policy | None,
    action: str,
    resource: str,
    context: Context,
    *,
    scps: Sequence[Sequence[Policy]] = (),
) -> AccessDecision:
    """The decision of boundary and organization alone, without the identity policies."""
    levels = [[_effect(p, action, resource, context) for p in level] for level in scps]
    limit = "Allow" if boundary is None else _effect(boundary, action, resource, context)
    if any("Deny" in level for level in levels):
        return AccessDecision("explicitDeny", "service control policy")
    if limit == "Deny":
        return AccessDecision("explicitDeny", "permissions boundary")
    if any("Allow" not in level for level in levels):
        return AccessDecision("implicitDeny", "service control policy")
    if limit != "Allow":
        return AccessDecision("implicitDeny", "permissions boundary")
    return AccessDecision("allowed")


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """A request to KMS.

    Attributes:
        own: the decision of the identity's side, including the boundary and the organization.
        ceiling: the decision of the boundary and the organization alone.
        role, session: the caller's two ARNs; `session` is empty for a user.
        has_boundary: a deny with NotPrincipal applies to every principal with a boundary.
    """

    own: AccessDecision
    ceiling: AccessDecision
    role: str
    session: str
    account: str
    action: str
    arn: str
    context: Context
    has_boundary: bool = False


def decide_with_key(
    ask: KeyRequest, key_policy: Policy, grants: Sequence[Any] = ()
) -> AccessDecision:
    """Combine the identity's decision with a key policy and its grants."""
    callers = {ask.role, ask.session} - {""}
    account = {ask.account, f"arn:aws:iam::{ask.account}:root"}
    if _key_denies(ask, key_policy, callers, account):
        return AccessDecision("explicitDeny", "resource-based")
    if ask.own.decision == "explicitDeny":
        return ask.own
    scp_stops = ask.ceiling.policy_type == "service control policy"
    boundary_stops = ask.ceiling.policy_type == "permissions boundary"
    if scp_stops:
        return ask.ceiling
    if ask.session and _key_allows(ask, key_policy, {ask.session}):
        return AccessDecision("allowed", "resource-based")
    if not boundary_stops:
        granted = any(_grants(grant, ask, callers) for grant in grants)
        if granted or _key_allows(ask, key_policy, {ask.role, "*"}):
            return AccessDecision("allowed", "resource-based")
    if _key_allows(ask, key_policy, account):
        return ask.own
    return AccessDecision("implicitDeny", "resource-based")


def _key_denies(ask: KeyRequest, policy: Policy, callers: set[str], account: set[str]) -> bool:
    for statement in _list(policy.get("Statement", ())):
        if statement["Effect"] != "Deny":
            continue
        if "NotPrincipal" in statement:
            listed = set(_principals(statement["NotPrincipal"]))
            means = ask.has_boundary or not listed & callers
        else:
            means = bool(
                set(_principals(statement.get("Principal", ()))) & (callers | account | {"*"})
            )
        if means and _matches(statement, ask.action, ask.arn, ask.context, _version(policy)):
            return True
    return False


def _key_allows(ask: KeyRequest, policy: Policy, names: set[str]) -> bool:
    return any(
        statement["Effect"] == "Allow"
        and set(_principals(statement.get("Principal", ()))) & names
        and _matches(statement, ask.action, ask.arn, ask.context, _version(policy))
        for statement in _list(policy.get("Statement", ()))
    )


def _grants(grant: Mapping[str, Any], ask: KeyRequest, callers: set[str]) -> bool:
    prefix = "kms:encryptioncontext:"
    lower = {k.lower(): v for k, v in ask.context.items()}
    present = {k.removeprefix(prefix): v for k, v in lower.items() if k.startswith(prefix)}
    constraints = grant.get("Constraints") or {}
    subset = {k.lower(): v for k, v in constraints.get("EncryptionContextSubset", {}).items()}
    exact = {k.lower(): v for k, v in constraints.get("EncryptionContextEquals", {}).items()}
    return (
        grant["GranteePrincipal"] in callers
        and ask.action.partition(":")[2] in grant["Operations"]
        and subset.items() <= present.items()
        and (not exact or exact == present)
    )


def _principals(listed: Any) -> list[str]:
    if isinstance(listed, Mapping):
        return [str(p) for p in _list(listed.get("AWS", ()))]
    return [str(p) for p in _list(listed)]


def _version(policy: Policy) -> str:
    return str(policy.get("Version", "2008-10-17"))


def _effect(policy: Policy, action: str, resource: str, context: Context) -> str | None:
    effect = None
    for statement in _list(policy.get("Statement", ())):
        if _matches(statement, action, resource, context, _version(policy)):
            if statement["Effect"] == "Deny":
                return "Deny"
            effect = "Allow"
    return effect


def _matches(
    statement: Mapping[str, Any], action: str, resource: str, context: Context, version: str
) -> bool:
    def any_action(field: str) -> bool:
        return any(_glob(str(p).lower(), action.lower()) for p in _list(statement[field]))

    def any_resource(field: str) -> bool:
        patterns = [_fill(str(p), context, version) for p in _list(statement[field])]
        return any(p is not None and _glob(p, resource) for p in patterns)

    if any_action("NotAction") if "NotAction" in statement else not any_action("Action"):
        return False
    if "NotResource" in statement and any_resource("NotResource"):
        return False
    if "Resource" in statement and not any_resource("Resource"):
        return False
    return all(
        _condition(operator_name, key, [_word(v) for v in _list(values)], context, version)
        for operator_name, pairs in statement.get("Condition", {}).items()
        for key, values in pairs.items()
    )


def _condition(
    operator_name: str, key: str, wanted: list[str], context: Context, version: str
) -> bool:
    quantifier, _, rest = operator_name.rpartition(":")
    name = rest.removesuffix("IfExists")
    present = {k.lower(): v for k, v in context.items()}.get(key.lower())
    if name == "Null":
        return (present is None) == (wanted[0].lower() == "true")
    negated = "Not" in name
    if present is None:
        if quantifier:
            return quantifier == "ForAllValues"
        return rest.endswith("IfExists") or negated
    test = _test(name.replace("Not", ""))
    texts = [t for t in (_fill(w, context, version) for w in wanted) if t is not None]
    hits = [any(test(str(value), text) for text in texts) for value in _list(present)]
    if quantifier == "ForAnyValue":
        return any(hit != negated for hit in hits)
    if quantifier == "ForAllValues" or negated:
        return all(hit != negated for hit in hits)
    return any(hits)


def _test(name: str) -> Callable[[str, str], bool]:
    """The comparison of a value with a policy's text, by the operator's name without `Not`."""
    if name in ("StringEquals", "BinaryEquals"):
        return lambda value, text: value == _plain(text)
    if name in ("StringEqualsIgnoreCase", "Bool"):
        return lambda value, text: value.lower() == _plain(text).lower()
    if name == "StringLike":
        return lambda value, text: _glob(text, value)
    if name in ("ArnEquals", "ArnLike"):
        return _arn_like
    if name == "IpAddress":
        return _in_network
    for kind, read in (("Numeric", float), ("Date", _seconds)):
        if name.startswith(kind):
            return _comparison(name.removeprefix(kind), read)
    raise ValueError(f"unknown condition operator {name}")


def _comparison(name: str, read: Callable[[str], float]) -> Callable[[str, str], bool]:
    compare = {
        "Equals": operator.eq,
        "LessThan": operator.lt,
        "LessThanEquals": operator.le,
        "GreaterThan": operator.gt,
        "GreaterThanEquals": operator.ge,
    }[name]
    return lambda value, text: bool(compare(read(value), read(text)))


def _seconds(text: str) -> float:
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _in_network(value: str, text: str) -> bool:
    network, address = ipaddress.ip_network(text, strict=False), ipaddress.ip_address(value)
    return network.version == address.version and address in network


def _arn_like(value: str, text: str) -> bool:
    parts, value_parts = text.split(":", 5), value.split(":", 5)
    return len(parts) == len(value_parts) == 6 and all(map(_glob, parts, value_parts))


def _fill(text: str, context: Context, version: str) -> str | None:
    """A pattern with its variables replaced by literal text; None where a variable has no value."""
    if version < "2012" or "${" not in text:
        return text
    present = {k.lower(): v for k, v in context.items()}
    filled = ""
    for plain, variable in re.findall(r"([^$]*(?:\$(?!\{)[^$]*)*)(\$\{[^}]*\})?", text):
        filled += plain
        if not variable:
            continue
        name, _, default = variable[2:-1].partition(",")
        value = name if name in "*?$" else present.get(name.strip().lower(), default.strip(" '"))
        if not value:
            return None
        filled += re.sub(r"([*?\[])", r"[\1]", _list(value)[0])
    return filled


def _plain(text: str) -> str:
    """The text without the brackets by which `_fill` keeps characters literal."""
    return re.sub(r"\[([*?\[])\]", r"\1", text)


def _glob(pattern: str, text: str) -> bool:
    return fnmatch.fnmatchcase(text, pattern)


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]
