"""The emulated AWS as one WSGI application: authenticates and authorizes each call, injects faults, and
answers by moto or its replacements.
"""

from __future__ import annotations

import functools
import io
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from opskit.sandbox import topology
from opskit.sandbox.aws import ecs, fault_injection, identity, signature, ssm
from opskit.sandbox.aws.credentials import INTERNAL, Credentials, Rejected
from opskit.sandbox.aws.fault_injection import FaultInjector, Injection
from opskit.sandbox.aws.identity import CallerIdentity
from opskit.sandbox.aws.saved_backends import SavedBackends
from opskit.sandbox.aws.signature import Signed, SignedRequest
from opskit.sandbox.aws.vpc_endpoints import endpoint_decision
from opskit.sandbox.session_manager.gateway import Sessions

INSTANCE_CONNECT = "ec2-instance-connect"
JSON_SERVICES = ("ssm", "kms", "secretsmanager", "logs", "ecs", "organizations", INSTANCE_CONNECT)
UNCHECKED = {"sts"}
"""sts:GetCallerIdentity is allowed regardless of policies."""
CHANGES_PACKETS = re.compile(
    "Authorize|Revoke|NetworkAcl|Route|ModifyNetworkInterface|ModifyInstance|PrefixList|DBInstance|SecurityGroup"
    "|HostedZone|ResourceRecordSets|VpcAttribute"
)
READS_ONLY = re.compile("^(Describe|Get|List|Simulate)")
MOTO_PATHS = ("/moto-api", "/latest/")
"""moto's own endpoints: its reset, its whole state, and its metadata service."""
MOST_BODY = 8 << 20
"""Far more than any call needs; a body is read before the caller is authenticated."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call to a service.

    Attributes:
        stamp: the time of its signature.
        life_s: the validity of a presigned URL.
        principal: the caller; None where it is not authenticated.
    """

    service: str
    action: str
    body: bytes
    is_json: bool
    stamp: str
    life_s: int | None
    principal: CallerIdentity | None

    @property
    def protocol(self) -> str:
        """The service's protocol for errors; an anonymous request names no service."""
        if self.service in JSON_SERVICES or (not self.service and self.is_json):
            return "json"
        return "ec2" if self.service == "ec2" else "query"

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of a JSON service's request."""
        return json.loads(self.body or b"{}") if self.protocol == "json" else {}

    @property
    def name(self) -> str:
        """The parameter name or path of a call to Systems Manager."""
        fields = self.fields if self.service == "ssm" else {}
        return str(fields.get("Name") or fields.get("Path") or "")

    @property
    def change(self) -> str:
        """The rotation step that this call is; empty when it is none."""
        if self.action == "ModifyDBInstance" and b"MasterUserPassword" in self.body:
            return "change"
        if self.action != "PutParameter":
            return ""
        if not self.name.startswith("/opskit/rotation/"):
            return "publish"
        record = self.name.rsplit("/", 1)[-1]
        if record.startswith("slot-"):
            closes = json.loads(self.fields["Value"]).get("kind") == "close"
            return "close clean" if closes else "join"
        return {"open": "open", "decision": "decide", "done": "close"}.get(record, record)

    @property
    def resources(self) -> list[str]:
        """The call's resources, where IAM's decision depends on them."""
        if self.service == "ssm" and self.action in ("StartSession", "SendCommand"):
            return self._machine_and_document()
        if self.service == "ssm":
            fields = self.fields
            if "SessionId" in fields:
                where = f"{topology.REGION}:{topology.ACCOUNT}"
                return [f"arn:aws:ssm:{where}:session/{fields['SessionId']}"]
            names = fields.get("Names") or ([fields["Name"]] if "Name" in fields else [])
            if "Path" in fields:
                names = [fields["Path"]]
            return [ssm.arn_of(n) for n in names] or ["*"]
        if self.service == "ecs":
            return ecs.resources(self.action, self.fields)
        if self.service == INSTANCE_CONNECT:
            where = f"{topology.REGION}:{topology.ACCOUNT}"
            return [f"arn:aws:ec2:{where}:instance/{self.fields.get('InstanceId', '')}"]
        if self.action == "ModifyDBInstance":
            query = parse_qs(self.body.decode("utf-8", "replace"))
            name = query.get("DBInstanceIdentifier", ["*"])[0]
            return [f"arn:aws:rds:{topology.REGION}:{topology.ACCOUNT}:db:{name}"]
        return ["*"]

    @property
    def context(self) -> dict[str, str]:
        """The condition keys of the call itself."""
        user = self.fields.get("InstanceOSUser") if self.service == INSTANCE_CONNECT else None
        return {"aws:RequestedRegion": topology.REGION, **({"ec2:osuser": user} if user else {})}

    def _machine_and_document(self) -> list[str]:
        """The two resources of a session or command, which needs a right on both."""
        fields, where = self.fields, f"{topology.REGION}:{topology.ACCOUNT}"
        targets = fields.get("InstanceIds") or [fields.get("Target", "")]
        document = f"arn:aws:ssm:{topology.REGION}::document/{fields.get('DocumentName', '')}"
        machines = [
            ecs.session_resource(t) if t.startswith("ecs:") else f"arn:aws:ec2:{where}:instance/{t}"
            for t in targets
        ]
        return [*machines, document]


