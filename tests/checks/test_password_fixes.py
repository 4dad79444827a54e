"""What is offered for a refused password, value by value: never a circle, never a value destroyed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from opskit.checks.catalogue import check_of
from opskit.checks.fix import Fix
from opskit.checks.fix_verification import verify_fix
from opskit.checks.interface import Finding, Status
from opskit.checks.run import run_check
from opskit.checks.shell_rendering import Caller, chain, render
from opskit.commands import AwsCall, OpskitCommand
from opskit.engine.interface import LoginFailure
from opskit.facts.login import LoginAttemptResult
from opskit.facts.stored_credential import CredentialPiece, StoredCredential
from opskit.facts.value_form import flaws, form_of, trimmed
from opskit.probe.response import Health
from opskit.secret import Secret
from tests import builders as b

CALLER = Caller("us-east-1", "", "--prefix /linkbox")
ILL = b.probe(health=Health("http://127.0.0.1:3000/health", 503, 3.0, ""))
REPAIR = "opskit rotate-password repair --prefix /linkbox --yes"
JSON = '{"username": "linkbox", "password": "Abc-12345678"}'


def found(code: str, *replaced: Any) -> Finding:
    snapshot, check = b.snapshot(*replaced), check_of(code)
    return verify_fix(check, run_check(check, snapshot), snapshot, CALLER)


def refused(
    user: str = "linkbox", failure: LoginFailure = LoginFailure.PASSWORD
) -> LoginAttemptResult:
    return LoginAttemptResult(False, failure, "refused", 8.0, "", "the instance", user)


def password(text: str, user: str = "linkbox", **changes: Any) -> CredentialPiece:
    return b.parameter("password", form=form_of(Secret(text), user), **changes)


def stained(purpose: str, raw: str) -> StoredCredential:
    """The parameters with one value that has something at its ends."""
    value = b.parameter(purpose, value=raw.strip(), raw=raw, format_problems=flaws(raw))
    return b.parameters(**{purpose: value})


def commands(finding: Finding) -> str:
    return chain(finding.fix.commands, CALLER) if finding.fix else ""


class TestRefusedPassword:
    """AUT001."""

    def judge(self, text: str, user: str = "linkbox", **changes: Any) -> Finding:
        held = password(text, user, **changes)
        known = b.parameters(password=held, username=b.parameter("username", value=user))
        return found("AUT001", refused(user), known, ILL)

    def test_the_master_with_a_sound_value_is_repaired(self) -> None:
        finding = self.judge("good-Password_1")
        assert commands(finding).startswith(REPAIR)
        assert finding.fix is not None
        assert "every other client of linkbox" in finding.fix.caution

    @pytest.mark.parametrize(
        ("text", "word"),
        [
            ("change-me-in-the-console", "is a placeholder"),
            ("AQICAH" + "x" * 120, "is ciphertext"),
            ("short", "8 to 128 characters"),
        ],
    )
    def test_a_value_that_is_no_password_is_not_made_one(self, text: str, word: str) -> None:
        finding = self.judge(text)
        assert finding.fix is None
        assert word in finding.advice
        assert "--new-password" in finding.advice
        assert any(word in e.text for e in finding.evidence)
        assert text not in repr(finding)

    def test_earlier_versions_are_worth_a_repair_that_sets_nothing(self) -> None:
        finding = self.judge("change-me-in-the-console", version=2)
        assert finding.fix is not None
        assert "it changes nothing" in finding.fix.caution

    def test_a_json_secret_is_repaired_and_named(self) -> None:
        finding = self.judge(JSON)
        assert commands(finding).startswith(REPAIR)
        assert any("is a JSON object" in e.text for e in finding.evidence)

    def test_an_app_that_reads_the_json_is_not_broken(self) -> None:
        finding = found("AUT001", refused(), b.parameters(password=password(JSON)))
        assert finding.fix is None
        assert "--parameter-username /linkbox/db-password" in finding.advice

    def test_a_role_is_an_administrators_matter(self) -> None:
        """Public case p06: the same text for a role that has expired."""
        finding = self.judge("good-Password_1", "reports")
        assert finding.fix is None
        assert '\\du "reports"' in finding.advice
        assert '\\password "reports" sets the one that /linkbox/db-password holds' in finding.advice
        assert "diagnose" not in finding.advice
        assert "--new-password" not in finding.advice

    def test_a_role_with_earlier_versions_is_tried(self) -> None:
        finding = self.judge("good-Password_1", "reports", version=3)
        assert finding.fix is not None
        assert "it changes nothing" in finding.fix.caution

    def test_a_name_in_another_case_is_corrected(self) -> None:
        """Public case p34."""
        finding = self.judge("good-Password_1", "LinkBox")
        assert "upper and lower case" in finding.summary
        assert finding.fix is not None
        first = finding.fix.commands[0]
        assert isinstance(first, AwsCall)
        assert first.parameters["Name"] == "/linkbox/db-username"
        assert first.parameters["Value"] == "linkbox"
        [undo] = finding.fix.undo
        assert "--value LinkBox" in render(undo, CALLER)

    def test_a_name_inside_a_json_parameter_is_not_overwritten(self) -> None:
        """The put would have replaced the whole JSON by the user's name."""
        both = "/linkbox/db-credentials"
        held = b.parameters(
            password=password("good-Password_1", name=both),
            username=b.parameter("username", value="LinkBox", name=both, kind="SecureString"),
        )
        finding = found("AUT001", refused("LinkBox"), held, ILL)
        assert finding.fix is None
        assert "also holds other values" in finding.advice

    def test_iam_tokens_are_no_passwords(self) -> None:
        finding = found("AUT001", refused(failure=LoginFailure.IAM_AUTH), ILL)
        assert finding.fix is None
        assert "rds_iam" in finding.advice

    def test_without_the_parameter_no_repair_is_promised(self) -> None:
        finding = found("AUT001", refused(), b.parameters(password=None))
        assert finding.fix is None


