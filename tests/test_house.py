"""The rules of the house that nobody has to remember."""

from __future__ import annotations

import ast
import builtins
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from opskit.analysis import ANALYSES
from opskit.checks.catalogue import CODES, HEADINGS, RETIRED, all_checks
from opskit.checks.interface import LAYERS, Check
from opskit.facts.binding import inputs_of, outputs_of
from opskit.facts.gather import READERS, SECRET_FACTS, readers_for
from opskit.facts.interface import CLIENTS
from opskit.symptom import SymptomKind
from tests import prose

ROOT = Path(__file__).parent.parent
GIVEN = {"ClientFactory", "FingerprintKey", "Now", "Region", "Target"}


@functools.cache
def parsed(path: Path) -> ast.Module:
    """The syntax tree of a module of ours."""
    return ast.parse(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("check", all_checks(), ids=lambda c: c.code)
def test_check_has_a_page_and_known_inputs(check: Check) -> None:
    assert check.layer in LAYERS
    assert [h for h in HEADINGS if f"\n{h}" not in check.page] == []
    known = {kind for work in (*READERS, *ANALYSES) for kind in outputs_of(work)}
    for item in inputs_of(check.judge):
        assert item.type in known or item.type.__name__ in GIVEN, item
        assert item.type not in SECRET_FACTS, "a check is handed a secret"
    assert SymptomKind.NOT_REACHED not in (*check.leads_to, *check.symptoms)


def test_codes_sort_in_causal_order_and_none_is_reused() -> None:
    layers = [LAYERS.index(module.split(".")[0]) for module in CODES.values()]
    assert layers == sorted(layers)
    assert not set(CODES) & set(RETIRED)
    assert len(set(CODES.values())) == len(CODES)


def test_every_check_file_is_in_the_catalogue() -> None:
    """A check is a module with a function `check`; what several checks share has none."""
    found = {
        f"{path.parent.name}.{path.stem}"
        for path in (ROOT / "opskit" / "checks").glob("*/*.py")
        if re.search(r"^def check\(", path.read_text(), re.MULTILINE)
    }
    assert found == set(CODES.values())


def test_every_reader_gets_what_it_asks_for() -> None:
    known = {kind for reader in READERS for kind in outputs_of(reader)}
    for reader in READERS:
        for item in inputs_of(reader):
            assert item.type in known or item.type in CLIENTS or item.type.__name__ in GIVEN
    assert readers_for(known) == set(READERS)


def test_no_public_fact_holds_a_secret() -> None:
    for reader in READERS:
        for kind in outputs_of(reader):
            fields = getattr(kind, "__dataclass_fields__", {})
            held = [f for f in fields.values() if "Secret" in str(f.type)]
            assert not held or kind in SECRET_FACTS, kind


def test_nothing_outside_the_sandbox_speaks_of_it() -> None:
    allowed = {"cli/main.py", "cli/sandbox.py", "cli/demo.py"}
    for path in (ROOT / "opskit").rglob("*.py"):
        name = str(path.relative_to(ROOT / "opskit"))
        if not name.startswith("sandbox/") and name not in allowed:
            assert not re.search(r"sandbox|moto\b", path.read_text(), re.IGNORECASE), name


OF_POSTGRESQL = re.compile(
    r"postgres|psycopg|pg_|libpq|sslmode|sslrootcert|sqlstate|psql|rds_iam|rds_password|force_ssl"
    r"|(?-i:\bPG[A-Z]{3})",
    re.IGNORECASE,
)
NAMES_POSTGRESQL = {
    "engine/__init__.py": "the registry: RDS's names of the engines, and the package",
    "cli/demo.py": "a command of the sandbox, which runs a real server",
    "cli/tunnel.py": "command lines in its help, as examples",
}
"""The only files outside of the engine's package that name it, and why."""


def without_page(path: Path) -> str:
    """A module's text; of a check without its page, which `opskit explain` prints."""
    text = path.read_text(encoding="utf-8")
    is_check = f"{path.parent.name}.{path.stem}" in CODES.values()
    page = ast.get_docstring(ast.parse(text), clean=False) if is_check else None
    return text.replace(page, "", 1) if page else text


def test_only_the_engine_s_own_package_names_its_engine() -> None:
    """Another engine is a package and a line in the registry: checks, rotation and CLI know none of them."""
    package = ROOT / "opskit"
    elsewhere = {"engine/postgresql", "data", "sandbox", "runbooks"}
    found = set()
    for path in sorted(package.rglob("*")):
        name = path.relative_to(package).as_posix()
        if path.suffix not in (".py", ".sh", ".json") or any(
            name.startswith(f"{place}/") for place in elsewhere
        ):
            continue
        text = without_page(path) if path.suffix == ".py" else path.read_text(encoding="utf-8")
        if OF_POSTGRESQL.search(text):
            found.add(name)
    assert found == set(NAMES_POSTGRESQL)


def test_printing_and_sizes() -> None:
    for path in (ROOT / "opskit").rglob("*.py"):
        name = str(path.relative_to(ROOT / "opskit"))
        tree = parsed(path)
        assert ast.get_docstring(tree), f"{name} does not say what it is for"
        if name.startswith(("cli/", "sandbox/")):
            continue
        called = [n.func for n in ast.walk(tree) if isinstance(n, ast.Call)]
        names = {function.id for function in called if isinstance(function, ast.Name)}
        assert "print" not in names, f"{name} prints"
        assert len(path.read_text().splitlines()) <= 450, name


def test_no_wait_may_be_missed() -> None:
    """`queue.SimpleQueue.get` of CPython 3.11 and 3.12 waits for ever when its time is over before it
    begins to wait, and so does the WebSocket library's `recv` with a limit."""
    for path in sorted((ROOT / "opskit").rglob("*.py")):
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Attribute):
                assert node.attr != "SimpleQueue", path
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                named = {k.arg for k in node.keywords}
                assert node.func.attr != "recv" or "timeout" not in named, (path, node.lineno)


