"""Parameters that are named by a version, a label or their ARN."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from opskit.checks.catalogue import check_of
from opskit.checks.interface import Finding, Status
from opskit.checks.run import run_check
from opskit.cli import main
from opskit.config import Target, load
from opskit.engine.interface import LoginFailure
from opskit.errors import AwsError, ExitStatus, UsageError
from opskit.facts import identity, location_descriptions, stored_credential
from opskit.facts.given_facts import FingerprintKey
from opskit.facts.login import LoginAttemptResult
from opskit.facts.probe import _by_plain_name
from opskit.facts.region import Region
from opskit.facts.stored_credential import StoredCredential
from opskit.parameter_reference import parse
from opskit.probe.response import LocationRead, ProbeResult
from tests import builders as b
from tests.fake_aws import FakeClient

ACCOUNT = "arn:aws:ssm:us-east-1:123456789012:parameter"
NAME = b.NAMES["password"]
REGION = Region("us-east-1")


def target(password: str, **more: str) -> Target:
    return load({"prefix": "/linkbox", "parameter_password": password, **more}, {}, Path("/"))


class Ssm(FakeClient):
    """Parameter Store as AWS answers: the plain name, and the selector apart.

    Args:
        versions: how many the password has; its second carries the label `live`.
        in_batch: whether GetParameters answers; else each is asked for by itself.
    """

    def __init__(self, *, in_batch: bool = True) -> None:
        self.in_batch = in_batch
        self.described: list[str] = []

    def _row(self, text: str) -> Mapping[str, Any]:
        reference = parse(text)
        versions = {"": 3, "2": 2, "3": 3, "live": 2}
        if reference.name not in b.NAMES.values():
            raise AwsError("ssm:GetParameter", "ParameterNotFound", "")
        if reference.selector not in versions:
            raise AwsError("ssm:GetParameter", "ParameterVersionNotFound", "")
        version = versions[reference.selector]
        row = {
            "Name": reference.name, "Type": "String", "Version": version,
            "Value": f"Value-number-{version}", "ARN": f"{ACCOUNT}{reference.name}",
        }  # fmt: skip
        return row | ({"Selector": f":{reference.selector}"} if reference.selector else {})

    def get_parameter(self, **asked: Any) -> Any:
        return {"Parameter": self._row(asked["Name"])}

    def get_parameters(self, **asked: Any) -> Any:
        if not self.in_batch:
            raise AwsError("ssm:GetParameters", "InternalServerError", "")
        rows, invalid = [], []
        for name in asked["Names"]:
            try:
                rows.append(self._row(name))
            except AwsError:
                invalid.append(name)
        return {"Parameters": rows, "InvalidParameters": invalid}

    def describe_parameters(self, **asked: Any) -> Any:
        self.described = asked["ParameterFilters"][0]["Values"]
        return {"Parameters": []}


@pytest.mark.parametrize("in_batch", [True, False])
@pytest.mark.parametrize(
    ("text", "version"),
    [
        (f"{NAME}:live", 2),
        (f"{NAME}:2", 2),
        (f"{NAME}:3", 3),
        (f"{ACCOUNT}{NAME}", 3),
        (f"{ACCOUNT}{NAME}:live", 2),
    ],
)
def test_the_named_version_is_read(text: str, version: int, in_batch: bool) -> None:
    found, credential = stored_credential.read(
        Ssm(in_batch=in_batch),
        target(text),
        FingerprintKey("k"),
    )
    password = found.get("password")
    assert password is not None
    assert (password.name, password.version) == (NAME, version)
    assert credential.password.reveal() == f"Value-number-{version}"
    assert len(found.existing) == 4


def test_two_versions_of_one_parameter_are_two_values() -> None:
    both = target(f"{NAME}:2", parameter_username=f"{NAME}:3")
    found, credential = stored_credential.read(Ssm(), both, FingerprintKey("k"))
    assert found.value("username") == "Value-number-3"
    assert credential.password.reveal() == "Value-number-2"


def test_what_describes_and_protects_takes_the_plain_name() -> None:
    ssm, chosen = Ssm(), target(f"{ACCOUNT}{NAME}:live")
    location_descriptions.read(ssm, chosen)
    assert NAME in ssm.described
    assert chosen.parameters["password"] == NAME
    assert f"--parameter-password {ACCOUNT}{NAME}:live" in chosen.flags


def test_a_version_that_is_not_there_is_missing_and_not_a_bug() -> None:
    found, _ = stored_credential.read(Ssm(), target(f"{NAME}:99"), FingerprintKey("k"))
    assert found.missing == (("password", f"{NAME}:99"),)
    finding = run_check(check_of("PAR001"), b.snapshot(found))
    assert (finding.status, finding.fix) == (Status.FAIL, None)
    assert "get-parameter-history" in finding.advice


@pytest.mark.parametrize(
    "text", ["/a:", "/a:1:2", "/a: x", "arn:aws:s3:::bucket", f"{ACCOUNT}/a:1:2", "arn:aws:ssm:x"]
)
def test_another_form_is_one_sentence(text: str) -> None:
    with pytest.raises(UsageError):
        target(text)


class Sts(FakeClient):
    def get_caller_identity(self) -> Any:
        return {"Account": "123456789012", "Arn": "arn:x"}


@pytest.mark.parametrize(
    ("arn", "is_refused"),
    [
        (f"{ACCOUNT}{NAME}", False),
        (ACCOUNT.replace("123456789012", "210987654321") + NAME, True),
        (ACCOUNT.replace("us-east-1", "eu-west-1") + NAME, True),
    ],
)
def test_a_parameter_of_somebody_else_is_refused(arn: str, is_refused: bool) -> None:
    if not is_refused:
        assert identity.read_confirmed(Sts(), target(arn), REGION).account == "123456789012"
        return
    with pytest.raises(UsageError, match="you are in account 123456789012 and us-east-1"):
        identity.read_confirmed(Sts(), target(arn), REGION)


def test_the_instances_reads_come_back_under_the_plain_name() -> None:
    message = ProbeResult(True, True, reads=(LocationRead(f"{NAME}:live", "aaaaaa", "", ""),))
    [read] = _by_plain_name(message, target(f"{NAME}:live")).reads
    assert read.name == NAME


WRONG = LoginAttemptResult(False, LoginFailure.PASSWORD, "no", 1.0, "", "here", "linkbox")


def selected(purpose: str, **changes: Any) -> StoredCredential:
    return b.parameters(**{purpose: b.parameter(purpose, selector="live", **changes)})


def judged(code: str, *replaced: Any) -> Finding:
    return run_check(check_of(code), b.snapshot(*replaced))


@pytest.mark.parametrize(
    ("code", "replaced"),
    [
        ("PAR005", (selected("endpoint", value=f"{b.HOST}:5433"),)),
        ("PAR006", (selected("endpoint", value="/var/run", raw="/var/run"),)),
        ("PAR006", (selected("password", format_problems=("a trailing newline",)), WRONG)),
        ("PAR007", (selected("endpoint", value="127.0.0.1"),)),
        ("AUT001", (selected("password", version=7), WRONG)),
        ("RDS003", (b.database(managed_secret_arn="arn:s"), selected("password"), WRONG)),
    ],
)
def test_no_command_writes_a_version(code: str, replaced: tuple[Any, ...]) -> None:
    finding = judged(code, *replaced)
    assert (finding.status, finding.fix) == (Status.FAIL, None)
    assert "is read by its version or label live" in finding.advice


@pytest.mark.parametrize(
    "words", [[], ["--dry-run"], ["repair"], ["history"], ["create-combined-parameter", "/l/x"]]
)
def test_a_rotation_of_a_version_is_refused_in_one_sentence(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--prefix", "/linkbox", "--parameter-password", f"{NAME}:live"]
    head, tail = (
        (["rotate-password"], words)
        if words[:1] == ["--dry-run"]
        else (
            ["rotate-password", *words[:1]],
            words[1:],
        )
    )
    assert main.run([*head, *flags, *tail]) == ExitStatus.USAGE
    message = capsys.readouterr().err
    assert "selects one version" in message
    assert f"--parameter-password {NAME}\n" in message
