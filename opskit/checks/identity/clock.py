"""This machine's clock agrees with AWS's.

Means: AWS rejects signatures that are more than five minutes off, and every time that opskit
prints would be wrong.
Found by: the time in AWS's reply to the first call.
Looks alike: expired credentials; both end in a rejected signature.
Fix: synchronize the machine's clock by NTP.
Not the fix: new credentials.
"""

from __future__ import annotations

from opskit.checks.fix import Fix
from opskit.checks.interface import Finding, observed, passed, skipped, warned
from opskit.checks.seen import Seen, one_of
from opskit.commands import LocalCommand
from opskit.facts.identity import Identity

WARN_FROM_S = 120
"""AWS's limit is 300 s; a clock that is two minutes off will reach it."""
passes_on = one_of(Seen(Identity, "clock_ahead_s"))


def check(identity: Identity) -> Finding:
    """Compare the clocks."""
    if identity.clock_ahead_s is None:
        return skipped("AWS's reply carried no time")
    seconds = identity.clock_ahead_s
    if abs(seconds) < WARN_FROM_S:
        return passed(f"signed in as {identity.arn}; the clock agrees with AWS's")
    direction = "ahead of" if seconds > 0 else "behind"
    return warned(
        f"this machine's clock is {abs(seconds):.0f} s {direction} AWS's; beyond 300 s AWS refuses "
        "every call",
        observed("the Date of the reply to sts:GetCallerIdentity"),
        fix=Fix(
            (LocalCommand(("sudo", "timedatectl", "set-ntp", "true")),),
            "sets this machine's clock",
            no_undo="a clock that was wrong is not wanted back",
        ),
    )
