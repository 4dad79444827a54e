"""The app encrypts its connection where the database requires it.

Means: the server rejects every unencrypted connection: `no pg_hba.conf entry ... no encryption`.
Found by: the server's answers with and without TLS, and the app's own sslmode. No password is
sent for that.
Looks alike: with sslmode=prefer a wrong password (AUT001) ends in the same message; its first line
tells them apart.
Fix: make the client use TLS: sslmode=verify-full with the RDS bundle.
Not the fix: rds.force_ssl=0, nor rejectUnauthorized: false.
"""

from __future__ import annotations

import re

from opskit.checks.fix import Advice, Fix, Remedy
from opskit.checks.fix_commands import recreate
from opskit.checks.interface import (
    Evidence,
    Finding,
    failed,
    not_reached,
    observed,
    passed,
    reported,
    skipped,
)
from opskit.checks.seen import Seen, is_true, one_of
from opskit.checks.symptoms import containers_place
from opskit.engine.tls_modes import TlsMode, TlsVocabulary
from opskit.facts.database_engine import DatabaseEngine
from opskit.facts.interface import Fact, Known
from opskit.facts.probe import InstanceProbe
from opskit.facts.tls_setting import TlsSetting
from opskit.probe.response import ConnectionSetting, Container
from opskit.symptom import NO_HANDSHAKE, SymptomKind
from opskit.workload.interface import Workload

leads_to = (SymptomKind.TLS_REQUIRED,)

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""A variable's name without characters that are special to sed."""
passes_on = one_of(
    (
        Seen(InstanceProbe, "greeting.offers_tls", is_true),
        Seen(InstanceProbe, "running", lambda rows: any(c.setting("tls_mode") for c in rows)),
    )
)


def check(
    probe: InstanceProbe,
    setting: Fact[TlsSetting],
    database_engine: DatabaseEngine,
    app: Workload,
) -> Finding:
    """Compare the server's TLS requirement with the app's TLS mode."""
    tls, greeting = database_engine.engine.tls, probe.greeting
    required = greeting.requires_tls
    if required is None:
        required = _is_forced(setting)
    if required is None:
        text = "whether TLS is required was not learnt"
        return not_reached(text, NO_HANDSHAKE, "the server's answer")
    if not required:
        return skipped("the database also admits clients without TLS")
    server: list[Evidence] = []
    if greeting.without_tls is not None and greeting.without_tls.message:
        server.append(observed(f"without TLS the server says: {greeting.without_tls.message}"))
    if isinstance(setting, Known):
        value = f"{setting.value.parameter}={setting.value.value}"
        server.append(reported(f"{setting.value.group} has {value} ({setting.value.apply_status})"))
    modes = [(c, m) for c in probe.running if (m := c.setting("tls_mode")) is not None]
    for container, mode in modes:
        if tls.mode_of(mode.value) is TlsMode.DISABLED:
            message = probe.attempt_of(container.name)
            if message is not None and not message.succeeded:
                server.insert(
                    0, observed(f"a login as {container.name} does it: {message.message}")
                )
            return failed(
                f"{container.name} connects without TLS ({mode.variable}: {tls.mode_option}={mode.value}), "
                "which the database does not admit",
                *server,
                fix=_fix(container, mode, tls, app),
                place=containers_place(container),
            )
    if not (greeting.is_engine and greeting.offers_tls):
        return not_reached(
            "whether the server offers TLS was not seen",
            NO_HANDSHAKE,
            f"a TLS handshake on {probe.workload_noun}",
        )
    strange = next((f"{m.variable}={m.value}" for _, m in modes if not tls.mode_of(m.value)), "")
    if strange or not modes:
        why = f"{strange} is not known here" if strange else "no running container names it"
        return not_reached(
            f"whether the app uses TLS is not known: {why}",
            () if probe.running else (SymptomKind.NOT_RUNNING,),
            f"the app's {tls.mode_option}",
            place=containers_place(*probe.containers),
        )
    version = f" ({greeting.tls_version})" if greeting.tls_version else ""
    named = (f"{c.name} has {tls.mode_option}={m.value}" for c, m in modes)
    return passed(
        f"TLS is required and offered{version}", *server, *(observed(text) for text in named)
    )


def _is_forced(setting: Fact[TlsSetting]) -> bool | None:
    """Whether the parameter group forces TLS; None where that is not known or not applied yet."""
    if not isinstance(setting, Known) or setting.value.apply_status != "in-sync":
        return None
    return None if setting.value.value is None else setting.value.is_forced


def _fix(
    container: Container, mode: ConnectionSetting, tls: TlsVocabulary, app: Workload
) -> Remedy:
    """The fix that edits the file which defines the mode, and recreates the container."""
    has_bundle = container.setting("ca_file") is not None
    wanted = tls.mode_values[TlsMode.VERIFY_IDENTITY if has_bundle else TlsMode.REQUIRED]
    note = (
        "The bundle that the container names is used to verify the server."
        if has_bundle
        else f"It names no CA bundle, so `{wanted}` encrypts without verifying; add the RDS bundle next."
    )
    if not _is_editable(mode, container):
        return Advice(f"{_by_hand(container, mode, tls.mode_option, wanted)} {note}")
    edit, back = (
        ("sed", "-i", f"s/^{mode.variable}=.*/{mode.variable}={value}/", mode.file)
        for value in (wanted, mode.value)
    )
    return Fix(
        app.host_commands(edit, recreate(container)),
        f"sets {mode.variable}={wanted} in {mode.file} and creates the container again",
        undo=app.host_commands(back, recreate(container)),
        caution=note,
        restarts=(container.name,),
    )


def _is_editable(mode: ConnectionSetting, container: Container) -> bool:
    """Whether a known file sets the mode in a line `VARIABLE=mode` that sed can replace."""
    is_known = mode.source == "config" and mode.is_plain and mode.file.startswith("/")
    return bool(is_known and container.project_directory and NAME.fullmatch(mode.variable))


def _by_hand(container: Container, mode: ConnectionSetting, option: str, wanted: str) -> str:
    """The change to make where no command is offered, and why none is."""
    if mode.source == "process":
        return (
            f"{container.name}'s program sets {mode.variable} itself when it starts, so no command is "
            f"offered: let it set {option}={wanted} there, and restart {container.name}."
        )
    if mode.file:
        return (
            f"Set {option}={wanted} in {mode.variable} in {mode.file}, and create {container.name} again; "
            "its line there is not a plain assignment, so no command is offered."
        )
    return (
        f"Set {mode.variable}={wanted} where {container.name} gets its environment, and create it "
        "again; that file is not known here, so no command is offered."
    )
