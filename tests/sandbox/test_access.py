"""Only the sandbox's own people use it: keys, signatures, hosts and the modes of files."""

from __future__ import annotations

import io
import json
import os
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as Keys

from opskit.sandbox import daemon, lifecycle
from opskit.sandbox.aws import signature
from opskit.sandbox.aws.credentials import INTERNAL, Credentials, Rejected
from opskit.sandbox.aws.metadata import MetadataService
from opskit.sandbox.lifecycle import RunningSandbox
from opskit.sandbox.network import allowed_hosts
from tests.conftest import Operator

pytestmark = pytest.mark.sandbox

SEND = """
import http.client, json, sys
place, method, target, headers, body = json.loads(sys.argv[1])
connection = http.client.HTTPConnection(place, timeout=20)
connection.request(method, target, body, headers)
reply = connection.getresponse()
text = "" if reply.status == 101 else reply.read().decode("utf-8", "replace")
print(json.dumps([reply.status, text]))
"""
FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
JSON = {"Content-Type": "application/x-amz-json-1.1"}
VPCS = "Action=DescribeVpcs&Version=2016-11-15"
WHO = "Action=GetCallerIdentity&Version=2011-06-15"


@pytest.fixture(scope="module")
def on_loopback() -> Iterator[Operator]:
    with lifecycle.temporary(0, "loopback") as running:
        yield Operator(running)


@pytest.fixture(params=["packets", "loopback"])
def inside(request: pytest.FixtureRequest) -> Operator:
    """Both kinds of sandbox; where packets cannot be filtered, loopback twice."""
    name = "operator" if request.param == "packets" else "on_loopback"
    found: Operator = request.getfixturevalue(name)
    return found


def sent(
    operator: Operator,
    headers: Mapping[str, str],
    body: str = "",
    *,
    method: str = "POST",
    target: str = "/",
    location: str = "",
) -> tuple[int, str]:
    """A plain HTTP request to the emulated AWS: status and text."""
    location = location or urlsplit(operator.running.api_url).netloc
    arguments = json.dumps([location, method, target, dict(headers), body])
    done = operator.run("python", "-c", SEND, arguments)
    assert done.returncode == 0, done.stderr
    status, text = json.loads(done.stdout)
    return status, text


def signed(
    running: RunningSandbox,
    service: str,
    body: str,
    headers: Mapping[str, str] = FORM,
    **changed: str,
) -> dict[str, str]:
    """The headers of a signed request, with the operator's key unless another is given."""
    request = AWSRequest("POST", f"{running.api_url}/", data=body, headers=dict(headers))
    keys = Keys(changed.get("key", running.access_key), changed.get("secret", running.secret_key))
    SigV4Auth(keys, service, "us-east-1").add_auth(request)
    return dict(request.headers.items())


def run(operator: Operator, *command: str, **environment: Any) -> str:
    done = operator.run("opskit", "run", "--prefix", "/linkbox", "--", *command, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def has_instance(operator: Operator) -> bool:
    done = operator.run("aws", "ec2", "describe-instances")
    return operator.running.ids["instance"] in done.stdout


@pytest.mark.parametrize(
    ("words", "unknown", "mismatch"),
    [
        (("ec2", "describe-vpcs"), "AuthFailure", "AuthFailure"),
        (("rds", "describe-db-instances"), "InvalidClientTokenId", "SignatureDoesNotMatch"),
        (("sts", "get-caller-identity"), "InvalidClientTokenId", "SignatureDoesNotMatch"),
        (
            ("ssm", "describe-parameters"),
            "UnrecognizedClientException",
            "InvalidSignatureException",
        ),
    ],
    ids=lambda one: one[0] if isinstance(one, tuple) else "",
)
def test_another_key_and_another_secret_are_refused(
    inside: Operator, words: tuple[str, ...], unknown: str, mismatch: str
) -> None:
    assert inside.run("aws", *words).returncode == 0
    other = inside.run("aws", *words, AWS_ACCESS_KEY_ID="AKIAOPERATORONCALL00")
    wrong = inside.run("aws", *words, AWS_SECRET_ACCESS_KEY="operator-of-the-sandbox")
    assert (other.returncode != 0, wrong.returncode != 0) == (True, True)
    assert f"({unknown})" in other.stderr
    assert f"({mismatch})" in wrong.stderr


def test_a_command_is_not_run_for_a_wrong_secret(inside: Operator, tmp_path: Path) -> None:
    words = ("--instance-ids", inside.running.ids["instance"])
    command = ("--document-name", "AWS-RunShellScript", "--parameters")
    text = json.dumps({"commands": [f"touch {tmp_path}/run"]})
    send = ("aws", "ssm", "send-command", *words, *command, text)
    assert inside.run(*send, AWS_SECRET_ACCESS_KEY="x").returncode != 0
    assert inside.run("aws", "--no-sign-request", *send[1:]).returncode != 0
    assert lifecycle.send_command(inside.running, "status")["commands"] == 0
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        (FORM, "MissingAuthenticationToken<"),
        ({**JSON, "X-Amz-Target": "AmazonSSM.GetParameter"}, '"MissingAuthenticationTokenException"'),
        ({**FORM, "Authorization": "AWS4-HMAC-SHA256 Credential=x"}, "IncompleteSignature<"),
        ({**FORM, "Authorization": "Basic eDp4"}, "IncompleteSignature<"),
    ],
    ids=["query", "json", "cut", "basic"],
)  # fmt: skip
def test_anonymous_requests_are_refused(
    inside: Operator, headers: dict[str, str], code: str
) -> None:
    status, text = sent(inside, headers, WHO)
    assert (status in (400, 403), code in text) == (True, True), text


