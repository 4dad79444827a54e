"""Options shared by several commands, and the target that they select."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from opskit.config import PURPOSES, Target, load
from opskit.errors import UsageError
from opskit.redaction import expose


class Seconds(click.FloatRange):
    """A click parameter type: a number of seconds in a range, without NaN."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Convert as click does, but reject NaN, which compares as neither too small nor too large."""
        found = float(super().convert(value, param, ctx))
        if math.isnan(found):
            self.fail(f"{value!r} is not a number of seconds.", param, ctx)
        return found


F = TypeVar("F", bound=Callable[..., Any])

TARGET_OPTIONS = (
    click.option("--prefix", metavar="PATH", help="Path of the four parameters, such as /linkbox."),
    click.option("--target", metavar="NAME", help="A target of opskit.toml."),
    click.option(
        "--config", metavar="FILE", help="The opskit.toml to use, whoever owns it [OPSKIT_CONFIG]."
    ),
    click.option("--region", metavar="REGION", help="AWS Region."),
    click.option("--profile", metavar="NAME", help="Profile of the AWS configuration."),
    click.option(
        "--db-instance", metavar="ID", help="RDS instance, if the endpoint does not tell."
    ),
    click.option(
        "--instance", metavar="ID", help="EC2 instance of the app, if several may run it."
    ),
    click.option(
        "--ecs-task",
        metavar="C/T",
        help="ECS task of the app: CLUSTER/TASK[/CONTAINER] or CLUSTER/service:NAME.",
    ),
    click.option("--container", metavar="NAME", help="The app's container on the instance."),
    click.option(
        "--health-url", metavar="URL", help="The app's health path, as seen on the instance."
    ),
    click.option("--dns-server", metavar="ADDRESS[:PORT]", help="Your resolver, with split DNS."),
    click.option(
        "--via",
        metavar="ROAD",
        help="Road to it: auto, run-command, session-manager, plugin, ssh-session, ssh, ecs-exec, local, "
        "none.",
    ),
    click.option(
        "--ca-file",
        metavar="FILE",
        help="CA bundle to verify the database by, in place of AWS's [OPSKIT_CA_FILE, PGSSLROOTCERT].",
    ),
    *(
        click.option(
            f"--parameter-{purpose}",
            metavar="NAME",
            help=f"Parameter of the {purpose}: a name or an ARN, with :VERSION or :LABEL for one version.",
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
            f"there is no file {path} to verify the database by (from {origin})",
            "--ca-file FILE   names another",
        )