JUDGEMENT = ("analysis.py", "checks/", "diagnosis/", "reachability/")
READS_TEXTS = {
    "engine/": "reads the messages of database servers",
    "transport/": "reads the messages of agents and SSH servers",
    "aws.py": "AWS has no error code of its own for a wrong clock",
    "checks/network/path_check.py": "a checkpoint's reason is an enum",
    "config.py": "a reference's text is a parameter's name",
    "credential_source/": "a reference's text is a parameter's name",
    "denial_message.py": "reads the messages of AWS and of the app",
    "errors.py": "removes secrets and HTML pages from AWS's messages",
    "parameter_reference.py": "a reference's text is a parameter's name",
    "policy/condition.py": "a pattern's text is a policy's value",
    "policy/pattern.py": "a pattern's text is a policy's value",
    "rotation/steps/credential_writer.py": "compares a credential's text with the one to write",
    "rotation/protocol/runner.py": "a stop's reason is a constant of the state machine",
    "runbook/parse.py": "reads Markdown",
}
"""The modules that may compare texts, and why."""


def test_no_decision_reads_a_sentence() -> None:
    found: dict[str, list[tuple[int, str]]] = {}
    for path in ours():
        name = path.relative_to(ROOT / "opskit").as_posix()
        tree = parsed(path)
        found[name] = list(prose.places(tree, is_judgement=name.startswith(JUDGEMENT)))
    allowed = tuple(READS_TEXTS)
    assert {
        name: places for name, places in found.items() if places and not name.startswith(allowed)
    } == {}
    for entry in allowed:
        assert any(p for name, p in found.items() if name.startswith(entry)), (
            f"{entry} needs no entry"
        )


@pytest.mark.parametrize(
    "code",
    [
        'silent = [f for f in facts if isinstance(f, Unknown) and UNREACHABLE in f.reason]',
        'if "not modelled" in unknown.decided_by or "the reference" in unknown.decided_by: pass',
        'for one in alternatives.split(", or "): pass',
        'is_throttled = "hrottl" in self.code',
        'what = "service" if "ervice" in error.code else "task"',
        'caution = "Enable the key" if "encryption" in instance.status else ""',
        'denied = action in read.message or "kms:" not in read.message',
        'is_allowed = any("allow" in w.text for w in words)',
        'kind = next(t for t in POLICY_TYPES if any(t in text for text in texts))',
        'needs_reboot = any("pending-reboot" in text for text in waiting)',
        'is_local = address_flaw(host).startswith("a link-local")',
        'rcode = "REFUSED" if "REFUSED" in str(error) else "SERVFAIL"',
        'message = "" if error.message.lstrip().startswith("<") else error.message',
        'if one.decided_by not in words: pass',
        'if login.message == "permission denied": pass',
        'if re.search(pattern, finding.summary): pass',
        'noun = finding.summary.replace("the instance", "the task")',
    ],
)  # fmt: skip
def test_a_sentence_that_is_read_is_found(code: str) -> None:
    assert list(prose.places(ast.parse(code), is_judgement=True))