def test_a_signature_is_for_one_request_only(inside: Operator) -> None:
    headers = signed(inside.running, "ec2", VPCS)
    assert sent(inside, headers, VPCS)[0] == 200
    other = VPCS.replace("Vpcs", "Keys")
    assert "AuthFailure" in sent(inside, headers, other)[1]
    assert "AuthFailure" in sent(inside, headers, VPCS, target="/?x=1")[1]
    # A header that decides what is done must be signed.
    target = {"X-Amz-Target": "AmazonSSM.DescribeParameters"}
    plain = signed(inside.running, "ssm", "{}", JSON)
    assert "InvalidSignatureException" in sent(inside, {**plain, **target}, "{}")[1]
    whole = signed(inside.running, "ssm", "{}", {**JSON, **target})
    assert sent(inside, whole, "{}")[0] == 200


def test_another_host_and_any_origin_are_refused(inside: Operator) -> None:
    # Validly signed for the other host, as if the page had the key too.
    headers = signed(inside.running, "ec2", VPCS, {**FORM, "Host": "evil.example"})
    assert sent(inside, headers, VPCS) == (421, "")
    port = urlsplit(inside.running.api_url).port
    for host in (f"evil.example:{port}", f"localhost:{port}", "127.0.0.1", ""):
        assert sent(inside, {**FORM, "Host": host}, VPCS) == (421, ""), host
    page = {**signed(inside.running, "ec2", VPCS), "Origin": "http://evil.example"}
    assert sent(inside, page, VPCS) == (403, "")


def test_motos_own_paths_are_closed(inside: Operator) -> None:
    for target, method in (
        ("/moto-api/reset", "POST"),
        ("/moto-api/data.json", "GET"),
        ("/%6doto-api/reset", "POST"),
        ("/latest/meta-data/iam/security-credentials/", "GET"),
    ):
        assert sent(inside, {}, method=method, target=target)[0] == 403
        url = f"{inside.running.api_url}{target}"
        request = AWSRequest(method, url, data="", headers=FORM)
        keys = Keys(inside.running.access_key, inside.running.secret_key)
        SigV4Auth(keys, "ec2", "us-east-1").add_auth(request)
        status, text = sent(inside, dict(request.headers.items()), method=method, target=target)
        assert (status, text) == (403, ""), target
    assert has_instance(inside)


ROLE_CREDENTIALS = """
import json, os, urllib.request
base = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://169.254.169.254").rstrip("/")
def ask(path, method, headers):
    request = urllib.request.Request(base + "/latest/" + path, headers=headers, method=method)
    return urllib.request.urlopen(request, timeout=20).read().decode()
token = ask("api/token", "PUT", {"X-aws-ec2-metadata-token-ttl-seconds": "60"})
headers = {"X-aws-ec2-metadata-token": token}
place = "meta-data/iam/security-credentials/"
found = json.loads(ask(place + ask(place, "GET", headers), "GET", headers))
print(json.dumps([found["AccessKeyId"], found["SecretAccessKey"], found["Token"]]))
"""
"""For the instance's own Python, which has nothing but its library."""


