"""Interface of a credential source, and the types of its replies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, Self, TypeAlias

from opskit.aws_protocols import AwsClient
from opskit.commands import AwsCall
from opskit.config import Target
from opskit.secret import Secret

DECRYPT = "kms:Decrypt"
"""Every source decrypts a value under a customer managed key with the reader's own permission."""
KEY_ERRORS = ("InvalidKeyId", "KMSInvalidStateException", "DisabledException")
"""Error codes of a read whose value cannot be decrypted because of the state of its key."""
Version: TypeAlias = int | str
"""A version of a stored value: compared for equality; only the source itself orders versions."""


@dataclass(frozen=True, slots=True)
class CredentialLocation:
    """One stored item that holds pieces of the credential: a parameter, or a secret.

    Attributes:
        name: its plain name, for sentences and for calls that describe or write it.
        purposes: the pieces that it holds, by their names in `config.PURPOSES`. An endpoint may name
            a port.
        reference: the argument of a read; it may select one version.
        selector: the version or label of the reference; empty for the newest. A location with a
            selector cannot be written: a write makes a new version.
    """

    name: str
    purposes: tuple[str, ...]
    reference: str
    selector: str = ""

    @property
    def is_combined(self) -> bool:
        """Whether the item holds several pieces, so that its text has a form of its own."""
        return len(self.purposes) > 1


@dataclass(frozen=True, slots=True)
class StoredValue:
    """The exact text of a location, at one version.

    Attributes:
        kind: as the source names it, such as `SecureString`.
    """

    name: str
    text: Secret
    version: Version
    modified_at: datetime | None = None
    arn: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class InstanceRead:
    """The read of a location by the probe: on the app's machine, under the app's role.

    Attributes:
        reference: as in `CredentialLocation.reference`.
        call: an operation of the JSON 1.1 protocol of AWS, without the parameter that names the location.
        reference_parameter: that parameter.
        amz_target: the value of its header `X-Amz-Target`.
        reply_path: the members of the reply that lead to the text.
        members: purpose -> the member of the text that holds the piece; None: the whole text is it.
    """

    reference: str
    call: AwsCall
    reference_parameter: str
    amz_target: str
    reply_path: tuple[str, ...]
    members: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class ReadFailure:
    """A location that could not be read, and AWS's message.

    Attributes:
        purpose: its pieces, joined with "and".
        exists: whether a read without decryption succeeded; None when that was refused too.
        permission: the action that was refused or failed.
    """

    name: str
    purpose: str
    code: str
    message: str
    permission: str
    exists: bool | None

    @property
    def is_by_key(self) -> bool:
        """Whether the state of the key prevented the read, and no missing permission."""
        return self.code in KEY_ERRORS


@dataclass(frozen=True, slots=True)
class SourceReading:
    """All locations of a target, as far as they could be read.

    Attributes:
        other_paths: where none of them exists: the paths under which locations of the same names do.
    """

    values: tuple[tuple[CredentialLocation, StoredValue], ...]
    missing: tuple[CredentialLocation, ...]
    refused: tuple[ReadFailure, ...]
    other_paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LocationDescription:
    """The properties of a location, which a read of its value does not return.

    Attributes:
        key_id: an id, an ARN or an alias, as AWS stores it; None for a value that is not encrypted.
        modified_by: the ARN of the last writer; empty where AWS does not name it.
    """

    name: str
    kind: str
    key_id: str | None
    modified_by: str
    is_encrypted: bool = True


@dataclass(frozen=True, slots=True)
class LocationProperties:
    """The properties of a location that a write keeps, or that limit a write.

    Attributes:
        version: of the current value; 0 if the location does not exist.
        labels: of that version.
        pattern: the regular expression that every value has to match; empty for none.
        is_full: no further version can be written.
    """

    kind: str
    version: Version
    key_id: str | None = None
    tier: str = "Standard"
    labels: tuple[str, ...] = ()
    pattern: str = ""
    is_full: bool = False

    @property
    def exists(self) -> bool:
        """Whether the location exists."""
        return self.version != 0


@dataclass(frozen=True, slots=True)
class CredentialUpdate:
    """One location that a rotation writes: the password's and, with alternating users, the user name's.

    Attributes:
        kind, key_id, tier: the location's own, kept when it is written.
        old, new: the whole value before and after.
        old_version: the version that held `old`.
        labels: the labels of that version; they move to the new one.
    """

    name: str
    kind: str
    key_id: str | None
    tier: str
    old: Secret
    new: Secret
    old_version: Version
    labels: tuple[str, ...] = ()


class LocationOvertaken(Exception):
    """Another user has written the location since it was observed; the write was refused."""


