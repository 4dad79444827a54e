"""The console script: runs the command line and turns every ending into a sentence and a status."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command named on the command line and exit with its documented status."""
    try:
        from opskit.cli.main import run
    except KeyboardInterrupt:
        # Before there is anything that could say it.
        sys.stderr.write("opskit: interrupted; nothing was changed\n")
        sys.exit(130)
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
