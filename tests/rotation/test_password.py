"""Generated passwords that need no quoting anywhere, and checks of supplied ones."""

from __future__ import annotations

import math
import os
import re
import shlex
import subprocess
from collections import Counter
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opskit.rotation.planning.password import (
    ALPHABET,
    SHORTEST,
    generate,
    problems,
    rules_of,
    warnings,
)
from opskit.secret import Secret

ENGINES = ["postgres", "aurora-postgresql", "mysql", "mariadb", "aurora-mysql"]


@cache
def drawn() -> list[str]:
    """Hundreds of passwords, of every length that all engines allow."""
    return [generate(length).reveal() for length in range(SHORTEST, 42) for _ in range(20)]


@pytest.mark.parametrize("engine", ENGINES)
def test_rds_takes_them(engine: str) -> None:
    """RDS's documented rule: printable ASCII except slash, quote, at and space, and a length."""
    for value in drawn():
        assert not problems(Secret(value), rules_of(engine, in_cluster=False))
        assert re.fullmatch(r"[!-~]+", value)
        assert not set(value) & set("/\"@ '\\")
        assert 8 <= len(value) <= 41


def test_they_have_every_class_and_no_symbol_at_an_end() -> None:
    for value in drawn():
        assert value[0].isalnum()
        assert value[-1].isalnum()
        for kind in ("[a-z]", "[A-Z]", "[0-9]", "[-_]"):
            assert re.search(kind, value), value


def test_they_are_all_different_and_use_the_whole_alphabet() -> None:
    assert len(set(drawn())) == len(drawn())
    seen = Counter("".join(drawn()))
    assert set(seen) == set(ALPHABET)
    expected = sum(seen.values()) / len(ALPHABET)
    assert all(0.5 * expected < count < 2 * expected for count in seen.values())


def test_the_shortest_is_beyond_guessing() -> None:
    bits = SHORTEST * math.log2(len(ALPHABET))
    assert bits > 70


@pytest.mark.parametrize("quote", ["'{}'", '"{}"', "{}"], ids=["single", "double", "bare"])
def test_a_shell_leaves_them_alone(quote: str) -> None:
    script = "\n".join(
        f"A={quote.format(v)}; printf '%s\\n' \"$A\" {quote.format(v)}" for v in drawn()
    )
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [v for v in drawn() for _ in range(2)]


def test_a_shell_leaves_them_alone_in_an_unquoted_url() -> None:
    script = "\n".join(f"U=postgresql://u:{v}@h/d; printf '%s\\n' $U" for v in drawn())
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"postgresql://u:{v}@h/d" for v in drawn()]


def test_a_sourced_env_file_leaves_them_alone(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("".join(f"P{i}={v}\n" for i, v in enumerate(drawn())))
    names = " ".join(f'"$P{i}"' for i in range(len(drawn())))
    script = f"set -a; . {shlex.quote(str(file))}; printf '%s\\n' {names}"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == drawn()


def docker_env_file(text: str) -> dict[str, str]:
    """Parse as `docker run --env-file` does: nothing is unquoted, and # begins a comment line."""
    lines = [line.lstrip() for line in text.split("\n")]
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def systemd_environment_file(text: str) -> dict[str, str]:
    """Parse as systemd reads an EnvironmentFile (systemd.exec).

    Quotes, backslashes and blanks at both ends are removed; a backslash at the end of a line joins the next.
    """
    found = {}
    for line in text.split("\n"):
        if not line.strip() or line.lstrip()[0] in "#;":
            continue
        name, _, value = line.partition("=")
        kept, quote, escaped = "", "", False
        for c in value.strip():
            if escaped:
                kept, escaped = kept + c, False
            elif c == "\\":
                escaped = True
            elif quote and c == quote:
                quote = ""
            elif not quote and c in "'\"":
                quote = c
            else:
                kept += c
        found[name] = kept
    return found


@pytest.mark.parametrize("read", [docker_env_file, systemd_environment_file])
def test_env_files_leave_them_alone(read: object) -> None:
    text = "".join(f"P{i}={v}\n" for i, v in enumerate(drawn()))
    assert read(text) == {f"P{i}": v for i, v in enumerate(drawn())}  # type: ignore[operator]


def test_urls_need_no_escaping() -> None:
    for value in drawn():
        url = f"postgresql://user:{value}@host.example:5432/name"
        assert psycopg.conninfo.conninfo_to_dict(url)["password"] == value
        parts = urlsplit(url)
        assert (parts.password, parts.hostname, parts.port) == (value, "host.example", 5432)


def test_a_process_environment_leaves_them_alone() -> None:
    env = {**os.environ, **{f"P{i}": v for i, v in enumerate(drawn())}}
    done = subprocess.run(["env"], env=env, capture_output=True, text=True, check=True)
    assert {f"P{i}={v}" for i, v in enumerate(drawn())} <= set(done.stdout.splitlines())


@given(st.text(st.characters(codec="ascii"), max_size=140))
def test_what_is_brought_is_judged_without_being_shown(text: str) -> None:
    rules = rules_of("postgres", in_cluster=False)
    found = problems(Secret(text), rules)
    fits = (
        8 <= len(text) <= 128 and all("!" <= c <= "~" for c in text) and not set(text) & set('/"@')
    )
    fits = fits and not re.search(r"\{\{.*\}\}", text)
    assert (not found) is fits
    if len(text) > 3:
        assert all(text not in sentence for sentence in [*found, *warnings(Secret(text))])


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ("short", "5 characters"),
        ("has/slash-in-it", "forbids"),
        ("has a blank inside", "blank"),
        ("looks{{ssm:x}}like", "{{"),
        ("x" * 200, "200 characters"),
    ],
)
def test_why_not(value: str, part: str) -> None:
    assert part in " ".join(problems(Secret(value), rules_of("postgres", in_cluster=False)))


def test_a_pattern_decides() -> None:
    rules = rules_of("postgres", in_cluster=False)
    assert problems(Secret("abcdefgh1234"), rules, "[a-z]+")
    assert not problems(Secret("abcdefghijkl"), rules, "[a-z]+")
    assert not problems(Secret("abcdefghijkl"), rules, "(?<broken")


def test_clusters_take_fewer() -> None:
    assert rules_of("aurora-postgresql", in_cluster=True).longest == 41
    assert rules_of("postgres", in_cluster=False).longest == 128
    assert generate(41).reveal()
