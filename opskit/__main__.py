"""The console script: runs the command line, and ends with a sentence and an exit status in every case."""

from __future__ import annotations

import gc
import sys


def main() -> None:
    """Run the command named on the command line and exit with its documented status."""
    try:
        from opskit.cli.main import run
    except KeyboardInterrupt:
        # Nothing is loaded yet that could report it.
        sys.stderr.write("opskit: interrupted; nothing was changed\n")
        sys.exit(130)
    status = run(sys.argv[1:])
    # At exit the interpreter would search all objects for cycles once more, which takes longer than an AWS
    # call. Exit handlers and the last flush run as usual.
    gc.freeze()
    sys.exit(status)


if __name__ == "__main__":
    main()
