"""New passwords, and what is wrong with those that people bring.

Sources: RDS API reference, CreateDBInstance and CreateDBCluster, MasterUserPassword; Systems Manager
API reference, PutParameter.
"""

from __future__ import annotations

import re
import secrets
import string
from dataclasses import dataclass

from opskit.secret import Secret

SYMBOLS = "-_"
ALPHABET = string.ascii_letters + string.digits + SYMBOLS
"""What no shell, `.env` file, unit file or URL reads as anything but itself."""
CLASSES = (string.ascii_lowercase, string.ascii_uppercase, string.digits, SYMBOLS)
DEFAULT_LENGTH = 32
"""191 bits with all rules counted."""
SHORTEST = 12
"""70 bits."""
SSM_REFERENCE = re.compile(r"\{\{.*\}\}")
MOST_DRAWS = 1000
"""57 of 100 draws of 32 characters do; of 12 characters some 20."""
MOST_PATTERN_DRAWS = 200


@dataclass(frozen=True, slots=True)
class Rules:
    """What a database takes: lengths in characters, and what it forbids."""

    shortest: int
    longest: int
    forbidden: str


def rules_of(rds_engine: str, *, in_cluster: bool) -> Rules:
    """The rules of an RDS engine's master password; a role's are not stricter.

    Args:
        rds_engine: as RDS calls it, such as `postgres` or `aurora-mysql`.
        in_cluster: whether the password is the cluster's.
    """
    is_short = in_cluster or rds_engine.startswith(("aurora", "mysql", "mariadb"))
    return Rules(8, 41 if is_short else 128, '/"@')


def generate(length: int = DEFAULT_LENGTH) -> Secret:
    """Draw a password: letters, digits, `-` and `_`, one of each kind, neither end a symbol.

    Whole strings are drawn until one keeps the rules: mending a position would skew the odds.
    """
    for _ in range(MOST_DRAWS):
        drawn = "".join(secrets.choice(ALPHABET) for _ in range(length))
        if _is_ours(drawn):
            return Secret(drawn)
    raise AssertionError(f"no password of {length} characters keeps the rules")


def generate_fitting(length: int, rules: Rules, pattern: str) -> Secret | None:
    """Draw a password that a parameter's AllowedPattern admits; None where none was found."""
    for _ in range(MOST_PATTERN_DRAWS):
        drawn = generate(min(length, rules.longest))
        if not problems(drawn, rules, pattern):
            return drawn
    return None


def _is_ours(text: str) -> bool:
    ends = text[0] not in SYMBOLS and text[-1] not in SYMBOLS
    return ends and all(any(c in kind for c in text) for kind in CLASSES)


def problems(password: Secret, rules: Rules, pattern: str = "") -> list[str]:
    """Why a password cannot be taken, in words that do not show it.

    Args:
        pattern: the parameter's AllowedPattern.
    """
    value, found = password.reveal(), []
    if not rules.shortest <= len(value) <= rules.longest:
        found.append(f"it has {len(value)} characters; {rules.shortest} to {rules.longest} fit")
    if any(not "!" <= c <= "~" for c in value):
        found.append("it holds a blank or something that is not printable ASCII")
    bad = sorted(set(value) & set(rules.forbidden))
    if bad:
        found.append(f"RDS forbids {' '.join(rules.forbidden)}")
    if SSM_REFERENCE.search(value):
        found.append("Parameter Store refuses values with {{...}}")
    if pattern and not _matches(pattern, value):
        found.append(f"the parameter's AllowedPattern {pattern} does not admit it")
    return found


def warnings(password: Secret) -> list[str]:
    """What may go wrong with a password that somebody brought."""
    value, found = password.reveal(), []
    if set(value) - set(ALPHABET):
        found.append("it has characters that URLs, shells or .env files read as something else")
    if len(value) < SHORTEST:
        found.append(f"it is shorter than {SHORTEST} characters")
    return found


def _matches(pattern: str, value: str) -> bool:
    """Whether a pattern admits a value; one that Python cannot read is AWS's to judge."""
    try:
        return re.fullmatch(pattern, value) is not None
    except re.error:
        return True
