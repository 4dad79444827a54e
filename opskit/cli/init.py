"""The command `opskit init`."""

from __future__ import annotations

import json
import os
import secrets
import sys
from pathlib import Path
from typing import Any

import click

from opskit.cli.options import make_target, target_options
from opskit.errors import UsageError
from opskit.escaping import visible
from opskit.transport import CHOICES


@click.command()
@target_options
@click.option("--force", is_flag=True, help="Replace an existing file.")
@click.option("--stdout", "to_stdout", is_flag=True, help="Print the file instead of writing it.")
def init(force: bool, to_stdout: bool, **flags: Any) -> None:
    """Write a commented opskit.toml with the discovered resources.

    \b
    Examples:
      opskit init --prefix /linkbox
      opskit init --prefix /linkbox --region eu-west-1 --stdout
    """
    from opskit.aws import Aws
    from opskit.cli.terminal import Spinner
    from opskit.config_file import FILE_NAME
    from opskit.discovery import discover

    path = Path.cwd() / FILE_NAME
    if os.path.lexists(path) and not (force or to_stdout):
        raise _is_there(path)
    target = make_target(flags)
    with Spinner(quiet=False) as spinner:
        aws = Aws(target, spinner)
        settings = discover(target, aws, aws.region)
    lines = [
        "# Targets of opskit: what each command is about. Flags and OPSKIT_* variables outweigh it.",
        "# It holds no secret; keep it beside the app's code.",
        "version = 1",
        f"default = {json.dumps(target.name)}",
        "",
        f"[targets.{json.dumps(target.name)}]",
    ]
    if target.prefix:
        lines.append(f"prefix = {json.dumps(target.prefix)}")
    for purpose, name in target.parameters.items():
        lines.append(f"# parameter_{purpose} = {json.dumps(name)}")
    lines.append(f"region = {json.dumps(aws.region)}")
    if target.profile:
        lines.append(f"profile = {json.dumps(target.profile)}")
    for key, value, why in settings:
        if value is None:
            lines.append(f"# {key}: {visible(why)}")
        else:
            lines += [f"# {visible(why)}", f"{key} = {json.dumps(value)}"]
    lines += [
        "# More that can be said: container, health_url, dns_server, ca_file,",
        "# ecs_task (CLUSTER/TASK[/CONTAINER] or CLUSTER/service:NAME), in place of instance,",
        f"# via ({', '.join(CHOICES)});",
        "# over SSH: ssh_user, ssh_key_file, and for plain SSH ssh_host and ssh_bastion",
    ]
    text = "\n".join(lines) + "\n"
    if to_stdout:
        click.echo(text, nl=False)
        return
    _write(path, text, replaces=force)
    print(f"wrote {path}", file=sys.stderr)
    print("opskit diagnose db", file=sys.stderr)


def _write(path: Path, text: str, *, replaces: bool) -> None:
    """Write a new file, never through a link; an existing file is replaced completely or not at all.

    Raises:
        UsageError: a file or a link exists, or the directory cannot be written to.
    """
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}") if replaces else path
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with os.fdopen(os.open(new, flags, 0o644), "w", encoding="utf-8") as file:
            file.write(text)
        new.replace(path)
    except FileExistsError:
        raise _is_there(path) from None
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None


def _is_there(path: Path) -> UsageError:
    return UsageError(f"{path} is there already", "--force replaces it, --stdout prints instead")
