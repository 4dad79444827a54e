from __future__ import annotations

from pathlib import Path

import pytest

from opskit.config import aws_region, load
from opskit.errors import TargetError, UsageError


def write(directory: Path, text: str) -> Path:
    (directory / "opskit.toml").write_text(text)
    return directory


GOOD = 'version = 1\n[targets.shop]\nprefix = "/shop"\nregion = "eu-west-1"\n'


def test_a_prefix_is_enough(tmp_path: Path) -> None:
    target = load({"prefix": "linkbox/"}, {}, tmp_path)
    assert target.name == "linkbox"
    assert target.parameters["endpoint"] == "/linkbox/db-endpoint"
    assert target.parameters["database"] == "/linkbox/db-name"


def test_flags_before_environment_before_file(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    below = tmp_path / "a/b"
    below.mkdir(parents=True)
    assert load({}, {}, below).region == "eu-west-1"
    assert load({}, {"OPSKIT_REGION": "us-east-2"}, below).region == "us-east-2"
    target = load({"region": "us-west-1"}, {"OPSKIT_REGION": "us-east-2"}, below)
    assert target.region == "us-west-1"
    assert target.origins["region"] == "--region"
    assert "opskit.toml [targets.shop]" in target.origins["prefix"]


def test_one_parameter_by_another_name(tmp_path: Path) -> None:
    target = load({"prefix": "/linkbox", "parameter_password": "/secrets/pw"}, {}, tmp_path)
    assert target.parameters["password"] == "/secrets/pw"
    assert target.parameters["username"] == "/linkbox/db-username"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("version = \n", "not valid TOML"),
        ("[targets.a]\nprefix = '/a'\n", "version = 1"),
        ("version = 1\n[targets.a]\nprefx = '/a'\n", "did you mean 'prefix'"),
        ("version = 1\n[targets.a]\nprefix = 7\n", "text in quotes"),
        ("version = 1\ntargets = 3\n", "tables"),
        ("version = 1\nextra = 3\n", "unknown setting 'extra'"),
        ("version = 1\ndefault = 'b'\n[targets.a]\nprefix = '/a'\n", "no target 'b'"),
    ],
)
def test_malformed_file_is_one_sentence(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        load({}, {}, write(tmp_path, text))
    assert words in caught.value.sentence


def test_of_several_targets_none_is_picked(tmp_path: Path) -> None:
    write(tmp_path, 'version = 1\n[targets.a]\nprefix = "/a"\n[targets.b]\nprefix = "/b"\n')
    with pytest.raises(TargetError):
        load({}, {}, tmp_path)
    assert load({"target": "b"}, {}, tmp_path).prefix == "/b"


def test_nothing_said(tmp_path: Path) -> None:
    with pytest.raises(TargetError) as caught:
        load({}, {}, tmp_path)
    assert "--prefix" in caught.value.next_step


def test_a_prefix_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        load({"prefix": "/"}, {}, tmp_path)


def test_region_as_the_aws_tools_have_it(tmp_path: Path) -> None:
    target = load({"prefix": "/a"}, {}, tmp_path)
    assert aws_region(target, {"AWS_DEFAULT_REGION": "b"}) == "b"
    assert aws_region(target, {"AWS_DEFAULT_REGION": "b", "AWS_REGION": "c"}) == "c"


def test_the_limit_for_a_connection_is_whole_seconds(tmp_path: Path) -> None:
    def limit(**environment: str) -> int:
        return load({"prefix": "/a"}, environment, tmp_path).connect_timeout

    assert (limit(), limit(OPSKIT_CONNECT_TIMEOUT="10")) == (3, 10)
    for wrong in ("0", "11", "1.5", "01", "x"):
        with pytest.raises(UsageError, match="OPSKIT_CONNECT_TIMEOUT"):
            limit(OPSKIT_CONNECT_TIMEOUT=wrong)
