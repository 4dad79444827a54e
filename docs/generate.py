"""Writes the pages that follow from the code: one page a code, and the table of facts.

`python -m docs.generate` writes them; `tests/test_docs.py` compares them with the code.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import textwrap
import typing
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from botocore import xform_name

from opskit.analysis import ANALYSES
from opskit.checks.catalogue import CODES, RETIRED, all_checks
from opskit.checks.interface import LAYERS, Check
from opskit.credential_source import CREDENTIAL_SOURCES, load
from opskit.facts.binding import inputs_of, outputs_of
from opskit.facts.gather import PROBES, READERS, SECRET_FACTS
from opskit.facts.interface import BY_TARGET, CLIENTS, ClientFactory, Sts
from opskit.facts.permissions import all_permissions
from opskit.runbook.catalogue import for_code

DOCS = Path(__file__).parent
MARK = "<!-- Written by docs/generate.py: change the code, then run `make docs`. -->"
PREFIXES = {"elbv2": "elasticloadbalancing"}
"""The service in IAM actions, where it differs from the client's name."""
SOURCE_ACTIONS = {
    "read": [action for name in CREDENTIAL_SOURCES for action in load(name).actions.diagnose],
    "describe": [load(name).actions.describe for name in CREDENTIAL_SOURCES],
}
"""Method of a credential source that a reader calls -> the IAM actions that it needs."""
CODE = re.compile(r"\b[A-Z]{3}\d{3}\b")


def pages() -> dict[str, str]:
    """Every generated page, by its path below docs/."""
    by_code = {f"codes/{check.code}.md": code_page(check) for check in all_checks()}
    return {**by_code, "codes/README.md": code_index(), "facts.md": facts_page()}


def stale() -> list[str]:
    """The paths below docs/ that are missing, differ from the code, or belong to no code."""
    wanted = pages()
    present = {f"codes/{path.name}" for path in (DOCS / "codes").glob("*.md")}
    different = {
        name
        for name, text in wanted.items()
        if not (DOCS / name).exists() or (DOCS / name).read_text(encoding="utf-8") != text
    }
    return sorted(different | (present - set(wanted)))


def write() -> None:
    """Write the pages that differ, and remove those of codes that no longer exist."""
    wanted = pages()
    (DOCS / "codes").mkdir(exist_ok=True)
    for name in stale():
        if name in wanted:
            (DOCS / name).write_text(wanted[name], encoding="utf-8")
        else:
            (DOCS / name).unlink()


def code_page(check: Check) -> str:
    """The page of a code: what `opskit explain CODE` prints, and what follows from the check."""
    body = check.page.partition("\n")[2]
    paragraphs = [
        re.sub(r"\A([A-Z][\w ]*:)", r"**\1**", with_links(escaped(text), check.code))
        for text in re.split(r"\n(?=[A-Z][\w ]*: )|\n\n", body.strip())
    ]
    module = CODES[check.code].replace(".", "/")
    rows = [f"Layer: {check.layer}", f"Source: [{module}.py](../../opskit/checks/{module}.py)"]
    ways = (" and ".join(f"`{seen.name}`" for seen in way) for way in check.passes_on)
    rows.append(f"Passes only on what was seen: {', or '.join(ways)}")
    if check.leads_to:
        rows.append(f"Its fault leads to: {', '.join(check.leads_to)}")
    if check.symptoms:
        rows.append(f"Its failure can be the symptom: {', '.join(check.symptoms)}")
    runbook = for_code(check.code)
    if runbook is not None:
        rows.append(f"Runbook: [{runbook.title}](../../runbooks/{runbook.name}.md)")
    facts = "\n".join(f"- {row}" for row in rows)
    return "\n\n".join([f"# {check.code}: {escaped(check.title)}", MARK, *paragraphs, facts]) + "\n"


def with_links(text: str, own: str) -> str:
    """A text with every code but its own as a link."""
    return CODE.sub(lambda match: match[0] if match[0] == own else code_link(match[0]), text)


