from __future__ import annotations

import pickle
import subprocess

import pytest

from opskit.secret import Secret, fingerprint


def test_it_does_not_show_itself() -> None:
    secret = Secret("hunter2hunter2")
    assert "hunter2" not in f"{secret} {secret!r} {[secret]} {secret:>20}"
    assert f"{secret} {secret!r} {secret:>20}" == "Secret(...) Secret(...) Secret(...)"
    with pytest.raises(TypeError, match=r"^a secret is not pickled$"):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        hash(secret)


def test_comparison() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"


@pytest.mark.parametrize("value", ["plain", "with blank ", "ünïcode", "quo'te\"s$`"])
def test_a_shell_makes_the_same_fingerprint(value: str) -> None:
    command = 'printf "%s%s" "$KEY" "$1" | sha256sum | cut -c 1-6'
    done = subprocess.run(
        ["sh", "-c", command, "sh", value], env={"KEY": "k1", "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == fingerprint("k1", value) == Secret(value).fingerprint("k1")
    assert fingerprint("k2", value) != fingerprint("k1", value)
