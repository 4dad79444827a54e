"""The console script: runs the command line and turns every ending into a sentence and a status."""

from __future__ import annotations

import gc
import sys


def main() -> None:
    """Run the command named on the command line and exit with its documented status."""
    try:
        from opskit.cli.main import run
    except KeyboardInterrupt:
        # Before there is anything that could say it.
        sys.stderr.write("opskit: interrupted; nothing was changed\n")
        sys.exit(130)
    status = run(sys.argv[1:])
    # The interpreter would look through everything for cycles once more, which takes longer than a call
    # of AWS; what is registered for the exit, and the last flush, come as ever.
    gc.freeze()
    sys.exit(status)


if __name__ == "__main__":
    main()
