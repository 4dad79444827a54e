"""Repairs of one target's password parameter: propose, choose the key, apply."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from opskit.config import Target
from opskit.rotation.connections import TargetConnections
from opskit.rotation.credential_history import CredentialHistory
from opskit.rotation.planning.context import RotationContext
from opskit.rotation.protocol.fence import Fence
from opskit.rotation.protocol.interface import AwsClients, DatabaseCredential
from opskit.rotation.repair.changes import apply_repair, changes_of, create_combined_parameter
from opskit.rotation.repair.proposals import (
    Repair,
    may_set_master,
    new_login,
    propose,
    propose_supplied,
)
from opskit.rotation.steps.parameter_key import KeySelection, find_key
from opskit.secret import Secret


@dataclass(frozen=True, slots=True)
class PasswordRepair:
    """The operations of `rotate-password repair`, and the creation of a combined parameter.

    Attributes:
        credentials: every stored password of the target.
        stall_timeout_s: so long the changed password may take to log in.
    """

    target: Target
    aws: AwsClients
    fence: Fence
    connections: TargetConnections
    credentials: CredentialHistory
    stall_timeout_s: float
    sleep: Callable[[float], None]
    clock: Callable[[], float]

    def propose(
        self, context: RotationContext, supplied: Secret | None = None, *, makes_new: bool = False
    ) -> Repair:
        """Find the password that logs in, and propose the change that follows from it.

        Args:
            supplied: a password from the user; only the current value and this one are tried.
            makes_new: if no password logs in, set a generated one through RDS.

        Raises:
            CannotProceed: a login could not be judged.
        """
        connector, region = self.connections.connector_of(context), self.aws.region
        if supplied is not None:
            login = DatabaseCredential(context.user, supplied)
            return propose_supplied(context, connector, login, region)
        new = new_login(context) if makes_new and may_set_master(context) else None
        return propose(context, connector, self.credentials.candidates(context), region, new)

    def with_key(self, context: RotationContext, key_id: str) -> tuple[RotationContext, str]:
        """Return the context with the key for its missing parameter, and the reason for that key.

        Args:
            key_id: a key that the user named; empty to find it.

        Raises:
            CannotProceed: several keys are possible.
        """
        choice = (
            KeySelection(key_id, "it was named")
            if key_id
            else find_key(self.target, self.aws, self.credentials.keys())
        )
        return _under_key(context, choice.key_id), choice.because

    def apply(self, repair: Repair, context: RotationContext) -> None:
        """Make the change, and log in with the parameter's new value.

        Raises:
            CannotProceed: it was refused, or did not help.
        """
        changes = changes_of(context, self.aws, self.fence)
        connector = self.connections.connector_of(context)
        limit_s = self.stall_timeout_s
        apply_repair(repair, context, changes, connector, limit_s, self.sleep, self.clock)

    def create_combined_parameter(self, context: RotationContext, name: str) -> None:
        """Create a parameter that holds user name and password together.

        Raises:
            CannotProceed: it exists already, or cannot be created.
        """
        writer = self.aws.write_client(context.source.service, self.fence.check)
        self.fence.mark_observed()
        create_combined_parameter(context, name, writer)


def _under_key(context: RotationContext, key_id: str) -> RotationContext:
    return replace(context, properties=replace(context.properties, key_id=key_id))
