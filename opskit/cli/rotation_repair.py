"""`opskit rotate-password repair`: one write, proposed, and done when it is wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opskit.cli.rotate_password import confirm
from opskit.errors import ExitStatus, Incomplete, Unfinished

if TYPE_CHECKING:
    from opskit.cli.rotation_output import Output
    from opskit.rotation.service import Service


def run(service: Service, output: Output, options: dict[str, Any]) -> int:
    """Find what logs in, say it, and write it to where it is missing."""
    unfinished = service.unfinished()
    if unfinished is not None and not service.is_overwritten(unfinished):
        raise Unfinished(
            "a rotation is open: going on with it is the repair",
            "opskit rotate-password --status   shows how far it is",
        )
    around = service.look_around(output.waiting)
    repair = service.repair(around)
    if repair.is_sound:
        output.say(f"{repair.parameter} logs in as {repair.user}: there is nothing to repair")
        return int(ExitStatus.HEALTHY)
    tried = "; ".join(repair.tried)
    output.say(
        f"{repair.parameter} does not log in as {repair.user}. Tried without success: {tried}"
    )
    if repair.proposal is None:
        raise Incomplete(f"no password that is known logs in as {repair.user}", repair.advice)
    output.say(f"the smallest repair: {repair.proposal}")
    confirm("Do that now?", output, options)
    service.carry_out(repair, around)
    output.say(f"{repair.parameter} logs in as {repair.user}")
    output.say("restart what still runs on another password; then: opskit diagnose db")
    return int(ExitStatus.HEALTHY)
