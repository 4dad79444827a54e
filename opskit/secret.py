"""A string that never shows its value, and the short fingerprint by which two of them are compared."""

from __future__ import annotations

import hashlib
import hmac
from typing import Never

from opskit.redaction import expose, register_secret

FINGERPRINT_LENGTH = 6
"""Hex digits of a fingerprint: 24 bits. Two different values collide once in 16 million times; a reader
who finds key and fingerprint in a command history learns too little to guess a password."""


class Secret:
    """Holds a value that must never reach an output, a log, a repr or a pickle.

    The value is reached only through `reveal`, so that every use can be found by that name; if it is
    written all the same, `redaction` removes it.

    Args:
        is_public: the value may be shown, although it is held like a secret: a user's name.
        is_document: the value holds names besides a password, so that its parts may be shown.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str, *, is_public: bool = False, is_document: bool = False) -> None:
        self._value = value
        if is_public:
            expose(value)
        else:
            register_secret(value, in_pieces=not is_document)

    def reveal(self) -> str:
        """The value, for the one call that needs it."""
        return self._value

    def fingerprint(self, key: str) -> str:
        """The value's fingerprint under `key`, a random text made for one run."""
        return fingerprint(key, self._value)

    def __repr__(self) -> str:
        return "Secret(...)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    __hash__ = None  # type: ignore[assignment]  # a hash would let it become a key that is printed

    def __reduce__(self) -> Never:
        raise TypeError("a secret is not pickled")


def fingerprint(key: str, value: str) -> str:
    """The first digits of SHA-256 over key and value, as `printf '%s%s' | sha256sum` computes it.

    So an instance with only `sh` can compute the same one. The cut makes it useless for extending or
    guessing the value.
    """
    return hashlib.sha256((key + value).encode()).hexdigest()[:FINGERPRINT_LENGTH]
