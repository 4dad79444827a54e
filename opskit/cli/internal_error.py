"""What is said when opskit itself is wrong: where, never with which values."""

from __future__ import annotations

import sys

from opskit.errors import Bug, bug_text, own_frames


def report(error: Exception) -> None:
    """Name the kind of error and the place in opskit; values might be secrets and stay away."""
    bug = Bug(bug_text(error))
    print(f"opskit: {bug.sentence}", file=sys.stderr)
    if "--debug" in sys.argv:
        for frame in own_frames(error):
            print(f"        {frame.filename}:{frame.lineno} in {frame.name}", file=sys.stderr)
    else:
        print(f"        {bug.next_step}", file=sys.stderr)
