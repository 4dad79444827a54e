"""No rotation of the password is unfinished.

Means: an `opskit rotate-password` ended early. Between the change in the database and the write of the
parameter new processes cannot log in; at every other point the app works, and only the next rotation
has to wait.
Found by: the journal under /opskit/rotation, which records every rotation before it begins and when it
ends.
Looks alike: a password that was changed by hand (AUT001): then no rotation is unfinished.
Fix: `--resume`, which observes the state and continues; `--rollback` restores the old password. Either
is safe, from any machine.
Not the fix: setting one of the two passwords by hand, or deleting the journal's records.
"""

from __future__ import annotations

from opskit import utc
from opskit.checks.fix import Fix
from opskit.checks.interface import (
    Finding,
    failed,
    observed,
    passed,
    reported,
    undecided,
    warned,
)
from opskit.checks.seen import Seen, one_of
from opskit.commands import OpskitCommand
from opskit.config import Target
from opskit.credential_source import source_of
from opskit.facts.interface import Fact, Known, Unknown
from opskit.facts.login import LoginAttemptResult
from opskit.facts.unfinished_rotation import UnfinishedRotation
from opskit.symptom import SymptomKind, place

passes_on = one_of(Seen(UnfinishedRotation))
leads_to = (SymptomKind.LOGIN_REFUSED, SymptomKind.SETTINGS_DIFFER)


def check(
    target: Target, rotation: Fact[UnfinishedRotation], login: Fact[LoginAttemptResult]
) -> Finding:
    """Judge the unfinished rotation: a failure where the login fails too, else a warning."""
    if isinstance(rotation, Unknown):
        return undecided(rotation.reason, *rotation.missing)
    unfinished, name = rotation.value, source_of(target).location("password").name
    if not unfinished.number:
        return passed(f"no unfinished rotation of {name}")
    fix = Fix(
        (OpskitCommand(("rotate-password",), ("--resume", "--yes")),),
        "goes on from where it is; --rollback in its place goes back",
        no_undo="--rollback in place of --resume leads to the earlier password",
        caution="Setting one of the two passwords by hand is not the fix: the rotation knows both.",
    )
    when = f", opened {utc.minute(unfinished.opened_at)}," if unfinished.opened_at else ""
    text = f"rotation {unfinished.number} of {name}{when} was never finished"
    evidence = reported("the journal holds its beginning and no end")
    if isinstance(login, Known) and login.value.is_wrong_password:
        tried = observed(f"a login from {login.value.tried_from}: {login.value.message}")
        return failed(
            f"{text}, and the database refuses the password that {name} holds",
            evidence,
            tried,
            fix=fix,
            place=place(parameters=["password"]),
        )
    return warned(text, evidence, fix=fix)
