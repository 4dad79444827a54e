"""Renders diagnoses and rotations: one file per format. Nothing here decides anything."""

from __future__ import annotations

import pkgutil
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from opskit.config import Target
    from opskit.report.interface import RotationRenderer, Style

FORMATS: dict[str, str] = {
    "text": "opskit.report.diagnosis_text:render",
    "json": "opskit.report.diagnosis_json:render",
}
"""Name for `--output` -> function of a diagnosis and a `Style` that renders it; imported when used."""
ROTATION_FORMATS: dict[str, str] = {
    "text": "opskit.report.rotation_text:RotationText",
    "json": "opskit.report.rotation_json:RotationJson",
}
"""Name for `rotate-password --output` -> class of a target and a `Style`; imported when used."""


def create_rotation_renderer(name: str, target: Target, style: Style) -> RotationRenderer:
    """Create the renderer of a format in `ROTATION_FORMATS`."""
    return cast("RotationRenderer", pkgutil.resolve_name(ROTATION_FORMATS[name])(target, style))