def test_the_roles_credentials_are_verified_too(inside: Operator) -> None:
    key, secret, token = json.loads(run(inside, "python3", "-c", ROLE_CREDENTIALS))
    role = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": token}
    call = ("aws", "sts", "get-caller-identity")
    assert "assumed-role/linkbox-backend-role" in inside.run(*call, **role).stdout
    for changed, code in (
        ({"AWS_SESSION_TOKEN": f"{token}x"}, "InvalidClientTokenId"),
        ({"AWS_SESSION_TOKEN": ""}, "InvalidClientTokenId"),
        ({"AWS_SECRET_ACCESS_KEY": f"{secret}x"}, "SignatureDoesNotMatch"),
    ):
        done = inside.run(*call, **{**role, **changed})
        assert (done.returncode != 0, code in done.stderr) == (True, True), done.stderr
    # The operator's key has no session token.
    assert "InvalidClientTokenId" in inside.run(*call, AWS_SESSION_TOKEN=token).stderr


def test_presigned_urls_are_verified(inside: Operator) -> None:
    running = inside.running
    maker = boto3.client(
        "sts",
        region_name="us-east-1",
        endpoint_url=running.api_url,
        aws_access_key_id=running.access_key,
        aws_secret_access_key=running.secret_key,
    )
    url = maker.generate_presigned_url("get_caller_identity", ExpiresIn=60, HttpMethod="GET")
    target = url.removeprefix(running.api_url)
    status, text = sent(inside, {}, method="GET", target=target)
    assert (status, "user/oncall" in text) == (200, True), text
    other = target.replace("Expires=60", "Expires=61")
    status, text = sent(inside, {}, method="GET", target=other)
    assert (status, "SignatureDoesNotMatch" in text) == (403, True), text
    status, text = sent(inside, {}, method="GET", target=f"{target[:-1]}%E2%82%AC")
    assert (status, "SignatureDoesNotMatch" in text) == (403, True), text
    short = maker.generate_presigned_url("get_caller_identity", ExpiresIn=1, HttpMethod="GET")
    time.sleep(2.1)
    status, text = sent(inside, {}, method="GET", target=short.removeprefix(running.api_url))
    assert (status, "Signature expired" in text) == (403, True), text


def test_the_age_of_a_signature_is_judged_before_its_secret(inside: Operator) -> None:
    headers = signed(inside.running, "ec2", VPCS, secret="x")
    old = f"{datetime.now(UTC) - timedelta(hours=1):%Y%m%dT%H%M%SZ}"
    status, text = sent(inside, {**headers, "X-Amz-Date": old}, VPCS)
    assert (status, "RequestExpired" in text) == (403, True), text


def test_the_gateway_verifies_host_origin_and_signature(inside: Operator) -> None:
    program = (
        "import boto3, json, sys; c = boto3.client('ssm'); print(json.dumps(c.start_session("
        "Target=sys.argv[1], DocumentName='AWS-StartNonInteractiveCommand', "
        "Parameters={'command': ['true']})['StreamUrl']))"
    )
    started = inside.run("python", "-c", program, inside.running.ids["instance"])
    url = urlsplit(json.loads(started.stdout))
    headers = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
        "Host": url.netloc,
    }
    target = f"{url.path}?role=publish_subscribe"
    request = AWSRequest("GET", f"http://{url.netloc}{target}", headers={"Host": url.netloc})
    keys = Keys(inside.running.access_key, inside.running.secret_key)
    SigV4Auth(keys, "ssmmessages", "us-east-1").add_auth(request)
    good = {**headers, **dict(request.headers.items())}
    end = "0" if good["Authorization"][-1] != "0" else "1"

    def status(**changed: str) -> int:
        asked = {**good, **changed}
        return sent(inside, asked, method="GET", target=target, location=url.netloc)[0]

    assert status() == 101
    assert status(Authorization=good["Authorization"][:-1] + end) == 403
    assert status(Origin="http://evil.example") == 403
    assert status(Host=f"evil.example:{url.port}") == 421


