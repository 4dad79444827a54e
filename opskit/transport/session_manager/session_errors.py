"""Errors of a session that could not be started, or that ended before it opened."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from opskit.aws_protocols import AwsClient
from opskit.errors import AwsError, NotExecuted, OpskitError, TransportError
from opskit.symptom import SymptomKind
from opskit.transport.session_manager.data_channel import in_one_line

TELLS = (
    "opskit diagnose operator   tells more (OPR008): the agent is stopped, or lacks its profile, its "
    "rights, or a way to the endpoints ssm and ssmmessages"
)
HANDSHAKE_FAILED = "initiating handshake"
NO_KEY = "Unable to retrieve data key"
TOO_OLD = "is not supported by this version of ssm agent"
"""The agent's texts of these three causes; in all of them the session's command has not begun."""


class UnknownDocument(NotExecuted):
    """The session's document does not exist, or the agent does not support it; another may work."""


def not_started(error: AwsError, target: str, document: str) -> TransportError:
    """The error for a StartSession call that AWS rejected."""
    if error.is_denied:
        return NotExecuted(
            f"you may not start sessions on {target} (ssm:StartSession)",
            missing=f"ssm:StartSession on {target} and on document {document}",
        )
    if error.code == "InvalidDocument":
        return UnknownDocument(f"there is no document {document} here")
    return NotExecuted(f"ssm:StartSession failed: {error.code} {error.message[:200]}".strip())


def not_connected(ssm: AwsClient, target: str) -> TransportError | None:
    """The error for a target that is not connected, with the reason; None when it is connected by now.

    It is called only after StartSession reported this, and takes one round trip: a session that can be
    started pays nothing for it.
    """
    filters = [{"Key": "InstanceIds", "Values": [target]}]
    descriptions: list[Mapping[str, Any] | None] = []

    def ask() -> None:
        descriptions.append(_answer(lambda: ssm.describe_instance_information(Filters=filters)))

    # A daemon thread, so that Ctrl-C does not wait for it.
    beside = threading.Thread(target=ask, daemon=True)
    beside.start()
    status = _answer(lambda: ssm.get_connection_status(Target=target))
    beside.join()
    node = descriptions[0] if descriptions else None
    if status is not None and status.get("Status") == "connected":
        return None
    return NotExecuted(
        f"Session Manager cannot reach {target}: {_why(node)}",
        TELLS,
        missing=f"an online SSM agent on {target} (why: opskit diagnose operator, OPR008)",
        symptoms=(SymptomKind.AGENT_OFFLINE,),
    )


def _answer(call: Any) -> Mapping[str, Any] | None:
    """The call's answer; None where AWS rejects the call."""
    try:
        reply: Mapping[str, Any] = call()
    except (AwsError, OpskitError):
        return None
    return reply


def _why(node: Mapping[str, Any] | None) -> str:
    """The reason that the node's registration gives."""
    if node is None:
        return "its agent is offline or not registered"
    rows = node["InstanceInformationList"]
    if not rows:
        return "it never registered in this account and Region"
    if rows[0]["PingStatus"] == "Online":
        return "its agent is online, but holds no connection to ssmmessages"
    return f"its agent is offline, last heard {_ago(rows[0].get('LastPingDateTime'))}"


def _ago(moment: datetime | None) -> str:
    if moment is None:
        return "at a time that is not known"
    minutes = (datetime.now(UTC) - moment).total_seconds() / 60
    return f"{minutes:.0f} min ago"


def not_opened(
    target: str, key_id: str, key_error: Exception | None, reason: str
) -> TransportError | None:
    """The error for a handshake that the agent ended; None if the session ended otherwise.

    Args:
        key_error: the reason why this client could not fetch the key of an encrypted session.
        reason: the agent's text.
    """
    if TOO_OLD in reason:
        return UnknownDocument(f"the agent of {target} is too old for sessions of this kind")
    encrypted = f"sessions with {target} are encrypted with {key_id}"
    if isinstance(key_error, AwsError) and key_error.is_denied:
        return NotExecuted(
            f"{encrypted}, which you may not use (kms:GenerateDataKey)",
            f"a policy of yours needs {_statement('kms:GenerateDataKey', key_id)}",
            missing=f"kms:GenerateDataKey on {key_id}",
        )
    if key_error is not None:
        message = getattr(key_error, "sentence", "") or str(key_error) or type(key_error).__name__
        return NotExecuted(f"{encrypted}, which cannot be used: {message[:200]}")
    message = in_one_line(reason)
    if NO_KEY in reason and "AccessDenied" in reason:
        return NotExecuted(
            f"{encrypted}, which the role of {target} may not use (kms:Decrypt)",
            f"the role needs {_statement('kms:Decrypt', key_id)}",
            missing=f"kms:Decrypt on {key_id} for the role of {target}",
        )
    if HANDSHAKE_FAILED in reason or NO_KEY in reason:
        return NotExecuted(f"the session with {target} could not be opened: {message[:300]}")
    return None


def _statement(action: str, resource: str) -> str:
    return json.dumps({"Effect": "Allow", "Action": action, "Resource": resource})
