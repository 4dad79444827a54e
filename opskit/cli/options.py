"""Options shared by several commands, and the target that they select."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from opskit.config import ALSO_IN, PURPOSES, Target, load
from opskit.errors import UsageError
from opskit.redaction import expose
from opskit.transport import CHOICES


class Seconds(click.FloatRange):
    """A click parameter type: a number of seconds in a range, without NaN."""

    name = "seconds"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Convert as click does, but reject NaN, which compares as neither too small nor too large."""
        seconds = float(super().convert(value, param, ctx))
        if math.isnan(seconds):
            self.fail(f"{value!r} is not a number of seconds.", param, ctx)
        return seconds


F = TypeVar("F", bound=Callable[..., Any])

TARGET_OPTIONS = (
    click.option(
        "--prefix", metavar="PATH", help="Path of the four SSM parameters, such as /linkbox."
    ),
    click.option("--target", metavar="NAME", help="Target defined in opskit.toml."),
    click.option(
        "--config",
        metavar="FILE",
        help="opskit.toml to use, regardless of its owner [OPSKIT_CONFIG].",
    ),
    click.option("--region", metavar="REGION", help="AWS Region."),
    click.option("--profile", metavar="NAME", help="AWS configuration profile."),
    click.option(
        "--db-instance", metavar="ID", help="RDS instance, if the endpoint does not identify it."
    ),
    click.option(
        "--instance", metavar="ID", help="EC2 instance of the app, if several could run it."
    ),
    click.option(
        "--ecs-task",
        metavar="CLUSTER/TASK",
        help="ECS task of the app: CLUSTER/TASK[/CONTAINER] or CLUSTER/service:NAME.",
    ),
    click.option(
        "--container", metavar="NAME", help="Name of the app's container on the instance."
    ),
    click.option(
        "--health-url",
        metavar="URL",
        help="URL of the app's health check, as seen from the instance.",
    ),
    click.option(
        "--dns-server", metavar="ADDRESS[:PORT]", help="DNS server to compare with, for split DNS."
    ),
    click.option(
        "--via",
        metavar="TRANSPORT",
        type=click.Choice(CHOICES),
        help=f"How to reach the instance or task: {', '.join(CHOICES)}.",
    ),
    click.option(
        "--ca-file",
        metavar="FILE",
        help="CA bundle used to verify the database's TLS certificate "
        f"[{', '.join(('OPSKIT_CA_FILE', *ALSO_IN['ca_file']))}].",
    ),
    *(
        click.option(
            f"--parameter-{purpose}",
            metavar="NAME",
            help=f"Name or ARN of the {purpose} parameter, with :VERSION or :LABEL for one version.",
        )
        for purpose in PURPOSES
    ),
)


def target_options(function: F) -> F:
    """Add the options that select the target."""
    for option in reversed(TARGET_OPTIONS):
        function = option(function)
    return function


def make_target(flags: dict[str, str | None]) -> Target:
    """Create the target from flags, environment and opskit.toml."""
    target = load(flags, os.environ, Path.cwd())
    expose(target.name, target.prefix or "", *target.parameters.values())
    return target


def check_ca_file(target: Target) -> None:
    """Check that the CA bundle exists, before any request is sent.

    Raises:
        UsageError: it does not exist.
    """
    path = target.ca_file
    if path and path != "system" and not Path(path).is_file():
        origin = target.origins.get("ca_file", "--ca-file")
        raise UsageError(
            f"the CA bundle {path} does not exist (from {origin})",
            "--ca-file FILE   uses another CA bundle",
        )
