"""Renders a diagnosis as text: one file per format. Nothing here decides anything."""

from __future__ import annotations

FORMATS: dict[str, str] = {
    "text": "opskit.report.diagnosis_text:render",
    "json": "opskit.report.diagnosis_json:render",
}
"""Name for `--output` -> dotted path; imported when first used."""
