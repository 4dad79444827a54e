"""Why there is no session: the words for each reason of chapter 19 of the protocol."""

from __future__ import annotations

import pytest

from opskit.errors import AwsError, CannotProceed, NotExecuted
from opskit.transport.session_manager.session_errors import UnknownDocument, not_opened

KEY = "arn:aws:kms:us-east-1:123456789012:key/k"
HANDSHAKE = "\n----------ERROR-------\nEncountered error while initiating handshake. "
FETCH = f"{HANDSHAKE}Fetching data key failed: Unable to retrieve data key, Error when decrypting: "
DENIED = AwsError("kms:GenerateDataKey", "AccessDeniedException", "User ... is not authorized")
GONE = AwsError("kms:GenerateDataKey", "DisabledException", "k is disabled")


@pytest.mark.parametrize(
    ("error", "reason", "words", "missing"),
    [
        (DENIED, f"{HANDSHAKE}KMSEncryption failed", "you may not use (kms:GenerateDataKey)", "kms:GenerateDataKey on arn"),
        (GONE, f"{HANDSHAKE}KMSEncryption failed", "k is disabled", ""),
        (CannotProceed("no credentials"), HANDSHAKE, "cannot be used: no credentials", ""),
        (None, f"{FETCH}AccessDeniedException: no", "the role of i-1 may not use (kms:Decrypt)", "kms:Decrypt on arn"),
        (None, f"{FETCH}InvalidCiphertextException", "InvalidCiphertextException", ""),
        (None, f"{HANDSHAKE}Handshake timed out.", "Handshake timed out", ""),
    ],
)  # fmt: skip
def test_each_reason_has_its_sentence(
    error: Exception | None, reason: str, words: str, missing: str
) -> None:
    found = not_opened("i-1", KEY, error, reason)
    assert type(found) is NotExecuted, "nothing has run"
    assert words in found.sentence
    assert missing in str(found.missing)
    if missing:
        assert '"Effect": "Allow"' in found.next_step
        assert KEY in found.next_step


def test_an_agent_that_is_too_old_is_asked_for_a_terminal_instead() -> None:
    reason = "Plugin with name X is not supported by this version of ssm agent, please update"
    assert isinstance(not_opened("i-1", "", None, reason), UnknownDocument)


@pytest.mark.parametrize("reason", ["", "lookup x: no such host", "killed"])
def test_other_ends_are_not_taken_for_refusals(reason: str) -> None:
    """What may have run is never said not to have."""
    assert not_opened("i-1", KEY, None, reason) is None
