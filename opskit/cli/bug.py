"""What is said when opskit itself is wrong: where, never with which values."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path


def report(error: Exception) -> None:
    """Name the kind of error and the place in opskit; values might be secrets and stay away."""
    frames = [
        f
        for f in traceback.extract_tb(error.__traceback__)
        if f"{os.sep}opskit{os.sep}" in f.filename
    ]
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "unknown place"
    print(
        f"opskit: a bug in opskit itself ({type(error).__name__} at {place}); this says nothing "
        "about your system.",
        file=sys.stderr,
    )
    if "--debug" in sys.argv:
        for frame in frames:
            print(f"        {frame.filename}:{frame.lineno} in {frame.name}", file=sys.stderr)
    else:
        print("        Run it again with --debug and report the lines it prints.", file=sys.stderr)