@pytest.mark.parametrize(
    "code",
    [
        'if error.code in ("Timeout", "Unreachable"): pass',
        'if instance.status == "stopped": pass',
        'if unknown.unknown_because is UnknownBecause.NOT_MODELLED: pass',
        'if finding.summary: pass',
        'if finding.summary != "": pass',
        'is_shown = "@" not in value',
        'name = raw["TagSet"]["Name"].lower()',
    ],
)  # fmt: skip
def test_a_value_that_is_read_is_no_sentence(code: str) -> None:
    assert not list(prose.places(ast.parse(code), is_judgement=True))


def names_of(tree: ast.AST) -> set[str]:
    """Every name that a module gives: classes, functions, parameters, variables, fields."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            found.add(node.id if isinstance(node, ast.Name) else node.attr)
    return found


def refused(heading: str) -> set[str]:
    """The left column of a table of `docs/names.md`."""
    section = (ROOT / "docs" / "names.md").read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| ")][2:]
    return {word.strip() for row in rows for word in row.split(",")}


def ours() -> list[Path]:
    """All modules of the package that are imported."""
    return [p for p in sorted((ROOT / "opskit").rglob("*.py")) if "scripts" not in p.parts]


VAGUE = frozenset(
    {"said", "told", "found", "one", "got", "there", "asked", "done", "made", "held", "miss"}
    | {"word", "words"}
)
"""Words that name no thing: a variable has the noun of what it holds."""


def variables_of(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """The names and lines of variables, parameters and fields."""
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno


def test_a_variable_has_the_noun_of_what_it_holds() -> None:
    vague: dict[str, list[tuple[str, int]]] = {}
    for path in (ROOT / "opskit").rglob("*.py"):
        name = path.relative_to(ROOT / "opskit").as_posix()
        variables = variables_of(ast.parse(path.read_text()))
        if wrong := [(n, line) for n, line in variables if n in VAGUE]:
            vague[name] = wrong
    assert vague == {}


@pytest.mark.parametrize(
    "code",
    [
        "found = read()",
        "for one in rows: pass",
        "def check(done): pass",
        "words = [word for word in text]",
        "lambda asked: asked",
        "class A:\n    words: str",
        "if (miss := explain()): pass",
    ],
)
def test_a_vague_variable_is_found(code: str) -> None:
    assert VAGUE & {name for name, _ in variables_of(ast.parse(code))}


def test_old_words_stay_out_of_names() -> None:
    words, whole = refused("Words in names"), refused("Classes and functions")
    assert "road" in words
    assert "KnownLogins" in whole
    for path in ours():
        names = names_of(parsed(path)) | {path.stem, path.parent.name}
        in_words = {word for name in names for word in name.lower().split("_")}
        assert not in_words & words, (path, in_words & words)
        assert not names & whole, (path, names & whole)


def test_a_class_name_exists_once() -> None:
    found: dict[str, list[str]] = {}
    for path in ours():
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, []).append(str(path))
    assert {name: paths for name, paths in found.items() if len(paths) > 1} == {}


def test_every_error_that_a_docstring_names_exists() -> None:
    """The names below `Raises:` are classes of the project, of a library that it uses, or builtins."""
    modules = {path: parsed(path) for path in ours()}
    known = set(dir(builtins)) | {
        name
        for tree in modules.values()
        for node in ast.walk(tree)
        for name in (
            [node.name]
            if isinstance(node, ast.ClassDef)
            else [alias.name for alias in node.names]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    for path, tree in modules.items():
        for node in ast.walk(tree):
            if not isinstance(node, ast.FunctionDef | ast.ClassDef):
                continue
            _, found, text = (ast.get_docstring(node) or "").partition("Raises:\n")
            for line in text.split("\n\n")[0].splitlines() if found else ():
                named = re.match(r"    ([\w., ]+): ", line)
                for name in named[1].split(", ") if named else ():
                    assert name in known or "." in name, (path, node.name, name)
