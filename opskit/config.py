"""Merges flags, environment and opskit.toml into one frozen Target that records each value's origin."""

from __future__ import annotations

import difflib
import os
import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from opskit import config_file, parameter_reference, workload
from opskit.config_file import FILE_NAME
from opskit.endpoint import health_url_flaw
from opskit.engine import ENGINES
from opskit.errors import TargetError, UsageError
from opskit.parameter_reference import ParameterReference
from opskit.workload.interface import WorkloadKind

DEFAULT_SSH_USER = "ec2-user"
"""The default user of Amazon Linux; Ubuntu's is `ubuntu`."""
CONNECT_TIMEOUT_S, LONGEST_CONNECT_TIMEOUT_S = 3, 10
"""Linux sends the first packet of a connection again after one second; the probe ends after twelve."""
FILE_VERSION = 1
PURPOSES = ("endpoint", "username", "password", "database")
"""The purposes of the four parameters, in the order in which they are shown."""
DEFAULT_SUFFIX = {
    "endpoint": "db-endpoint",
    "username": "db-username",
    "password": "db-password",
    "database": "db-name",
}


@dataclass(frozen=True, slots=True)
class Target:
    """The app and the database of a command, as far as the settings name them.

    Attributes:
        parameters: purpose (`PURPOSES`) -> plain name of the SSM parameter.
        references: purpose -> the reference to read, where that is not the plain name.
        ssh_user, ssh_host, ssh_key_file, ssh_bastion: settings of the transports over SSH;
            [USER@]HOST[:PORT] for host and bastion. No flags: they hold for a target, not for a command.
        origins: field -> the source of its value, for `--verbose`.
        table: the target's name in opskit.toml, if it has one.
        config_file: the opskit.toml that supplied a value.
        named_config_file: the same file, if the user named it.
        connect_timeout: whole seconds for each TCP connection from the app's machine.
        ca_file: the CA bundle by which clients here verify the database, in place of the included ones.
    """

    name: str
    parameters: Mapping[str, str]
    prefix: str | None = None
    region: str | None = None
    profile: str | None = None
    db_instance: str | None = None
    instance: str | None = None
    ecs_task: str | None = None
    container: str | None = None
    health_url: str | None = None
    dns_server: str | None = None
    via: str = "auto"
    ssh_user: str | None = None
    ssh_host: str | None = None
    ssh_key_file: str | None = None
    ssh_bastion: str | None = None
    ca_file: str | None = None
    connect_timeout: int = CONNECT_TIMEOUT_S
    origins: Mapping[str, str] = field(default_factory=dict)
    table: str | None = None
    references: Mapping[str, ParameterReference] = field(default_factory=dict)
    config_file: str = ""
    named_config_file: str = ""

    def reference(self, purpose: str) -> ParameterReference:
        """The reference by which a parameter is read."""
        name = self.parameters[purpose]
        return self.references.get(purpose, ParameterReference(name, name))

    @property
    def name_words(self) -> tuple[str, ...]:
        """The words of the prefix, else of the name, in lower case: resources of the app carry them."""
        return tuple(w for w in (self.prefix or self.name).lower().split("/") if w)

    @property
    def workload_kind(self) -> WorkloadKind:
        """The kind of workload that the settings name, else the kind that is searched."""
        return workload.kind_of({name: getattr(self, name) for name in workload.SETTINGS})

    @property
    def flags(self) -> str:
        """The options that select the same target, ready to paste; environment variables are left out."""
        flags = ["--config", self.named_config_file] if self.named_config_file else []
        flags += ["--target", self.table] if self.table else []
        for setting, origin in self.origins.items():
            if origin.startswith("--"):
                purpose = setting.removeprefix("parameter_")
                named = self.reference(purpose).text if purpose != setting else None
                flags += [origin, str(named or getattr(self, setting, None) or "")]
        if not flags and self.prefix:
            flags = ["--prefix", self.prefix]
        return shlex.join(flags)


SETTINGS = (
    "prefix",
    "region",
    "profile",
    "db_instance",
    "instance",
    "ecs_task",
    "container",
    "health_url",
    "dns_server",
    "via",
    "ssh_user",
    "ssh_host",
    "ssh_key_file",
    "ssh_bastion",
    "ca_file",
    "connect_timeout",
    *(f"parameter_{purpose}" for purpose in PURPOSES),
)
"""The settings of a flag, of OPSKIT_<NAME> and of a target in opskit.toml, under one name each."""
ALSO_IN = {
    "ca_file": tuple(dict.fromkeys(name for e in ENGINES.values() for name in e.tls.ca_variables))
}
"""Variables of other programs for the same setting: those of the engines' own clients."""


