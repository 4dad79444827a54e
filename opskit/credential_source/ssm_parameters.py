"""A credential in Systems Manager Parameter Store: one parameter for each piece, or one for several."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import islice
from typing import Self

from opskit import parameter_reference
from opskit.aws_protocols import AwsClient, paginate
from opskit.commands import AwsCall
from opskit.config import Target
from opskit.credential_source import combined_value, ssm_reading, ssm_store
from opskit.credential_source.interface import (
    CredentialLocation,
    CredentialSource,
    CredentialStore,
    InstanceRead,
    LocationDescription,
    LocationProperties,
    SourceActions,
    SourceReading,
    StoredValue,
)
from opskit.credential_source.ssm_store import ENCRYPTED, PLAIN, ParameterStore
from opskit.errors import AwsError
from opskit.parameter_reference import ParameterReference
from opskit.secret import Secret

MOST_LISTED = 20
"""Paths that are listed at most where none of the parameters exists."""


class SsmParameters(CredentialSource):
    """The parameters of one target.

    Args:
        references: purpose -> the parameter to read.
    """

    service = "ssm"
    actions = SourceActions(
        read=("ssm:GetParameter", "ssm:GetParameters"),
        diagnose=("ssm:GetParameters", "ssm:GetParameter"),
        read_path="ssm:GetParametersByPath",
        describe="ssm:DescribeParameters",
        history="ssm:GetParameterHistory",
        write="ssm:PutParameter",
        tags="ssm:ListTagsForResource",
        encrypt="kms:Encrypt",
    )
    default_key = "alias/aws/ssm"
    absent = LocationProperties(ENCRYPTED, 0)

    def __init__(self, references: Mapping[str, ParameterReference]) -> None:
        purposes: dict[ParameterReference, list[str]] = {}
        for purpose, reference in references.items():
            purposes.setdefault(reference, []).append(purpose)
        self._located = tuple(
            (CredentialLocation(r.name, tuple(purposes[r]), r.text, r.selector), r)
            for r in purposes
        )
        self._by_purpose = {p: location for location, _ in self._located for p in location.purposes}

    @classmethod
    def select(cls, target: Target) -> Self | None:
        """The parameters that the prefix or the settings of single parameters name."""
        if not target.parameters:
            return None
        return cls({p: target.reference(p) for p in target.parameters})

    @property
    def locations(self) -> tuple[CredentialLocation, ...]:
        """Every parameter, in the order of the settings."""
        return tuple(location for location, _ in self._located)

    @property
    def names(self) -> tuple[str, ...]:
        """The plain names, sorted, each once."""
        return tuple(sorted({location.name for location in self.locations}))

    @property
    def paths(self) -> tuple[str, ...]:
        """The parents of the names; a name without a path has none."""
        return tuple(sorted({name.rsplit("/", 1)[0] for name in self.names} - {""}))

    def location(self, purpose: str) -> CredentialLocation:
        """The parameter of one piece."""
        return self._by_purpose[purpose]

    def arn(self, name: str, partition: str, region: str, account: str) -> str:
        """The parameter's ARN."""
        return parameter_reference.arn_of(name, partition, region, account)

    def via_service(self, region: str) -> str:
        """Systems Manager as the caller of KMS."""
        return f"ssm.{region}.amazonaws.com"

    def encryption_context(self, arn: str) -> Mapping[str, str]:
        """The parameter's ARN."""
        return {"PARAMETER_ARN": arn}

    def piece(self, text: str, purpose: str) -> str | None:
        """The text itself, or its JSON member where the parameter holds several pieces."""
        return combined_value.member(text, purpose) if self._is_combined(purpose) else text

    def text_with(self, text: Secret, user: str, password: Secret) -> Secret:
        """The password, or the JSON with the login in it."""
        if not self._is_combined("password"):
            return password
        return combined_value.with_login(text, user, password)

    @property
    def instance_reads(self) -> tuple[InstanceRead, ...]:
        """GetParameter of each parameter."""
        return tuple(self._instance_read(location) for location in self.locations)

    def read(self, client: AwsClient) -> SourceReading:
        """Read every parameter; where none exists, look for paths that have one of the same name."""
        reading = ssm_reading.read_all(client, self._located)
        if len(reading.missing) < len(self._located):
            return reading
        return replace(reading, other_paths=self._other_paths(client))

    def _other_paths(self, client: AwsClient) -> tuple[str, ...]:
        """Paths under which the endpoint's name exists; none where they cannot be listed."""
        wanted = "/" + self.location("endpoint").name.rpartition("/")[2]
        name_filter = {"Key": "Name", "Option": "Contains", "Values": [wanted]}
        rows = paginate(client.describe_parameters, "Parameters", ParameterFilters=[name_filter])
        try:
            names = [str(row["Name"]) for row in islice(rows, MOST_LISTED)]
        except AwsError:
            return ()
        return tuple(sorted(n.removesuffix(wanted) for n in names if n.endswith(wanted)))

    def describe(self, client: AwsClient) -> tuple[LocationDescription, ...]:
        """Describe the existing parameters."""
        filters = [{"Key": "Name", "Option": "Equals", "Values": list(self.names)}]
        rows = paginate(client.describe_parameters, "Parameters", ParameterFilters=filters)
        return tuple(
            LocationDescription(
                row["Name"],
                row["Type"],
                row.get("KeyId"),
                str(row.get("LastModifiedUser", "")),
                self.is_encrypted(row["Type"]),
            )
            for row in rows
        )

    def inspect(self, client: AwsClient, purpose: str) -> tuple[Secret, LocationProperties] | None:
        """The parameter's newest value, description and labels."""
        return ssm_store.inspect(client, self.location(purpose).name)

    def history(self, client: AwsClient, purpose: str) -> tuple[StoredValue, ...]:
        """The versions of the parameter; a label or version in its reference does not matter."""
        return ssm_store.history(client, self.location(purpose))

    def last_write(self, client: AwsClient, name: str) -> str:
        """The version, the time and the user of the last write."""
        return ssm_store.last_write(client, name)

    def tags(self, client: AwsClient, name: str) -> Mapping[str, str]:
        """The parameter's tags."""
        reply = client.list_tags_for_resource(ResourceType="Parameter", ResourceId=name)
        return {tag["Key"]: tag["Value"] for tag in reply.get("TagList", ())}

    def keys_beside(self, client: AwsClient, purpose: str) -> set[str]:
        """The keys of the target's other SecureStrings, and of those under the same path."""
        name = self.location(purpose).name
        others = [other for other in self.names if other != name]
        filters = [[{"Key": "Name", "Option": "Equals", "Values": others}]]
        path = name.rpartition("/")[0]
        if path:
            filters.append([{"Key": "Path", "Option": "OneLevel", "Values": [path]}])
        rows = (
            row
            for row_filter in filters
            for row in paginate(
                client.describe_parameters, "Parameters", ParameterFilters=row_filter
            )
        )
        return {str(row["KeyId"]) for row in rows if row["Type"] == ENCRYPTED and row.get("KeyId")}

    def store(
        self,
        reading: AwsClient,
        changing: AwsClient,
        sleep: Callable[[float], None],
        clock: Callable[[], float],
    ) -> CredentialStore:
        """Parameter Store."""
        return ParameterStore(reading, changing, sleep, clock)

    def create(self, client: AwsClient, name: str, text: Secret, key_id: str | None) -> None:
        """Create a SecureString."""
        ssm_store.create(client, name, text, key_id)

    def is_encrypted(self, kind: str) -> bool:
        """Whether the type is SecureString."""
        return kind == ENCRYPTED

    def write_call(self, name: str, kind: str, text: str) -> AwsCall:
        """PutParameter with Overwrite."""
        return self._call("PutParameter", Name=name, Type=kind, Overwrite=True, Value=text)

    def create_call(self, name: str, text: str) -> AwsCall:
        """PutParameter of a String."""
        return self._call("PutParameter", Name=name, Type=PLAIN, Value=text)

    def delete_call(self, name: str) -> AwsCall:
        """DeleteParameter."""
        return self._call("DeleteParameter", Name=name)

    def _instance_read(self, location: CredentialLocation) -> InstanceRead:
        return InstanceRead(
            location.reference,
            self._call("GetParameter", WithDecryption=True),
            "Name",
            "AmazonSSM.GetParameter",
            ("Parameter", "Value"),
            {p: p if location.is_combined else None for p in location.purposes},
        )

    def _is_combined(self, purpose: str) -> bool:
        return purpose in self._by_purpose and self._by_purpose[purpose].is_combined

    def _call(self, operation: str, /, **parameters: object) -> AwsCall:
        return AwsCall(self.service, operation, parameters)
