"""The form of a parameter's text, described without revealing the value.

A password is often stored in another form than the database accepts: with the newline that `echo`
adds, in quotes, as a whole JSON secret, percent-encoded, or as a placeholder. Sources for what RDS
accepts: API reference, ModifyDBInstance; RDS user guide, quotas. They contradict each other, so the
strictest rule is applied.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from opskit.engine import ENGINES
from opskit.secret import Secret

SHORTEST, LONGEST = 8, 128
"""Characters of a master password, least and most of any engine; clusters accept fewer at most."""
FORBIDDEN = frozenset("/\"@'")
"""The API reference forbids the first three, the quotas page also the apostrophe and blanks."""
ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
URL = re.compile(r"(jdbc:)?[a-z][a-z0-9+.-]*://", re.IGNORECASE)
CIPHERTEXT = re.compile(r"AQ[A-Za-z0-9+/]{98,}={0,2}")
"""KMS ciphertext in base64: a SecureString that was read without decryption."""
TEMPLATE = re.compile(r"<.*>|\$\{.*\}|\$\(.*\)|\{\{.*\}\}|__.*__|([xX*.?-])\1+", re.DOTALL)
ENGINE_NAMES = "|".join(sorted({engine.name for engine in ENGINES.values()}))
PLACEHOLDER = re.compile(
    r"(please)?(change|replace|set|insert)(me|this|it)\w*|placeholder\w*"
    rf"|(your|my|the|some|db|database|{ENGINE_NAMES}|master|secret|initial|temp|temporary|dummy|example"
    r"|default)*"
    r"(todo|fixme|dummy|example|password|passwd|secret|tbd|none|null|nil|undefined|initial|temp|temporary"
    r"|default|empty|unset|unknown|ignored)(value|here)?\d{0,4}"
)
"""Matched against the text in lower case, reduced to letters and digits."""
USER_KEYS = ("username", "user")
JSON_OBJECT = "is a JSON object"


@dataclass(frozen=True, slots=True)
class ValueReading:
    """A password that a text may hold, and how it was extracted from the text."""

    how: str
    password: Secret


@dataclass(frozen=True, slots=True)
class PasswordForm:
    """The form of a password's text.

    Attributes:
        suspicions: predicates for a text that is no password ("is a JSON object").
        unsuitable: why it must not become a master password, as a predicate; empty where it may.
        readings: other ways to read it, such as "without the quotes around it".
    """

    suspicions: tuple[str, ...] = ()
    unsuitable: str = ""
    readings: tuple[str, ...] = ()


SOUND = PasswordForm()
"""The form of a password without any problem."""


def form_of(text: Secret, user: str) -> PasswordForm:
    """The form of a password's text; `user` is empty where it is not known."""
    flaws_found = suspicions(text)
    how = tuple(reading.how for reading in readings(text, user))
    return PasswordForm(flaws_found, unsuitable(text), how)


def flaws(text: str) -> tuple[str, ...]:
    """The invisible flaws that break a login: their classes, never the value."""
    problems = []
    if text.endswith("\n"):
        problems.append("a trailing newline")
    elif text != text.rstrip():
        problems.append("a blank at the end")
    if text != text.lstrip():
        problems.append("a blank at the beginning")
    if unquoted(text.strip()) != text.strip():
        problems.append("quotes around it")
    return tuple(problems)


def trimmed(text: str) -> str:
    """The text without the flaws that `flaws` names at its ends; its inside is unchanged."""
    while flaws(text):
        text = unquoted(text.strip())
    return text


def unquoted(text: str) -> str:
    """The text without one pair of quotes, if one surrounds it."""
    is_quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
    return text[1:-1] if is_quoted else text


def suspicions(text: Secret) -> tuple[str, ...]:
    """Predicates that describe a text that is no password."""
    value = trimmed(text.reveal())
    whole = _json(text.reveal())
    tests = {
        JSON_OBJECT: isinstance(whole, dict),
        "is a JSON array": isinstance(whole, list),
        "is a URL": URL.match(value),
        "is an ARN, which names a value elsewhere": value.startswith("arn:aws"),
        "is ciphertext, as a SecureString is without decryption": CIPHERTEXT.fullmatch(value),
        "is a placeholder": _is_placeholder(value),
    }
    predicates = [predicate for predicate, holds in tests.items() if holds]
    if not predicates and ESCAPE.search(value):
        predicates.append("has percent-encoded characters (%XX)")
    return tuple(predicates)


def hold_password_of_url(text: str) -> None:
    """Register the password of a URL as a secret, where a public value is a URL."""
    Secret(_of_url(text.strip(), ""))


def unsuitable(text: Secret, longest: int = LONGEST) -> str:
    """Why a text must not become a master password, as a predicate; empty where it may."""
    value = text.reveal()
    if not value:
        return "is empty"
    odd = (*suspicions(text), *(f"has {flaw}" for flaw in flaws(value)))
    if odd:
        return odd[0]
    if any(not "!" <= c <= "~" for c in value):
        return "has a blank or a character that is not printable ASCII"
    if FORBIDDEN & set(value):
        return "has a character that RDS does not accept (/, \", @ or ')"
    if not SHORTEST <= len(value) <= longest:
        return f"is not {SHORTEST} to {longest} characters long"
    return ""


def readings(text: Secret, user: str) -> list[ValueReading]:
    """The passwords that a text may hold, the least changed first.

    Args:
        user: the user of the password; a JSON object or URL that names another user holds none.
            Empty where it is not known.
    """
    value = text.reveal()
    bare = value.rstrip("\r\n")
    plain = trimmed(value)
    is_compound = _json(value) is not None or URL.match(plain)
    variants = (
        ("without the newline at its end", bare),
        ("without the blanks at its ends", bare.strip()),
        ("without the quotes around it", plain),
        ("its JSON's password member", _of_json(value, user)),
        ("percent-decoded", "" if is_compound else unquote(plain)),
        ("its URL's password", _of_url(plain, user)),
    )
    values: dict[str, str] = {}
    for how, password in variants:
        if password and password != value:
            values.setdefault(password, how)
    return [ValueReading(how, Secret(password)) for password, how in values.items()]


def _is_placeholder(value: str) -> bool:
    letters = re.sub(r"[^a-z0-9]", "", value.lower())
    return bool(TEMPLATE.fullmatch(value) or PLACEHOLDER.fullmatch(letters))


def _json(text: str) -> Mapping[str, Any] | list[Any] | None:
    """The object or array of a JSON text; None for any other text."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, (dict, list)) else None


def _of_json(text: str, user: str) -> str:
    whole = _json(text)
    if not isinstance(whole, dict):
        return ""
    named = next((whole[key] for key in USER_KEYS if whole.get(key)), "")
    password = whole.get("password")
    return password if isinstance(password, str) and _is_theirs(named, user) else ""


def _of_url(text: str, user: str) -> str:
    """The password of a URL, between user and host or in its query as in JDBC."""
    if not URL.match(text):
        return ""
    try:
        url = urlsplit(text.removeprefix("jdbc:"))
        query = parse_qs(url.query)
    except ValueError:
        return ""
    named = unquote(url.username or "") or query.get("user", [""])[0]
    password = unquote(url.password or "") or query.get("password", [""])[0]
    return password if _is_theirs(named, user) else ""


def _is_theirs(named: object, user: str) -> bool:
    return not named or not user or named == user
