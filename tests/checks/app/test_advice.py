"""What to do where no command is offered: by the app's own words, by bundle and file, by state."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from opskit.checks.interface import Status
from opskit.facts.certificate import Certificate
from opskit.facts.target_health import TargetHealth, TargetHealths
from opskit.probe.response import (
    REFUSED,
    ConnectionSetting,
    Health,
    LoginAttempt,
    parse,
)
from tests import builders as b
from tests.checks.app.scene import commands, container, ended, judge, probe

ENV = "/srv/linkbox/.env"


@pytest.mark.parametrize(
    ("serves", "body", "is_named"),
    [
        (False, REFUSED, True),
        (None, REFUSED, False),
        (True, REFUSED, False),
        (False, "timed out", False),
    ],
)
def test_an_app_that_does_not_listen_at_the_url_is_named(
    serves: bool | None, body: str, is_named: bool
) -> None:
    health = Health("http://127.0.0.1:3000/health", None, 1.0, body)
    found = judge("APP003", probe(container("backend", serves_health=serves), health=health))
    assert found.status is Status.FAIL
    evidence = " ".join(e.text for e in found.evidence)
    assert ("backend runs, but neither listens on the port" in evidence) is is_named


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"error":"password authentication failed for user"}', "refuses its password"),
        ("FATAL: no pg_hba.conf entry for host, no encryption", "connects without TLS"),
        ("could not translate host name x", "another resolver than its host"),
        ("ParameterNotFound when calling GetParameter", "path and the Region"),
        ("Unable to locate credentials", "hop limit"),
        ("AccessDeniedException", "names the action"),
        ("stack trace", "docker logs"),
    ],
)
def test_an_unhealthy_app_is_explained_by_its_words(body: str, words: str) -> None:
    health = Health("http://x/health", 503, 2.0, body)
    serving = container("backend", serves_health=True)
    found = judge("APP003", probe(serving, container("worker"), health=health))
    assert found.status is Status.FAIL
    assert words in found.advice
    assert "`docker logs --tail 50 backend`" in found.advice
    assert "worker" not in found.advice


def test_a_long_answer_is_understood_and_shown_whole() -> None:
    body = f"{'x' * 300} no pg_hba.conf entry for host, no encryption"
    line = f"health\thttp://x/health\t503\t2.0\t{body}\nend\n"
    found = judge("APP003", b.probe(health=parse(line).health))
    assert "connects without TLS" in found.advice
    assert body not in found.summary
    assert any(body in e.text for e in found.evidence)


def test_the_log_is_that_of_the_container_that_has_the_port() -> None:
    health = Health("http://x/health", 502, 2.0, "")
    found = judge("APP003", probe(ended("old"), health=health, serving=("nginx",)))
    assert "`docker logs --tail 50 nginx`" in found.advice


def test_an_engine_that_opskit_does_not_speak_leaves_the_words_unexplained() -> None:
    health = Health("http://x/health", 503, 2.0, "password authentication failed")
    found = judge("APP003", b.probe(health=health), b.database(engine="mysql"))
    assert (
        found.advice
        == "`docker logs --tail 50 linkbox-backend` on linkbox-backend-1 (i-1) says more."
    )


@pytest.mark.parametrize("state", ["initial", "draining", "unused", "unavailable", "new-state"])
def test_a_state_of_the_load_balancer_is_explained(state: str) -> None:
    targets = TargetHealths((TargetHealth(b.TARGETS, state, "", ""),))
    found = judge("APP003", b.probe(health=None), targets)
    assert found.status is Status.WARN
    assert found.advice


def untrusted(*settings: ConnectionSetting) -> Any:
    message = "SSL error: certificate verify failed"
    attempt = LoginAttempt("container:backend", False, "", message, 1, "", "verify-full")
    made = replace(container("backend"), settings=settings)
    return probe(made, attempts=(attempt,))


def test_an_old_bundle_is_named_with_its_place() -> None:
    bundle = ConnectionSetting("config", "ca_file", "/app/old.pem", "PGSSLROOTCERT", ENV)
    found = judge("TLS003", untrusted(bundle))
    for word in ("/app/old.pem", "PGSSLROOTCERT", ENV, "global-bundle.pem", "rds-ca-rsa2048-g1"):
        assert word in found.advice


def test_a_missing_bundle_is_said() -> None:
    assert "names no CA bundle" in judge("TLS003", untrusted()).advice


def test_another_name_is_corrected_where_it_stands() -> None:
    host = ConnectionSetting("process", "host", "db.internal", "PGHOST", "")
    found = judge("TLS003", untrusted(host))
    assert found.advice == f"Let PGHOST of backend hold {b.HOST}, and restart the app."


def test_the_endpoint_parameter_gets_the_name_of_the_certificate() -> None:
    other = Certificate("s", "i", ("other.host",), b.NOW, b.NOW)
    found = judge("TLS003", other)
    assert found.status is Status.WARN
    assert found.advice == "Let /linkbox/db-endpoint hold other.host, and restart the app."


def test_one_that_does_not_verify_is_told_what_to_set_where() -> None:
    mode = ConnectionSetting("config", "tls_mode", "require", "PGSSLMODE", ENV)
    bundle = ConnectionSetting("config", "ca_file", "/app/rds.pem", "PGSSLROOTCERT", "")
    found = judge("HYG007", probe(replace(container("backend"), settings=(mode, bundle))))
    assert found.status is Status.WARN
    for word in ("verify-full", "PGSSLMODE", ENV, "/app/rds.pem", "backend"):
        assert word in found.advice


def without_tls(mode: ConnectionSetting) -> Any:
    return probe(replace(container("backend"), settings=(mode,)))


MODE = ConnectionSetting(
    "config", "tls_mode", "disable", "PGSSLMODE", ENV, "disable", is_plain=True
)


def test_a_plain_line_is_edited() -> None:
    assert commands(judge("TLS001", without_tls(MODE))) == [
        "sed -i 's/^PGSSLMODE=.*/PGSSLMODE=require/' /srv/linkbox/.env && docker compose "
        "--project-directory /srv/linkbox up -d --force-recreate backend"
    ]


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        # A URL holds more than the mode: the line must not be replaced by it.
        (replace(MODE, variable="DATABASE_URL", is_plain=False), "not a plain assignment"),
        (replace(MODE, variable="A/e id/B"), "not a plain assignment"),
        (replace(MODE, is_plain=False), "not a plain assignment"),
        (replace(MODE, file="", is_plain=False), "not known here"),
        (replace(MODE, source="process"), "sets PGSSLMODE itself"),
    ],
)
def test_any_other_line_is_left_to_a_person(mode: ConnectionSetting, words: str) -> None:
    found = judge("TLS001", without_tls(mode))
    assert (found.status, found.fix) == (Status.FAIL, None)
    assert words in found.advice
    assert "sslmode" in found.advice.lower() or "PGSSLMODE" in found.advice


def test_one_that_ended_does_not_count() -> None:
    old = replace(ended("old"), settings=(MODE,))
    assert judge("TLS001", probe(container("new"), old)).status is Status.PASS
