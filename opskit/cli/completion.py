"""The command `opskit completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

RC_FILES = {
    "bash": 'eval "$(opskit completion bash)"   in ~/.bashrc',
    "zsh": 'eval "$(opskit completion zsh)"   in ~/.zshrc',
    "fish": "opskit completion fish > ~/.config/fish/completions/opskit.fish",
}


@click.command()
@click.argument("shell", type=click.Choice(list(RC_FILES)))
def completion(shell: str) -> None:
    """Print the completion script for bash, zsh or fish.

    \b
    Examples:
      eval "$(opskit completion bash)"
      opskit completion fish > ~/.config/fish/completions/opskit.fish
    """
    from opskit.cli.main import cli

    completion_class = get_completion_class(shell)
    assert completion_class is not None  # noqa: S101  the choice above lists only click's shells
    click.echo(completion_class(cli, {}, "opskit", "_OPSKIT_COMPLETE").source())
