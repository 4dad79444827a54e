"""Remedies for a parameter's value: a public one is overwritten, the password is found by a login."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from opskit.checks.fix import Advice, Fix, Remedy
from opskit.checks.fix_commands import restart_commands, restart_names
from opskit.commands import Command, OpskitCommand
from opskit.credential_source.interface import CredentialSource
from opskit.engine.advice import EngineAdvice
from opskit.engine.interface import LoginFailure
from opskit.facts.interface import Fact, Known
from opskit.facts.probe import InstanceProbe
from opskit.facts.rds import DbInstance
from opskit.facts.stored_credential import CredentialPiece, StoredCredential
from opskit.facts.value_form import JSON_OBJECT
from opskit.workload.interface import Workload

FIRST_VERSION = 1
"""The version of a parameter without earlier values; other sources do not count versions."""
REPAIR = OpskitCommand(("rotate-password", "repair"), ("--yes",))
BRING_IT = (
    "If someone knows the password that the database accepts: repair with --password-stdin tries it by a "
    "login, and then writes it."
)
TYPED = OpskitCommand(("rotate-password", "repair"), ("--password-stdin",))
GENERATED = OpskitCommand(("rotate-password", "repair"), ("--new-password",))


def put_values(
    source: CredentialSource,
    parameters: StoredCredential,
    values: Sequence[tuple[CredentialPiece, str]],
    does: str,
    more: tuple[Command, ...] = (),
    caution: str = "",
) -> Remedy:
    """Overwrite public values, then run more commands; advice where a write would destroy something.

    Args:
        values: each parameter with its new value.
    """
    for parameter, _ in values:
        if parameter.selector:
            return Advice(selected(parameter))
        if parameters.is_shared(parameter):
            text = f"{parameter.name} also holds other values, so no command is offered that writes it: "
            return Advice(f"{text}correct its {parameter.purpose} and keep the rest.")
        if source.is_encrypted(parameter.kind):
            text = f"{parameter.name} is encrypted, so no command is offered that shows its value: "
            return Advice(f"{text}write it again with the same key (--key-id).")
    puts = _writes(source, values)
    earlier = [(p, p.raw if p.raw is not None else p.value or "") for p, _ in values]
    # An endpoint may be a URL that contains a password.
    is_shown = all(value.isprintable() and "@" not in value for _, value in earlier)
    undo = _writes(source, earlier) if is_shown else ()
    why = (
        ""
        if is_shown
        else "the earlier value has an invisible character or an @, and stays in the history"
    )
    commands = (*puts, *more)
    return Fix(commands, does, undo=undo, no_undo=why, caution=caution)


def _writes(
    source: CredentialSource, values: Sequence[tuple[CredentialPiece, str]]
) -> tuple[Command, ...]:
    return tuple(source.write_call(p.name, p.kind, text) for p, text in values)


def selected(parameter: CredentialPiece) -> str:
    """Why no command is offered that writes a parameter which is referenced by version or label."""
    return (
        f"{parameter.name} is read by its version or label {parameter.selector}, which no command can "
        f"write: write a new version of {parameter.name}, then let the app and opskit read that one."
    )


def put_and_restart(
    source: CredentialSource,
    parameters: StoredCredential,
    change: tuple[CredentialPiece, str],
    app: Fact[Workload],
    probe: Fact[InstanceProbe],
    does: str,
    *,
    ask: str = "",
) -> Remedy:
    """Overwrite one public value and restart the app so that it reads the value."""
    restart = restart_commands(app, probe)
    remedy = put_values(
        source,
        parameters,
        [change],
        f"{does} and restarts the app" if restart else does,
        restart,
        "" if restart else "The app reads it at its next start or deployment.",
    )
    if isinstance(remedy, Advice):
        return remedy
    return replace(remedy, ask=ask, restarts=restart_names(app, probe))


def password_remedy(
    user: str,
    failure: LoginFailure | None,
    advice: EngineAdvice | None,
    instance: DbInstance | None,
    password: CredentialPiece | None,
    app: Fact[Workload],
    probe: Fact[InstanceProbe],
) -> Remedy:
    """The remedy for a password that the database rejects.

    Args:
        failure: of the login with it; None where none was tried.
        advice: the engine's; None where opskit does not support the engine.
    """
    if failure is LoginFailure.IAM_AUTH and advice is not None:
        return Advice(advice.iam_auth(user))
    if password is None:
        return Advice(
            "With ssm:GetParameter on the password parameter and kms:Decrypt on its key, repair finds the "
            "password that logs in, and writes it.",
            (OpskitCommand(("rotate-password", "repair")),),
        )
    if password.selector:
        return Advice(selected(password))
    if JSON_OBJECT in password.form.suspicions and is_healthy(probe):
        return Advice(
            f"The app is healthy, so it seems to read the JSON by itself: name {password.name} for both, "
            f"--parameter-username {password.name} --parameter-password {password.name}. Writing the "
            "password alone would break the app."
        )
    if _may_help(password, user, instance):
        return _repair(password, user, instance, restart_commands(app, probe))
    return _by_people(password, user, instance, advice)


def is_healthy(probe: Fact[InstanceProbe]) -> bool:
    """Whether the app answers its health URL with 200."""
    health = probe.value.health if isinstance(probe, Known) else None
    return health is not None and health.status == 200


def _is_master(user: str, instance: DbInstance | None) -> bool:
    return instance is not None and user == instance.master_username


def _may_help(password: CredentialPiece, user: str, instance: DbInstance | None) -> bool:
    """Whether a known password may log in, or RDS can set the one that the parameter holds."""
    if password.version != FIRST_VERSION or password.form.readings or password.format_problems:
        return True
    if not _is_master(user, instance):
        return False
    return bool(instance and instance.managed_secret_arn) or not password.form.unsuitable


def _repair(
    password: CredentialPiece, user: str, instance: DbInstance | None, restart: tuple[Command, ...]
) -> Fix:
    is_sound = not (password.form.unsuitable or password.format_problems)
    sets_it = _is_master(user, instance) and is_sound
    is_managed = instance is not None and instance.managed_secret_arn
    caution = (
        f"If no known password logs in, it sets the master password to the one that {password.name} "
        f"holds; every other client of {user} needs that one then."
        if sets_it and not is_managed
        else "If no known password logs in, it changes nothing and says who can help."
    )
    return Fix(
        (REPAIR, *restart),
        "finds the password that logs in, and writes it where it is missing",
        no_undo="the value that it replaces logs in nowhere",
        caution=caution,
    )


def _by_people(
    password: CredentialPiece, user: str, instance: DbInstance | None, advice: EngineAdvice | None
) -> Advice:
    """Advice where no command can be expected to help."""
    odd = password.form.unsuitable
    value = f"The value of {password.name} {odd}, so it is not made a password. " if odd else ""
    if _is_master(user, instance):
        return Advice(
            f"{value}{BRING_IT} If no one knows it: repair with --new-password gives {user} a generated one "
            f"through RDS, which every other client of {user} needs then too.",
            (TYPED, GENERATED),
        )
    password_text = "a new one" if odd else f"the one that {password.name} holds"
    sets = (
        advice.set_password(user, password_text)
        if advice
        else f"an administrator of the database gives {user} {password_text}."
    )
    return Advice(f"{value}{BRING_IT} Otherwise {sets}", (TYPED,))
