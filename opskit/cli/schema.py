"""The command `opskit schema`."""

from __future__ import annotations

import click


@click.command()
def schema() -> None:
    """Print the JSON Schema of `opskit diagnose ... --output json`.

    \b
    Examples:
      opskit schema > diagnosis.schema.json
      opskit schema | jq .title
    """
    from opskit.report.diagnosis_json import schema as text

    click.echo(text().rstrip("\n"))
