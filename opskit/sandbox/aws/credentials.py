"""The access keys of one sandbox: created at its start, and verified with every request."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from opskit.sandbox import topology
from opskit.sandbox.aws import fault_injection, identity, signature
from opskit.sandbox.aws.identity import CallerIdentity
from opskit.sandbox.aws.signature import Signed, SignedRequest

OPERATOR = CallerIdentity(f"arn:aws:iam::{topology.ACCOUNT}:user/oncall", "user", "oncall")
INTERNAL = CallerIdentity(f"arn:aws:iam::{topology.ACCOUNT}:root", "root", "root")
"""The sandbox itself: its calls are never delayed, injected with faults or denied."""
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS "
    "Secret Access Key and signing method. Consult the service documentation for details."
)
UNKNOWN = "The security token included in the request is invalid."


class Rejected(Exception):
    """A request whose caller is not authenticated.

    Attributes:
        codes: protocol -> the error's code.
        signed: the fields of the signature, where it can be parsed.
    """

    def __init__(
        self, codes: Mapping[str, str], message: str, signed: Signed | None = None
    ) -> None:
        super().__init__(message)
        self.codes, self.message, self.signed = codes, message, signed


@dataclass(frozen=True, slots=True)
class AccessKey:
    """An access key; temporary ones have a session token."""

    key_id: str
    secret: str = field(repr=False)
    token: str = field(default="", repr=False)


class Credentials:
    """The accepted keys: the operator's, the sandbox's own, and those of IAM users and role sessions."""

    def __init__(self) -> None:
        self.operator, self.internal = _new(), _new()
        self._long_lived = {
            self.operator.key_id: (self.operator, OPERATOR),
            self.internal.key_id: (self.internal, INTERNAL),
        }

    def authenticate(self, request: SignedRequest) -> tuple[Signed, CallerIdentity]:
        """Verify the signature and the session token, and return the caller.

        Raises:
            Rejected: the request is anonymous, or its key or signature is wrong.
        """
        try:
            signed = signature.read(request)
        except signature.Missing:
            raise Rejected(
                fault_injection.ANONYMOUS_CODES, "Request is missing Authentication Token"
            ) from None
        except signature.IncompleteSignature as error:
            raise Rejected(fault_injection.INCOMPLETE_CODES, str(error)) from None
        credential = self._find(signed.key_id)
        if credential is None:
            raise Rejected(fault_injection.UNKNOWN_KEY_CODES, UNKNOWN, signed)
        key, principal = credential
        if not hmac.compare_digest(key.token.encode(), signed.token.encode("utf-8", "replace")):
            raise Rejected(fault_injection.UNKNOWN_KEY_CODES, UNKNOWN, signed)
        if not signature.is_valid(signed, request, key.secret):
            raise Rejected(fault_injection.MISMATCH_CODES, MISMATCH, signed)
        return signed, principal

    def _find(self, key_id: str) -> tuple[AccessKey, CallerIdentity] | None:
        if key_id in self._long_lived:
            return self._long_lived[key_id]
        from moto.sts.models import sts_backends

        for user in identity.iam().users.values():
            for own in user.access_keys:
                if own.access_key_id == key_id and own.status == "Active":
                    arn = f"arn:aws:iam::{topology.ACCOUNT}:user/{user.name}"
                    key = AccessKey(key_id, own.secret_access_key)
                    return key, CallerIdentity(arn, "user", user.name)
        assumed = sts_backends[topology.ACCOUNT]["aws"].get_assumed_role_from_access_key(key_id)
        if assumed is None:
            return None
        key = AccessKey(key_id, assumed.secret_access_key, assumed.session_token)
        return key, CallerIdentity(assumed.arn, "role", assumed.role_arn.rsplit("/", 1)[-1])


def _new() -> AccessKey:
    """A new key in AWS's format for users: 20 and 40 characters."""
    key_id = "AKIA" + "".join(secrets.choice(ALPHABET) for _ in range(16))
    return AccessKey(key_id, secrets.token_urlsafe(30))
