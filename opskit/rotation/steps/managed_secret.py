"""Rotates a master password in Secrets Manager: RDS sets it, and the parameter follows.

There is no journal: the secret is the durable record, RDS writes it before the database accepts the
password, and opskit does not know the password before. After a kill at any point, `repair` writes the
secret's value to the parameter.
Source: RDS user guide, "Password management with Amazon RDS and AWS Secrets Manager".
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from opskit.aws_protocols import AwsClient
from opskit.credential_source.interface import CredentialUpdate
from opskit.errors import AwsError, CannotProceed, OpskitError, RotationUnfinished
from opskit.facts.interface import Rds
from opskit.rotation.planning.context import RotationContext
from opskit.rotation.planning.plan import published
from opskit.rotation.protocol.fence import Fence, StaleObservation
from opskit.rotation.protocol.interface import (
    ChangeOutcome,
    DatabaseCredential,
)
from opskit.rotation.protocol.login_outage import LoginOutage
from opskit.rotation.protocol.services import Event, RotationResult, Verifier
from opskit.rotation.protocol.state_machine import (
    CallOutcome,
    CredentialState,
    DatabaseState,
    Direction,
    PasswordVersion,
)
from opskit.rotation.steps.credential_writer import CredentialWriter
from opskit.rotation.steps.master_user import BUSY
from opskit.rotation.steps.restart import RestartResult
from opskit.transport.database_connector import DatabaseConnector
from opskit.workload.interface import RestartTarget

IMPAIRED = "impaired"
POLL_S = 0.5
MOST_ROUNDS = 5
"""How often the parameter follows a secret that another user rotates at the same time."""


@dataclass(frozen=True, slots=True)
class SecretVersion:
    """The secret's current login and version."""

    login: DatabaseCredential
    version: str


def read_secret(secrets: AwsClient, arn: str) -> SecretVersion:
    """Read the secret's current value.

    Raises:
        AwsError: AWS does not answer now.
        CannotProceed: it cannot be read.
    """
    try:
        reply = secrets.get_secret_value(SecretId=arn)
    except AwsError as error:
        if error.may_have_been_applied:
            raise
        raise CannotProceed(
            f"the secret {arn} cannot be read: {error.permission}: {error.code}",
            f"it needs secretsmanager:GetSecretValue on {arn}",
        ) from None
    login = DatabaseCredential.parse(str(reply.get("SecretString")))
    if login is None:
        raise CannotProceed(f"the secret {arn} does not hold a login as RDS writes it")
    return SecretVersion(login, str(reply["VersionId"]))


@dataclass(frozen=True, slots=True)
class ManagedRotationServices:
    """All services that a managed rotation uses.

    Attributes:
        rds: client for reads; write_client: client for writes, which repeats no call.
        writer: creates the writer of a location.
        restart: restarts one target.
        ask_instance: logs in from where the app runs.
    """

    rds: Rds
    write_client: Rds
    secrets: AwsClient
    writer: Callable[[CredentialUpdate], CredentialWriter]
    connector: DatabaseConnector
    fence: Fence
    restart: Callable[[RestartTarget], RestartResult]
    ask_instance: Verifier
    on_event: Callable[[Event], None]
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic


