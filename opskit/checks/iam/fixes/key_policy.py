"""Plans one more key policy statement, which allows the role by its ARN."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from opskit.checks.fix import Advice, Fix, Remedy
from opskit.checks.fix_commands import call
from opskit.checks.iam.denial import AccessDenied
from opskit.checks.iam.fix_context import IamFixContext
from opskit.checks.iam.fixes import evaluation
from opskit.facts.key import Key
from opskit.policy.difference import WantedAccess, first_deny
from opskit.policy.document import Document
from opskit.policy.evaluate import Policies
from opskit.policy.limits import KEY_POLICY_SIZE
from opskit.policy.rewrite import allow, free_sid, with_statements
from opskit.policy.unmet_conditions import UnmetCondition, unmet_conditions

UNIQUE_ID = re.compile(r"A(?:ROA|IDA)[A-Z0-9]+")
"""The unique id by which KMS shows a deleted user or role."""


def add_role_to_key_policy(context: IamFixContext, denials: Sequence[AccessDenied]) -> Remedy:
    """The key policy with one statement for the role; advice where it denies, or has a condition."""
    wanted, key = context.decrypt, context.key
    role_arn = context.role.role_arn if context.role else None
    policies = context.access.policies if context.access else Policies()
    document = policies.key
    if wanted is None or key is None or document is None or not role_arn or not wanted.requests:
        return _advice(denials, key, "the key's policy or the role's ARN could not be read")
    doubt = _doubt(context, denials, key, document, wanted)
    if doubt is not None:
        return doubt
    extended = with_statements(document.raw, _statement(context, document, wanted, role_arn))
    objection = _objection(document, extended, wanted) or evaluation.unsettled(
        replace(policies, key=evaluation.parsed(document, extended)), [wanted], [wanted]
    )
    if objection:
        return _advice(denials, key, objection)
    return _fix(context, key, document, extended)


def _fix(context: IamFixContext, key: Key, document: Document, extended: Mapping[str, Any]) -> Fix:
    named = {"KeyId": key.key_id, "PolicyName": "default"}
    return Fix(
        (call("kms", "PutKeyPolicy", **named, Policy=extended), *context.restart),
        f"adds one statement to the policy of {key.named_as}, removes none",
        undo=(call("kms", "PutKeyPolicy", **named, Policy=document.raw),),
        ask=f"Ask the administrators of key {key.named_as} first",
        caution="The whole document is replaced by the one read by this diagnosis and the added statement: "
        "a change made since would be lost. In a key policy `*` as resource means this key.",
    )


def _statement(
    context: IamFixContext, document: Document, wanted: WantedAccess, role_arn: str
) -> dict[str, Any]:
    guards = _guards(wanted, document)
    name = re.sub(r"[^A-Za-z0-9]", "", context.target.name.title())
    return {
        "Sid": free_sid(f"Allow{name}Decrypt", document.raw),
        **allow(wanted, guards[0].conditions() if guards else None),
        "Principal": {"AWS": role_arn},
        "Resource": "*",
    }


def _guards(wanted: WantedAccess, document: Document) -> list[UnmetCondition]:
    return [g for r in wanted.requests for g in unmet_conditions(r, (document,), of_key=True)]


def _doubt(
    context: IamFixContext,
    denials: Sequence[AccessDenied],
    key: Key,
    document: Document,
    wanted: WantedAccess,
) -> Advice | None:
    deny = first_deny(Policies(key=document), [wanted])
    if deny is not None:
        why = f"{deny.label} denies it, and a deny in a key policy is its administrators' decision"
        return _advice(denials, key, why)
    unmet = next((g for g in _guards(wanted, document) if not g.is_fitted), None)
    if unmet is not None:
        return evaluation.guarded(unmet, f"the administrators of key {key.named_as}")
    if key.arn.split(":")[4] != context.identity.account:
        return _advice(denials, key, "the key belongs to another account")
    deleted = next(filter(UNIQUE_ID.fullmatch, _principals(document)), None)
    if deleted is not None:
        why = (
            f"the policy names {deleted}, a deleted user or role: KMS refuses a document that does"
        )
        return _advice(denials, key, why)
    return None


def _principals(document: Document) -> Iterator[str]:
    for statement in document.statements:
        yield from statement.principals or ()


def _objection(document: Document, extended: Mapping[str, Any], wanted: WantedAccess) -> str:
    if len(json.dumps(extended).encode()) > KEY_POLICY_SIZE:
        return "it would exceed the 32 KiB that KMS accepts"
    before, after = Policies(key=document), Policies(key=evaluation.parsed(document, extended))
    return evaluation.objection(before, after, [wanted]) or evaluation.remaining(after, [wanted])


def _advice(denials: Sequence[AccessDenied], key: Key | None, why: str) -> Advice:
    name = f"key {key.named_as} ({key.arn})" if key else "the password's key"
    return evaluation.no_command(
        f"Ask the administrators of {name} to let {denials[0].role} decrypt through Parameter Store: "
        f"{evaluation.access_text(evaluation.wanted_of(denials)) or 'kms:Decrypt'}.",
        why,
    )
