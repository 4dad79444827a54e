"""May this principal do that? A small evaluator of the sandbox's own.

Source: IAM User Guide, policy evaluation logic; KMS Developer Guide, default key policy. It is
written apart from opskit's judgement, so that a mistake is not shared.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Policy = Mapping[str, Any]
Context = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Decision:
    """`allowed`, `explicitDeny` or `implicitDeny`, and what decided.

    Attributes:
        policy_type: as AWS's messages name it: identity-based, resource-based, permissions boundary.
    """

    word: str
    policy_type: str = "identity-based"

    @property
    def is_allowed(self) -> bool:
        """Whether the call goes through."""
        return self.word == "allowed"

    def reason(self, action: str) -> str:
        """The end of AWS's message."""
        article = "a" if self.policy_type[0] not in "aeiou" else "an"
        noun = self.policy_type if "boundary" in self.policy_type else f"{self.policy_type} policy"
        if self.word == "explicitDeny":
            return f"with an explicit deny in {article} {noun}"
        return f"because no {noun} allows the {action} action"


def decide(
    identity: Iterable[Policy],
    boundary: Policy | None,
    action: str,
    resource: str,
    context: Context,
) -> Decision:
    """Evaluate identity policies under a boundary."""
    words = [_effect(policy, action, resource, context) for policy in identity]
    if "Deny" in words:
        return Decision("explicitDeny")
    if boundary is not None:
        limit = _effect(boundary, action, resource, context)
        if limit != "Allow":
            word = "explicitDeny" if limit == "Deny" else "implicitDeny"
            return Decision(word, "permissions boundary")
    return Decision("allowed" if "Allow" in words else "implicitDeny")


def decide_with_key(
    own: Decision, key_policy: Policy, principals: Iterable[str], account: str, action: str, arn: str,
    context: Context,
) -> Decision:  # fmt: skip
    """Put a KMS key policy beside the identity's decision: it must allow, or hand over to IAM."""
    if own.word == "explicitDeny":
        return own
    names = set(principals)
    root = {account, f"arn:aws:iam::{account}:root"}
    direct = _effect(key_policy, action, arn, context, names)
    if direct == "Deny":
        return Decision("explicitDeny", "resource-based")
    if direct == "Allow" and own.policy_type != "permissions boundary":
        return Decision("allowed", "resource-based")
    if _effect(key_policy, action, arn, context, root) == "Allow":
        return own
    return Decision("implicitDeny", "resource-based")


def _effect(
    policy: Policy, action: str, resource: str, context: Context, principals: set[str] | None = None
) -> str | None:
    found = None
    for statement in _list(policy.get("Statement", ())):
        if principals is not None and not _names(statement, principals):
            continue
        if _matches(statement, action, resource, context):
            if statement["Effect"] == "Deny":
                return "Deny"
            found = "Allow"
    return found


def _names(statement: Mapping[str, Any], principals: set[str]) -> bool:
    listed = statement.get("Principal", {})
    if listed == "*":
        return True
    wanted = _list(listed.get("AWS", ())) if isinstance(listed, Mapping) else []
    return "*" in wanted or bool(principals & set(wanted))


def _matches(statement: Mapping[str, Any], action: str, resource: str, context: Context) -> bool:
    if "NotAction" in statement:
        if any(_like(p.lower(), action.lower()) for p in _list(statement["NotAction"])):
            return False
    elif not any(_like(p.lower(), action.lower()) for p in _list(statement.get("Action", ()))):
        return False
    if "NotResource" in statement:
        if any(_like(p, resource) for p in _list(statement["NotResource"])):
            return False
    elif not any(_like(p, resource) for p in _list(statement.get("Resource", "*"))):
        return False
    return all(
        _condition(operator, key, _list(values), context)
        for operator, pairs in statement.get("Condition", {}).items()
        for key, values in pairs.items()
    )


def _condition(operator: str, key: str, values: list[Any], context: Context) -> bool:
    plain = operator.removesuffix("IfExists").split(":")[-1]
    present = {k.lower(): v for k, v in context.items()}.get(key.lower())
    if plain == "Null":
        return (present is None) == (str(values[0]).lower() == "true")
    negated = "Not" in plain
    if present is None:
        return operator.endswith("IfExists") or negated
    wanted = [str(v) for v in values]
    if "Like" in plain or plain.startswith("Arn"):
        hit = any(_like(w, present) for w in wanted)
    elif plain == "Bool" or "IgnoreCase" in plain:
        hit = present.lower() in [w.lower() for w in wanted]
    else:
        hit = present in wanted
    return hit != negated


def _like(pattern: str, text: str) -> bool:
    expression = "".join(".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    return re.fullmatch(expression, text, re.DOTALL) is not None


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]
