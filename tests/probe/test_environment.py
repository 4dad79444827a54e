"""The table of connection settings: the Python variant and the shell variant know the same one."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from opskit.engine import all_engines
from opskit.engine.environment import FIELDS
from opskit.engine.interface import Engine
from opskit.engine.postgresql.environment import ENVIRONMENT
from opskit.probe.program import connection_settings
from opskit.probe.program.probe import Probe
from opskit.probe.request import _for_python, script
from opskit.probe.response import ConnectionSetting, parse
from opskit.secret import fingerprint
from tests.probe.test_probe import KEY, PASSWORD, request, run

ROOT = Path(__file__).parent.parent.parent
DOCKER = """#!/bin/sh
case "$*" in
  "ps -aq") cat {0}/ids ;;
  *Config.Env*) for id in "$@"; do :; done; cat {0}/$id.env ;;
  *State.Pid*) for id in "$@"; do :; done; cat {0}/$id.pid ;;
  *--format*.Name*) for id in "$@"; do :; done; echo /$id ;;
  *--format*) ;;
  *) cat {0}/all.json ;;
esac
"""
SHELL = ("cat", "sha256sum", "cut", "tr")
Settings = dict[str, dict[str, tuple[str, str, str]]]


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """A process with settings of its own."""
    environment = {"PGHOST": "fetched.example", "PGUSER": "app", "PGDATABASE": "shop"}
    words = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, env=environment) as running:
        yield running


def settings_of(
    directory: Path, environments: Mapping[str, list[str]], pid: int = 0
) -> tuple[Settings, Settings]:
    """Container -> field -> (value, variable, source): from Python, and from `sh` alone."""
    directory.mkdir(exist_ok=True)
    described = []
    for name, environment in environments.items():
        (directory / f"{name}.env").write_text("".join(f"{line}\n" for line in environment))
        (directory / f"{name}.pid").write_text(f"{pid}\n")
        described.append(
            {
                "Name": f"/{name}",
                "State": {"Status": "running", "Pid": pid},
                "Config": {"Env": environment},
            }
        )
    (directory / "ids").write_text("".join(f"{name}\n" for name in environments))
    (directory / "all.json").write_text(json.dumps(described))
    text = script(
        request(hostnames=(), tcp_targets=(), exchange_with=None, exchanges=(), reads=(),
                engine_program=None)
    )  # fmt: skip
    answers = []
    for tools in (("python3", "cat"), SHELL):
        bin_directory = directory / tools[0]
        bin_directory.mkdir(exist_ok=True)
        (bin_directory / "docker").write_text(DOCKER.format(directory))
        (bin_directory / "docker").chmod(0o755)
        env = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:9/"}
        done = run(text, bin_directory, *tools, **env)
        assert PASSWORD not in done.stdout + done.stderr
        result = parse(done.stdout)
        assert result.is_complete, done.stderr
        assert result.with_python is (tools[0] == "python3")
        answers.append({c.name: _by_field(c.settings) for c in result.containers})
    python, shell = answers
    return python, shell


def _by_field(settings: tuple[ConnectionSetting, ...]) -> dict[str, tuple[str, str, str]]:
    return {s.name: (s.value, s.variable, s.source) for s in settings}


def text_of(field: str) -> str:
    return PASSWORD if field == "password" else "5433" if field == "port" else "a-value"


def answer_of(field: str, text: str) -> str:
    return fingerprint(KEY, text) if field == "password" else text


def test_both_variants_know_every_variable(tmp_path: Path) -> None:
    table = [(field, v) for field, names in ENVIRONMENT.variables.items() for v in names]
    environments = {v: [f"{v}={text_of(field)}", "HOME=/root", "PGX=1"] for field, v in table}
    python, shell = settings_of(tmp_path, environments)
    expected = {v: {f: (answer_of(f, text_of(f)), v, "config")} for f, v in table}
    assert python == expected
    assert shell == expected


def test_both_variants_know_every_url_scheme(tmp_path: Path) -> None:
    rest = f"://app:{PASSWORD}@db.example:5433/shop?x=1&sslmode=require&sslrootcert=%2Frds.pem"
    known = [f"{scheme}{driver}" for scheme in ENVIRONMENT.url_schemes for driver in ("", "+x1")]
    known += [scheme.upper() for scheme in ENVIRONMENT.url_schemes]
    schemes = dict(enumerate([*known, "redis", "https", "jdbc:postgresql", "postgresqlx"]))
    environments = {f"c{i}": [f"ANY_NAME={scheme}{rest}"] for i, scheme in schemes.items()}
    python, shell = settings_of(tmp_path, environments)
    values = (
        "db.example",
        "5433",
        "app",
        fingerprint(KEY, PASSWORD),
        "shop",
        "require",
        "/rds.pem",
    )
    expected = {f: (v, "ANY_NAME", "config") for f, v in zip(FIELDS, values, strict=True)}
    assert python == {f"c{i}": expected for i in range(len(known))}
    assert shell == python


@pytest.mark.parametrize(
    "environment",
    [
        ["DB_HOST=second.example", "PGHOST=first.example", "RDS_HOSTNAME=third.example"],
        ["PGHOST=", "DB_HOST=second.example"],
        ["PGHOST=single.example", "PGUSER=single", "A_URL=postgresql://url.example/"],
        ["A_URL=postgres://b%40c:p%2Bq%25zz%zz@db.example/shop"],
        ["A_URL=postgres://app@db.example", "PGPASSWORD=ends-with=="],
        ["A_URL=postgres://db.example:5433/shop?application_name=x&sslmode="],
        ["A_URL=postgres://app:x@db.example/shop#fragment", "NO_EQUALS_SIGN"],
        ["PGHOST=a b 'c' \"d\" $(echo e) `f` \\\\g"],
        ["HOME=/root"],
        [],
    ],
)
def test_both_variants_choose_the_same(tmp_path: Path, environment: list[str]) -> None:
    python, shell = settings_of(tmp_path, {"app": environment})
    assert shell == python


def test_both_variants_compare_the_process_with_its_configuration(
    tmp_path: Path, process: subprocess.Popen[bytes]
) -> None:
    python, shell = settings_of(
        tmp_path, {"app": ["PGHOST=configured.example", "PGUSER=app"]}, process.pid
    )
    process.communicate()
    assert python["app"] == {
        "host": ("fetched.example", "PGHOST", "process"),
        "user": ("app", "PGUSER", "config"),
        "database": ("shop", "PGDATABASE", "process"),
    }
    assert shell == python


@pytest.mark.parametrize("database_engine", all_engines(), ids=lambda e: e.name)
def test_every_table_is_complete_and_safe_in_a_shell(database_engine: Engine) -> None:
    table = database_engine.environment
    assert tuple(table.variables) == FIELDS
    assert set(table.url_parameters) <= set(FIELDS)
    names = [name for group in table.variables.values() for name in group]
    assert len(names) == len(set(names))
    assert [n for n in names if not re.fullmatch("[A-Z][A-Z0-9_]*", n)] == []
    assert [s for s in table.url_schemes if not re.fullmatch("[a-z]+", s)] == []
    assert table.default_port == database_engine.default_port


def test_without_a_table_no_setting_is_reported_and_no_password_is_printed() -> None:
    """A restart asks so: the app's answer may hold the password of any variable."""
    probe = Probe(_for_python(request(environment=None)))
    variables = [f"{name}={name}-Horse9" for name in ENVIRONMENT.variables["password"]]
    variables += [f"X=mysql://app:{PASSWORD}@db.example/shop"]
    assert settings_of_container(probe, variables) == []
    for name in ENVIRONMENT.variables["password"]:
        assert probe.clean(f"login with {name}-Horse9") == "login with <secret>"
    assert probe.clean(f"login with {PASSWORD}") == "login with <secret>"


def settings_of_container(probe: Probe, variables: list[str]) -> list[object]:
    described = {"Config": {"Env": variables}, "State": {"Pid": 0}}
    settings: list[object] = connection_settings.settings_of(probe, described)
    return settings


def test_the_probe_names_no_engine() -> None:
    words = re.compile("postgres|psycopg|pg_|libpq|psql|sslmode|sqlstate|mysql", re.IGNORECASE)
    package = ROOT / "opskit" / "probe"
    paths = [p for p in package.rglob("*") if p.suffix in (".py", ".sh")]
    assert len(paths) > 15
    for path in [*paths, ROOT / "opskit" / "facts" / "probe.py"]:
        assert not words.search(path.read_text()), path
