"""Effects of calls that change policies, keys and instance profiles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from opskit.checks.fix_effects.state import CallRejected, Effects, State
from opskit.facts.interface import Known
from opskit.facts.key import Key
from opskit.facts.key_policy import KeyPolicy
from opskit.facts.operator_policies import OperatorPolicies
from opskit.facts.policies import PolicyText, RolePolicies
from opskit.workload.ec2_instance import Ec2InstanceWorkload, InstanceRole
from opskit.workload.interface import Workload, WorkloadRole


def _put_inline_policy(state: State, arguments: Mapping[str, Any]) -> None:
    own, holder = _holder(state, arguments)
    policy = PolicyText(arguments["PolicyName"], "", arguments["PolicyDocument"], holder)
    same = [p for p in own.identity if (p.name, p.arn, p.holder) == (policy.name, "", holder)]
    identity = tuple(policy if p in same else p for p in own.identity)
    state.set(replace(own, identity=identity if same else (*identity, policy)))


def _delete_inline_policy(state: State, arguments: Mapping[str, Any]) -> None:
    own, holder = _holder(state, arguments)
    gone = (arguments["PolicyName"], "", holder)
    identity = tuple(p for p in own.identity if (p.name, p.arn, p.holder) != gone)
    if len(identity) == len(own.identity):
        raise CallRejected(f"{holder} has no inline policy {arguments['PolicyName']}")
    state.set(replace(own, identity=identity))


def _holder(state: State, arguments: Mapping[str, Any]) -> tuple[Any, str]:
    """The fact with the holder's policies, the app role's or the operator's, and the holder's label."""
    role = state.facts.get(WorkloadRole)
    name = arguments.get("RoleName")
    if name and isinstance(role, Known) and role.value.role_name == name:
        return state.value(RolePolicies), f"role {name}"
    holder = f"role {name}" if name else f"user {arguments['UserName']}"
    return state.value(OperatorPolicies), holder


def _create_policy_version(state: State, arguments: Mapping[str, Any]) -> None:
    if arguments.get("SetAsDefault"):
        _change_managed(state, arguments["PolicyArn"], arguments["PolicyDocument"], "next")


def _set_default_version(state: State, arguments: Mapping[str, Any]) -> None:
    """Restore the version from before a fix, the only other version whose content is known."""
    before = state.origin.value(RolePolicies) if state.origin else None
    policies = [*before.identity, before.boundary] if before else []
    policy = next((p for p in policies if p and p.arn == arguments["PolicyArn"]), None)
    if policy is None or policy.version != arguments["VersionId"]:
        raise CallRejected(
            f"version {arguments['VersionId']} of {arguments['PolicyArn']} was not read"
        )
    _change_managed(state, policy.arn, policy.document, policy.version)


def _change_managed(state: State, arn: str, document: Mapping[str, Any], version: str) -> None:
    own: RolePolicies = state.value(RolePolicies)

    def changed(policy: PolicyText) -> PolicyText:
        return replace(policy, document=document, version=version) if policy.arn == arn else policy

    identity = tuple(changed(p) for p in own.identity)
    boundary = changed(own.boundary) if own.boundary else None
    if (identity, boundary) == (own.identity, own.boundary):
        raise CallRejected(f"{arn} is no policy of the role")
    state.set(replace(own, identity=identity, boundary=boundary))


def _put_key_policy(state: State, arguments: Mapping[str, Any]) -> None:
    state.value(KeyPolicy)
    state.set(KeyPolicy(arguments["Policy"]))


def _set_key_state(key_state: str, state: State, _: Mapping[str, Any]) -> None:
    key: Key = state.value(Key)
    if key_state == "Enabled" and key.state == "PendingDeletion":
        raise CallRejected("a key that waits for its deletion cannot be enabled")
    state.set(replace(key, state=key_state, deleted_at=None))


def _associate_profile(state: State, arguments: Mapping[str, Any]) -> None:
    app: Workload = state.value(Workload)
    role: WorkloadRole = state.value(WorkloadRole)
    name = arguments["IamInstanceProfile"]["Name"]
    if not isinstance(app, Ec2InstanceWorkload) or not isinstance(role, InstanceRole):
        raise CallRejected(f"{app.label} takes no instance profile")
    if app.profile_arn is not None:
        raise CallRejected(f"{app.label} has a profile")
    if name not in role.candidates:
        raise CallRejected(f"profile {name} was not read")
    state.set(replace(app, instance=replace(app.instance, profile_arn=name)))
    # The profile's role was read elsewhere; here it only matters that there is one.
    state.set(replace(role, profile_name=name, role_name=f"the role of {name}"))


EFFECTS: Effects = {
    ("ec2", "AssociateIamInstanceProfile"): _associate_profile,
    ("iam", "CreatePolicyVersion"): _create_policy_version,
    ("iam", "DeleteRolePolicy"): _delete_inline_policy,
    ("iam", "DeleteUserPolicy"): _delete_inline_policy,
    ("iam", "PutRolePolicy"): _put_inline_policy,
    ("iam", "PutUserPolicy"): _put_inline_policy,
    ("iam", "SetDefaultPolicyVersion"): _set_default_version,
    ("kms", "CancelKeyDeletion"): partial(_set_key_state, "Disabled"),
    ("kms", "DisableKey"): partial(_set_key_state, "Disabled"),
    ("kms", "EnableKey"): partial(_set_key_state, "Enabled"),
    ("kms", "PutKeyPolicy"): _put_key_policy,
}
