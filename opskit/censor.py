"""The last net under every secret: what opskit writes is searched for those that it has held.

The types that hold secrets do not show them, and nothing is meant to print one; this is for the day on
which something does. It knows each in clear, percent-encoded, as JSON and in base64.
"""

from __future__ import annotations

import threading
from typing import Any

from opskit.visible import Control, for_terminal

LEAST = 8
"""Shorter values are words that stand everywhere; no database of RDS takes such a password."""
OWN_WORDS = frozenset({"database", "password", "placeholder", "postgres", "postgresql", "username"})
"""Words of opskit's own sentences and commands: taken out, `opskit rotate-password` could not be pasted,
and everyone tries them as passwords anyway."""
INSTEAD = "(a secret)"
_forms: tuple[str, ...] = ()
_adding = threading.Lock()


def guard(value: str) -> None:
    """Let a value never be written from now on."""
    global _forms
    if len(value) < LEAST or value in OWN_WORDS or value in _forms:
        return
    import base64
    import json
    from urllib.parse import quote

    encoded = base64.b64encode(value.encode("utf-8", "surrogatepass")).decode()
    made = (value, json.dumps(value)[1:-1], quote(value, safe=""), encoded.rstrip("="))
    # Two threads that read parameters at once must not lose one; replaced whole, it is read without a lock.
    with _adding:
        # The longest first: one may be a part of another.
        _forms = tuple(sorted({*_forms, *made}, key=len, reverse=True))


def censor(text: str) -> str:
    """The text without any guarded value."""
    for form in _forms:
        if form in text:
            text = text.replace(form, INSTEAD)
    return text


class Censored:
    """A text stream that passes on what is written to it, without what is guarded or not visible."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: Any) -> int:
        """Write text; a stream of text refuses anything else itself."""
        is_plain = isinstance(text, str) and not isinstance(text, Control)
        self._stream.write(for_terminal(censor(text)) if is_plain else text)
        return len(text)

    @property
    def buffer(self) -> _CensoredBytes:
        """The stream of bytes below."""
        return _CensoredBytes(self._stream.buffer)

    def writelines(self, lines: Any) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _CensoredBytes:
    """The same for bytes, which are text of an unknown encoding."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, data: bytes) -> int:
        text = data.decode("utf-8", "surrogateescape")
        self._stream.write(censor(text).encode("utf-8", "surrogateescape"))
        return len(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
