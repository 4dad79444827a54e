"""A diagnosis in, text out: one file a format. Nothing here decides anything."""

from __future__ import annotations

FORMATS: dict[str, str] = {
    "text": "opskit.report.text:render",
    "json": "opskit.report.json:render",
}
"""Name for `--output` -> dotted path; imported when first used."""