class ManagedRotation:
    """Lets RDS rotate the password, and brings parameter and app to the new one.

    Args:
        arn: of the secret.
        restart_targets: what is restarted, in this order.
        stall_timeout_s: the longest time without progress.
    """

    def __init__(
        self,
        world: ManagedRotationServices,
        context: RotationContext,
        arn: str,
        restart_targets: Sequence[RestartTarget],
        stall_timeout_s: float,
    ) -> None:
        self._world, self._context, self._arn = world, context, arn
        self._restart_targets, self._stall_timeout_s = tuple(restart_targets), stall_timeout_s
        self._outage = LoginOutage()
        self._version = context.properties.version
        self._text = context.text

    def run(self) -> RotationResult:
        """Rotate, publish, restart, verify.

        Raises:
            RotationUnfinished: it was started, and the parameter may be behind the secret.
            AwsError, OpskitError: any other: nothing was changed.
        """
        before = read_secret(self._world.secrets, self._arn)
        self._ask_rds()
        try:
            return self._verify(self._bring(self._follow(before)))
        except RotationUnfinished:
            raise
        except AwsError as error:
            raise RotationUnfinished(f"it stopped: {error.permission}: {error.code}") from None
        except OpskitError as error:
            raise RotationUnfinished(f"it stopped: {error.sentence}", error.next_step) from None

    def _ask_rds(self) -> None:
        began = self._world.clock()
        self._outage.change_sent(began)
        self._world.fence.mark_observed()
        cluster, instance = self._context.cluster, self._context.database
        try:
            if cluster is not None:
                self._world.write_client.modify_db_cluster(
                    DBClusterIdentifier=cluster.identifier,
                    RotateMasterUserPassword=True,
                    ApplyImmediately=True,
                )
            else:
                # RDS accepts it only with this flag; the plan refuses if other changes are pending.
                self._world.write_client.modify_db_instance(
                    DBInstanceIdentifier=instance.identifier,
                    RotateMasterUserPassword=True,
                    ApplyImmediately=True,
                )
        except AwsError as error:
            message = f"{error.permission}: {error.code}: {error.message[:200]}"
            if not error.may_have_been_applied and not error.code.startswith(BUSY):
                raise CannotProceed(f"RDS did not rotate the secret: {message}") from None
            # The call may have been carried out; the secret shows it.
            self._tell("note", "change", f"RDS did not say whether it rotates ({message})", None)
            return
        self._tell("step", "change", "RDS rotates the secret", self._world.clock() - began)

    def _follow(self, before: SecretVersion) -> SecretVersion:
        """Wait until the secret has another password that logs in.

        New processes of the app fail from the change until the password is published.
        """
        began = self._world.clock()
        while True:
            looked_at = self._world.clock()
            try:
                kept, status = read_secret(self._world.secrets, self._arn), self._status()
            except AwsError as error:
                # RDS may have changed the password: giving up would leave the parameter behind.
                if not error.may_have_been_applied or looked_at - began > self._stall_timeout_s:
                    raise
                self._world.sleep(POLL_S)
                continue
            if status == IMPAIRED:
                raise RotationUnfinished(
                    f"RDS could not rotate {self._arn}: its SecretStatus is impaired",
                    "RDS needs the secret and its key: look for a deleted secret, a disabled key, or a "
                    "policy that keeps RDS out; aws rds describe-db-instances shows MasterUserSecret",
                )
            database_state = DatabaseState.NONE
            if kept.version != before.version and self._logs_in(kept.login):
                database_state = DatabaseState.NEW
            elif self._logs_in(before.login):
                database_state = DatabaseState.OLD
            self._outage.observed(
                database_state, CredentialState.OLD, looked_at, self._world.clock()
            )
            if database_state is DatabaseState.NEW:
                took = self._world.clock() - began
                self._tell("step", "settle", "the secret's new password logs in", took)
                return kept
            if self._world.clock() - began > self._stall_timeout_s:
                raise RotationUnfinished(
                    f"the secret {self._arn} did not change within {self._stall_timeout_s:.0f} s "
                    f"(SecretStatus {status or 'not known'})"
                )
            self._world.on_event(
                Event("wait", "settle", f"RDS rotates the secret (SecretStatus {status})")
            )
            self._world.sleep(POLL_S)

    def _status(self) -> str:
        cluster, instance = self._context.cluster, self._context.database
        if cluster is not None:
            reply = self._world.rds.describe_db_clusters(DBClusterIdentifier=cluster.identifier)
            row = reply["DBClusters"][0]
        else:
            reply = self._world.rds.describe_db_instances(DBInstanceIdentifier=instance.identifier)
            row = reply["DBInstances"][0]
        return str((row.get("MasterUserSecret") or {}).get("SecretStatus", ""))

    def _publish(self, kept: SecretVersion) -> None:
        began = self._world.clock()
        update = replace(
            published(self._context, kept.login), old=self._text, old_version=self._version
        )
        writer = self._world.writer(update)
        while True:
            self._world.fence.mark_observed()
            try:
                change = writer.publish(PasswordVersion.NEW)
            except StaleObservation as error:
                # The request was not sent.
                change = ChangeOutcome(CallOutcome.NOT_APPLIED, error.sentence)
            if change.outcome is CallOutcome.APPLIED:
                break
            if (
                change.outcome is CallOutcome.REFUSED
                or self._world.clock() - began > self._stall_timeout_s
            ):
                raise RotationUnfinished(
                    f"the parameter could not take the new password: {change.why}"
                )
            self._world.sleep(POLL_S)
        self._outage.parameter_written(self._world.clock())
        self._version, self._text = writer.read().versions[0], update.new
        took = self._world.clock() - began
        text = f"{update.name} holds it: version {self._version}"
        self._tell("step", "publish", text, took)

    def _bring(self, kept: SecretVersion) -> SecretVersion:
        """Publish and restart, repeatedly if the secret changes meanwhile.

        The app cannot be healthy with a password that the secret held before.
        """
        for _ in range(MOST_ROUNDS):
            self._publish(kept)
            complaint = self._restart()
            if read_secret(self._world.secrets, self._arn).version == kept.version:
                if complaint:
                    raise RotationUnfinished(complaint)
                return kept
            kept = self._follow(kept)
        raise RotationUnfinished(
            f"the secret {self._arn} changed again in each of {MOST_ROUNDS} rounds"
        )

    def _restart(self) -> str:
        """Restart every target; return the reason for the first that does not become healthy."""
        for restart_target in self._restart_targets:
            began = self._world.clock()
            self._world.on_event(Event("wait", "restart", f"restarting {restart_target}"))
            result = self._world.restart(restart_target)
            if not result.is_healthy:
                return f"{restart_target} did not become healthy: {result.why}"
            took = self._world.clock() - began
            self._tell("step", "restart", f"restarted {restart_target}", took)
        if self._restart_targets:
            self._outage.restarted(self._world.clock())
        return ""

    def _verify(self, kept: SecretVersion) -> RotationResult:
        """Verify that the parameter's password logs in, also from where the app runs."""
        works, why = self._world.ask_instance()
        if works is False or not self._logs_in(kept.login):
            raise RotationUnfinished(f"what the parameter holds does not log in: {why}")
        verified = ["the app is healthy"] if self._restart_targets else []
        verified += [f"login {self._world.connector.description}"]
        verified.append("login from the instance" if works else f"not from the instance: {why}")
        return RotationResult(
            Direction.FORWARD,
            "",
            (self._version,),
            self._outage.seconds,
            self._outage.restarts_s,
            tuple(verified),
        )

    def _logs_in(self, login: DatabaseCredential) -> bool:
        return self._world.connector.try_login(login.user, login.password).succeeded

    def _tell(self, kind: str, name: str, text: str, seconds: float | None) -> None:
        self._world.on_event(Event(kind, name, text, seconds))
