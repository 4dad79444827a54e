"""The command `opskit runbook`."""

from __future__ import annotations

import json
import sys

import click


@click.group()
def runbook() -> None:
    """List and show the runbooks.

    \b
    Examples:
      opskit runbook list
      opskit runbook show could-not-connect
    """


@runbook.command("list")
@click.option(
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Output format.",
)
def list_(output: str) -> None:
    """List every runbook with the finding codes it covers."""
    from opskit.runbook.catalogue import all_runbooks

    if output == "json":
        rows = [
            {"name": r.name, "title": r.title, "symptoms": r.symptoms, "codes": r.codes}
            for r in all_runbooks()
        ]
        click.echo(json.dumps({"schema": "opskit.runbooks/1", "runbooks": rows}, indent=2))
        return
    from tabulate import tabulate

    rows_text = [(r.name, r.title, " ".join(r.codes)) for r in all_runbooks()]
    click.echo(tabulate(rows_text, headers=("name", "for", "codes"), tablefmt="plain"))
    if sys.stdout.isatty():
        click.echo("\nopskit runbook show NAME", err=True)


@runbook.command()
@click.argument("name")
def show(name: str) -> None:
    """Print one runbook as Markdown."""
    from opskit.runbook.catalogue import find

    click.echo(find(name).text)
