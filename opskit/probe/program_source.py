"""Joins the parts of the probe's program into one text, and packs it for sending.

The parts are modules of `opskit.probe.program`: they import each other here, and share one namespace where
they run.
"""

from __future__ import annotations

import ast
import base64
import importlib.resources
import zlib
from functools import cache

PACKAGE = "opskit.probe.program"
PARTS = (
    "redaction",
    "probe",
    "jobs",
    "machine",
    "network",
    "exchanges",
    "aws_calls",
    "credential_reads",
    "connection_settings",
    "containers",
    "listening_container",
    "health",
    "logins",
    "main",
)
"""The modules, each after those that it uses when it is loaded."""


def read_part(name: str) -> str:
    """The text of a file of the program."""
    return (importlib.resources.files(PACKAGE) / name).read_text(encoding="utf-8")


def joined(engine_source: str, request: str) -> str:
    """The whole program, which answers a request as soon as it is executed.

    Args:
        engine_source: source of the engine's `login` and `converse`; empty for none.
        request: the request in JSON.
    """
    sources = [engine_source, *(read_part(f"{part}.py") for part in PARTS)]
    return "\n".join([*map(_without_imports_and_docstrings, sources), f"run({request!r})\n"])


def packed(program: str) -> str:
    """Python code that unpacks and executes a program; without quotes that end a here-document."""
    data = base64.b64encode(zlib.compress(program.encode(), 9)).decode()
    return f'import base64, zlib\nexec(zlib.decompress(base64.b64decode("{data}")))'


def shell_variant() -> str:
    """The variant for instances without Python, as a template."""
    return shell_lines(read_part("program.sh"))


def shell_lines(source: str) -> str:
    """Source for `sh` without comments and indentation."""
    lines = (line.strip() for line in source.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("#")) + "\n"


@cache
def _without_imports_and_docstrings(source: str) -> str:
    """A part's source without its imports of other parts, and without docstrings, a fifth of the text."""
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        is_import = isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE)
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if isinstance(node, ast.stmt) and (is_import or is_text):
            indentation = lines[node.lineno - 1][: node.col_offset]
            end = node.end_lineno or node.lineno
            # A statement is left, since a docstring may be the only one of its block.
            lines[node.lineno - 1 : end] = [f"{indentation}0", *[""] * (end - node.lineno)]
    return "\n".join(lines)
