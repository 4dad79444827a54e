"""IAM's simulator, which moto lacks."""

from __future__ import annotations

from typing import Any

from opskit.sandbox.aws import identity, organization
from opskit.sandbox.aws.iam_evaluator import AccessDecision, decide
from opskit.sandbox.aws.identity import CallerIdentity


def install() -> None:
    """Add SimulatePrincipalPolicy to moto's IAM."""
    from moto.iam.responses import IamResponse

    IamResponse.simulate_principal_policy = _simulate


def _simulate(self: Any) -> Any:
    from moto.core.responses import ActionResult

    kind, _, name = self._get_param("PolicySourceArn").rsplit(":", 1)[1].partition("/")
    principal = CallerIdentity("", kind, name.rsplit("/", 1)[-1])
    policies, boundary = identity.policies_of(principal)
    context = {"aws:PrincipalArn": self._get_param("PolicySourceArn")} | {
        e["ContextKeyName"]: (e.get("ContextKeyValues") or [""])[0]
        for e in self._get_param("ContextEntries", [])
    }
    resources = self._get_param("ResourceArns", []) or ["*"]
    results = []
    for action in self._get_param("ActionNames"):
        per_resource = []
        for resource in resources:
            message = decide(
                policies, boundary, action, resource, context, scps=organization.levels()
            )
            per_resource.append(_result(resource, message, boundary is not None))
        decisions = {r["EvalResourceDecision"] for r in per_resource}
        results.append(
            {
                "EvalActionName": action,
                "EvalResourceName": "*",
                "EvalDecision": decisions.pop() if len(decisions) == 1 else "implicitDeny",
                "MatchedStatements": [],
                "MissingContextValues": [],
                "ResourceSpecificResults": per_resource,
            }
        )
    return ActionResult({"EvaluationResults": results, "IsTruncated": False})


def _result(resource: str, message: AccessDecision, has_boundary: bool) -> dict[str, Any]:
    result: dict[str, Any] = {
        "EvalResourceName": resource,
        "EvalResourceDecision": message.decision,
        "MatchedStatements": [],
        "MissingContextValues": [],
    }
    if has_boundary:
        allowed = message.policy_type != "permissions boundary"
        result["PermissionsBoundaryDecisionDetail"] = {"AllowedByPermissionsBoundary": allowed}
    by_organization = message.policy_type != "service control policy"
    result["OrganizationsDecisionDetail"] = {"AllowedByOrganizations": by_organization}
    return result
