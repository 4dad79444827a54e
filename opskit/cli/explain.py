"""The command `opskit explain`."""

from __future__ import annotations

import difflib

import click


@click.command()
@click.argument("code", required=False)
def explain(code: str | None) -> None:
    """Explain a finding code: how it is found, what looks similar, how to fix it.

    Without a code, list all codes. This needs no network.

    \b
    Examples:
      opskit explain NET001
      opskit explain
    """
    from opskit.checks.catalogue import CODES, RETIRED, all_checks, check_of
    from opskit.errors import UsageError
    from opskit.runbook.catalogue import for_code

    if code is None:
        from tabulate import tabulate

        rows = [(c.code, c.layer, c.title) for c in all_checks()]
        click.echo(
            tabulate(rows, headers=("code", "layer", "what should be true"), tablefmt="plain")
        )
        return
    wanted = code.upper()
    if wanted in RETIRED:
        click.echo(f"{wanted} is no longer used: {RETIRED[wanted]}")
        return
    if wanted not in CODES:
        near = difflib.get_close_matches(wanted, CODES, n=1)
        hint = f"Did you mean {near[0]}?" if near else "opskit explain   lists all codes"
        raise UsageError(f"there is no code '{code}'", hint)
    check = check_of(wanted)
    click.echo(f"{wanted}  {check.page}")
    runbook = for_code(wanted)
    if runbook is not None:
        click.echo(f"Runbook: opskit runbook show {runbook.name}")