class EmulatedAws:
    """The WSGI application of the emulated AWS.

    Args:
        credentials: the accepted access keys.
        agent: Systems Manager's connection to the instance.
        sessions: Session Manager's sessions.
        tasks: the ECS tasks.
        push_key: lets the instance accept an SSH key for a minute.
        network_changed: called after a call that may have changed the packets' paths.
    """

    def __init__(
        self,
        credentials: Credentials,
        agent: ssm.AgentConnection,
        sessions: Sessions,
        tasks: ecs.Tasks,
        push_key: Callable[[dict[str, Any]], ssm.Answer],
        network_changed: Callable[[], None],
        latency_s: float,
    ) -> None:
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

        self._moto = DomainDispatcherApplication(create_backend_app)
        self._credentials = credentials
        # It lists a directory and tries patterns for each request; the result depends only on the name.
        self._moto.get_backend_for_host = functools.cache(self._moto.get_backend_for_host)
        self._agent = agent
        self._sessions = sessions
        self._tasks = tasks
        self._push_key = push_key
        self._network_changed = network_changed
        self.fault_injector = sessions.fault_injector = FaultInjector(latency_s)
        # moto has no locks (two racing overwrites can lose one).
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        """Answer one request."""
        length = environ.get("CONTENT_LENGTH") or "0"
        if not length.isascii() or not length.isdigit() or int(length) > MOST_BODY:
            start("413 Content Too Large", [("Content-Length", "0")])
            return []
        body = environ["wsgi.input"].read(int(length))
        environ["wsgi.input"] = io.BytesIO(body)
        request = signature.of_wsgi(environ, body)
        try:
            signed, principal = self._credentials.authenticate(request)
        except Rejected as refused:
            return _refuse_caller(start, read_call(request, refused.signed, None), refused)
        # moto reads the service only from the header.
        environ["HTTP_AUTHORIZATION"] = signed.authorization
        if principal is INTERNAL:
            return self._ask_moto(environ, start)
        if environ["PATH_INFO"].startswith(MOTO_PATHS):
            start("403 Forbidden", [("Content-Length", "0")])
            return []
        call = read_call(request, signed, principal)
        self.fault_injector.calls.append((time.time(), call.service, call.action))
        time.sleep(self.fault_injector.latency_s)
        injected = self.fault_injector.take(call.service, call.action, call.name)
        if injected is not None:
            return self._go_wrong(injected, call, environ, start)
        return self._answer(call, environ, start)

    def restore(self, saved: SavedBackends) -> None:
        """Put the account back, between two calls."""
        with self._lock:
            saved.restore()

    def _go_wrong(
        self, injected: Injection, call: Call, environ: dict[str, Any], start: Any
    ) -> Iterable[bytes]:
        kind = injected.kind
        if kind in ("throttle", "expired", "error"):
            return _fail(start, call, kind)
        if kind == "late":
            self.fault_injector.apply_late(
                injected.seconds, lambda: self._answer(call, environ, lambda *_: None)
            )
            return _fail(start, call, "error")
        if kind == "slow":
            time.sleep(injected.seconds)
        elif kind == "hold" and not injected.after and not self.fault_injector.hold():
            return _hang_up(environ)
        hidden_s = injected.seconds if kind == "stale" else 0.0
        answer = list(self._answer(call, environ, start, hidden_s))
        if kind == "hold" and injected.after:
            self.fault_injector.hold()
        return _hang_up(environ) if kind == "lost" else answer

    def _answer(
        self, call: Call, environ: dict[str, Any], start: Any, hidden_s: float = 0.0
    ) -> Iterable[bytes]:
        """AWS's answer; `hidden_s` is the age from which a write shows in a read."""
        late = fault_injection.too_old(call.stamp, call.action, call.life_s)
        if late:
            return _refuse(start, call, fault_injection.SIGNATURE_CODES, late, 403)
        principal = call.principal
        assert principal is not None
        denied = self._denied(principal, call)
        if denied is not None:
            return _refuse(
                start,
                call,
                fault_injection.DENIED_CODES,
                denied,
                400 if call.protocol == "json" else 403,
            )
        if call.action == "GetCallerIdentity" and principal.kind == "user":
            return _say_who(start, principal)
        if call.service == "ssm":
            special = self._agent.answer(call.action, call.fields)
            special = special or self._sessions.answer(call.action, call.fields, principal.arn)
            special = special or ssm.refuse_decryption(principal, call.action, call.fields)
            if special is not None:
                return _json(start, *special)
        if call.service == "ecs":
            task_reply = self._tasks.answer(call.action, call.fields, principal.arn)
            if task_reply is not None:
                return _json(start, *task_reply)
        if call.service == INSTANCE_CONNECT:
            if not self._agent.is_running(call.fields.get("InstanceId", "")):
                return _json(start, *ssm.error("EC2InstanceNotFoundException", "no such instance"))
            return _json(start, *self._push_key(call.fields))
        change = ssm.Answers(principal.arn).change if call.service == "ssm" else None
        reply = self._ask_moto(environ, start, change, call, hidden_s)
        if CHANGES_PACKETS.search(call.action) and not READS_ONLY.match(call.action):
            self._network_changed()
        return reply

    def _denied(self, principal: CallerIdentity, call: Call) -> str | None:
        """AWS's message when IAM denies the call; None when it allows it."""
        if call.service in UNCHECKED:
            return None
        action = f"{call.service}:{call.action}"
        if action == "kms:GenerateDataKey":
            return _key_denied(principal, action, call.fields)
        for resource in call.resources:
            message = identity.decision(principal, action, resource, call.context)
            if message.is_allowed and principal.kind == "role":
                message = endpoint_decision(action, resource, call.context)
            if not message.is_allowed:
                return (
                    f"User: {principal.arn} is not authorized to perform: {action} on resource: "
                    f"{resource} {message.reason(action)}"
                )
        return None

    def _ask_moto(
        self,
        environ: dict[str, Any],
        start: Any,
        change: Callable[[str, Any, bytes], bytes] | None = None,
        call: Call | None = None,
        hidden_s: float = 0.0,
    ) -> Iterable[bytes]:
        kept: list[Any] = []

        def keep(status: str, headers: list[tuple[str, str]], _: Any = None) -> None:
            kept[:] = [status, headers]

        with self._lock, ssm.seen_late(hidden_s):
            data = b"".join(self._moto(environ, keep))
        status, headers = kept
        if call is not None and call.change and status.startswith("200"):
            self.fault_injector.changes.append(call.change)
        if change is not None and call is not None and status.startswith("200"):
            data = change(call.action, call.fields, data)
            headers = [(k, v) for k, v in headers if k.lower() != "content-length"]
            headers.append(("Content-Length", str(len(data))))
        start(status, headers)
        return [data]


