"""A value that holds several pieces of a credential as JSON: `{"username": ..., "password": ...}`."""

from __future__ import annotations

import json

from opskit.secret import Secret


def member(text: str, purpose: str) -> str | None:
    """One piece of the value; None where the text is no such JSON."""
    try:
        value = json.loads(text)[purpose]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return value if isinstance(value, str) else None


def with_login(text: Secret, user: str, password: Secret) -> Secret:
    """The value with another login, its other members unchanged."""
    whole = {**json.loads(text.reveal())}
    return Secret(json.dumps({**whole, "username": user, "password": password.reveal()}))