@dataclass(frozen=True, slots=True)
class SourceActions:
    """The IAM actions of a source's calls.

    Attributes:
        read: each of them reads a location by its name; the first is the one that apps call most.
        diagnose: needed on the locations by `CredentialSource.read`, in the order of its calls.
        read_path: reads every location below a path.
        describe: describes locations; granted on every resource.
        history: reads earlier versions.
        tags: reads tags, which name the stack that declares a location.
        encrypt: the action on the key that a write needs.
    """

    read: tuple[str, ...]
    diagnose: tuple[str, ...]
    read_path: str
    describe: str
    history: str
    write: str
    tags: str
    encrypt: str


class CredentialStore(Protocol):
    """Reads and writes the locations of one rotation."""

    def read(self, update: CredentialUpdate) -> StoredValue | None:
        """Read the current value, never older than the writes of this process; None if there is none.

        Raises:
            AwsError: it cannot be read.
        """

    def publish(self, update: CredentialUpdate, text: Secret) -> None:
        """Make a text the current value, with one request for each change that is not made yet.

        Raises:
            AwsError: a request was refused, or its outcome is unknown.
            LocationOvertaken: another user was first.
        """

    def is_complete(self, update: CredentialUpdate, stored: StoredValue) -> bool:
        """Whether every reader gets the value, also one that names a label.

        Raises:
            AwsError: that cannot be read.
        """


class CredentialSource(Protocol):
    """The place where one target's credential is kept."""

    service: str
    """The AWS service: the name of its client, and of its endpoint that the app has to reach."""
    actions: SourceActions
    default_key: str
    """The alias of the AWS managed key, which encrypts where no other key is named."""

    absent: LocationProperties
    """The properties with which a missing location of the password is created."""

    @classmethod
    def select(cls, target: Target) -> Self | None:
        """The source with the target's locations; None where the settings select another source."""

    @property
    def locations(self) -> tuple[CredentialLocation, ...]:
        """Every location, in the order of the target's settings."""

    @property
    def names(self) -> tuple[str, ...]:
        """The plain names of all locations, sorted, each once."""

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths from which `actions.read_path` reads the locations, sorted; may be empty."""

    def location(self, purpose: str) -> CredentialLocation:
        """The location of one piece.

        Raises:
            KeyError: the settings name none.
        """

    def arn(self, name: str, partition: str, region: str, account: str) -> str:
        """The ARN of a location for policies."""

    def via_service(self, region: str) -> str:
        """The value of `kms:ViaService` in the calls that the service sends to KMS."""

    def encryption_context(self, arn: str) -> Mapping[str, str]:
        """The encryption context under which the service encrypts the value of a location."""

    def piece(self, text: str, purpose: str) -> str | None:
        """One piece of the text of its location; None where the text holds none."""

    def text_with(self, text: Secret, user: str, password: Secret) -> Secret:
        """The text of the password's location with another login in it, the rest unchanged."""

    @property
    def instance_reads(self) -> tuple[InstanceRead, ...]:
        """The reads of every location that the probe on the instance makes."""

    def read(self, client: AwsClient) -> SourceReading:
        """Read every location.

        Raises:
            AwsError: the service cannot be reached.
        """

    def describe(self, client: AwsClient) -> tuple[LocationDescription, ...]:
        """Describe the existing locations.

        Raises:
            AwsError: they cannot be described.
        """

    def inspect(self, client: AwsClient, purpose: str) -> tuple[Secret, LocationProperties] | None:
        """The exact current value of a piece's location, and its properties; None if it does not exist.

        Raises:
            AwsError: it cannot be read.
        """

    def history(self, client: AwsClient, purpose: str) -> tuple[StoredValue, ...]:
        """The stored values of a piece's location, newest first; none where it does not exist.

        Raises:
            AwsError: they cannot be read.
        """

    def last_write(self, client: AwsClient, name: str) -> str:
        """When a location was last written, and by whom; empty if that cannot be read."""

    def tags(self, client: AwsClient, name: str) -> Mapping[str, str]:
        """The tags of a location, which name the stack that declares it.

        Raises:
            AwsError: they cannot be read.
        """

    def keys_beside(self, client: AwsClient, purpose: str) -> set[str]:
        """The keys of the values beside a piece's location, which a new one is likely to need too.

        Raises:
            AwsError: they cannot be described.
        """

    def store(
        self,
        reading: AwsClient,
        changing: AwsClient,
        sleep: Callable[[float], None],
        clock: Callable[[], float],
    ) -> CredentialStore:
        """The store for the writes of a rotation.

        Args:
            reading: client for reads.
            changing: client for writes; it repeats no call.
        """

    def create(self, client: AwsClient, name: str, text: Secret, key_id: str | None) -> None:
        """Create an encrypted location with one call.

        Raises:
            AwsError: it exists already, or cannot be created.
        """

    def is_encrypted(self, kind: str) -> bool:
        """Whether a value of this kind is encrypted."""

    def write_call(self, name: str, kind: str, text: str) -> AwsCall:
        """The call that overwrites a value which is no secret."""

    def create_call(self, name: str, text: str) -> AwsCall:
        """The call that creates a location for a value which is no secret."""

    def delete_call(self, name: str) -> AwsCall:
        """The call that deletes a location."""
