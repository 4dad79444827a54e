"""The parts of the program that ask AWS, log in and keep time, without a process of their own."""

from __future__ import annotations

import hashlib
import io
import json
import threading
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from opskit.engine.postgresql.environment import ENVIRONMENT
from opskit.probe.program import aws_calls, containers, credential_reads, logins, machine
from opskit.probe.program.jobs import isolated, run_all
from opskit.probe.program.probe import Probe
from opskit.probe.request import CREDENTIAL_VARIABLES, _for_python
from opskit.secret import fingerprint
from tests.probe.test_probe import KEY, PASSWORD, reads_of, request

ROLE = {"AccessKeyId": "AKIDEXAMPLE", "SecretAccessKey": "wJalrXUtnFEMI", "Token": "session-token"}
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
STAMP = "20260102T030405Z"


def probe(**changes: object) -> Probe:
    return Probe(json.loads(json.dumps(_for_python(request(**changes)))))


def printed(probe: Probe, capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    probe.print_all()
    *lines, end = capsys.readouterr().out.splitlines()
    assert end == "end"
    return [line.split("\t") for line in lines]


@pytest.mark.parametrize(
    ("service", "region", "host"),
    [
        ("sts", "us-east-1", "sts.us-east-1.amazonaws.com"),
        ("ssm", "cn-north-1", "ssm.cn-north-1.amazonaws.com.cn"),
    ],
)
def test_a_call_is_signed_as_botocore_signs_it(
    service: str, region: str, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[urllib.request.Request] = []

    def urlopen(call: urllib.request.Request, timeout: float) -> io.BytesIO:
        sent.append(call)
        return io.BytesIO(b"<Arn>a</Arn>")

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    monkeypatch.setattr(time, "gmtime", AT.timetuple)
    for name in ("AWS_ENDPOINT_URL", f"AWS_ENDPOINT_URL_{service.upper()}"):
        monkeypatch.delenv(name, raising=False)
    headers, body = (
        {"content-type": "application/x-amz-json-1.1", "x-amz-target": "A.B"},
        b'{"a": 1}',
    )
    assert aws_calls.aws_call(service, region, ROLE, headers, body) == "<Arn>a</Arn>"
    [call] = sent
    assert call.full_url == f"https://{host}/"

    names = {"AccessKeyId": "access_key", "SecretAccessKey": "secret_key", "Token": "token"}
    signer = SigV4Auth(Credentials(**{names[k]: v for k, v in ROLE.items()}), service, region)
    same = AWSRequest("POST", call.full_url, data=body, headers=dict(headers))
    same.context["timestamp"] = STAMP
    same.headers["X-Amz-Date"] = STAMP
    same.headers["X-Amz-Security-Token"] = ROLE["Token"]
    text = signer.string_to_sign(same, signer.canonical_request(same))
    authorization = call.get_header("Authorization")
    assert authorization is not None
    assert authorization.endswith(f"Signature={signer.signature(text, same)}")
    assert f"Credential=AKIDEXAMPLE/20260102/{region}/{service}/aws4_request" in authorization


@pytest.mark.parametrize(
    ("relative", "full", "url"),
    [
        ("/v2/credentials/1", "", "http://169.254.170.2/v2/credentials/1"),
        ("", "http://127.0.0.1:9/x", "http://127.0.0.1:9/x"),
    ],
)
def test_a_task_has_a_url_of_its_credentials(
    relative: str, full: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", relative)
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", full)
    assert aws_calls.container_credentials_url() == url


def refusal(code: int, body: bytes) -> urllib.error.HTTPError:
    return urllib.error.HTTPError("http://x/", code, "", {}, io.BytesIO(body))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (
            refusal(400, b'{"__type": "x#AccessDeniedException", "Message": "no"}'),
            "AccessDeniedException",
            "no",
        ),
        (refusal(503, b"<html>"), "503", ""),
        (TimeoutError(), "Unreachable", "ssm did not answer (TimeoutError)"),
    ],
)
def test_a_read_that_fails_is_reported_with_its_code(
    error: Exception, code: str, message: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def fail(*_: object) -> str:
        raise error

    monkeypatch.setattr(credential_reads, "aws_call", fail)
    run = probe()
    credential_reads.probe_location(run, run.request["reads"][0], ROLE)
    assert printed(run, capsys) == [["read", "/a/db-password", "", code, message]]
    assert run.values == {}


@pytest.mark.parametrize(
    ("text", "values", "flaw"),
    [
        (json.dumps({"username": "app", "password": PASSWORD, "database": "shop"}),
         {"username": "app", "password": PASSWORD, "database": "shop"}, ""),
        (json.dumps({"username": "app", "password": PASSWORD, "port": 1}),
         {"username": "app", "password": PASSWORD}, "it holds no JSON with the key database"),
        (f"app:{PASSWORD}", {}, "it holds no JSON with the key database and password and username"),
    ],
    ids=["all", "one missing", "no JSON"],
)  # fmt: skip
def test_one_location_can_hold_several_pieces(
    text: str, values: dict[str, str], flaw: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """It is read once; a text without a piece was read all the same, and stays secret."""
    calls: list[object] = []

    def answer(*arguments: object) -> str:
        calls.append(arguments)
        return json.dumps({"Parameter": {"Value": text}})

    monkeypatch.setattr(credential_reads, "aws_call", answer)
    run = probe(reads=reads_of(dict.fromkeys(("username", "password", "database"), "/a/all")))
    for read in run.request["reads"]:
        credential_reads.probe_location(run, read, ROLE)
    assert len(calls) == 1
    assert run.values == values
    assert printed(run, capsys) == [
        ["read", "/a/all", fingerprint(KEY, text), flaw and "Malformed", flaw]
    ]
    assert PASSWORD not in run.clean(f"the app says {text} and {PASSWORD}")


@pytest.mark.parametrize("reply", ["[]", "{}", '{"Parameter": {"Value": 1}}', "<html>"])
def test_a_reply_without_a_text_is_malformed(
    reply: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(credential_reads, "aws_call", lambda *_: reply)
    run = probe()
    credential_reads.probe_location(run, run.request["reads"][0], ROLE)
    assert [line[2:4] for line in printed(run, capsys)] == [["", "Malformed"]]


class Logins:
    """The engine's login on the instance: keeps its arguments and fails."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[Any, ...]] = []
        monkeypatch.setattr(logins, "login", self.login, raising=False)

    def login(self, *arguments: Any) -> dict[str, Any]:
        self.calls.append(arguments)
        return {"ok": False, "code": "42", "message": f"no {PASSWORD}", "ms": 3, "tls": ""}


@pytest.mark.parametrize("has_bundle", [True, False])
def test_a_container_logs_in_with_its_own_settings_and_the_tables_defaults(
    has_bundle: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Without the bundle nothing can be verified: the login is encrypted only."""
    own, bundle = Logins(monkeypatch), tmp_path / "rds.pem"
    if has_bundle:
        bundle.write_text("")
    plain = {"host": "127.0.0.2", "user": "app", "password": PASSWORD, "database": "shop"}
    verifying = ENVIRONMENT.verifying_tls_modes[0]
    run = probe()
    run.secret(PASSWORD)
    run.containers = [
        ("plain", plain),
        ("strict", {**plain, "port": "5433", "tls_mode": verifying, "ca_file": str(bundle)}),
        ("half", {"host": "127.0.0.2"}),
    ]
    logins.probe_container_logins(run)
    mode = verifying if has_bundle else ENVIRONMENT.encrypting_tls_mode
    file = str(bundle) if has_bundle else ""
    assert [(call[2], call[6], call[7]) for call in own.calls] == [
        (ENVIRONMENT.default_port, ENVIRONMENT.default_tls_mode, ""),
        (5433, mode, file),
    ]
    assert printed(run, capsys) == [
        ["login", f"container:{name}", "no", "42", "no <secret>", "3", "", used]
        for name, used in (("plain", ENVIRONMENT.default_tls_mode), ("strict", mode))
    ]


def test_without_the_engines_login_none_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Logins(monkeypatch)
    run = probe(engine_program=None, login_to=("127.0.0.2", 5432))
    run.values = {"username": "app", "password": PASSWORD, "database": "shop"}
    run.containers = [("app", {"host": "127.0.0.2", "user": "u", "password": "p", "database": "d"})]
    run.reads_done.set()
    logins.probe_parameter_login(run)
    logins.probe_container_logins(run)
    assert own.calls == []


def test_a_login_waits_for_all_three_values(capsys: pytest.CaptureFixture[str]) -> None:
    run = probe(login_to=("127.0.0.2", 5432))
    run.values = {"username": "app"}
    run.reads_done.set()
    logins.probe_parameter_login(run)
    assert [line[:2] for line in printed(run, capsys)] == [["unavailable", "login parameters"]]


def test_other_credentials_are_named_and_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text("")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in CREDENTIAL_VARIABLES:
        monkeypatch.setenv(name, "AKIA-not-shown")
    run = probe()
    machine.probe_machine(run)
    lines = printed(run, capsys)
    others = [line[1] for line in lines if line[0] == "other-credentials"]
    assert others == [
        *(f"variable {n}" for n in CREDENTIAL_VARIABLES),
        f"{tmp_path}/.aws/credentials",
    ]
    assert "AKIA-not-shown" not in str(lines)


def test_credentials_of_a_container_are_named_and_not_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = probe()
    containers.emit_credentials(run, "app", ["PORT=1", f"{CREDENTIAL_VARIABLES[0]}=AKIA-not-shown"])
    assert printed(run, capsys) == [
        ["other-credentials", f"variable {CREDENTIAL_VARIABLES[0]} of app"]
    ]


def test_a_job_that_fails_ends_only_itself(capsys: pytest.CaptureFixture[str]) -> None:
    run, done = probe(), threading.Event()

    def fail(_: Probe) -> None:
        raise ValueError(PASSWORD)

    assert run_all([isolated(run, "this", fail), isolated(run, "that", lambda _: done.set())], 10)
    assert done.is_set()
    assert printed(run, capsys) == [["unavailable", "this", "ValueError"]]


def test_a_job_that_hangs_does_not_hold_up_the_others() -> None:
    run, release = probe(), threading.Event()
    jobs = [isolated(run, "hangs", lambda _: release.wait()), isolated(run, "ends", lambda _: None)]
    assert run_all(jobs, 0.05) is False
    release.set()
    jobs[0].join()


def test_a_fingerprint_is_keyed() -> None:
    run = probe()
    assert (
        run.secret("a")
        == run.fingerprint("a")
        == hashlib.sha256(f"{KEY}a".encode()).hexdigest()[:6]
    )
