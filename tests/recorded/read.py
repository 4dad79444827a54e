"""Reads one snapshot of /linkbox with this process's credentials, and writes it to standard output."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from opskit.analysis import required_facts
from opskit.aws import Aws
from opskit.checks.catalogue import all_checks
from opskit.cli.terminal import Spinner
from opskit.config import load
from opskit.facts import snapshot_file
from opskit.facts.binding import inputs_of
from opskit.facts.gather import gather
from opskit.facts.given_facts import given_facts
from opskit.facts.identity import Identity


def main() -> None:
    """Gather the facts of all checks, as a diagnosis does."""
    target = load({"prefix": "/linkbox"}, os.environ, Path("/"))
    with Spinner(quiet=True) as spinner:
        aws = Aws(target, spinner)
        wanted = required_facts({i.type for c in all_checks() for i in inputs_of(c.judge)})
        given = given_facts(target, aws.region)
        snapshot = gather(wanted | {Identity}, aws, given, deadline_s=120)
    sys.stdout.write(snapshot_file.dump(snapshot))


if __name__ == "__main__":
    main()
