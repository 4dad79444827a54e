"""Systems Manager beyond moto: runs commands, checks KMS keys, and models the agent's connection."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from opskit.sandbox import topology
from opskit.sandbox.aws import identity
from opskit.sandbox.aws.identity import CallerIdentity
from opskit.sandbox.instance import AGENT_VERSION, set_version
from opskit.sandbox.topology import CompletedCommand

MOST_STDOUT, MOST_STDERR = 24_000, 8_000
MOST_LISTED = 2_500
MOST_DOCUMENT = 64 * 1024
"""Bytes of a document with its parameters (Systems Manager API Reference, MaxDocumentSizeExceeded)."""
UPDATE_DOCUMENT = "AWS-UpdateSSMAgent"
UPDATE = set_version(AGENT_VERSION)
NOT_THERE_S = 0.02
"""For this time after SendCommand its invocation does not exist: AWS needs up to seconds."""
ARN_PREFIX = f"arn:aws:ssm:{topology.REGION}:{topology.ACCOUNT}:parameter/"
READS = ("GetParameter", "GetParameters", "GetParametersByPath")

Answer = tuple[int, Mapping[str, Any]]
Run = Callable[[str, float], CompletedCommand]


def error(code: str, message: str = "", status: int = 400) -> Answer:
    """An error of a JSON service."""
    return status, {"__type": code, "message": message}


class AgentConnection:
    """Systems Manager's connection to the one instance that has an agent.

    Args:
        run: runs a script on the instance.
        instance: the emulated instance.
        installed: returns the agent's version, and whether it runs.
    """

    def __init__(
        self, run: Run, instance: Callable[[], Any], installed: Callable[[], tuple[str, bool]]
    ) -> None:
        self._run = run
        self._installed = installed
        self._instance = instance
        self._commands: dict[str, dict[str, Any]] = {}

    def reset(self) -> None:
        """Forget all commands."""
        self._commands = {}

    @property
    def running(self) -> int:
        """The number of commands that have not ended yet."""
        return sum(r["Status"] == "InProgress" for r in list(self._commands.values()))

    def answer(self, operation: str, body: Mapping[str, Any]) -> Answer | None:
        """The answer to an operation that this module implements; None for all others."""
        method = {
            "SendCommand": self._send,
            "GetCommandInvocation": self._invocation,
            "ListCommands": self._list,
            "ListCommandInvocations": self._list_invocations,
            "CancelCommand": self._cancel,
            "DescribeInstanceInformation": self._information,
            "GetConnectionStatus": self._connection,
        }.get(operation)
        return method(body) if method else None

    def is_running(self, instance_id: str) -> bool:
        """Whether it is the instance that has a machine, and the instance is running."""
        instance = self._instance()
        return instance is not None and instance.id == instance_id and instance.state == "running"

    def is_online(self, instance_id: str) -> bool:
        """Whether sessions can be started: the agent is connected to ssmmessages."""
        return self._may(instance_id, "ssmmessages:OpenControlChannel")

    def takes_commands(self, instance_id: str) -> bool:
        """Whether commands arrive: over ssmmessages, or over the older ec2messages."""
        old = self._may(instance_id, "ec2messages:GetMessages")
        return old or self.is_online(instance_id)

    def _may(self, instance_id: str, action: str) -> bool:
        """Whether the agent runs on a running instance, with a role that allows an action."""
        instance = self._instance()
        if not self.is_running(instance_id):
            return False
        if not self._installed()[1]:
            return False
        role = role_of(instance)
        if role is None:
            return False
        return identity.decision(role, action, "*", {}).is_allowed

    def _send(self, body: Mapping[str, Any]) -> Answer:
        ids = body.get("InstanceIds", [])
        if not ids or not all(self.takes_commands(i) for i in ids):
            text = f"Instances [[{', '.join(ids)}]] not in a valid state for account {topology.ACCOUNT}"
            return error("InvalidInstanceId", text)
        if len(json.dumps(body.get("Parameters", {}))) > MOST_DOCUMENT:
            return error("MaxDocumentSizeExceeded", "The size limit of a document is 64 KB.")
        if body["DocumentName"] not in ("AWS-RunShellScript", UPDATE_DOCUMENT):
            return error("InvalidDocument", f"Document {body['DocumentName']} does not exist")
        command_id = str(uuid.uuid4())
        record = {
            "CommandId": command_id,
            "InstanceId": ids[0],
            "DocumentName": body["DocumentName"],
            "Comment": body.get("Comment", ""),
            "Parameters": body.get("Parameters", {}),
            "Status": "InProgress",
            "since": time.monotonic(),
        }
        self._commands[command_id] = record
        threading.Thread(target=self._execute, args=(record,), daemon=True).start()
        shown = {k: v for k, v in record.items() if k not in ("since", "InstanceId")}
        return 200, {"Command": {**shown, "InstanceIds": ids, "Status": "Pending"}}

    def _execute(self, record: dict[str, Any]) -> None:
        script = "\n".join(record["Parameters"].get("commands", []))
        if record["DocumentName"] == UPDATE_DOCUMENT:
            script = UPDATE
        limit = float(record["Parameters"].get("executionTimeout", ["3600"])[0])
        process = self._run(script, limit)
        stderr = process.stderr.decode("utf-8", "replace")
        if process.exit_status != 0 and not process.timed_out:
            stderr += f"\nfailed to run commands: exit status {process.exit_status}"
        record["Output"] = (
            process.stdout.decode("utf-8", "replace")[:MOST_STDOUT],
            stderr[:MOST_STDERR],
        )
        record["ResponseCode"] = process.exit_status
        ended = "Success" if process.exit_status == 0 else "Failed"
        record["Status"] = "TimedOut" if process.timed_out else ended

    def _invocation(self, body: Mapping[str, Any]) -> Answer:
        record = self._commands.get(body["CommandId"])
        if record is None or time.monotonic() - record["since"] < NOT_THERE_S:
            return error("InvocationDoesNotExist")
        stdout, stderr = record.get("Output", ("", ""))
        details = "ExecutionTimedOut" if record["Status"] == "TimedOut" else record["Status"]
        return 200, {
            "CommandId": record["CommandId"],
            "InstanceId": record["InstanceId"],
            "DocumentName": record["DocumentName"],
            "Status": record["Status"],
            "StatusDetails": details,
            "ResponseCode": record.get("ResponseCode", -1),
            "StandardOutputContent": stdout,
            "StandardErrorContent": stderr,
        }

    def _list(self, _: Mapping[str, Any]) -> Answer:
        names = ("CommandId", "DocumentName", "Comment", "Parameters", "Status")
        rows = [{n: record[n] for n in names} for record in self._commands.values()]
        return 200, {"Commands": rows}

    def _list_invocations(self, body: Mapping[str, Any]) -> Answer:
        wanted = [
            r for r in self._commands.values() if body.get("CommandId") in (None, r["CommandId"])
        ]
        rows = [
            {
                "CommandId": r["CommandId"],
                "InstanceId": r["InstanceId"],
                "Status": r["Status"],
                "CommandPlugins": [{"Output": r.get("Output", ("", ""))[0][:MOST_LISTED]}],
            }
            for r in wanted
        ]
        return 200, {"CommandInvocations": rows}

    def _cancel(self, body: Mapping[str, Any]) -> Answer:
        return (200, {}) if body["CommandId"] in self._commands else error("InvalidCommandId")

    def _information(self, body: Mapping[str, Any]) -> Answer:
        instance = self._instance()
        wanted = [
            v for f in body.get("Filters", []) if f["Key"] == "InstanceIds" for v in f["Values"]
        ]
        if instance is None or (wanted and instance.id not in wanted):
            return 200, {"InstanceInformationList": []}
        online = self._may(instance.id, "ssm:UpdateInstanceInformation")
        return 200, {
            "InstanceInformationList": [
                {
                    "InstanceId": instance.id,
                    "PingStatus": "Online" if online else "ConnectionLost",
                    "LastPingDateTime": time.time() - (5 if online else 900),
                    "AgentVersion": self._installed()[0],
                    "PlatformType": "Linux",
                    "ResourceType": "EC2Instance",
                }
            ]
        }

    def _connection(self, body: Mapping[str, Any]) -> Answer:
        online = self.is_online(body["Target"])
        return 200, {"Target": body["Target"], "Status": "connected" if online else "notconnected"}


def role_of(instance: Any) -> CallerIdentity | None:
    """The role in an instance's profile."""
    from moto.ec2.models import ec2_backends

    backend = ec2_backends[topology.ACCOUNT][topology.REGION]
    for association in backend.iam_instance_profile_associations.values():
        if association.instance.id == instance.id:
            roles = association.iam_instance_profile.roles
            if roles:
                name, session = roles[0].name, instance.id
                arn = f"arn:aws:sts::{topology.ACCOUNT}:assumed-role/{name}/{session}"
                return CallerIdentity(arn, "role", name)
    return None


