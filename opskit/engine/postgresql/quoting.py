"""Names and texts in the SQL that advice shows; what opskit itself sends is quoted by the driver.

Source: PostgreSQL documentation, lexical structure: identifiers and constants.
"""

from __future__ import annotations


def quoted(name: str) -> str:
    """A name as an SQL identifier in double quotes, with its case preserved."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as an SQL string constant."""
    return "'" + text.replace("'", "''") + "'"
