"""`opskit version`."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version

import click

from opskit import __version__

STANDS_ON = ("boto3", "botocore", "psycopg", "dnspython", "paramiko", "click")


@click.command()
def version() -> None:
    """Print the version of opskit, of its formats, and of the libraries it stands on.

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
