"""Searches messages for secrets: whole ones, their pieces, and the user-info of URLs.

A part of the probe's program, so it keeps to Python 3.6 and the standard library. `opskit.url_userinfo`
does the same here; the request carries its patterns.
"""

import json
import re
import urllib.parse

SEPARATORS = re.compile(r"[@:/?#\[\]%&,;=\\]+")
SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.I)
HOST_AT_START = re.compile(r"\[?[\w.-]*\w")
PLAIN_HOST = re.compile(r"^([\w.-]*(:\d*)?|\[[\da-f:.%]*\](:\d*)?)$", re.I)


def forms_of(value):
    """A value's forms in messages: plain, percent-encoded, in JSON."""
    quoted = urllib.parse.quote(value, safe="")
    lower = re.sub("%[0-9A-F]{2}", lambda m: m.group().lower(), quoted)
    return set([value, quoted, lower, json.dumps(value)[1:-1]])


def pieces_of(value):
    """The parts of a password between two separators, or between one and an end."""
    if len(value) > 128 or value.startswith("{"):
        return set()
    cuts = list(SEPARATORS.finditer(value))
    starts, ends = [0] + [c.end() for c in cuts], [c.start() for c in cuts] + [len(value)]
    pieces = set(value[start:end].strip() for start in starts for end in ends)
    return set(piece for piece in pieces if len(piece) >= 4)


class UserInfo:
    """Cuts the text before the `@` of URLs, and of hosts that are part of one.

    Args:
        patterns: name of a pattern of `opskit.url_userinfo` -> its text.
    """

    def __init__(self, patterns):
        self.document_schemes = re.compile(patterns["OF_DOCUMENTS"], re.I)
        self.rds_host = re.compile(patterns["OF_RDS"])
        self.before_host = re.compile(patterns["BEFORE_HOST"], re.I)

    def cut(self, text):
        """A message without user-info."""
        return re.sub(r'(\\.|[^\s"\\])+', self.cut_word, text)

    def cut_word(self, match):
        """The word without its user-info; e-mail addresses and ARNs stay as they are."""
        head, at, tail = match.group().rpartition("@")
        if not at or re.match(r"\W*(arn|mailto):", head, re.I) or not HOST_AT_START.match(tail):
            return match.group()
        scheme = SCHEME.search(head)
        if scheme:
            is_secret = self.is_user_info(scheme.group(), head[scheme.end() :])
        else:
            scheme = re.match(r"[\"'`(\[{<]*", head)
            before = match.string[max(0, match.start() - 40) : match.start()]
            is_secret = not tail.startswith("sha256:") and (
                re.search(r"[:?#%&\]\[]", head)
                or self.rds_host.match(tail)
                or self.before_host.search(before)
            )
        return head[: scheme.end()] + "<secret>" + at + tail if is_secret else match.group()

    def is_user_info(self, scheme, info):
        """Whether the text between scheme and `@` may hold a secret; a user's name alone does not."""
        if not self.document_schemes.fullmatch(scheme):
            return not re.match(r"^[\w.-]+$", info)
        location = re.split("[/?#]", info)[0]
        return location == info or not PLAIN_HOST.match(location)