def refuse_decryption(
    principal: CallerIdentity | None, operation: str, body: Mapping[str, Any]
) -> Answer | None:
    """The error of the requested parameters' keys for this read; None if they allow it.

    Parameter Store calls KMS with the parameter's ARN as encryption context; AWS wraps KMS's error in its own
    (texts as reported in hashicorp/terraform-provider-aws#42849 and #27352).
    """
    if operation not in READS or not body.get("WithDecryption"):
        return None
    for parameter in _asked(body):
        if parameter.parameter_type != "SecureString":
            continue
        key = key_of(parameter.keyid)
        if key is None or parameter.keyid == "alias/aws/ssm":
            continue
        tail = (
            "(Service: AWSKMS; Status Code: 400; Error Code: {}; Request ID: "
            + str(uuid.uuid4())
            + ")"
        )
        if key.key_state == "Disabled":
            return error(
                "InvalidKeyId", f"{key.arn} is disabled. {tail.format('DisabledException')}"
            )
        if key.key_state != "Enabled":
            text = f"{key.arn} is pending deletion. {tail.format('KMSInvalidStateException')}"
            return error("InvalidKeyId", text)
        if principal is not None:
            context = {
                "kms:ViaService": f"ssm.{topology.REGION}.amazonaws.com",
                "kms:CallerAccount": topology.ACCOUNT,
                "kms:EncryptionContext:PARAMETER_ARN": arn_of(parameter.name),
            }
            message = identity.key_decision(principal, key, "kms:Decrypt", context)
            if not message.is_allowed:
                text = (
                    f"User: {principal.arn} is not authorized to perform: kms:Decrypt on resource: "
                    f"{key.arn} {message.reason('kms:Decrypt')} {tail.format('AccessDeniedException')}"
                )
                return error("AccessDeniedException", text)
    return None


