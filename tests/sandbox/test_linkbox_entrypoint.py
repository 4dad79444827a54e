"""LinkBox's own AWS client: its signature, where its credentials come from, and its errors."""

from __future__ import annotations

import importlib.util
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from opskit.sandbox.aws.credentials import INTERNAL, OPERATOR, Credentials
from opskit.sandbox.aws.signature import SignedRequest
from opskit.sandbox.instance import SCRIPTS

BODY = {"Names": ["/a"], "WithDecryption": True}
TARGET = "AmazonSSM.GetParameters"


def load() -> Any:
    spec = importlib.util.spec_from_file_location("aws_request", SCRIPTS / "aws_request.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Service:
    """An HTTP server that records requests and gives prepared replies, by path."""

    def __init__(self) -> None:
        self.requests: list[SignedRequest] = []
        self.replies: dict[str, tuple[int, str]] = {}
        service = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                service.requests.append(SignedRequest(self.command, self.path, headers, body))
                status, text = service.replies.get(self.path, (404, ""))
                self.send_response(status)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        for method in ("GET", "PUT", "POST"):
            setattr(Handler, f"do_{method}", Handler.answer)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    service = Service()
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", service.url)
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", service.url)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    service.replies["/"] = 200, '{"Parameters": []}'
    yield service
    service.server.shutdown()
    service.server.server_close()


def test_a_call_is_signed_with_the_keys_of_the_environment(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Credentials()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", own.operator.key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", own.operator.secret)
    assert load().call("ssm", TARGET, BODY) == {"Parameters": []}
    (request,) = service.requests
    signed, caller = own.authenticate(request)
    assert (signed.service, caller) == ("ssm", OPERATOR)
    assert caller != INTERNAL
    assert json.loads(request.body) == BODY


def test_the_role_of_the_instance_signs_otherwise(service: Service) -> None:
    path = "/latest/meta-data/iam/security-credentials/"
    keys = {"AccessKeyId": "ASIA", "SecretAccessKey": "secret", "Token": "session"}
    service.replies |= {
        "/latest/api/token": (200, "proof"),
        path: (200, "role"),
        f"{path}role": (200, json.dumps(keys)),
    }
    load().call("ssm", TARGET, BODY)
    *asked, request = service.requests
    assert [r.method for r in asked] == ["PUT", "GET", "GET"]
    assert [r.headers.get("x-aws-ec2-metadata-token") for r in asked] == [None, "proof", "proof"]
    assert request.headers["x-amz-security-token"] == "session"
    assert "Credential=ASIA/" in request.headers["authorization"]
    assert "x-amz-security-token" in request.headers["authorization"]


def test_without_a_role_there_are_no_credentials(service: Service) -> None:
    module = load()
    with pytest.raises(module.RequestFailed, match="Unable to locate credentials"):
        module.call("ssm", TARGET, BODY)
    assert all(r.target != "/" for r in service.requests)


def test_an_error_is_told_as_by_the_sdk(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    body = {"__type": "com.amazonaws.ssm#AccessDeniedException", "message": "no: because"}
    service.replies["/"] = 400, json.dumps(body)
    module = load()
    text = (
        r"^An error occurred \(AccessDeniedException\) when calling the GetParameters operation: no: "
        "because$"
    )
    with pytest.raises(module.RequestFailed, match=text):
        module.call("ssm", TARGET, BODY)


def test_botocore_parses_each_file_once(monkeypatch: pytest.MonkeyPatch) -> None:
    import botocore.session
    from botocore.loaders import JSONFileLoader

    from opskit.sandbox.aws import service_models

    parsed, load_file = list[str](), JSONFileLoader.load_file

    def counted(self: JSONFileLoader, file_path: str) -> Any:
        result = load_file(self, file_path)
        parsed.extend([file_path] if result is not None else [])
        return result

    monkeypatch.setattr(JSONFileLoader, "load_file", counted)
    service_models.parse_once()
    for _ in range(2):
        session = botocore.session.Session()
        assert "GetCallerIdentity" in session.get_service_model("sts").operation_names
    assert len(parsed) == len(set(parsed)) > 0
