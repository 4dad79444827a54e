"""The command `opskit version`."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version

import click

from opskit import __version__
from opskit.cli.name_conflicts import find_conflicts
from opskit.engine import ENGINES

DRIVERS = tuple(dict.fromkeys(engine.client_package for engine in ENGINES.values()))
STANDS_ON = ("boto3", "botocore", *DRIVERS, "dnspython", "paramiko", "click")


@click.command()
def version() -> None:
    """Print the versions of opskit, of its formats and of its dependencies.

    Report other software called opskit on this machine on stderr.

    \b
    Examples:
      opskit version
      opskit --version
    """
    click.echo(f"opskit {__version__} (diagnosis format opskit.diagnosis/1)")
    click.echo(f"python {platform.python_version()}")
    for name in STANDS_ON:
        try:
            click.echo(f"{name} {installed_version(name)}")
        except PackageNotFoundError:
            click.echo(f"{name} missing")
    for conflict in find_conflicts():
        print(f"opskit: {conflict.sentence}", file=sys.stderr)
        if conflict.next_step:
            print(f"        {conflict.next_step}", file=sys.stderr)