class TestValues:
    """PAR006."""

    @pytest.mark.parametrize("text", [JSON, "postgres://linkbox:Abc-12345678@h/d", "p%40ss-word1"])
    def test_a_form_counts_where_the_login_fails(self, text: str) -> None:
        held = b.parameters(password=password(text))
        finding = found("PAR006", held, refused(), ILL)
        assert finding.status is Status.FAIL
        assert commands(finding).startswith(REPAIR)
        assert found("PAR006", held).status is Status.PASS, "a healthy login is not warned of"

    def test_a_placeholder_is_advice(self) -> None:
        finding = found("PAR006", b.parameters(password=password("changeme1")), refused(), ILL)
        assert finding.status is Status.FAIL
        assert "is a placeholder" in finding.summary
        assert finding.fix is None

    def test_only_what_surrounds_is_taken_and_the_exact_value_comes_back(self) -> None:
        raw = '"link\'box"'
        user = b.parameter("username", value=raw, raw=raw, format_problems=("quotes around it",))
        finding = found("PAR006", b.parameters(username=user), refused())
        assert finding.fix is not None
        assert b.aws_call(finding.fix.commands[0]).parameters["Value"] == "link'box"
        assert b.aws_call(finding.fix.undo[0]).parameters["Value"] == raw

    def test_a_quote_inside_stays(self) -> None:
        raw = "link'box' "
        user = b.parameter(
            "username", value=raw.strip(), raw=raw, format_problems=("a blank at the end",)
        )
        finding = found("PAR006", b.parameters(username=user), refused())
        assert finding.fix is not None
        assert b.aws_call(finding.fix.commands[0]).parameters["Value"] == "link'box'"
        assert b.aws_call(finding.fix.undo[0]).parameters["Value"] == raw

    def test_all_values_with_a_newline_are_one_fix(self) -> None:
        """`echo` for all of them: the proof must not take the password's repair for missing."""
        stain = ("a trailing newline",)
        held = b.parameters(
            username=b.parameter("username", raw="linkbox\n", format_problems=stain),
            database=b.parameter("database", raw="linkbox\n", format_problems=stain),
            password=password("good-Password_1\n", format_problems=stain),
        )
        finding = found("PAR006", held, refused(), ILL)
        assert isinstance(finding.fix, Fix), finding.advice
        kinds = [type(c) for c in finding.fix.commands[:3]]
        assert kinds == [AwsCall, AwsCall, OpskitCommand]

    @pytest.mark.parametrize("raw", [f"{b.HOST}\n", f" {b.HOST}", f'"{b.HOST}"', f"{b.HOST}:5432 "])
    def test_an_endpoint_that_the_app_does_not_trim_is_written_again(self, raw: str) -> None:
        """A login of opskit has the trimmed value, and succeeds."""
        finding = found("PAR006", stained("endpoint", raw), ILL)
        assert finding.status is Status.FAIL
        assert finding.place.clients == {"linkbox-backend"}, "opskit's own login has another value"
        assert isinstance(finding.fix, Fix), finding.advice
        assert b.aws_call(finding.fix.commands[0]).parameters["Value"] == trimmed(raw)
        assert len(finding.fix.commands) == 2, "the app reads it at its next start"

    @pytest.mark.parametrize(
        ("purpose", "answer", "status"),
        [
            ("endpoint", "could not translate host name to address: no such host", Status.FAIL),
            ("endpoint", 'FATAL: password authentication failed for user "x"', Status.WARN),
            ("endpoint", "AccessDeniedException: ssm:GetParameters", Status.WARN),
            ("username", 'FATAL: password authentication failed for user "x"', Status.FAIL),
            ("username", "could not translate host name to address: no such host", Status.WARN),
            ("username", 'FATAL: database "x" does not exist', Status.WARN),
            ("database", 'FATAL: database "x" does not exist', Status.FAIL),
            ("database", "an error without a cause", Status.FAIL),
        ],
    )
    def test_an_app_that_fails_for_another_reason_trims_the_value(
        self, purpose: str, answer: str, status: Status
    ) -> None:
        app = b.probe(health=Health("http://127.0.0.1:3000/health", 503, 3.0, answer))
        value = f"{b.VALUES[purpose]}\n"
        assert found("PAR006", stained(purpose, value), app).status is status

    @pytest.mark.parametrize(
        ("exit_code", "status"), [(1, Status.FAIL), (0, Status.WARN), (137, Status.WARN)]
    )
    def test_an_app_that_does_not_answer_has_to_have_given_up(
        self, exit_code: int, status: Status
    ) -> None:
        silent = Health("http://127.0.0.1:3000/health", None, 1.0, "Connection refused")
        container = b.container(status="exited", exit_code=exit_code, serves_health=True)
        app = b.probe(containers=(container,), health=silent)
        assert found("PAR006", stained("endpoint", f"{b.HOST}\n"), app).status is status

    def test_a_warning_says_what_to_do(self) -> None:
        held = b.parameters(
            password=password("x-Password_12\n", format_problems=("a trailing newline",))
        )
        finding = found("PAR006", held)
        assert finding.status is Status.WARN
        assert "stays as it is" in finding.advice


