"""Redacts every secret this process has held from everything it prints, as defence in depth.

The types that hold secrets do not show them, and no code is meant to print one; redaction covers the case
that some code does. It knows each secret in clear, percent-encoded, as JSON and in base64, and the pieces
into which a URL parser cuts it. It also removes user-info from every text that looks like a URL.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from opskit.escaping import ControlCharacter, for_terminal, to_json, visible

MIN_LENGTH = 8
"""Shorter values are common words; no RDS database accepts such a password."""
LEAST_PIECE = 4
"""Shorter pieces of a secret are common in any text, and reveal little of it."""
LONGEST_IN_PIECES = 128
"""RDS accepts no longer password; a longer secret is a token or a document."""
SEPARATORS = r"[@:/?#\[\]%&,;=\\]+"
"""The characters at which URL and connection string parsers cut a value that they misread."""
OWN_WORDS = frozenset(
    """
    3306 account address advice agent allow answer applied available because before broken caused caution
    change changed check checks client code command commands connection container data database default
    degraded deny derived diagnose egress endpoint error evidence exit explain fail false forward from
    group health healthy history host http https identity ingress instance jdbc judged layer linux login
    main master mysql name network none note null observed open opskit other parameter parameters pass
    password path placeholder policy port public read reported require resource role rollback root
    rotate rotation route rule runbook same schema secret security server service skip status step
    string subnet summary table target task text title true tunnel type undetermined unknown update user
    username value verdict verified version wait warn with
    """.split()  # noqa: SIM905  one word a line would be a page
)
"""Words of opskit's own sentences, commands and JSON. If they were redacted, `opskit rotate-password` could
not be pasted, and a gap in a known sentence would reveal the word. Attackers try them as passwords anyway.
The engines add theirs with `keep_readable`."""
PLACEHOLDER = "(a secret)"
_forms: tuple[str, ...] = ()
_passwords: tuple[str, ...] = ()
_names: frozenset[str] = frozenset()
_engine_words: frozenset[str] = frozenset()
_adding = threading.Lock()


def register_secret(value: str, *, in_pieces: bool = False) -> None:
    """Redact a value from all later output.

    Args:
        in_pieces: redact also the parts between separators: the value is a password, no document or token.
    """
    global _forms, _passwords
    bare = value.strip()
    is_held = value in (_passwords if in_pieces else _forms)
    if len(value) < MIN_LENGTH or bare in OWN_WORDS | _engine_words or is_held:
        return
    forms = _encoded(value) | (_encoded(bare) if len(bare) >= MIN_LENGTH else set())
    # Two threads may register at once; the tuple is replaced as a whole, so it is read without a lock.
    with _adding:
        # Longest first: one form may be part of another.
        _forms = tuple(sorted({*_forms, *forms}, key=len, reverse=True))
        if in_pieces:
            _passwords = (*_passwords, value)


def expose(*names: str) -> None:
    """Allow names in the output although they are a piece of a secret: the app's, the user's, the host's."""
    global _names
    parts = {part for name in names for part in (name, *re.split(r"[\W_]+", name))}
    with _adding:
        _names |= parts


def keep_readable(*texts: str) -> None:
    """Add words to opskit's own, before any secret is registered."""
    global _engine_words
    _engine_words |= set(texts)


def redact(text: str) -> str:
    """The text without any registered secret, and without the user-info of URLs."""
    if _forms:
        text = _whole_pattern(_forms).sub(PLACEHOLDER, text)
    if _passwords:
        text = _piece_pattern(_passwords, _names | OWN_WORDS | _engine_words).sub(PLACEHOLDER, text)
    if "@" in text:
        from opskit.url_userinfo import cut_user_info

        text = cut_user_info(text)
    return text


@lru_cache(maxsize=2)
def _whole_pattern(forms: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(_folded, forms)))


@lru_cache(maxsize=2)
def _piece_pattern(passwords: tuple[str, ...], shown: frozenset[str]) -> re.Pattern[str]:
    parts = {part for password in passwords for part in _parts(password)} - shown
    forms = {form for part in parts for form in _encoded(part)}
    longest_first = sorted(forms, key=len, reverse=True)
    return re.compile("|".join(map(_bounded, longest_first)) or "(?!)")


def _folded(form: str) -> str:
    """A form whose blanks also match line breaks, as in wrapped text."""
    return r"\s+".join(map(re.escape, form.split(" ")))


def _bounded(part: str) -> str:
    """A pattern that matches a plain word or number only as a whole word: dates and names contain it too."""
    if not (part.isalpha() or part.isdigit()):
        return re.escape(part)
    # An escaped line break belongs to no word; a number after a JSON key is no text.
    return rf'(?:(?<![\w.-])|(?<=\\[nrt]))(?<!": ){re.escape(part)}(?![\w-]|\.\w)'


def _parts(value: str) -> Iterator[str]:
    """Each part of a value between two separators, or between one and an end."""
    if len(value) > LONGEST_IN_PIECES or value.startswith("{"):
        return
    cuts = list(re.finditer(SEPARATORS, value))
    starts, ends = [0, *(c.end() for c in cuts)], [*(c.start() for c in cuts), len(value)]
    for start in starts:
        for end in ends:
            part = value[start:end].strip()
            if len(part) >= LEAST_PIECE and part != value:
                yield part


def _encoded(value: str) -> set[str]:
    """A value's forms in URLs, forms, JSON, base64 and escaped text."""
    import base64
    import json
    from urllib.parse import quote, quote_plus

    data = value.encode("utf-8", "surrogatepass")
    quoted = {quote(data, safe=safe) for safe in ("", "/", "!~*'()")} | {quote_plus(data)}
    return {
        value,
        visible(value),
        json.dumps(value)[1:-1],
        to_json(value)[1:-1],
        base64.b64encode(data).decode().rstrip("="),
        *quoted,
        *(re.sub("%[0-9A-F]{2}", lambda m: m[0].lower(), text) for text in quoted),
    }


class RedactingStream:
    """A text stream that redacts secrets and escapes invisible characters."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: Any) -> int:
        """Write text; the underlying text stream rejects any other type."""
        is_plain = isinstance(text, str) and not isinstance(text, ControlCharacter)
        self._stream.write(for_terminal(redact(text)) if is_plain else text)
        return len(text)

    @property
    def buffer(self) -> _RedactingBytes:
        """The underlying byte stream."""
        return _RedactingBytes(self._stream.buffer)

    def writelines(self, lines: Any) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _RedactingBytes:
    """A byte stream for another program's output, which is unchanged except for whole secrets."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, data: bytes) -> int:
        text = data.decode("utf-8", "surrogateescape")
        text = _whole_pattern(_forms).sub(PLACEHOLDER, text) if _forms else text
        self._stream.write(text.encode("utf-8", "surrogateescape"))
        return len(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
