"""What a parameter's text looks like, and which passwords it may be meant to hold."""

from __future__ import annotations

import json

import pytest

from opskit.aws import Aws
from opskit.config import Target
from opskit.facts import stored_credential
from opskit.facts.given_facts import FingerprintKey
from opskit.facts.value_form import flaws, form_of, readings, trimmed, unsuitable
from opskit.redaction import OWN_WORDS, redact
from opskit.secret import Secret
from tests import builders as b
from tests.fake_aws import client_of

INSIDE = "Lk'9 \"mid q7_T2xy"
"""Public case p44: quotes and a blank that belong to the password."""
WHOLE = json.dumps({"username": "linkbox", "password": "Abc-12345678", "port": 5432})


def read_as(text: str, user: str = "linkbox") -> list[str]:
    return [r.password.reveal() for r in readings(Secret(text), user)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (INSIDE + "\n", [INSIDE]),
        (INSIDE + "\r\n", [INSIDE]),
        ("good-Pw_12345", []),
        ("  inner blank kept ", ["inner blank kept"]),
        ('"good-Pw_12345"', ["good-Pw_12345"]),
        ('"good-Pw_12345"\n', ['"good-Pw_12345"', "good-Pw_12345"]),
        ('it"s-half-quoted"', []),
        (WHOLE, ["Abc-12345678"]),
        (WHOLE + "\n", [WHOLE, "Abc-12345678"]),
        (json.dumps({"password": "Abc-12345678"}), ["Abc-12345678"]),
        (json.dumps({"username": "other", "password": "Abc-12345678"}), []),
        (json.dumps({"username": "linkbox", "password": 12345678}), []),
        (json.dumps(["Abc-12345678"]), []),
        ("p%40ss-word", ["p@ss-word"]),
        ("p%2540ss-word", ["p%40ss-word"]),
        ("100%-sure-12", []),
        ("postgresql://linkbox:p%40ss-word@h:5432/d", ["p@ss-word"]),
        ("postgresql://other:p%40ss-word@h:5432/d", []),
        ("jdbc:postgresql://h/d?user=linkbox&password=Abc-12345678", ["Abc-12345678"]),
        ("postgresql://[broken", []),
        ("[" * 3000, []),
        ("", []),
    ],
)
def test_only_what_was_found_is_taken_away(text: str, expected: list[str]) -> None:
    assert read_as(text) == expected


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (WHOLE, "JSON object"),
        ('["a", "b"]', "JSON array"),
        ("postgres://linkbox:abcdefgh@h/d", "URL"),
        ("p%40ss-word12", "%XX"),
        ("AQICAH" + "x" * 120 + "==", "ciphertext"),
        ("arn:aws:secretsmanager:us-east-1:1:secret:x", "ARN"),
        *((p, "placeholder") for p in (
            "changeme", "CHANGE_ME", "change-me-in-the-console", "placeholder", "TODO", "dummy",
            "example", "password", "secret", "xxxxxxxx", "replace-me", "TBD", "none", "null", "initial",
            "temp", "<password>", "${DB_PASSWORD}", "{{resolve:x}}", "********", "Password123",
        )),
        ("good-Pw_12345\n", "newline"),
        (" good-Pw_12345", "blank"),
        ("good Pw 12345", "blank"),
        ("good/Pw/12345", "RDS does not accept"),
        ("good'Pw'12345", "RDS does not accept"),
        ("pässwörd-12345", "ASCII"),
        ("tab\tinside-1234", "ASCII"),
        ("short-1", "8 to 128"),
        ("x1" * 65, "8 to 128"),
        ("", "empty"),
    ],
)  # fmt: skip
def test_what_must_not_become_a_master_password(text: str, word: str) -> None:
    message = unsuitable(Secret(text))
    assert word in message
    assert len(text) < 8 or text in OWN_WORDS or text not in message


@pytest.mark.parametrize("text", ["drifted-away-long-ago-1A", "kx9Tempest-42ab", "x" + "Y1-_" * 8])
def test_a_password_is_suitable(text: str) -> None:
    assert unsuitable(Secret(text)) == ""


@pytest.mark.parametrize("word", ["password", "placeholder"])
def test_a_placeholder_does_not_hide_the_commands_that_are_printed(word: str) -> None:
    assert unsuitable(Secret(word)) == "is a placeholder"
    text = "opskit rotate-password repair: a placeholder"
    assert redact(text) == text


def test_a_cluster_takes_fewer_characters() -> None:
    text = Secret("Xy-1" * 11)
    assert unsuitable(text) == ""
    assert "8 to 41" in unsuitable(text, 41)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("linkbox\n", "linkbox"),
        (' "linkbox" ', "linkbox"),
        ('"half', '"half'),
        ("o'brien's", "o'brien's"),
        ('"" ', ""),
    ],
)
def test_values_are_trimmed_at_their_ends_only(text: str, expected: str) -> None:
    assert trimmed(text) == expected
    assert not flaws(expected)


def test_words_and_reprs_reveal_nothing() -> None:
    form = form_of(Secret(WHOLE), "linkbox")
    assert "Abc-12345678" not in repr(form) + repr(readings(Secret(WHOLE), "linkbox"))


def test_the_reader_keeps_public_values_exactly_and_the_passwords_form(
    aws_in_memory: None,
) -> None:
    held = {"endpoint": b.HOST, "username": ' "linkbox"', "password": WHOLE, "database": "linkbox"}
    aws = Aws(Target("linkbox", b.NAMES))
    for purpose, text in held.items():
        kind = "SecureString" if purpose == "password" else "String"
        client_of(aws, "ssm").put_parameter(Name=b.NAMES[purpose], Value=text, Type=kind)
    found, _ = stored_credential.read(
        client_of(aws, "ssm"), Target("linkbox", b.NAMES), FingerprintKey("k")
    )
    user, password = found.get("username"), found.get("password")
    assert user is not None
    assert password is not None
    assert user.raw == ' "linkbox"'
    assert user.format_problems == ("a blank at the beginning", "quotes around it")
    assert (password.raw, password.value) == (None, None)
    assert password.form.suspicions == ("is a JSON object",)
    assert "Abc-12345678" not in repr(found)