class TestMissing:
    """PAR001."""

    def test_a_missing_password_is_found_by_repair_and_not_typed(self) -> None:
        finding = found("PAR001", b.parameters(password=None))
        assert commands(finding) == "opskit rotate-password repair --prefix /linkbox"

    def test_the_password_comes_last(self) -> None:
        finding = found("PAR001", b.parameters(password=None, database=None, username=None))
        assert finding.fix is not None, finding.advice
        kinds = [type(c) for c in finding.fix.commands]
        assert kinds == [AwsCall, AwsCall, OpskitCommand]

    def test_an_unknown_value_is_not_put_as_an_empty_one(self) -> None:
        finding = found("PAR001", b.parameters(database=None), b.database(database_name=None))
        assert finding.fix is None
        assert "/linkbox/db-name" in finding.advice


class TestOthers:
    """AUT002 to AUT005, HYG006."""

    def test_the_database_that_rds_created_is_named(self) -> None:
        held = b.parameters(database=b.parameter("database", value="linkbox-db"))
        login = LoginAttemptResult(
            False, LoginFailure.DATABASE_MISSING, "no", 8.0, "", "here", "linkbox"
        )
        finding = found("AUT002", login, held)
        assert finding.fix is not None
        assert b.aws_call(finding.fix.commands[0]).parameters["Value"] == "linkbox"
        assert "--value linkbox-db" in render(finding.fix.undo[0], CALLER)

    @pytest.mark.parametrize(
        ("failure", "part"),
        [
            (LoginFailure.ROLE_REFUSED, 'alter role "reports" login;'),
            (
                LoginFailure.DATABASE_DENIED,
                'grant connect on database "linkbox" to "reports";',
            ),
        ],
    )
    def test_a_role_that_may_not_log_in_is_sql_for_an_administrator(
        self, failure: LoginFailure, part: str
    ) -> None:
        login = LoginAttemptResult(False, failure, "no", 8.0, "", "here", "reports")
        assert part in found("AUT002", login).advice

    @pytest.mark.parametrize(
        ("failure", "part"),
        [(LoginFailure.SLOTS, "pg_stat_activity"), (LoginFailure.NOT_READY, "wait a minute")],
    )
    def test_slots_and_starting(self, failure: LoginFailure, part: str) -> None:
        finding = found(
            "AUT003", LoginAttemptResult(False, failure, "no", 8.0, "", "here", "linkbox")
        )
        assert part in finding.advice

    def test_an_odd_name_is_looked_up(self) -> None:
        probe = b.probe()
        answer = probe.greeting.with_tls
        assert answer is not None
        odd = replace(
            answer, allows_authentication=False, code="28000", message="no pg_hba.conf entry"
        )
        finding = found("AUT004", replace(probe, greeting=replace(probe.greeting, with_tls=odd)))
        assert finding.status is Status.FAIL
        assert "pg_hba.conf" in finding.advice

    def test_a_plain_string_is_not_deleted_by_a_command(self) -> None:
        finding = found("HYG006", b.parameters(password=b.parameter("password", kind="String")))
        assert finding.fix is None
        assert "another name" in finding.advice


def test_no_advice_shows_a_value() -> None:
    text = "postgres://other:Hidden-12345@h/d"
    held: StoredCredential = b.parameters(password=password(text))
    for code in ("AUT001", "PAR006"):
        assert "Hidden" not in repr(found(code, held, refused(), ILL))
