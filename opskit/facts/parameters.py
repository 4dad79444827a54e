"""The four SSM parameters: their values, and the problems of their form.

The password's value leaves this reader only as a `Credential`, which the snapshot drops.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from opskit import denial_message, endpoint
from opskit.config import Target
from opskit.errors import AwsError, TargetError
from opskit.facts.interface import FingerprintKey, Ssm
from opskit.facts.value_form import SOUND, PasswordForm, flaws, form_of, hold_password_of_url
from opskit.parameter_reference import ParameterReference
from opskit.secret import Secret

NOT_FOUND_CODES = ("ParameterNotFound", "ParameterVersionNotFound")
DECRYPTION_CODES = ("InvalidKeyId", "KMSInvalidStateException", "DisabledException")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One SSM parameter that was read.

    Attributes:
        purpose: endpoint, username, password or database.
        value: without blanks at the ends; None for the password.
        fingerprint: of the exact value, under the run's key.
        format_problems: descriptions of what is wrong with the value's form ("a trailing newline").
        raw: the exact value; None for the password.
        form: of the password's value; meaningless for the others.
        selector: the requested version or label; empty for the newest. A parameter with a selector
            cannot be written: a write makes a new version.
    """

    name: str
    arn: str
    purpose: str
    kind: str
    version: int
    modified_at: datetime | None
    value: str | None
    fingerprint: str
    format_problems: tuple[str, ...]
    raw: str | None = None
    form: PasswordForm = SOUND
    selector: str = ""


@dataclass(frozen=True, slots=True)
class ReadFailure:
    """A parameter that could not be read, and AWS's message.

    Attributes:
        exists: whether a read without decryption succeeded; None when that was refused too.
        permission: the action that was refused or failed.
    """

    name: str
    purpose: str
    code: str
    message: str
    permission: str
    exists: bool | None


@dataclass(frozen=True, slots=True)
class Parameters:
    """The four parameters, as far as the operator can read them."""

    found: tuple[Parameter, ...]
    missing: tuple[tuple[str, str], ...]
    """(purpose, requested name) of those that do not exist."""
    refused: tuple[ReadFailure, ...]

    def get(self, purpose: str) -> Parameter | None:
        """The parameter of a purpose, if it was read."""
        return next((p for p in self.found if p.purpose == purpose), None)

    def value(self, purpose: str) -> str | None:
        """The value of a purpose, if it was read."""
        parameter = self.get(purpose)
        return parameter.value if parameter else None

    def is_shared(self, parameter: Parameter) -> bool:
        """Whether the same parameter holds another value as well."""
        return sum(p.name == parameter.name for p in self.found) > 1

    @property
    def host(self) -> str | None:
        """The host that the endpoint parameter names, without a port; None where it names none."""
        return self._endpoint[0] or None

    @property
    def port(self) -> int | None:
        """The port that the endpoint parameter names, if it names one."""
        return self._endpoint[1]

    @property
    def _endpoint(self) -> tuple[str, int | None]:
        value = self.value("endpoint") or ""
        return ("", None) if endpoint.form_flaw(value) else endpoint.split(value)


@dataclass(frozen=True, slots=True)
class Credential:
    """The password as read; it is secret and never part of a snapshot."""

    password: Secret


def read(ssm: Ssm, target: Target, key: FingerprintKey) -> tuple[Parameters, Credential]:
    """Read all four in one call; one by one when AWS refuses that call or does not know a name.

    The call fails as a whole for one undecryptable parameter, and a throttled call was reported to
    return every name as invalid (aws/aws-sdk-go-v2#552): so neither is believed without a second read.
    """
    purposes: dict[ParameterReference, list[str]] = {}
    for purpose in target.parameters:
        purposes.setdefault(target.reference(purpose), []).append(purpose)
    raw = _read_all(ssm, tuple(purposes))
    missing: list[tuple[str, str]] = []
    refused: list[ReadFailure] = []
    again = [reference for reference in purposes if reference not in raw]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda r: _read_one(ssm, r), again))
    for reference, answer in zip(again, answers, strict=True):
        if isinstance(answer, AwsError) and answer.code in NOT_FOUND_CODES:
            missing.extend((purpose, reference.text) for purpose in purposes[reference])
        elif isinstance(answer, AwsError):
            refused.append(_refusal(ssm, reference, " and ".join(purposes[reference]), answer))
        else:
            raw[reference] = answer
    if len(missing) == len(target.parameters):
        names = ", ".join(reference.text for reference in purposes)
        raise TargetError(
            f"none of the parameters of {target.name} exists here: {names}",
            "Is it another prefix, Region or account? Try --prefix, --region or --profile.",
        )
    named = [(ref, row, purpose) for ref, row in raw.items() for purpose in purposes[ref]]
    read_ones = (_parameter(*one, is_shared(target, one[2]), key) for one in named)
    found = tuple(sorted(read_ones, key=lambda p: p.purpose))
    shared = is_shared(target, "password")
    texts = (str(row["Value"]) for _, row, purpose in named if purpose == "password")
    password = Secret(next((part(t, "password") if shared else t for t in texts), "") or "")
    parameters = Parameters(
        found, tuple(sorted(missing)), tuple(sorted(refused, key=lambda r: r.name))
    )
    return _with_form(parameters, password), Credential(password)