@contextlib.contextmanager
def seen_late(seconds: float) -> Iterator[None]:
    """Hide writes younger than the given seconds from reads, inside the block."""
    if not seconds:
        yield
        return
    from moto.ssm.models import ssm_backends

    backend = ssm_backends[topology.ACCOUNT][topology.REGION]
    # Without a zone, and UTC.
    whole = backend._parameters
    limit = datetime.now(UTC).replace(tzinfo=None) - timedelta(seconds=seconds)
    seen = type(whole)(topology.ACCOUNT, topology.REGION)
    for name, versions in list(whole.items()):
        old = [v for v in versions if v.last_modified_date <= limit]
        if old:
            seen[name] = old
    backend._parameters = seen
    try:
        yield
    finally:
        backend._parameters = whole


_writers: dict[str, str] = {}
"""Parameter -> the last writer, which moto does not store."""


def saved_writers() -> dict[str, str]:
    """The parameters' last writers at this moment."""
    return dict(_writers)


def restore_writers(saved: Mapping[str, str]) -> None:
    """Make these the last writers."""
    _writers.clear()
    _writers.update(saved)


class Answers:
    """Corrects moto's answers: adds selectors, and hides undecrypted values, as AWS does.

    Args:
        caller: the caller's ARN.
    """

    def __init__(self, caller: str) -> None:
        self._caller = caller

    def change(self, operation: str, body: Mapping[str, Any], reply: bytes) -> bytes:
        """The corrected answer to a call that succeeded."""
        if operation == "PutParameter":
            _writers[str(body["Name"])] = self._caller
        if operation != "DescribeParameters":
            return _disguise(operation, body, _with_selectors(operation, body, reply))
        document = json.loads(reply)
        for row in document["Parameters"]:
            row["LastModifiedUser"] = _writers.get(row["Name"], row["LastModifiedUser"])
        return json.dumps(document).encode()


