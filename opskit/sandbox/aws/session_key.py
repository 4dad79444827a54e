"""The key of encrypted sessions: the account's preferences, and the agent's decryption of the key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from opskit.sandbox import topology
from opskit.sandbox.aws import identity, ssm

PREFERENCES = "SSM-SessionManagerRunShell"
"""The document with an account's session preferences."""


class NoKey(Exception):
    """The agent could not fetch the session's key; the text is the agent's message."""


def preferred_key() -> str:
    """The KMS key in the preferences; empty when sessions are not encrypted."""
    from moto.ssm.models import ssm_backends

    documents = ssm_backends[topology.ACCOUNT][topology.REGION]._documents.get(PREFERENCES)
    if not documents:
        return ""
    content = json.loads(documents.get_default_version().content)
    return str(content.get("inputs", {}).get("kmsKeyId", ""))


def decrypt(instance: Any, sealed: bytes, context: Mapping[str, str]) -> bytes:
    """Decrypt a session's key with the rights of the instance's role.

    Raises:
        NoKey: the role may not, or the encryption context is another one.
    """
    from moto.kms.models import kms_backends

    role, key = ssm.role_of(instance), ssm.key_of(preferred_key())
    if role is None or key is None:
        raise NoKey("no credentials")
    conditions = {f"kms:EncryptionContext:{name}": value for name, value in context.items()}
    message = identity.key_decision(role, key, "kms:Decrypt", conditions)
    if not message.is_allowed:
        raise NoKey(
            f"AccessDeniedException: User: {role.arn} is not authorized to perform: kms:Decrypt on "
            f"resource: {key.arn} {message.reason('kms:Decrypt')}"
        )
    try:
        plain, _ = kms_backends[topology.ACCOUNT][topology.REGION].decrypt(sealed, dict(context))
    except Exception as error:
        raise NoKey(f"InvalidCiphertextException: {error}") from None
    return bytes(plain)
