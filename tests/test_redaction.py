"""What was once held as a secret does not leave by any stream, whoever writes it."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import logging
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote

import click
import pytest

from opskit import redaction
from opskit.cli import main
from opskit.escaping import ERASE_LINE
from opskit.secret import Secret
from opskit.transport.session_manager.managed_session import guarded

PASSWORD = 'Never "seen", 100 % & ünlike/any/other'
FORMS = (
    PASSWORD,
    quote(PASSWORD, safe=""),
    json.dumps(PASSWORD)[1:-1],
    base64.b64encode(PASSWORD.encode()).decode().rstrip("="),
)


@pytest.fixture(autouse=True)
def nothing_guarded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_forms", ())


def leak_by_print() -> None:
    print(f"login as app with {PASSWORD}")
    print(json.dumps({"password": PASSWORD}), file=sys.stderr)


def leak_by_click() -> None:
    click.echo(f"postgresql://app:{quote(PASSWORD, safe='')}@db")
    click.echo(click.style(PASSWORD, bold=True), err=True)


def leak_by_bytes() -> None:
    sys.stdout.buffer.write(base64.b64encode(PASSWORD.encode()))
    sys.stdout.writelines(["a ", PASSWORD])


def leak_by_log() -> None:
    handler = logging.StreamHandler(sys.stderr)
    logger = logging.getLogger("somebody.else")
    logger.addHandler(handler)
    logger.error("Making request with %s", {"Value": PASSWORD})
    logger.removeHandler(handler)


def leak_by_traceback() -> None:
    try:
        raise ValueError(PASSWORD)
    except ValueError:
        traceback.print_exc()


@pytest.mark.parametrize(
    "leak", [leak_by_print, leak_by_click, leak_by_bytes, leak_by_log, leak_by_traceback]
)
def test_no_stream_has_it(
    leak: Callable[[], None], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def command(*_: object, **__: object) -> int:
        Secret(PASSWORD)
        leak()
        return 0

    monkeypatch.setattr(main, "cli", type("Cli", (), {"main": staticmethod(command)}))
    before = sys.stdout, sys.stderr
    assert main.run(["whatever"]) == 0
    assert (sys.stdout, sys.stderr) == before
    out, err = capfd.readouterr()
    assert redaction.PLACEHOLDER in out + err, "the test reaches the place"
    for form in FORMS:
        assert form not in out + err


def test_names_and_short_words_stay() -> None:
    Secret("linkbox_app_clone", is_public=True)
    Secret("short")
    text = "linkbox_app_clone is short"
    assert redaction.redact(text) == text


def test_two_threads_lose_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second comes while the first puts its own in order."""
    both = threading.Barrier(2)

    def slowly(forms: Iterable[str], **how: Any) -> list[str]:
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(0.2)
        return sorted(forms, **how)

    monkeypatch.setattr(redaction, "sorted", slowly, raising=False)
    threads = [threading.Thread(target=Secret, args=(f"password-{n}",)) for n in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "password-" not in redaction.redact("password-1 password-2")


def test_a_secret_in_a_secret() -> None:
    Secret("the-inner-one")
    Secret('{"password": "the-inner-one"}')
    assert redaction.redact('x {"password": "the-inner-one"} y') == f"x {redaction.PLACEHOLDER} y"


def test_bytes_that_are_no_text_pass_unchanged() -> None:
    below = io.BytesIO()
    stream = redaction.RedactingStream(io.TextIOWrapper(below, encoding="utf-8"))
    every = bytes(range(256))
    assert stream.buffer.write(every) == 256
    stream.buffer.flush()
    assert below.getvalue() == every


def test_what_opens_a_data_channel_is_guarded() -> None:
    reply = {
        "SessionId": "oncall-1",
        "TokenValue": "a-token-of-one-use",
        "StreamUrl": "wss://h/v1/s",
    }
    assert guarded(reply) is reply
    text = " ".join(reply.values())
    assert redaction.redact(text) == f"oncall-1 {redaction.PLACEHOLDER} {redaction.PLACEHOLDER}"
    assert guarded({"SessionId": "over"}) == {"SessionId": "over"}


def test_only_a_password_counts_in_pieces() -> None:
    redaction.register_secret("wom-77/bat-88")
    assert redaction.redact("no host bat-88") == "no host bat-88"
    redaction.register_secret("wom-77/bat-88", in_pieces=True)
    assert redaction.redact("no host bat-88") == f"no host {redaction.PLACEHOLDER}"


def test_the_longest_form_goes_first() -> None:
    """In the order of the alphabet, the inner one would come first and leave the rest."""
    Secret("zebra-99", is_document=True)
    Secret("a zebra-99 b", is_document=True)
    assert redaction.redact("is a zebra-99 b.") == f"is {redaction.PLACEHOLDER}."


def test_a_trimmed_secret_of_the_least_length() -> None:
    Secret("ei8ht-ch\n")
    assert redaction.redact("ei8ht-ch") == redaction.PLACEHOLDER


def test_words_of_an_exposed_name_stay() -> None:
    Secret("quagga@2031")
    redaction.expose("/quagga/backend")
    text = "quagga backend at 2031"
    assert redaction.redact(text) == f"quagga backend at {redaction.PLACEHOLDER}"


def test_words_of_every_engine_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_engine_words", frozenset())
    redaction.keep_readable("firstword")
    redaction.keep_readable("secondword", "thirdword")
    Secret("firstword/secondword@thirdword-4")
    text = "firstword secondword"
    assert redaction.redact(text) == text
    Secret("firstword")
    assert redaction.redact(text) == text


def test_the_longest_password_counts_in_pieces() -> None:
    """A longer one is a document."""
    Secret("bat-55/" + "x" * (redaction.LONGEST_IN_PIECES - 7))
    Secret("cat-66/" + "x" * (redaction.LONGEST_IN_PIECES - 6))
    assert redaction.redact("bat-55 cat-66") == f"{redaction.PLACEHOLDER} cat-66"


@pytest.mark.parametrize(
    ("secret", "form"),
    [
        ("ünd ñandú", r"\u00fcnd \u00f1and\u00fa"),
        ("ten-bytes!", "dGVuLWJ5dGVzIQ"),
        ("ten-bytes!", "dGVuLWJ5dGVzIQ=="),
        # Its base64 ends in a letter that stripping the padding must leave.
        ("wombat-7W", "d29tYmF0LTdX"),
        ("lone \ud800 half", r"lone \ud800 half"),
        ("wrapped here", "wrapped\n   here"),
    ],
)
def test_a_form_goes_whole(secret: str, form: str) -> None:
    Secret(secret, is_document=True)
    output = redaction.redact(f"it is {form}.").replace("==", "")
    assert output == f"it is {redaction.PLACEHOLDER}."


def test_a_stream_passes_on_what_is_its_own() -> None:
    below = io.StringIO()
    stream = redaction.RedactingStream(below)
    stream.write(ERASE_LINE)
    stream.write("\033[2J")
    assert below.getvalue() == ERASE_LINE + r"\x1b[2J"
    assert stream.getvalue() == below.getvalue()