def _with_selectors(operation: str, body: Mapping[str, Any], reply: bytes) -> bytes:
    """Add the version or label by which a parameter was requested (GetParameter, `Selector`)."""
    selected = [(plain(n), n.rpartition(":")[2]) for n in _names(body) if ":" in n.split("/")[-1]]
    if operation not in ("GetParameter", "GetParameters") or not selected:
        return reply
    document = json.loads(reply)
    for parameter in document.get("Parameters", [document.get("Parameter", {})]):
        of_this = [s for name, s in selected if name == parameter.get("Name")]
        selector = next((s for s in of_this if _selects(parameter, s)), None)
        if selector is not None:
            parameter["Selector"] = f":{selector}"
            selected.remove((parameter["Name"], selector))
    return json.dumps(document).encode()


def _selects(parameter: Mapping[str, Any], selector: str) -> bool:
    """Whether a selector is the version of a parameter in a reply, or one of its labels."""
    from moto.ssm.models import ssm_backends

    if selector.isdigit():
        return str(parameter["Version"]) == selector
    backend = ssm_backends[topology.ACCOUNT][topology.REGION]
    return any(
        stored.version == parameter["Version"] and selector in stored.labels
        for stored in backend._parameters[parameter["Name"]]
    )


def _disguise(operation: str, body: Mapping[str, Any], reply: bytes) -> bytes:
    """Put ciphertext where moto shows an undecrypted value as `kms:KEY:` and the plain text."""
    if operation not in (*READS, "GetParameterHistory") or body.get("WithDecryption"):
        return reply
    document = json.loads(reply)
    rows = document.get("Parameters", [document.get("Parameter", {})])
    for parameter in rows:
        if parameter.get("Type") == "SecureString":
            noise = hashlib.shake_256(parameter["Value"].encode()).digest(150)
            parameter["Value"] = "AQ" + base64.b64encode(noise).decode()
    return json.dumps(document).encode()


def arn_of(name: str) -> str:
    """A parameter's ARN, from its ARN or its name, without a selector."""
    is_foreign = name.startswith("arn:") and not name.startswith(ARN_PREFIX)
    return name if is_foreign else ARN_PREFIX + plain(name).lstrip("/")


def plain(name: str) -> str:
    """A parameter's name without an ARN prefix and without a selector."""
    path = name.removeprefix(ARN_PREFIX).partition(":")[0]
    return f"/{path}" if name.startswith(ARN_PREFIX) and "/" in path else path


def key_of(key_id: str) -> Any:
    """The KMS key of an id, ARN or alias; None when there is none."""
    from moto.kms.models import kms_backends

    backend = kms_backends[topology.ACCOUNT][topology.REGION]
    try:
        return backend.keys.get(backend.any_id_to_key_id(key_id))
    except Exception:
        return None


def _names(body: Mapping[str, Any]) -> list[str]:
    """The parameters that a call names, in its own form."""
    return body.get("Names") or ([body["Name"]] if "Name" in body else [])


def _asked(body: Mapping[str, Any]) -> list[Any]:
    from moto.ssm.models import ssm_backends

    backend = ssm_backends[topology.ACCOUNT][topology.REGION]
    names = [plain(n) for n in _names(body)]
    parameters = [backend._parameters[n][-1] for n in names if n in backend._parameters]
    if "Path" in body:
        parameters = [p[-1] for n, p in backend._parameters.items() if n.startswith(body["Path"])]
    return parameters
