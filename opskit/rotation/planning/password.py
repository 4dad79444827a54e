"""Generates passwords, and checks those that users supply.

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
"""Characters that need no quoting in a shell, `.env` file, unit file or URL."""
CLASSES = (string.ascii_lowercase, string.ascii_uppercase, string.digits, SYMBOLS)
DEFAULT_LENGTH = 32
"""Entropy: 191 bits, with all rules counted."""
SHORTEST = 12
"""Entropy: 70 bits."""
SSM_REFERENCE = re.compile(r"\{\{.*\}\}")
MOST_DRAWS = 1000
"""Of 100 random texts of 32 characters 57 satisfy the rules; of 12 characters, some 20."""
MOST_PATTERN_DRAWS = 200


@dataclass(frozen=True, slots=True)
class Rules:
    """An engine's password rules: lengths in characters, and forbidden characters."""

    shortest: int
    longest: int
    forbidden: str


def rules_of(rds_engine: str, *, in_cluster: bool) -> Rules:
    """Return the rules for an RDS engine's master password; those for a role's are not stricter.

    Args:
        rds_engine: RDS's name of the engine, such as `aurora-mysql`.
        in_cluster: whether the password is the cluster's.
    """
    is_short = in_cluster or rds_engine.startswith(("aurora", "mysql", "mariadb"))
    return Rules(8, 41 if is_short else 128, '/"@')


def generate(length: int = DEFAULT_LENGTH) -> Secret:
    """Generate a password: letters, digits, `-` and `_`, at least one of each, no symbol at either end.

    Whole texts are drawn until one satisfies the rules: correcting single positions would skew the odds.
    """
    for _ in range(MOST_DRAWS):
        drawn = "".join(secrets.choice(ALPHABET) for _ in range(length))
        if _is_ours(drawn):
            return Secret(drawn)
    raise AssertionError(f"no password of {length} characters keeps the rules")


def generate_fitting(length: int, rules: Rules, pattern: str) -> Secret | None:
    """Generate a password that a parameter's AllowedPattern allows; None if none was found."""
    for _ in range(MOST_PATTERN_DRAWS):
        drawn = generate(min(length, rules.longest))
        if not problems(drawn, rules, pattern):
            return drawn
    return None


def _is_ours(text: str) -> bool:
    ends = text[0] not in SYMBOLS and text[-1] not in SYMBOLS
    return ends and all(any(c in kind for c in text) for kind in CLASSES)


def problems(password: Secret, rules: Rules, pattern: str = "") -> list[str]:
    """Return why a password cannot be used, in texts that do not show it.

    Args:
        pattern: the parameter's AllowedPattern.
    """
    value, reasons = password.reveal(), []
    if not rules.shortest <= len(value) <= rules.longest:
        reasons.append(f"it has {len(value)} characters; {rules.shortest} to {rules.longest} fit")
    if any(not "!" <= c <= "~" for c in value):
        reasons.append("it holds a blank or something that is not printable ASCII")
    bad = sorted(set(value) & set(rules.forbidden))
    if bad:
        reasons.append(f"RDS forbids {' '.join(rules.forbidden)}")
    if SSM_REFERENCE.search(value):
        reasons.append("Parameter Store refuses values with {{...}}")
    if pattern and not _matches(pattern, value):
        reasons.append(f"the parameter's AllowedPattern {pattern} does not admit it")
    return reasons


def warnings(password: Secret) -> list[str]:
    """Return the risks of a supplied password."""
    value, risks = password.reveal(), []
    if set(value) - set(ALPHABET):
        risks.append("it has characters that URLs, shells or .env files read as something else")
    if len(value) < SHORTEST:
        risks.append(f"it is shorter than {SHORTEST} characters")
    return risks


def _matches(pattern: str, value: str) -> bool:
    """Whether a pattern allows a value; True if Python cannot parse the pattern: AWS will decide."""
    try:
        return re.fullmatch(pattern, value) is not None
    except re.error:
        return True
