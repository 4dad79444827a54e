"""Printed commands: any POSIX shell reads them as meant, and both versions of the AWS CLI send them."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore import xform_name
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st

from opskit.checks.catalogue import check_of
from opskit.checks.fix_effects import EFFECTS
from opskit.checks.fix_verification import verify_fix
from opskit.checks.run import run_check
from opskit.checks.shell_rendering import Caller, Unprintable, chain, hyphenated, quote, render
from opskit.commands import AwsCall, AwsWait, Command, InstanceCommand, LocalCommand, OpskitCommand
from tests import builders as b
from tests.checks.test_checks import CALLER, CASES

SHELLS = ["dash", "bash", pytest.param("zsh", marks=pytest.mark.full)]
NASTY = 'it\'s $HOME `id` "x" ! \\ =ls ~ * ? [a] {a,b} ; & | < > ( ) # %1 \u00fc'
DEBIAN_PYTHON = Path("/usr/bin/python3")


def words_of(text: str, shell: str) -> list[str]:
    """The words that a shell makes of a command line that begins with `aws` or `opskit`."""
    say = '{ for w in "$@"; do printf \'%s\\0\' "$w"; done; }'
    script = f"aws() {say}; opskit() {say}; {text}"
    done = subprocess.run([shell, "-c", script], capture_output=True, check=True, text=True)
    return done.stdout.split("\0")[:-1]


@functools.cache
def offered() -> list[Command]:
    """Every command of every case of the check table, its undo included."""
    found: list[Command] = []
    for code, _, replaced in CASES:
        snapshot, check = b.snapshot(*replaced), check_of(code)
        fix = verify_fix(check, run_check(check, snapshot), snapshot, CALLER).fix
        found += [*fix.commands, *fix.undo] if fix else []
    return found


def calls() -> list[AwsCall]:
    """Those that are calls of AWS."""
    return [c for c in offered() if isinstance(c, AwsCall)]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("value", [NASTY, "=ls", "~root", "-x", "", "a b", "'", "''", "\\"])
def test_a_value_arrives_as_it_is(shell: str, value: str) -> None:
    if shutil.which(shell) is None:
        assert os.environ.get("CI") != "true", f"CI must have {shell}"
        pytest.skip(f"{shell} is not installed")
    call = AwsCall("ssm", "PutParameter", {"Name": "/a", "Value": value})
    words = words_of(render(call, Caller("us-east-1")), shell)
    before, _, after = "\0".join(words).partition("--value")
    assert before.split("\0")[:3] == ["--region", "us-east-1", "ssm"]
    # After a blank, or after `=` where it begins with a dash.
    assert after[:1] == ("=" if value.startswith("-") else "\0")
    assert after[1:] == value


@given(st.text(st.characters(blacklist_categories=("Cc", "Cf", "Cs", "Zl", "Zp", "Co", "Cn"))))
def test_any_printable_word_is_read_back(word: str) -> None:
    import shlex

    assert shlex.split(quote(word)) == [word]


@pytest.mark.parametrize(
    "value", ["a\nb", "a\tb", "\x1b[2J", "a\x00", "\u202eabc", "\u200b", "\x9b1m", "\u2028"]
)
def test_what_a_terminal_does_not_show_is_not_printed(value: str) -> None:
    with pytest.raises(Unprintable):
        render(AwsCall("ssm", "PutParameter", {"Value": value}), Caller())
    with pytest.raises(Unprintable):
        render(LocalCommand((value,)), Caller())


def test_region_and_profile_stand_before_the_service_and_nothing_else_is_touched() -> None:
    caller = Caller("eu-west-1", "prod")
    call = AwsCall("ssm", "PutParameter", {"Name": "/aws /x", "Value": "aws ec2 aws "})
    assert render(call, caller) == (
        "AWS_PAGER= aws --region eu-west-1 --profile prod ssm put-parameter --name '/aws /x' "
        "--value 'aws ec2 aws '"
    )
    wait = AwsWait("rds", "db-instance-available", {"DBInstanceIdentifier": "x"})
    assert render(wait, caller) == (
        "aws --region eu-west-1 --profile prod rds wait db-instance-available "
        "--db-instance-identifier x"
    )


def test_an_opskit_command_names_the_same_target() -> None:
    command = OpskitCommand(("rotate-password", "repair"), ("--yes",))
    caller = Caller("us-east-1", "", "--prefix /linkbox --via ssh")
    assert render(command, caller) == (
        "opskit rotate-password repair --prefix /linkbox --via ssh --yes"
    )


def test_commands_are_chained_so_that_none_runs_after_a_refusal() -> None:
    texts = [LocalCommand(("false",)), LocalCommand(("echo", "reached"))]
    done = subprocess.run(
        ["sh", "-c", chain(texts, Caller())], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")


def test_programs_on_the_instance_are_quoted_for_its_shell_too() -> None:
    command = InstanceCommand("i-1", (("docker", "restart", "a b'c"), ("echo", "$HOME")))
    words = words_of(render(command, Caller()), "sh")
    script = json.loads(words[words.index("--parameters") + 1])["commands"][0]
    say = "docker() { printf '%s|' \"$@\"; }; echo() { printf '%s|' \"$@\"; }; "
    done = subprocess.run(["sh", "-c", say + script], capture_output=True, text=True, check=True)
    assert done.stdout == "restart|a b'c|$HOME|"


@pytest.mark.parametrize("value", ["file:///etc/passwd", "http://10.0.0.1/x", "fileb://x"])
def test_a_value_that_the_cli_would_fetch_is_given_as_json(value: str) -> None:
    call = AwsCall("ssm", "PutParameter", {"Name": "/a", "Value": value})
    assert f'--cli-input-json \'{{"Value":"{value}"}}\'' in render(call, Caller())


def test_every_call_is_one_of_the_service_and_its_effect_is_modelled() -> None:
    session = botocore.session.get_session()
    assert len({(c.service, c.operation) for c in calls()}) > 15
    for call in calls():
        model = session.get_service_model(call.service).operation_model(call.operation)
        report = ParamValidator().validate(as_sent(call.parameters), model.input_shape)
        assert not report.has_errors(), (call, report.generate_report())
        assert hyphenated(call.operation) == xform_name(call.operation, "-")
        for name in call.parameters:
            assert hyphenated(name) == xform_name(name, "-"), name
        assert (call.service, call.operation) in EFFECTS, call


def as_sent(parameters: Any) -> dict[str, Any]:
    """Documents are texts for the API."""
    documents = ("PolicyDocument", "Policy")
    return {k: json.dumps(v) if k in documents else v for k, v in parameters.items()}


def read_back(python: Path | str, commands: list[AwsCall]) -> None:
    """Compare what the AWS CLI of an installation would send with what was meant."""
    lines = [words_of(render(c, Caller("us-east-1")), "sh") for c in commands]
    program = Path(__file__).with_name("aws_cli.py")
    done = subprocess.run(
        [str(python), str(program)],
        input=json.dumps(lines), capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    for call, (operation, sent, status) in zip(commands, json.loads(done.stdout), strict=True):
        meant = as_sent(call.parameters)
        assert operation == call.operation, (call, status)
        for name in ("PolicyDocument", "Policy"):
            if name in meant:
                sent[name], meant[name] = json.loads(sent[name]), json.loads(meant[name])
        assert sent == meant, call


STRANGE = AwsCall("ssm", "PutParameter", {"Name": "/a", "Type": "String", "Value": NASTY})
FETCHED = AwsCall("ssm", "PutParameter", {"Name": "/a", "Type": "String", "Value": "http://x/y"})
DASHED = AwsCall("ssm", "PutParameter", {"Name": "/a", "Type": "String", "Value": "--overwrite"})


def one_of_each() -> list[AwsCall]:
    return [*{(c.service, c.operation): c for c in calls()}.values(), STRANGE, FETCHED, DASHED]


@pytest.mark.full
def test_version_1_of_the_cli_sends_what_was_meant() -> None:
    read_back(sys.executable, one_of_each())


@pytest.mark.full
def test_version_2_of_the_cli_sends_what_was_meant() -> None:
    """Debian's awscli; `make test-all` installs it where it may."""
    if not has_version_2():
        assert os.environ.get("CI") != "true", "CI must have version 2 of the AWS CLI"
        pytest.skip("version 2 of the AWS CLI is not installed")
    read_back(DEBIAN_PYTHON, one_of_each())


def has_version_2() -> bool:
    code = "import awscli; assert awscli.__version__.startswith('2.')"
    done = subprocess.run([str(DEBIAN_PYTHON), "-c", code], capture_output=True, check=False)
    return DEBIAN_PYTHON.exists() and done.returncode == 0