def _key_denied(principal: CallerIdentity, action: str, fields: dict[str, Any]) -> str | None:
    """AWS's message when the use of a key is denied, by IAM or the key policy; None when it is allowed."""
    key = ssm.key_of(fields["KeyId"])
    if key is None:
        return None
    context = {
        f"kms:EncryptionContext:{name}": value
        for name, value in fields.get("EncryptionContext", {}).items()
    }
    message = identity.key_decision(principal, key, action, context)
    if message.is_allowed:
        return None
    return (
        f"User: {principal.arn} is not authorized to perform: {action} on resource: {key.arn} "
        f"{message.reason(action)}"
    )


def read_call(
    request: SignedRequest, signed: Signed | None, principal: CallerIdentity | None
) -> Call:
    """Parse the called service and action from the signature and the request."""
    target = request.headers.get("x-amz-target", "")
    if target:
        action = target.rsplit(".", 1)[-1]
    elif b"Action=" in request.body:
        action = parse_qs(request.body.decode("utf-8", "replace")).get("Action", [""])[0]
    else:
        path = request.target.partition("?")[0]
        action = dict(request.query).get("Action") or _rest_action(request.method, path)
    if signed is None:
        return Call("", action, request.body, bool(target), "", None, None)
    stamp, life_s = signed.stamp, signed.life_s
    return Call(signed.service, action, request.body, bool(target), stamp, life_s, principal)


