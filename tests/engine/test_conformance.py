"""Every engine of the registry has all members of the interface, and they agree with each other."""

from __future__ import annotations

import inspect
import json
import re
from importlib.metadata import packages_distributions
from typing import Any

import pytest

from opskit import engine
from opskit.checks.app.healthy import ABOUT_LOGIN
from opskit.engine import ENGINES
from opskit.engine.advice import EngineAdvice
from opskit.engine.interface import Engine, LoginFailure, ServerTrust
from opskit.engine.tls_modes import TlsMode
from opskit.redaction import redact
from opskit.secret import Secret

USER, DATABASE = "o'app", "shop"
every_engine = pytest.mark.parametrize("database_engine", ENGINES.values(), ids=ENGINES)


def members(protocol: type) -> dict[str, object]:
    """The public methods and annotated attributes of a protocol; attributes have no value."""
    methods = {n: m for n, m in vars(protocol).items() if inspect.isfunction(m)}
    found = {**dict.fromkeys(inspect.get_annotations(protocol)), **methods}
    return {name: member for name, member in found.items() if not name.startswith("_")}


@every_engine
def test_every_member_is_there_with_its_signature(database_engine: Engine) -> None:
    for protocol, thing in ((Engine, database_engine), (EngineAdvice, database_engine.advice)):
        for name, member in members(protocol).items():
            own = getattr(thing, name)
            if member is not None:
                wanted = list(inspect.signature(member).parameters)[1:]  # type: ignore[arg-type]
                assert list(inspect.signature(own).parameters) == wanted, name
                assert inspect.getdoc(own), name


@every_engine
def test_the_attributes_make_sense(database_engine: Engine) -> None:
    assert 0 < database_engine.default_port < 65536
    assert database_engine.name
    assert database_engine.client_name
    assert database_engine.default_user
    assert database_engine.client_package in {
        name for names in packages_distributions().values() for name in names
    }


def test_a_default_port_belongs_to_one_engine() -> None:
    ports = {e.default_port: e.name for e in ENGINES.values()}
    assert {e.name for e in ENGINES.values()} == set(ports.values())
    assert engine.ASSUMED in ENGINES


@every_engine
def test_a_tls_mode_and_its_value_are_each_others_inverse(database_engine: Engine) -> None:
    tls = database_engine.tls
    assert {TlsMode.DISABLED, TlsMode.REQUIRED, TlsMode.VERIFY_IDENTITY} <= set(tls.mode_values)
    for mode, value in tls.mode_values.items():
        assert tls.mode_of(value) is mode
        assert tls.setting(mode) == f"{tls.mode_option}={value}"
    assert not set(tls.other_values) & set(tls.mode_values.values())
    assert tls.mode_of("no such mode") is None
    assert tls.parameter_on
    assert tls.ca_option in tls.ca_setting


@every_engine
def test_advice_names_the_user_and_quotes_it_in_statements(database_engine: Engine) -> None:
    advice = database_engine.advice
    texts = (
        advice.iam_auth("app"),
        advice.role_refused("app"),
        advice.database_denied("app", DATABASE),
        advice.database_missing("app", DATABASE),
        advice.set_password("app", "a new one"),
        advice.change_permission("app"),
    )
    assert all("app" in text for text in texts)
    assert DATABASE in advice.database_denied("app", DATABASE)
    assert "a new one" in advice.set_password("app", "a new one")
    assert all((advice.not_admitted(), advice.slots(), advice.iam_login, advice.iam_revocation))
    assert all((advice.password_expiry, advice.session_list, advice.change_restriction))
    hostile = 'x"; drop role "y'
    for text in (
        advice.role_refused(hostile),
        advice.database_denied(hostile, hostile),
        advice.database_missing(hostile, hostile),
        advice.set_password(hostile, "a new one"),
        advice.change_permission(hostile),
    ):
        assert hostile not in text, "a name cannot end its quotes"


@every_engine
def test_a_client_gets_the_password_in_a_file_alone(database_engine: Engine) -> None:
    password = Secret("co:ffee\\2026")
    place: dict[str, Any] = {"host": "db.ex", "port": 1234, "user": USER, "database": DATABASE}
    client = database_engine.client(
        address="127.0.0.1", trust=ServerTrust(("db.ex",), None), **place
    )
    arguments, variables = database_engine.client_command(client, ("client", "-c"), "the-file")
    assert "the-file" in (*arguments, *variables.values())
    assert {"client", "-c"} <= set(arguments)
    without = database_engine.client_command(client, ("client", "-c"), "")
    assert "the-file" not in (*without[0], *without[1].values())
    content = database_engine.password_file(password=password, **place)
    assert "ffee" in content.reveal()
    for text in (client.example, *client.environment.values()):
        assert "ffee" not in text


@every_engine
def test_words_of_the_engine_stay_readable(database_engine: Engine) -> None:
    text = f"a command: {' '.join(sorted(database_engine.own_words))}"
    for word in database_engine.own_words:
        Secret(word)
    Secret("@".join(sorted(database_engine.own_words)))
    assert redact(text) == text


@every_engine
def test_two_roles_are_each_others_second(database_engine: Engine) -> None:
    second = database_engine.second_role("app")
    assert second != "app"
    assert database_engine.second_role(second) == "app"


@every_engine
def test_a_bare_exchange_proves_nothing(database_engine: Engine) -> None:
    silent = database_engine.greeting({})
    assert (silent.is_engine, silent.requires_tls) == (None, None)
    assert database_engine.classify("no words of any server") is LoginFailure.OTHER


@every_engine
def test_the_program_on_the_instance_is_python_of_the_standard_library(
    database_engine: Engine,
) -> None:
    namespace: dict[str, Any] = {}
    exec(compile(database_engine.instance_program().python, "program", "exec"), namespace)
    assert list(inspect.signature(namespace["converse"]).parameters) == [
        "conversation",
        "arguments",
    ]
    assert list(inspect.signature(namespace["login"]).parameters)[:2] == ["host", "address"]
    assert len(inspect.signature(namespace["login"]).parameters) == 9


@every_engine
def test_an_exchange_can_be_sent_as_json_and_as_words(database_engine: Engine) -> None:
    exchanges = database_engine.exchanges(USER, DATABASE)
    assert len({exchange.name for exchange in exchanges}) == len(exchanges) > 0
    for exchange in exchanges:
        assert json.loads(json.dumps(exchange.arguments)) == exchange.arguments
        assert len(f"{exchange.name} {exchange.shell_argument}".split()) <= 2
    assert re.search(r"(?m)^converse\(\)", database_engine.instance_program().shell)


def test_an_app_s_message_has_a_meaning_whatever_the_failure() -> None:
    assert set(LoginFailure) - set(ABOUT_LOGIN) == {LoginFailure.OTHER}
    for text in ABOUT_LOGIN.values():
        assert "{" not in text.format(verifying="mode=verify")
