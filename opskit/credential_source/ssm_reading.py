"""Reads parameters by one call, and one by one where AWS refuses that call or does not know a name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from opskit import denial_message
from opskit.aws_protocols import AwsClient
from opskit.credential_source.interface import (
    DECRYPT,
    KEY_ERRORS,
    CredentialLocation,
    ReadFailure,
    SourceReading,
    StoredValue,
)
from opskit.errors import AwsError
from opskit.parameter_reference import ParameterReference
from opskit.secret import Secret

NOT_FOUND = "ParameterNotFound"
NOT_FOUND_CODES = (NOT_FOUND, "ParameterVersionNotFound")
Located = tuple[CredentialLocation, ParameterReference]


def read_all(client: AwsClient, references: Sequence[Located]) -> SourceReading:
    """Read the parameters.

    The call for all fails as a whole for one undecryptable parameter, and a throttled call was reported
    to return every name as invalid (aws/aws-sdk-go-v2#552): so neither is believed without a second read.

    Raises:
        AwsError: Systems Manager cannot be reached.
    """
    raw = _read_together(client, [reference for _, reference in references])
    again = [located for located in references if located[1].text not in raw]
    missing: list[CredentialLocation] = []
    refused: list[ReadFailure] = []
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda located: _read_one(client, located[1]), again))
    for (location, reference), answer in zip(again, answers, strict=True):
        if isinstance(answer, AwsError) and answer.code in NOT_FOUND_CODES:
            missing.append(location)
        elif isinstance(answer, AwsError):
            refused.append(_failure(client, location, answer))
        else:
            raw[reference.text] = answer
    values = ((loc, _value(loc, raw[ref.text])) for loc, ref in references if ref.text in raw)
    return SourceReading(
        tuple(values), tuple(missing), tuple(sorted(refused, key=lambda r: r.name))
    )


def _read_together(
    client: AwsClient, references: Sequence[ParameterReference]
) -> dict[str, Mapping[str, Any]]:
    """The parameters that one call returns; the caller reads the missing ones one by one.

    A reply has the plain name and the selector in separate fields.
    """
    try:
        names = sorted(reference.text for reference in references)
        rows = client.get_parameters(Names=names, WithDecryption=True)["Parameters"]
    except AwsError as error:
        if error.is_unanswered:
            raise
        return {}
    by_reference: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        answer = row["Name"], str(row.get("ARN", "")), str(row.get("Selector", ""))
        by_reference.update((r.text, row) for r in references if r.answers_to(*answer))
    return by_reference


def _read_one(client: AwsClient, reference: ParameterReference) -> Mapping[str, Any] | AwsError:
    try:
        reply = client.get_parameter(Name=reference.text, WithDecryption=True)
    except AwsError as error:
        return error
    row: Mapping[str, Any] = reply["Parameter"]
    return row


def _failure(client: AwsClient, location: CredentialLocation, error: AwsError) -> ReadFailure:
    exists: bool | None = None
    try:
        client.get_parameter(Name=location.reference, WithDecryption=False)
        exists = True
    except AwsError as second:
        exists = False if second.code in NOT_FOUND_CODES else None
    denied_action = denial_message.parse(error.message).action
    about_key = error.code in KEY_ERRORS or denied_action == DECRYPT
    permission = DECRYPT if about_key else error.permission
    purpose = " and ".join(location.purposes)
    return ReadFailure(location.name, purpose, error.code, error.message[:400], permission, exists)


def _value(location: CredentialLocation, row: Mapping[str, Any]) -> StoredValue:
    # The parts of a combined value are registered one by one: a user's name in it may be shown.
    text = Secret(
        str(row["Value"]),
        is_public="password" not in location.purposes,
        is_document=location.is_combined,
    )
    return StoredValue(
        name=location.name,
        text=text,
        version=int(row["Version"]),
        modified_at=row.get("LastModifiedDate"),
        arn=str(row.get("ARN", "")),
        kind=str(row["Type"]),
    )