def test_a_sandboxs_keys_are_its_own_and_on_no_command_line(
    inside: Operator, on_loopback: Operator
) -> None:
    running = inside.running
    assert running.secret_key not in repr(running)
    assert len({running.access_key, on_loopback.running.access_key}) == (
        1 if inside is on_loopback else 2
    )
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes()
        except OSError:
            continue
        assert running.secret_key.encode() not in line
    path = lifecycle.state_directory() / f"{running.name}.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_record_that_others_could_have_written_is_not_read(
    on_loopback: Operator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    running = replace(on_loopback.running, name="one")
    lifecycle._write(running)
    assert lifecycle.find("one") == running
    path = lifecycle.state_directory() / "one.json"
    assert [p.name for p in path.parent.iterdir()] == ["one.json"]
    path.chmod(0o666)
    assert lifecycle.find("one") is None
    path.unlink()
    other = tmp_path / "other"
    other.write_text(json.dumps(asdict(running)))
    other.chmod(0o600)
    path.symlink_to(other)
    assert lifecycle.find("one") is None
    # Written again, it replaces the link and leaves its destination alone.
    before = other.read_text()
    lifecycle._write(replace(running, pid=1))
    assert (path.is_symlink(), other.read_text() == before) == (False, True)


@pytest.mark.parametrize("mode", ["auto", pytest.param("loopback", marks=pytest.mark.full)])
def test_files_are_for_their_owner_whatever_the_umask(mode: str, tmp_path: Path) -> None:
    listing = 'find "${SANDBOX_SSH%/ssh}" "$XDG_STATE_HOME/opskit" -printf "%m %y %p\\n"'
    started = ("-m", "opskit", "sandbox", "run", "--mode", mode, "--", "sh", "-c", listing)
    done = subprocess.run(
        ["sh", "-c", 'umask 000; exec "$@"', "sh", sys.executable, *started],
        env={**os.environ, "XDG_STATE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [line.split(" ", 2) for line in done.stdout.splitlines()]
    modes = {path: int(octal, 8) for octal, kind, path in rows if kind != "l"}
    top = rows[0][2]
    # The database's user has to pass where root has no namespaces.
    assert modes[top] in (0o700, 0o711)
    shut = {path for octal, kind, path in rows if kind == "d" and int(octal, 8) == 0o700}
    for path, bits in modes.items():
        if path != top and not any(str(above) in shut for above in Path(path).parents):
            assert bits & 0o077 == 0, (oct(bits), path)
    for name in ("ssh/id_ed25519", "ssh/host-app", "control", "daemon.log"):
        assert modes[f"{top}/{name}"] == 0o600, name
    note = next(path for path in modes if path.endswith(".json") and path.startswith(str(tmp_path)))
    assert modes[note] == 0o600


def test_the_user_at_the_other_end_is_known() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert daemon.user_of(ours) == os.geteuid()


def test_root_of_the_metadata_is_secret_on_loopback(on_loopback: Operator) -> None:
    endpoint = run(on_loopback, "sh", "-c", "echo $AWS_EC2_METADATA_SERVICE_ENDPOINT").strip()
    location, secret = urlsplit(endpoint).netloc, urlsplit(endpoint).path
    put, life = "/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "60"}

    def ask(path: str, headers: Mapping[str, str], method: str = "GET") -> tuple[int, str]:
        return sent(on_loopback, headers, method=method, target=path, location=location)

    assert len(secret) > 40
    assert ask(put, life, "PUT")[0] == 404
    assert ask("/v2/credentials/6d9a4f6c0d8a4d0a9c551f6b1f0d6b2e", {})[0] == 404
    evil = {**life, "Host": f"evil.example:{urlsplit(endpoint).port}"}
    assert ask(secret + put, evil, "PUT")[0] == 421
    status, token = ask(secret + put, life, "PUT")
    assert status == 200
    roles = f"{secret}/latest/meta-data/iam/security-credentials/"
    assert ask(roles, {"X-aws-ec2-metadata-token": token}) == (200, "linkbox-backend-role")
    assert ask(roles, {"X-aws-ec2-metadata-token": "sandbox-token"})[0] == 401


def test_metadata_tokens_are_checked() -> None:
    application, seen = MetadataService(lambda: None), []

    def ask(method: str, path: str, **headers: str) -> str:
        environ = {"REQUEST_METHOD": method, "PATH_INFO": path}
        environ |= {f"HTTP_{name}": value for name, value in headers.items()}
        text = b"".join(application(environ, lambda status, given: seen.append((status, given))))
        return text.decode()

    life = "X_AWS_EC2_METADATA_TOKEN_TTL_SECONDS"
    for wrong in ({}, {life: "0"}, {life: "21601"}, {life: "x"}, {life: "²"}):
        assert ask("PUT", "/latest/api/token", **wrong) == ""
        assert seen[-1][0].startswith("400")
    ask("PUT", "/latest/api/token", **{life: "60", "X_FORWARDED_FOR": "192.0.2.1"})
    assert seen[-1][0].startswith("403")
    token = ask("PUT", "/latest/api/token", **{life: "60"})
    assert ("X-aws-ec2-metadata-token-ttl-seconds", "60") in seen[-1][1]
    region = "/latest/meta-data/placement/region"
    assert ask("GET", region, X_AWS_EC2_METADATA_TOKEN=token) == "us-east-1"
    assert ask("GET", region) == ask("GET", region, X_AWS_EC2_METADATA_TOKEN="x") == ""
    application._tokens[token] = time.monotonic() - 1
    assert ask("GET", region, X_AWS_EC2_METADATA_TOKEN=token) == ""


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("127.0.0.1:80", None, 421),
        ("127.0.0.1", None, 0),
        ("Name.Example", None, 0),
        ("127.0.0.1", "null", 403),
        (None, None, 421),
        ("127.0.0.1.", None, 421),
    ],
)
def test_hosts(host: str | None, origin: str | None, status: int) -> None:
    allowed = [allowed_hosts.authority("127.0.0.1", 80), "name.example"]
    assert allowed_hosts.refusal(host, origin, allowed) == status