def load(flags: Mapping[str, str | None], environment: Mapping[str, str], start: Path) -> Target:
    """Build the target: flags before environment before opskit.toml.

    Args:
        flags: setting -> value; `target` names a target of opskit.toml.
        environment: the process environment.
        start: the directory from which opskit.toml is searched upward.

    Raises:
        UsageError: opskit.toml is malformed or not trusted, or a setting has a wrong form.
        TargetError: no setting names the parameters.
    """
    chosen = flags.get("target") or environment.get("OPSKIT_TARGET")
    named = flags.get("config") or environment.get("OPSKIT_CONFIG")
    path = Path(named) if named else config_file.find(start, _home(environment))
    table, table_name = _read_target(path, chosen, is_named=bool(named)) if path else ({}, None)
    if chosen and path is None:
        raise UsageError(
            f"there is no {FILE_NAME} here or above that could define the target '{chosen}'",
            "opskit init --prefix /NAME   writes one",
        )
    values, origins = {}, {}
    file_origin = f"{path} [targets.{table_name}]"
    for setting in SETTINGS:
        sources = (
            (flags.get(setting), f"--{setting.replace('_', '-')}"),
            (environment.get(f"OPSKIT_{setting.upper()}"), f"OPSKIT_{setting.upper()}"),
            *((environment.get(name), name) for name in ALSO_IN.get(setting, ())),
            (table.get(setting), file_origin),
        )
        for value, origin in sources:
            if value:
                values[setting], origins[setting] = value, origin
                break
    is_used = bool(table) and file_origin in origins.values()
    used = (str(path) if is_used else "", named or "")
    return _build(values, origins, table_name, used)


def _home(environment: Mapping[str, str]) -> Path | None:
    home = environment.get("HOME")
    return Path(home) if home else None


def _build(
    values: dict[str, str], origins: dict[str, str], table_name: str | None, files: tuple[str, str]
) -> Target:
    prefix = values.get("prefix")
    if prefix is not None:
        prefix = "/" + prefix.strip("/")
        if prefix == "/" or any(c.isspace() for c in prefix):
            raise UsageError(f"--prefix '{values['prefix']}' is not a parameter path like /linkbox")
    references = {}
    for purpose in PURPOSES:
        name = values.get(f"parameter_{purpose}")
        if name is None and prefix is not None:
            name = f"{prefix}/{DEFAULT_SUFFIX[purpose]}"
        if name is not None:
            references[purpose] = parameter_reference.parse(name)
    names = {purpose: reference.name for purpose, reference in references.items()}
    if len(names) < len(PURPOSES):
        absent = ", ".join(p for p in PURPOSES if p not in names)
        raise TargetError(
            f"no target: nothing names the SSM parameters that hold the database's {absent}",
            "opskit diagnose db --prefix /linkbox   or write an opskit.toml with: opskit init",
        )
    workload.check_settings(values)
    _check_health_url(values, origins)
    known = {f.name for f in fields(Target)} & set(SETTINGS) - {"prefix", "connect_timeout"}
    return Target(
        name=table_name or (prefix or names["endpoint"].rsplit("/", 1)[0] or "target").strip("/"),
        parameters=names,
        prefix=prefix,
        origins=origins,
        table=table_name,
        config_file=files[0],
        named_config_file=files[1],
        connect_timeout=_connect_timeout(values, origins),
        references={p: r for p, r in references.items() if r.text != r.name},
        **{key: value for key, value in values.items() if key in known},
    )


def _check_health_url(values: Mapping[str, str], origins: Mapping[str, str]) -> None:
    flaw = health_url_flaw(values["health_url"]) if "health_url" in values else ""
    if flaw:
        raise UsageError(
            f"health_url (from {origins['health_url']}) {flaw}",
            f"it is asked on {workload.kind_of(values).definite}, such as http://127.0.0.1:3000/health",
        )


def _connect_timeout(values: Mapping[str, str], origins: Mapping[str, str]) -> int:
    allowed = {str(seconds): seconds for seconds in range(1, LONGEST_CONNECT_TIMEOUT_S + 1)}
    text = values.get("connect_timeout", str(CONNECT_TIMEOUT_S))
    if text not in allowed:
        raise UsageError(
            f"connect_timeout (from {origins['connect_timeout']}) must be whole seconds from 1 to "
            f"{LONGEST_CONNECT_TIMEOUT_S}"
        )
    return allowed[text]


def _read_target(
    path: Path, chosen: str | None, *, is_named: bool
) -> tuple[dict[str, str], str | None]:
    text = config_file.read(path, is_named=is_named)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not valid TOML: {error}") from None
    _refuse_unknown(document, ("version", "default", "targets"), str(path))
    if document.get("version") != FILE_VERSION:
        raise UsageError(f"{path} must say `version = {FILE_VERSION}`")
    targets = document.get("targets", {})
    if not isinstance(targets, dict) or not all(isinstance(t, dict) for t in targets.values()):
        raise UsageError(f"{path}: targets are written as tables, [targets.NAME]")
    name = chosen or document.get("default")
    if name is None:
        # One target needs no name; of several, none is chosen silently.
        if len(targets) != 1:
            return {}, None
        name = next(iter(targets))
    if name not in targets:
        raise UsageError(
            f"{path} defines no target '{name}'",
            f"targets there: {', '.join(sorted(targets)) or 'none'}",
        )
    table = targets[name]
    _refuse_unknown(table, SETTINGS, f"{path} [targets.{name}]")
    for key, value in table.items():
        if not isinstance(value, str):
            raise UsageError(f"{path} [targets.{name}]: {key} must be a text in quotes")
    return table, name


def _refuse_unknown(table: Mapping[str, object], allowed: tuple[str, ...], where: str) -> None:
    for key in table:
        if key not in allowed:
            near = difflib.get_close_matches(key, allowed, n=1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            raise UsageError(
                f"{where}: unknown setting '{key}'{hint}", f"known: {', '.join(allowed)}"
            )


def aws_region(target: Target, environment: Mapping[str, str] = os.environ) -> str | None:
    """The configured Region: the target's, else AWS_REGION, else AWS_DEFAULT_REGION."""
    return target.region or environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