def code_link(name: str) -> str:
    """A code as a link to its page; a layer as it is."""
    return f"[{name}]({name}.md)" if name in CODES else name


def code_index() -> str:
    """The index of all codes, by layer in causal order."""
    parts = [
        "# Codes",
        MARK,
        "Every check has a code, which never gets another meaning. `opskit explain CODE` prints the\n"
        "same page without a network.",
    ]
    for layer in LAYERS:
        rows = [
            f"| [{check.code}]({check.code}.md) | {escaped(check.title)} |"
            for check in all_checks()
            if check.layer == layer
        ]
        parts.append(
            "\n".join([f"## {layer}\n", "| code | what should be true |", "| --- | --- |", *rows])
        )
    if RETIRED:
        rows = [f"- {code}: {escaped(text)}" for code, text in RETIRED.items()]
        parts.append("\n".join(["## Retired\n", *rows]))
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """Plain text as Markdown: signs with a meaning are escaped outside code spans."""
    spans = re.split(r"(`[^`]*`)", text)
    return "".join(s if s.startswith("`") else re.sub(r"([*_<\[\]])", r"\\\1", s) for s in spans)


def facts_page() -> str:
    """The table of facts, of the types that they hold, and of what analyses make of them."""
    users: dict[type, list[str]] = {}
    for check in all_checks():
        for item in inputs_of(check.judge):
            users.setdefault(item.type, []).append(check.code)
    read = [(kind, reader) for reader in READERS for kind in outputs_of(reader)]
    made = [(kind, analysis) for analysis in ANALYSES for kind in outputs_of(analysis)]
    held = sorted(held_by(kind for kind, _ in (*read, *made)), key=lambda kind: kind.__name__)
    parts = [
        "# Facts",
        MARK,
        "A check declares a fact by the type of a parameter: `def check(subnets: Subnets) -> Finding`.\n"
        "It is then called only when the fact is known; `Fact[Subnets]` also takes an unknown one. A\n"
        "reader declares its inputs in the same way. [Permissions](permissions.md) has the policies; an\n"
        "encrypted parameter needs `kms:Decrypt` as well.",
        "## Facts that are read",
        table(
            ("fact", "fields", "source", "AWS calls and permissions", "checks that ask for it"),
            (
                (
                    f"`{kind.__name__}`"
                    + (" (secret: for readers only)" if kind in SECRET_FACTS else ""),
                    fields(kind),
                    source(reader),
                    origin(reader),
                    links(users.get(kind, ())),
                )
                for kind, reader in sorted(read, key=lambda row: row[0].__name__)
            ),
        ),
        "## Facts that are computed from others",
        table(
            ("fact", "fields", "source", "computed from", "checks that ask for it"),
            (
                (
                    f"`{kind.__name__}`",
                    fields(kind),
                    source(analysis),
                    ", ".join(f"`{item.type.__name__}`" for item in inputs_of(analysis)),
                    links(users.get(kind, ())),
                )
                for kind, analysis in sorted(made, key=lambda row: row[0].__name__)
            ),
        ),
        "## Types in fields",
        table(
            ("type", "fields or values", "source"),
            ((f"`{kind.__name__}`", fields(kind), source(kind)) for kind in held),
        ),
    ]
    return "\n\n".join(parts) + "\n"


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A table in Markdown."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def links(codes: Iterable[str]) -> str:
    """Codes as links to their pages."""
    return ", ".join(f"[{code}](codes/{code}.md)" for code in codes)


def source(thing: Any) -> str:
    """A link to the file of a function or class."""
    path = thing.__module__.replace(".", "/").removeprefix("opskit/")
    root = DOCS.parent / "opskit"
    file = f"{path}.py" if (root / f"{path}.py").exists() else f"{path}/__init__.py"
    return f"[{file}](../opskit/{file})"