def _refuse_caller(start: Any, call: Call, refused: Rejected) -> list[bytes]:
    """The answer to an unauthenticated caller: AWS checks the signature's age first."""
    late = fault_injection.too_old(call.stamp, call.action, call.life_s)
    if late:
        return _refuse(start, call, fault_injection.SIGNATURE_CODES, late, 403)
    status = 400 if call.protocol == "json" else 403
    message = refused.message
    if refused.codes[call.protocol] == "AuthFailure":
        message = "AWS was not able to validate the provided access credentials"
    return _refuse(start, call, refused.codes, message, status)


def _rest_action(method: str, path: str) -> str:
    """The Route 53 operation, from method and path."""
    if "hostedzonesbyvpc" in path:
        return "ListHostedZonesByVPC"
    if path.rstrip("/").endswith("hostedzone"):
        return "CreateHostedZone" if method == "POST" else "ListHostedZones"
    if "rrset" in path:
        return "ChangeResourceRecordSets" if method == "POST" else "ListResourceRecordSets"
    if "disassociatevpc" in path:
        return "DisassociateVPCFromHostedZone"
    return "DeleteHostedZone" if method == "DELETE" else "GetHostedZone"


def _fail(start: Any, call: Call, kind: str) -> list[bytes]:
    if kind == "throttle":
        return _refuse(start, call, fault_injection.THROTTLE_CODES, "Rate exceeded", 400)
    if kind == "expired":
        return _refuse(
            start,
            call,
            fault_injection.EXPIRED_CODES,
            "The security token included in the request is expired",
            403,
        )
    codes = dict.fromkeys(("json", "query", "ec2"), "InternalFailure")
    return _refuse(start, call, codes, "We encountered an internal error.", 500)


def _hang_up(environ: dict[str, Any]) -> list[bytes]:
    """Close the connection without a reply."""
    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    return []


def _refuse(
    start: Any, call: Call, codes: Mapping[str, str], message: str, status: int
) -> list[bytes]:
    kind, data = fault_injection.error_body(call.protocol, codes[call.protocol], message)
    start(f"{status} Refused", [("Content-Type", kind), ("Content-Length", str(len(data)))])
    return [data]


def _say_who(start: Any, principal: CallerIdentity) -> list[bytes]:
    """The operator's identity: moto knows only keys that it has created itself."""
    fields = f"<Arn>{principal.arn}</Arn><UserId>AIDAONCALL</UserId><Account>{topology.ACCOUNT}</Account>"
    name = "GetCallerIdentity"
    text = f"<{name}Response><{name}Result>{fields}</{name}Result></{name}Response>"
    start("200 OK", [("Content-Type", "text/xml"), ("Content-Length", str(len(text)))])
    return [text.encode()]


def _json(start: Any, status: int, answer: Any) -> list[bytes]:
    data = json.dumps(answer, default=str).encode()
    headers = [("Content-Type", "application/x-amz-json-1.1"), ("Content-Length", str(len(data)))]
    start(f"{status} OK", headers)
    return [data]
