"""Texts for the steps of a rotation."""

from __future__ import annotations

from opskit.rotation.protocol.interface import RotationIntent
from opskit.rotation.protocol.state_machine import Action, ActionKind, CallOutcome, PasswordVersion

DONE_WORDS = {
    ActionKind.JOIN: "joined the unfinished rotation",
    ActionKind.CHANGE: "{user} has its {to} password",
    ActionKind.PUBLISH: "{parameter} holds the {to} password",
    ActionKind.RESTART: "the app runs on the {to} password",
    ActionKind.DECIDE: "decided: {direction}",
    ActionKind.CLOSE_IMMEDIATELY: "closed: {direction}",
    ActionKind.CLOSE: "closed: {direction}",
}
DOING_WORDS = {
    ActionKind.JOIN: "joining the unfinished rotation",
    ActionKind.CHANGE: "giving {user} its {to} password",
    ActionKind.PUBLISH: "writing the {to} password to {parameter}",
    ActionKind.RESTART: "restarting the app",
    ActionKind.DECIDE: "deciding: {direction}",
    ActionKind.CLOSE_IMMEDIATELY: "closing",
    ActionKind.CLOSE: "closing",
}
OUTCOME_WORDS = {
    CallOutcome.REFUSED: "refused",
    CallOutcome.NOT_APPLIED: "not done yet",
    CallOutcome.UNKNOWN: "no clear answer; looking",
    CallOutcome.EXISTS: "another user was first; looking",
    CallOutcome.UNHEALTHY: "not healthy",
}


def describe(action: Action, outcome: CallOutcome, intent: RotationIntent, why: str) -> str:
    """Describe a step and its outcome."""
    login = intent.new if action.to is PasswordVersion.NEW else intent.old
    values = {
        "user": login.user,
        "to": action.to,
        "parameter": intent.published[-1].name,
        "direction": action.direction,
    }
    if outcome is CallOutcome.APPLIED:
        accepted = action.kind is ActionKind.CHANGE and intent.strategy == "master"
        template = (
            "RDS has accepted the {to} password of {user}" if accepted else DONE_WORDS[action.kind]
        )
        text = template.format(**values)
        return f"{text}: {action.why}" if action.why else text
    text = f"{DOING_WORDS[action.kind].format(**values)}: {OUTCOME_WORDS[outcome]}"
    return f"{text} ({why})" if why else text
