"""The steps of a rotation in words."""

from __future__ import annotations

from opskit.rotation.protocol.interface import Opening
from opskit.rotation.protocol.state_machine import Action, Kind, Outcome, Which

DONE_WORDS = {
    Kind.JOIN: "joined the open rotation",
    Kind.CHANGE: "{user} has its {to} password",
    Kind.PUBLISH: "{parameter} holds the {to} password",
    Kind.RESTART: "the app runs on the {to} password",
    Kind.DECIDE: "decided: {direction}",
    Kind.CLOSE_CLEAN: "closed: {direction}",
    Kind.CLOSE: "closed: {direction}",
}
DOING_WORDS = {
    Kind.JOIN: "joining the open rotation",
    Kind.CHANGE: "giving {user} its {to} password",
    Kind.PUBLISH: "writing the {to} password to {parameter}",
    Kind.RESTART: "restarting the app",
    Kind.DECIDE: "deciding: {direction}",
    Kind.CLOSE_CLEAN: "closing",
    Kind.CLOSE: "closing",
}
OUTCOME_WORDS = {
    Outcome.REFUSED: "refused",
    Outcome.MISSED: "not done yet",
    Outcome.UNKNOWN: "no clear answer; looking",
    Outcome.EXISTS: "somebody else was first; looking",
    Outcome.UNHEALTHY: "not healthy",
}


def describe(action: Action, outcome: Outcome, opening: Opening, why: str) -> str:
    """A step in words."""
    login = opening.new if action.to is Which.NEW else opening.old
    values = {
        "user": login.user,
        "to": action.to,
        "parameter": opening.published[-1].name,
        "direction": action.direction,
    }
    if outcome is Outcome.APPLIED:
        accepted = action.kind is Kind.CHANGE and opening.strategy == "master"
        words = (
            "RDS has accepted the {to} password of {user}" if accepted else DONE_WORDS[action.kind]
        )
        text = words.format(**values)
        return f"{text}: {action.why}" if action.why else text
    text = f"{DOING_WORDS[action.kind].format(**values)}: {OUTCOME_WORDS[outcome]}"
    return f"{text} ({why})" if why else text
