"""Every option that selects the target is in the commands that opskit prints."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click
import pytest

from opskit.cli.options import make_target, target_options
from opskit.config import Target

NAMES = [f"--parameter-{purpose}" for purpose in ("endpoint", "username", "password", "database")]
WHOLE = {
    "--region": "eu-west-1",
    "--profile": "on call",
    "--db-instance": "shop-db",
    "--instance": "i-0123456789abcdef0",
    "--ecs-task": "prod/0123456789abcdef0123456789abcdef",
    "--container": "shop-web",
    "--health-url": "http://127.0.0.1:8080/health?a=1&b=2",
    "--dns-server": "10.0.0.2:53",
    "--via": "ssh",
    "--ca-file": "/etc/own bundle.pem",
    **{name: f"/shop/{name.rsplit('-', 1)[-1]}" for name in NAMES},
}
EXCLUSIVE = {"--instance": "--ecs-task", "--ecs-task": "--instance"}
BY_FILE = ("--prefix", "--target", "--config")
"""Tried with a file or alone, in the tests of the configuration."""


def read(arguments: list[str]) -> Target:
    seen: list[Target] = []

    @click.command()
    @target_options
    def command(**flags: Any) -> None:
        seen.append(make_target(flags))

    command.main(arguments, standalone_mode=False)
    return seen[0]


def options() -> list[str]:
    names = [
        option for p in target_options(click.command()(lambda: None)).params for option in p.opts
    ]
    return [n for n in names if n not in BY_FILE]


def test_every_option_is_tried() -> None:
    assert sorted(options()) == sorted(WHOLE)


@pytest.mark.parametrize("left_out", EXCLUSIVE)
def test_a_printed_command_names_the_same_target(
    left_out: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    given = {name: value for name, value in WHOLE.items() if name != left_out}
    if left_out == "--instance":
        given["--via"] = "auto"
    target = read(["--prefix", "/shop", *(word for pair in given.items() for word in pair)])
    again = read(shlex.split(target.flags))
    assert again == target
    printed = shlex.split(target.flags)
    assert all(printed[printed.index(name) + 1] == value for name, value in given.items())