def is_shared(target: Target, purpose: str) -> bool:
    """Whether one parameter holds this and another purpose's value, as JSON: `{"username": ..., ...}`."""
    asked = [target.reference(other) for other in target.parameters]
    return asked.count(target.reference(purpose)) > 1


def part(text: str, purpose: str) -> str | None:
    """One value of a parameter that holds several; None where the text is no such JSON."""
    try:
        value = json.loads(text)[purpose]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return value if isinstance(value, str) else None


def _read_all(
    ssm: Ssm, references: Sequence[ParameterReference]
) -> dict[ParameterReference, Mapping[str, Any]]:
    """The parameters that one call returns; the caller reads the missing ones one by one.

    A reply has the plain name and the selector in separate fields.
    """
    try:
        names = sorted(reference.text for reference in references)
        rows = ssm.get_parameters(Names=names, WithDecryption=True)["Parameters"]
    except AwsError as error:
        if error.is_unanswered:
            raise
        return {}
    found: dict[ParameterReference, Mapping[str, Any]] = {}
    for row in rows:
        message = row["Name"], str(row.get("ARN", "")), str(row.get("Selector", ""))
        found.update((r, row) for r in references if r.answers_to(*message))
    return found


def _read_one(ssm: Ssm, reference: ParameterReference) -> Mapping[str, Any] | AwsError:
    try:
        answer: Mapping[str, Any] = ssm.get_parameter(Name=reference.text, WithDecryption=True)[
            "Parameter"
        ]
    except AwsError as error:
        return error
    return answer


def _refusal(ssm: Ssm, reference: ParameterReference, purpose: str, error: AwsError) -> ReadFailure:
    exists: bool | None = None
    try:
        ssm.get_parameter(Name=reference.text, WithDecryption=False)
        exists = True
    except AwsError as second:
        exists = False if second.code in NOT_FOUND_CODES else None
    denied_action = denial_message.parse(error.message).action
    about_key = error.code in DECRYPTION_CODES or denied_action == "kms:Decrypt"
    permission = "kms:Decrypt" if about_key else error.permission
    return ReadFailure(reference.name, purpose, error.code, error.message[:400], permission, exists)


def _parameter(
    reference: ParameterReference,
    raw: Mapping[str, Any],
    purpose: str,
    shared: bool,
    key: FingerprintKey,
) -> Parameter:
    text: str | None = str(raw["Value"])
    if shared:
        text = part(str(raw["Value"]), purpose)
    secret = Secret(text or "", is_public=purpose != "password")
    if purpose != "password":
        hold_password_of_url(secret.reveal())
    missing = (f"no text under the key {purpose}",) if text is None else ()
    return Parameter(
        name=reference.name,
        selector=reference.selector,
        arn=str(raw.get("ARN", "")),
        purpose=purpose,
        kind=str(raw["Type"]),
        version=int(raw["Version"]),
        modified_at=raw.get("LastModifiedDate"),
        value=None if purpose == "password" else secret.reveal().strip(),
        fingerprint=secret.fingerprint(key.text),
        format_problems=missing or flaws(secret.reveal()),
        raw=None if purpose == "password" else secret.reveal(),
    )


def _with_form(parameters: Parameters, password: Secret) -> Parameters:
    """The parameters with the password's form; a JSON value of another user holds no password."""
    form = form_of(password, parameters.value("username") or "")
    rows = (replace(p, form=form) if p.purpose == "password" else p for p in parameters.found)
    return replace(parameters, found=tuple(rows))


def rewritten(parameter: Parameter, text: str) -> Parameter:
    """A parameter other than the password's, after a new value was written."""
    return replace(
        parameter,
        value=text.strip(),
        raw=text,
        fingerprint="changed",
        format_problems=flaws(text),
        version=parameter.version + 1,
    )