def fields(kind: type) -> str:
    """The public fields of a dataclass with their types, or the values of an enum.

    An abstract dataclass is an interface, whose properties are listed too.
    """
    if dataclasses.is_dataclass(kind):
        shown = [
            f"{field.name}: {type_name(field.type)}"
            for field in dataclasses.fields(kind)
            if not field.name.startswith("_")
        ]
        if inspect.isabstract(kind):
            shown += [
                f"{name}: {type_name(value.fget.__annotations__['return'])}"
                for name, value in vars(kind).items()
                if isinstance(value, property)
            ]
    else:
        shown = [
            str(getattr(member, "value", member))
            for member in getattr(kind, "__members__", {}).values()
        ]
    return "<br>".join(f"`{text}`".replace("|", "\\|") for text in shown)


def type_name(annotation: Any) -> str:
    """A field's annotation as it is written."""
    return (
        annotation
        if isinstance(annotation, str)
        else getattr(annotation, "__name__", str(annotation))
    )


def held_by(kinds: Iterable[type]) -> set[type]:
    """The types of opskit that the fields of facts hold, directly and through others."""
    facts, held = set(kinds), set[type]()
    todo = list(facts)
    while todo:
        kind = todo.pop()
        if not dataclasses.is_dataclass(kind):
            continue
        hints = typing.get_type_hints(kind)
        for field in dataclasses.fields(kind):
            for part in parts_of(hints[field.name]):
                if part.__module__.startswith("opskit.") and part not in facts | held:
                    held.add(part)
                    todo.append(part)
    return held


def parts_of(hint: Any) -> Iterator[type]:
    """The classes in an annotation: `tuple[Subnet, ...]` has `tuple` and `Subnet`."""
    origin = typing.get_origin(hint)
    if inspect.isclass(origin or hint):
        yield origin or hint
    for argument in typing.get_args(hint):
        yield from parts_of(argument)


def origin(reader: Callable[..., object]) -> str:
    """The AWS calls of a reader, which are also its permissions; without any, what it asks instead."""
    actions = calls(reader)
    if actions:
        return "<br>".join(f"`{action}`" for action in actions)
    if Sts in {item.type for item in inputs_of(reader)}:
        return "`sts:GetCallerIdentity`, which is always allowed"
    if reader in PROBES:
        return "a probe, over a [transport](transports.md) or from this machine"
    clients = (*CLIENTS, ClientFactory)
    inputs = [f"`{item.type.__name__}`" for item in inputs_of(reader) if item.type not in clients]
    return (
        f"computed from {', '.join(inputs)}"
        if inputs
        else "`sts:GetCallerIdentity`, always allowed"
    )


def calls(reader: Callable[..., object]) -> list[str]:
    """The IAM actions of the AWS calls in a reader and in the functions that it uses."""
    services = {item.name: CLIENTS[item.type] for item in inputs_of(reader) if item.type in CLIENTS}
    used = [
        (node.value, node.attr)
        for tree in sources_of(reader)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
    ]
    actions = {
        action
        for value, name in used
        if isinstance(value, ast.Name)
        for action in actions_of(services.get(value.id, ""), name)
    }
    if BY_TARGET in services.values():
        actions |= {action for _, name in used for action in SOURCE_ACTIONS.get(name, ())}
    return sorted(actions)


def sources_of(reader: Callable[..., object]) -> Iterator[ast.Module]:
    """The source of a reader, and of the functions of facts/ that it names, directly and through others."""
    seen: set[Callable[..., object]] = set()
    todo = [reader]
    while todo:
        function = todo.pop()
        if function in seen:
            continue
        seen.add(function)
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
        yield tree
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        others = (inspect.getmodule(function).__dict__.get(name) for name in sorted(names))
        todo += [
            o for o in others if inspect.isfunction(o) and o.__module__.startswith("opskit.facts.")
        ]


def actions_of(service: str, method: str) -> set[str]:
    """The IAM action of a method of an AWS client; none if opskit needs no permission for it."""
    prefix = PREFIXES.get(service, service)
    return {
        permission.action
        for permission in all_permissions()
        if permission.action.startswith(f"{prefix}:")
        and xform_name(permission.action.partition(":")[2]) == method
    }


if __name__ == "__main__":
    write()
