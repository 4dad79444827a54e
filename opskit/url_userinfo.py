"""Cuts user names and passwords from texts that hold a URL, or a part of one that a client misread.

A client that splits `redis://app:co@ffee@db` at the first `@` reports the host `ffee@db`. opskit may
not hold that password, so it is recognised by its position. E-mail addresses, `user@host` of SSH and ARNs
stay.
"""

from __future__ import annotations

import re

from opskit.redaction import PLACEHOLDER

WORD = re.compile(r'(?:\\.|[^\s"\\])+', re.DOTALL)
"""A word of text or of a JSON string; an unescaped quote ends it."""
SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
OF_DOCUMENTS = re.compile(r"(?:.*\+)?(?:https?|wss?|ftps?|file|s3|docker|oci)://", re.IGNORECASE)
"""Schemes whose path may hold an `@`. In every other one, such as a database's, the text before the last `@`
is all user-info, however badly it is encoded."""
HOST_AT_START = re.compile(r"\[?[\w.-]*\w")
PLAIN_HOST = re.compile(r"[\w.-]*(?::\d*)?|\[[\da-fA-F:.%]*\](?::\d*)?")
OF_RDS = re.compile(r"[\w.-]+\.rds\.amazonaws\.com\b")
BEFORE_HOST = re.compile(
    r"(?:\bhost|host ?name|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|UnknownHostException:?|lookup|getaddrinfo"
    r"|resolve|connect to|server at|port(?: number| value)?)[\s:=\\\"'`(]*$",
    re.IGNORECASE,
)
"""The words of clients before a host or port that they took from a misread URL."""
NO_USER_INFO = re.compile(r"\W*(?:arn:|mailto:)", re.IGNORECASE)
OPENING = re.compile(r"[\"'`(\[{<]*")


def cut_user_info(text: str) -> str:
    """The text without the part before the `@` of every URL, or piece of one."""
    return WORD.sub(_without_user_info, text) if "@" in text else text


def _without_user_info(match: re.Match[str]) -> str:
    matched = match[0]
    head, at, tail = matched.rpartition("@")
    if not at or NO_USER_INFO.match(matched) or not HOST_AT_START.match(tail):
        return matched
    scheme = SCHEME.search(head)
    if scheme:
        info = head[scheme.end() :]
        is_secret = _is_user_info(scheme[0], info)
    else:
        scheme = OPENING.match(head)
        info = head
        is_secret = _is_piece_of_url(
            head, tail, match.string[max(0, match.start() - 40) : match.start()]
        )
    return head[: scheme.end()] + PLACEHOLDER + at + tail if is_secret and scheme else matched


def _is_user_info(scheme: str, info: str) -> bool:
    if not OF_DOCUMENTS.fullmatch(scheme):
        # A user's name alone is shown: users paste such URLs.
        return not re.fullmatch(r"[\w.-]+", info)
    authority = re.split(r"[/?#]", info, maxsplit=1)[0]
    return authority == info or not PLAIN_HOST.fullmatch(authority)


def _is_piece_of_url(head: str, tail: str, before: str) -> bool:
    if tail.startswith("sha256:"):
        return False
    return bool(re.search(r"[:?#%&\]\[]", head) or OF_RDS.match(tail) or BEFORE_HOST.search(before))
