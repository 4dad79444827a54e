"""Renders commands for a POSIX shell: dash, bash and zsh, with version 1 and 2 of the AWS CLI."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from opskit.commands import AwsCall, AwsWait, Command, InstanceCommand, LocalCommand, OpskitCommand

PLAIN = re.compile(r"[A-Za-z0-9_./:@,+-]+")
"""Words that need no quotes in any shell; zsh expands `=` and `~` at a word's start."""
NO_PAGER = "AWS_PAGER= "
"""Version 2 of the AWS CLI pages its output by default; version 1 does not know the variable."""
FETCHED = ("file://", "fileb://", "http://", "https://")
"""Prefixes of values that the AWS CLI replaces by a file's content (version 1 also by a URL's)."""
FLAGS = {(f"{verb}NetworkAclEntry", "Egress") for verb in ("Create", "Replace", "Delete")}
"""Boolean parameters that the AWS CLI has as the flags `--egress` and `--ingress`."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The user's context, for which commands are rendered.

    Attributes:
        region: of every AWS command, independent of the shell's default.
        profile: empty where none was given.
        target: opskit's options that name the same target, quoted.
    """

    region: str = ""
    profile: str = ""
    target: str = ""


class Unprintable(ValueError):
    """A command contains a character that a terminal would not show."""


def quote(argument: str) -> str:
    """One shell word, in single quotes unless it is plain."""
    if PLAIN.fullmatch(argument):
        return argument
    return "'" + argument.replace("'", "'\"'\"'") + "'"


def join(arguments: Sequence[str]) -> str:
    """Several shell words, each quoted."""
    return " ".join(quote(argument) for argument in arguments)


def render(command: Command, caller: Caller) -> str:
    """Render a command.

    Raises:
        Unprintable: a value contains a control character or another invisible one.
    """
    text = _text(command, caller)
    if not all(leaf.isprintable() for leaf in (text, *_leaves(command))):
        raise Unprintable(type(command).__name__)
    return text


def _leaves(value: Any) -> Iterator[str]:
    """Every string in a command, checked before JSON escapes and so hides unprintable characters."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (AwsCall, AwsWait)):
        yield from _leaves(value.parameters)
    elif isinstance(value, InstanceCommand):
        yield from _leaves(value.programs)
    elif isinstance(value, Mapping):
        yield from _leaves([*value.keys(), *value.values()])
    elif isinstance(value, Sequence):
        for item in value:
            yield from _leaves(item)


def chain(commands: Sequence[Command], caller: Caller) -> str:
    """Render several commands as one text that stops at the first failure.

    Raises:
        Unprintable: as `render`.
    """
    return " &&\n".join(render(command, caller) for command in commands)


def _text(command: Command, caller: Caller) -> str:
    match command:
        case AwsCall():
            return NO_PAGER + join(_aws_words(command, caller))
        case AwsWait():
            waited = _options(command.parameters, "")
            return join([*_aws(caller), command.service, "wait", command.waiter, *waited])
        case InstanceCommand():
            return _text(_send_command(command), caller)
        case OpskitCommand():
            arguments = ["opskit", *command.arguments]
            named = f" {caller.target}" if caller.target else ""
            options = f" {join(command.options)}" if command.options else ""
            return f"{join(arguments)}{named}{options}"
        case LocalCommand():
            return join(command.arguments)
        case _:
            assert_never(command)


def _aws(caller: Caller) -> list[str]:
    arguments = ["aws"]
    if caller.region:
        arguments += _option("--region", caller.region)
    if caller.profile:
        arguments += _option("--profile", caller.profile)
    return arguments


def _aws_words(call: AwsCall, caller: Caller) -> list[str]:
    name = hyphenated(call.operation)
    options = _ingress_options(call) or _options(call.parameters, call.operation)
    return [*_aws(caller), call.service, name, *options]


def _ingress_options(call: AwsCall) -> list[str]:
    """The AWS CLI's short form for a rule of one port and one group; empty for any other call."""
    if not call.operation.endswith("SecurityGroupIngress"):
        return []
    match call.parameters:
        case {
            "GroupId": str(group),
            "IpPermissions": [
                {
                    "IpProtocol": str(protocol),
                    "FromPort": first,
                    "ToPort": last,
                    "UserIdGroupPairs": [{"GroupId": str(peer)} as pair],
                    **others,
                }
            ],
        } if first == last and not others and len(pair) == 1:
            rule = ["--protocol", protocol, "--port", str(first), "--source-group", peer]
            return ["--group-id", group, *rule]
    return []


def _options(parameters: Mapping[str, Any], operation: str) -> list[str]:
    arguments: list[str] = []
    apart: dict[str, str] = {}
    for name, value in parameters.items():
        option = f"--{hyphenated(name)}"
        if (operation, name) in FLAGS:
            arguments.append("--egress" if value else "--ingress")
        elif isinstance(value, bool):
            arguments.append(option if value else f"--no-{hyphenated(name)}")
        elif isinstance(value, str) and value.startswith(FETCHED):
            apart[name] = value
        else:
            arguments += _option(option, value)
    if apart:
        arguments += ["--cli-input-json", _json(apart)]
    return arguments


def _option(option: str, value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [option, _json(value)]
    if isinstance(value, Sequence) and not isinstance(value, str):
        if any(isinstance(item, Mapping) for item in value):
            return [option, _json(value)]
        return [option, *(str(item) for item in value)]
    argument = str(value)
    # Otherwise the AWS CLI parses the value as an option.
    return [f"{option}={argument}"] if argument.startswith("-") else [option, argument]


def _send_command(command: InstanceCommand) -> AwsCall:
    line = " && ".join(join(program) for program in command.programs)
    return AwsCall(
        "ssm",
        "SendCommand",
        {
            "InstanceIds": [command.instance_id],
            "DocumentName": "AWS-RunShellScript",
            "Parameters": {"commands": [line]},
        },
    )


def hyphenated(name: str) -> str:
    """An API name in the AWS CLI's form: `DBInstanceIdentifier` is `db-instance-identifier`."""
    before_words = re.sub(r"(.)([A-Z][a-z]+)", r"\1-\2", name)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1-\2", before_words).lower()


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
