"""Reports an internal error of opskit: its place in the code, never a value."""

from __future__ import annotations

import sys

from opskit.errors import Bug, bug_text, own_frames


def report(error: Exception) -> None:
    """Print the error's type and its place in opskit, but no values, which might be secrets."""
    bug = Bug(bug_text(error))
    print(f"opskit: {bug.sentence}", file=sys.stderr)
    if "--debug" in sys.argv:
        for frame in own_frames(error):
            print(f"        {frame.filename}:{frame.lineno} in {frame.name}", file=sys.stderr)
    else:
        print(f"        {bug.next_step}", file=sys.stderr)
