"""The text that is sent: joined from its parts, packed, for old Pythons, and within the limits of AWS."""

from __future__ import annotations

import ast
import builtins
import random
import re
import string
from collections import Counter
from pathlib import Path

import pytest

from opskit.engine import all_engines
from opskit.engine.interface import Engine
from opskit.probe import program_source
from opskit.probe.request import ProbeRequest, script
from opskit.transport.session_manager.commands import wrap_script
from tests.probe.test_probe import KEY, reads_of, request, run

PROGRAM = Path(program_source.__file__).parent / "program"
LONGEST_TEXT = 45_000
LONGEST_SESSION_PARAMETER = 65_535
"""Systems Manager API Reference, StartSession: a value of `Parameters`."""
SCRAMBLER = random.Random(1)
every_engine = pytest.mark.parametrize("database_engine", all_engines(), ids=lambda e: e.name)


def joined(database_engine: Engine) -> ast.Module:
    source = database_engine.instance_program().python
    return ast.parse(program_source.joined(source, "{}"), feature_version=(3, 6))


def defined(tree: ast.Module) -> list[str]:
    """The names that a program defines at its top level, but for imported modules."""
    names = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.Assign):
            names += [target.id for target in node.targets if isinstance(target, ast.Name)]
    return names


def scrambled(length: int) -> str:
    """Letters that compression does not shorten, the same in every run; no two calls share a piece."""
    return "".join(SCRAMBLER.choices(string.ascii_letters, k=length))


def largest_request(database_engine: Engine) -> ProbeRequest:
    """Every field as long as AWS, DNS and Docker allow, and a health URL of 500 characters."""
    configured, listed = (
        scrambled(253),
        f"{scrambled(63)}.{scrambled(12)}.us-gov-east-1.rds.amazonaws.com",
    )
    purposes = ("endpoint", "username", "password", "database")
    return request(
        hostnames=(configured, listed),
        tcp_targets=((configured, 15432), (listed, 15432)),
        exchange_with=(configured, 15432),
        exchanges=database_engine.exchanges(scrambled(63), scrambled(63)),
        environment=database_engine.environment,
        engine_program=database_engine.instance_program(),
        reads=reads_of({p: f"/{p}/{scrambled(950)}" for p in purposes}),
        container=scrambled(255),
        health_url=f"http://127.0.0.1:3000/{scrambled(478)}",
        login_to=(configured, 15432),
        ca_file=f"/{scrambled(254)}",
        tls_name=listed,
        unlisted=(configured,),
    )


def test_every_part_is_sent_once_and_is_short() -> None:
    files = {p.stem: p for p in PROGRAM.glob("*.py") if p.stem != "__init__"}
    assert sorted(program_source.PARTS) == sorted(files)
    for path in files.values():
        assert len(path.read_text().splitlines()) <= 200, path


@every_engine
def test_the_parts_share_one_namespace_without_clashes(database_engine: Engine) -> None:
    names = Counter(defined(joined(database_engine)))
    twice = [name for name, count in names.items() if count > 1]
    assert twice == []


@every_engine
def test_the_joined_text_needs_nothing_of_opskit_and_names_nothing_unknown(
    database_engine: Engine,
) -> None:
    tree = joined(database_engine)
    known = {*defined(tree), *dir(builtins), "__name__"}
    used: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = getattr(node, "module", None) or node.names[0].name
            assert not module.startswith("opskit"), module
            known |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, ast.arg):
            known.add(node.arg)
        elif isinstance(node, ast.ExceptHandler | ast.FunctionDef):
            known.add(node.name or "")
        elif isinstance(node, ast.Name):
            (known if isinstance(node.ctx, ast.Store) else used).add(node.id)
    assert used - known == set()


def test_docstrings_stay_here_and_blocks_stay_valid() -> None:
    source = (
        'class A(Exception):\n    """Two\n    lines."""\n\ndef f():\n    """One."""\n    return 1\n'
    )
    program = program_source._without_imports_and_docstrings(source)
    assert '"""' not in program
    namespace: dict[str, object] = {}
    exec(program, namespace)
    assert namespace["f"]() == 1  # type: ignore[operator]
    assert len(program.splitlines()) == len(source.splitlines())


def test_packed_code_unpacks_itself() -> None:
    namespace: dict[str, object] = {}
    exec(program_source.packed("x = 'é' + \"'\"\n"), namespace)
    assert namespace["x"] == "é'"


@every_engine
def test_the_largest_request_is_within_the_limits(database_engine: Engine) -> None:
    text = script(largest_request(database_engine))
    assert len(text) < LONGEST_TEXT
    assert len(wrap_script(text, 25)) < LONGEST_SESSION_PARAMETER


def test_an_ordinary_request_leaves_room_for_more_in_a_session() -> None:
    assert len(wrap_script(script(request()), 25)) < LONGEST_TEXT


@pytest.mark.parametrize("name", ["CONVERSE", "VARIABLES", "URLS", "PROGRAM"])
def test_no_placeholder_is_left(name: str) -> None:
    assert f"@{name}@" in program_source.shell_variant()
    assert f"@{name}@" not in script(request())
    assert f"@{name}@" not in script(request(environment=None, engine_program=None))


PYTHON = """#!/bin/sh
case "$1" in -c) exit 0 ;; esac
{ printf '%s\\n' "$*"; env; } >>"$RECORD"
cat >/dev/null
exit 1
"""


def test_python_gets_the_program_on_its_input_alone(tmp_path: Path) -> None:
    """Nothing of the request is in the arguments or the environment, which other users may see; where the
    program fails, `sh` answers."""
    tools, record = tmp_path / "bin", tmp_path / "record"
    tools.mkdir()
    (tools / "python3").write_text(PYTHON)
    (tools / "python3").chmod(0o755)
    exported = {"KEY": "x", "READS": "y", "value": "z", "RECORD": str(record)}
    done = run(script(request()), tools, "env", "cat", **exported)
    arguments, *environment = record.read_text().splitlines()
    assert arguments == "-"
    assert {line.split("=")[0] for line in environment} <= {"PATH", "PWD", "LC_ALL", "RECORD", "_"}
    assert KEY not in record.read_text()
    assert re.match("opskit-probe\t1\tsh\n", done.stdout)
    assert done.stdout.endswith("end\n")
