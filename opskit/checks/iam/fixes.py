"""The smallest change that lets the role read and decrypt, as commands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opskit.checks.fix import AwsCall, Fix
from opskit.checks.fix_commands import call
from opskit.checks.iam.bench import Bench
from opskit.checks.iam.verdict import Broken
from opskit.policy.document import Document
from opskit.policy.pattern import Pattern, fits_resource

SECONDS = "A new policy needs some seconds until it is in force everywhere."
MOST_VERSIONS = "A managed policy holds five versions; delete an old one if it is full."


def grant(bench: Bench, broken: Broken) -> Fix | None:
    """An inline policy that gives the role what it lacks."""
    if bench.role is None or (broken.is_decrypt and bench.key is None):
        return None
    name = "decrypt-parameters" if broken.is_decrypt else "read-parameters"
    command = call(
        "iam",
        "PutRolePolicy",
        RoleName=broken.role,
        PolicyName=name,
        PolicyDocument=_document(bench.statement(is_decrypt=broken.is_decrypt)),
    )
    note = SECONDS
    if broken.miss.hit is not None:
        note = f"Or mend {broken.miss.hit.label}, where it stands. {SECONDS}"
    does = f"adds one inline policy to {broken.role}, removes nothing"
    return Fix((command, *bench.restart), does, caution=note)


def widen_boundary(bench: Bench, broken: Broken) -> Fix | None:
    """A new version of the boundary that allows it too, or that no longer denies it."""
    boundary = bench.access.policies.boundary if bench.access else None
    if boundary is None or not boundary.arn or ":iam::aws:" in boundary.arn:
        return None
    hit = broken.miss.hit
    if hit is not None and not hit.statement.allows:
        document = _narrowed(boundary, hit.statement.raw, bench)
    else:
        # A ceiling grants nothing, so that all of the two statements may stand in it.
        rows = [bench.statement(is_decrypt=False)]
        rows += [bench.statement(is_decrypt=True)] if bench.key else []
        document = _with(boundary, *rows)
    does = f"makes a new version of the permissions boundary {boundary.name}"
    note = f"The boundary is its owner's safety: ask before changing it. {MOST_VERSIONS}"
    return Fix((_new_version(boundary.arn, document), *bench.restart), does, caution=note)


def narrow_deny(bench: Bench, broken: Broken) -> Fix | None:
    """The denying policy, without the deny for what the app needs."""
    hit = broken.miss.hit
    if hit is None or bench.policies is None:
        return None
    text = next((p for p in bench.policies.identity if p.name == hit.policy.name), None)
    if text is None or text.is_amazons:
        return None
    document = _narrowed(hit.policy, hit.statement.raw, bench)
    if text.arn:
        command = _new_version(text.arn, document)
    else:
        command = call(
            "iam",
            "PutRolePolicy",
            RoleName=broken.role,
            PolicyName=text.name,
            PolicyDocument=document,
        )
    does = f"rewrites {text.name} without the deny for these parameters"
    note = "Somebody wrote that deny: ask why before taking it back. Another allow does not help."
    return Fix((command, *bench.restart), does, caution=note)


def exempt(bench: Bench, broken: Broken) -> Fix | None:
    """The service control policy, with an exception for this role alone."""
    hit = broken.miss.hit
    if hit is None or not hit.policy.arn or bench.role is None or bench.role.role_arn is None:
        return None
    statement = dict(hit.statement.raw)
    condition = {k: dict(v) for k, v in statement.get("Condition", {}).items()}
    names = condition.setdefault("ArnNotLike", {})
    listed = names.get("aws:PrincipalArn", [])
    names["aws:PrincipalArn"] = [*_rows(listed), bench.role.role_arn]
    document = _replaced(hit.policy, hit.statement.raw, {**statement, "Condition": condition})
    command = call("organizations", "UpdatePolicy", PolicyId=hit.policy.arn, Content=document)
    note = (
        "It has to be run in the management account, or one that it has delegated to, and it is the "
        "organization's decision. Taking the policy away for everybody is not the fix."
    )
    return Fix((command, *bench.restart), f"exempts {broken.role} from {hit.label}", caution=note)


def admit_in_key_policy(bench: Bench, broken: Broken) -> Fix | None:
    """The key policy with one more statement, which names the role."""
    key_document = bench.access.policies.key if bench.access else None
    if key_document is None or bench.key is None or bench.role is None:
        return None
    if bench.role.role_arn is None:
        return None
    hit = broken.miss.hit
    if hit is not None and not hit.statement.allows:
        return None
    added = {
        "Sid": "LetTheAppDecrypt",
        **bench.statement(is_decrypt=True),
        "Principal": {"AWS": bench.role.role_arn},
        "Resource": "*",
    }
    command = call(
        "kms",
        "PutKeyPolicy",
        KeyId=bench.key.key_id,
        PolicyName="default",
        Policy=_with(key_document, added),
    )
    does = f"adds one statement to the policy of {bench.key.named_as}, removes none"
    note = "In a key policy `*` as resource means this key."
    return Fix((command, *bench.restart), does, caution=note)


def _new_version(arn: str, document: Mapping[str, Any]) -> AwsCall:
    return call(
        "iam", "CreatePolicyVersion", PolicyArn=arn, PolicyDocument=document, SetAsDefault=True
    )


def _document(*statements: Mapping[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _with(document: Document, *added: Mapping[str, Any]) -> dict[str, Any]:
    return {**document.raw, "Statement": [*_rows(document.raw["Statement"]), *added]}


def _replaced(
    document: Document, old: Mapping[str, Any], new: Mapping[str, Any] | None
) -> dict[str, Any]:
    rows = [new if row == old else row for row in _rows(document.raw["Statement"])]
    return {**document.raw, "Statement": [row for row in rows if row is not None]}


def _narrowed(document: Document, deny: Mapping[str, Any], bench: Bench) -> dict[str, Any]:
    """The document with a deny that spares what the app needs: everything else stays denied."""
    needed = [*bench.parameters, *([bench.key.arn] if bench.key else [])]
    if deny.get("Resource") == "*":
        rest = {k: v for k, v in deny.items() if k != "Resource"}
        return _replaced(document, deny, {**rest, "NotResource": needed})
    if "NotResource" in deny:
        spared = [*_rows(deny["NotResource"]), *needed]
        return _replaced(document, deny, {**deny, "NotResource": spared})
    others = [r for r in _rows(deny.get("Resource", ())) if not _reaches(r, bench)]
    return _replaced(document, deny, {**deny, "Resource": others} if others else None)


def _reaches(pattern: str, bench: Bench) -> bool:
    asked = [*bench.parameter_arns, *([bench.key.arn] if bench.key else [])]
    return any(fits_resource(Pattern(((pattern, False),)), arn) for arn in asked)


def _rows(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]
