"""The read operation that the app calls and is denied, although the role may read by another one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from opskit.checks.interface import Evidence, observed
from opskit.credential_source.interface import SourceActions
from opskit.denial_message import find_action, names_denial, parse
from opskit.facts.interface import Fact, Known
from opskit.facts.probe import InstanceProbe
from opskit.policy.explanation import DenialExplanation
from opskit.policy.role_access import RequiredPermission


@dataclass(frozen=True, slots=True)
class CalledOperation:
    """A denied read operation that the app's own message shows to be called.

    Attributes:
        needs: all denied calls of the operation; empty where the usual one is denied.
        message: the app's.
    """

    action: str
    denial: DenialExplanation
    needs: tuple[RequiredPermission, ...]
    message: str

    @property
    def evidence(self) -> Evidence:
        """The app's message as evidence."""
        return observed(f"the app has no database password and says: {self.message.strip()}")


def find_called(
    denied: Mapping[str, DenialExplanation],
    needs: Iterable[RequiredPermission],
    actions: SourceActions,
    probe: Fact[InstanceProbe],
) -> CalledOperation | None:
    """The denied operation that the app calls; None where its message shows none.

    Args:
        denied: operation -> why it is denied, the likeliest first.
        needs: the denied calls.
        actions: the operations of the credential source.
    """
    message = complaint(probe)
    action = find_action(message, denied)
    if action is None and names_denial(message) and not parse(message).concerns_key:
        # The app's message names no operation: apart from GetParameter, apps call GetParameters.
        action = next((a for a in denied if a in actions.read), None)
    if action is None:
        return None
    calls = tuple(n for n in needs if n.action == action)
    return CalledOperation(action, denied[action], calls, message)


def complaint(probe: Fact[InstanceProbe]) -> str:
    """The message of an app that runs without a password; empty when it has one or is healthy."""
    if not isinstance(probe, Known) or probe.value.health is None:
        return ""
    health = probe.value.health
    return "" if has_password(probe) else health.body


def has_password(probe: Fact[InstanceProbe]) -> bool:
    """Whether the app shows that it could read its password."""
    if not isinstance(probe, Known):
        return False
    health = probe.value.health
    is_healthy = health is not None and health.status == 200
    return is_healthy or any(c.setting("password") for c in probe.value.containers)
