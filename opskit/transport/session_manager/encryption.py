"""Encrypted sessions: AES-256-GCM with a KMS data key that both sides fetch."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Mapping
from typing import Any

KEY_BYTES = 64
NONCE_BYTES = 12

MakeKey = Callable[[str, Mapping[str, str]], tuple[bytes, bytes]]
"""(KMS key, encryption context) -> (plain key of 64 bytes, the same encrypted): GenerateDataKey."""


class Unreadable(ValueError):
    """A payload was not encrypted with this session's key."""


class Cipher:
    """Both halves of a session's key: the agent's, then the client's."""

    def __init__(self, key: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._theirs, self._ours = AESGCM(key[: KEY_BYTES // 2]), AESGCM(key[KEY_BYTES // 2 :])

    def encrypt(self, data: bytes) -> bytes:
        """Encrypt a payload for the agent: nonce, ciphertext, tag."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._ours.encrypt(nonce, data, None)

    def decrypt(self, data: bytes) -> bytes:
        """Decrypt a payload of the agent.

        Raises:
            Unreadable: it has another key, or was changed in transit.
        """
        from cryptography.exceptions import InvalidTag

        try:
            return self._theirs.decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], None)
        except (InvalidTag, ValueError):
            raise Unreadable("a payload is not encrypted with this session's key") from None

    def answer(self, challenge: bytes) -> bytes:
        """The answer to the agent's challenge: the same bytes, encrypted with the client's half."""
        ciphertext = base64.b64decode(json.loads(challenge)["Challenge"])
        again = base64.b64encode(self.encrypt(self.decrypt(ciphertext))).decode()
        return json.dumps({"Challenge": again}).encode()


def agree(
    parameters: Mapping[str, str], session_id: str, target: str, make_key: MakeKey
) -> tuple[Cipher, dict[str, Any]]:
    """Fetch a key for the session, and build the data that the agent needs to fetch the same key.

    Agents from 3.3.808.0 on send a random challenge. If it is acknowledged, both sides pass it to KMS, which
    binds the key to this handshake.
    """
    context = {"aws:ssm:SessionId": session_id, "aws:ssm:TargetId": target}
    challenge = parameters.get("Challenge")
    if challenge:
        context["aws:ssm:RandomChallenge"] = challenge
    plain, encrypted = make_key(parameters["KMSKeyId"], context)
    result: dict[str, Any] = {"KMSCipherTextKey": base64.b64encode(encrypted).decode()}
    if challenge:
        result["ChallengeAcknowledgement"] = True
    return Cipher(plain), result