def _request(
    keys: Any, url: str, method: str = "GET", body: bytes = b""
) -> signature.SignedRequest:
    request = AWSRequest(method, url, data=body, headers={"Host": urlsplit(url).netloc})
    SigV4Auth(Keys(keys.key_id, keys.secret), "sts", "us-east-1").add_auth(request)
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    headers = {name.lower(): value for name, value in request.headers.items()}
    return signature.SignedRequest(method, target, headers, body)


@pytest.mark.parametrize(
    "path",
    ["/", "/a//b/./c/../d/", "/2013-04-01/hostedzone/Z1", "/a%20b/%E2%82%AC", "/~x", "/?b=2&a=%20&a"],
)  # fmt: skip
@pytest.mark.parametrize("body", [b"", b"\x00\xff" * 50])
def test_the_signatures_of_botocore_are_valid(path: str, body: bytes) -> None:
    own = Credentials()
    url = f"http://127.0.0.1:1{path}"
    if path.endswith("&a"):
        # botocore signs a parameter without a value only where it is written with one.
        url += "="
    request = _request(own.internal, url, "POST", body)
    assert own.authenticate(request)[1] is INTERNAL
    for wrong in (
        replace(request, body=body + b"x"),
        replace(request, method="PUT"),
        replace(request, target=f"{request.target}x"),
        replace(request, headers={**request.headers, "x-amz-meta": "1"}),
        replace(request, headers={**request.headers, "x-amz-content-sha256": "UNSIGNED-PAYLOAD"}),
        replace(request, headers={**request.headers, "host": "127.0.0.1:2"}),
    ):
        with pytest.raises(Rejected):
            own.authenticate(wrong)
    with pytest.raises(Rejected):
        Credentials().authenticate(request)


def test_a_body_that_is_too_long_is_not_read() -> None:
    from opskit.sandbox.aws.wsgi_app import MOST_BODY, EmulatedAws

    load_balancer_paths, seen = EmulatedAws.__new__(EmulatedAws), list[str]()
    for length in (str(MOST_BODY + 1), "-1", "x", "²"):
        environ = {"CONTENT_LENGTH": length, "wsgi.input": io.BytesIO(b"x")}
        assert load_balancer_paths(environ, lambda status, _: seen.append(status)) == []
        assert seen[-1].startswith("413")
