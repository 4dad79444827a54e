"""Every credential source keeps the promises of the interface, against moto in this process.

A new source adds its settings to TARGETS, and its way of storing values to STORE.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from botocore import xform_name
from botocore.session import Session

from opskit.aws import Aws
from opskit.config import PURPOSES, Target
from opskit.credential_source import CREDENTIAL_SOURCES, load, source_of
from opskit.credential_source.interface import (
    CredentialSource,
    CredentialUpdate,
    LocationOvertaken,
)
from opskit.errors import AwsError, TargetError
from opskit.probe.request import _read_line
from opskit.secret import Secret
from tests import builders as b

VALUES = {
    "endpoint": b.HOST, "username": "linkbox", "password": "Abc-12345678", "database": "linkbox",
}  # fmt: skip
LOGIN = "/linkbox/db-login"


def _put_parameters(client: Any, values: Mapping[str, str]) -> None:
    for name, text in values.items():
        kind = "SecureString" if VALUES["password"] in text else "String"
        client.put_parameter(Name=name, Value=text, Type=kind)


TARGETS: dict[str, Callable[[], tuple[Target, Target]]] = {
    "ssm-parameters": lambda: (
        Target("linkbox", b.NAMES),
        Target("linkbox", {**b.NAMES, "username": LOGIN, "password": LOGIN}),
    ),
}
"""A target with one location for each piece as far as the source has that, and a combined one."""
STORE: dict[str, Callable[[Any, Mapping[str, str]], None]] = {"ssm-parameters": _put_parameters}

MISSING = {"ssm-parameters": "ParameterNotFound"}
"""The error code of a read of a location that does not exist."""


@pytest.fixture(params=CREDENTIAL_SOURCES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=(0, 1), ids=("single", "combined"))
def target(name: str, request: pytest.FixtureRequest) -> Target:
    return TARGETS[name]()[request.param]


@pytest.fixture
def source(name: str, target: Target) -> CredentialSource:
    found = source_of(target)
    assert type(found) is load(name)
    return found


@pytest.fixture
def client(aws_in_memory: None, source: CredentialSource, target: Target) -> Any:
    return Aws(target).client(source.service)


def stored(source: CredentialSource) -> dict[str, str]:
    """Location -> its text: the value itself, or the JSON of several."""
    return {
        one.name: json.dumps({"more": 1, **{p: VALUES[p] for p in one.purposes}})
        if one.is_combined
        else VALUES[one.purposes[0]]
        for one in source.locations
    }


def test_every_piece_has_one_location(source: CredentialSource) -> None:
    assert sorted(p for one in source.locations for p in one.purposes) == sorted(PURPOSES)
    for purpose in PURPOSES:
        assert purpose in source.location(purpose).purposes
    assert source.names == tuple(sorted({one.name for one in source.locations}))
    assert len({one.reference for one in source.locations}) == len(source.locations)


def test_every_piece_is_read_and_belongs_to_its_location(
    name: str, source: CredentialSource, client: Any
) -> None:
    STORE[name](client, stored(source))
    reading = source.read(client)
    assert (reading.missing, reading.refused) == ((), ())
    found = {
        purpose: source.piece(value.text.reveal(), purpose)
        for location, value in reading.values
        for purpose in location.purposes
    }
    assert found == VALUES
    assert "Abc-12345678" not in repr(reading)
    for location, value in reading.values:
        assert value.name == location.name
        assert value.arn
        assert source.is_encrypted(value.kind) == ("password" in location.purposes)


def test_the_instance_reads_every_piece_by_the_sources_own_call(
    name: str, source: CredentialSource, client: Any
) -> None:
    STORE[name](client, stored(source))
    values = {}
    for read in source.instance_reads:
        assert read.call.service == source.service
        service = Session().get_service_model(read.call.service).metadata
        assert (service["protocol"], service["jsonVersion"]) == ("json", "1.1")
        assert read.amz_target == f"{service['targetPrefix']}.{read.call.operation}"
        reply = getattr(client, xform_name(read.call.operation))(
            **read.call.parameters, **{read.reference_parameter: read.reference}
        )
        for member in read.reply_path:
            reply = reply[member]
        for purpose, key in read.members.items():
            values[purpose] = reply if key is None else json.loads(reply)[key]
    assert values == VALUES
    assert [read.reference for read in source.instance_reads] == [
        location.reference for location in source.locations
    ]


def test_the_instance_reads_in_the_words_of_the_aws_cli(source: CredentialSource) -> None:
    for read in source.instance_reads:
        model = Session().get_service_model(read.call.service)
        parameters = model.operation_model(read.call.operation).input_shape.members
        reference, path, option, service, operation, *options = _read_line(read).split()
        assert (reference, path) == (read.reference, ".".join(read.reply_path))
        assert (service, operation) == (read.call.service, xform_name(read.call.operation, "-"))
        names = {f"--{xform_name(name, '-')}" for name in parameters}
        assert {option, *(word for word in options if word.startswith("--"))} <= names


def test_a_missing_location_is_named_and_the_others_are_read(
    name: str, source: CredentialSource, client: Any
) -> None:
    gone = source.location("database")
    kept = {one: text for one, text in stored(source).items() if one != gone.name}
    if not kept:
        pytest.skip("the source has one location")
    STORE[name](client, kept)
    reading = source.read(client)
    assert reading.missing == (gone,)
    assert {location.name for location, _ in reading.values} == set(kept)


def test_where_nothing_is_there_everything_is_missing(
    source: CredentialSource, client: Any
) -> None:
    reading = source.read(client)
    assert (reading.values, reading.missing) == ((), source.locations)
    assert reading.other_paths == ()


def test_paths_with_the_same_names_are_listed_where_nothing_is_there(
    name: str, source: CredentialSource, client: Any
) -> None:
    if len(source.locations) == 1:
        pytest.skip("the source has one location")
    other = {
        location.replace("linkbox", "orders"): text for location, text in stored(source).items()
    }
    STORE[name](client, other)
    assert source.read(client).other_paths == ("/orders",)


def test_descriptions_name_kind_and_key(name: str, source: CredentialSource, client: Any) -> None:
    assert source.describe(client) == ()
    STORE[name](client, stored(source))
    found = {one.name: one for one in source.describe(client)}
    assert set(found) == set(source.names)
    password = found[source.location("password").name]
    assert password.is_encrypted
    assert password.key_id == source.default_key
    assert all(one.is_encrypted == source.is_encrypted(one.kind) for one in found.values())


def test_another_login_changes_the_login_alone(source: CredentialSource) -> None:
    location = source.location("password")
    before = Secret(stored(source)[location.name], is_document=True)
    after = source.text_with(before, "linkbox_clone", Secret("Xyz-87654321")).reveal()
    assert source.piece(after, "password") == "Xyz-87654321"
    if location.is_combined:
        assert source.piece(after, "username") == "linkbox_clone"
        assert json.loads(after)["more"] == 1


def test_a_text_without_the_piece_holds_none(source: CredentialSource) -> None:
    if source.location("password").is_combined:
        for text in ("", "[]", "plain", '{"password": 1}', "[" * 100_000):
            assert source.piece(text, "password") is None


def test_printed_calls_do_what_they_say(source: CredentialSource, client: Any) -> None:
    location = source.location("database")

    def run(call: Any) -> None:
        assert call.service == source.service
        operation = "".join(f"_{c.lower()}" if c.isupper() else c for c in call.operation)[1:]
        getattr(client, operation)(**call.parameters)

    run(source.create_call(location.name, "first"))
    ((_, created),) = source.read(client).values
    run(source.write_call(location.name, created.kind, "second"))
    ((_, written),) = source.read(client).values
    assert (created.text.reveal(), written.text.reveal()) == ("first", "second")
    assert written.version != created.version
    run(source.delete_call(location.name))
    assert source.read(client).values == ()


def test_a_location_is_inspected_before_a_write(
    name: str, source: CredentialSource, client: Any
) -> None:
    assert source.inspect(client, "password") is None
    assert not source.absent.exists
    assert source.is_encrypted(source.absent.kind)
    STORE[name](client, stored(source))
    found = source.inspect(client, "password")
    assert found is not None
    text, properties = found
    assert source.piece(text.reveal(), "password") == VALUES["password"]
    assert properties.exists
    assert properties.version == password_update(source, client).old_version
    assert properties.key_id == source.default_key
    assert source.is_encrypted(properties.kind)
    assert (properties.labels, properties.pattern, properties.is_full) == ((), "", False)


def password_update(
    source: CredentialSource, client: Any, new: str = "Xyz-87654321"
) -> CredentialUpdate:
    """The update that a rotation plans for the stored password."""
    location = source.location("password")
    held = next(value for one, value in source.read(client).values if one == location)
    text = source.text_with(held.text, "linkbox", Secret(new))
    return CredentialUpdate(
        location.name, held.kind, None, "Standard", held.text, text, held.version
    )


def test_a_rotation_publishes_and_goes_back(
    name: str, source: CredentialSource, client: Any
) -> None:
    STORE[name](client, stored(source))
    update = password_update(source, client)
    store = source.store(client, client, lambda _: None, time.monotonic)
    seen = []
    for text in (update.new, update.new, update.old):
        store.publish(update, text)
        held = store.read(update)
        assert held is not None
        assert held.text == text
        assert store.is_complete(update, held)
        seen.append(held.version)
    assert seen[0] == seen[1], "a value that is current already is not written again"
    assert len({update.old_version, *seen}) == 3
    earlier = [
        source.piece(v.text.reveal(), "password") for v in source.history(client, "password")
    ]
    assert earlier[:2] == ["Abc-12345678", "Xyz-87654321"], "newest first"
    assert update.name in source.last_write(client, update.name)


def test_a_location_that_another_user_creates_is_kept(
    name: str, source: CredentialSource, client: Any
) -> None:
    """A location that is missing is created without overwriting what was created meanwhile."""
    STORE[name](client, stored(source))
    update = replace(password_update(source, client), old_version=0)

    class Late:
        def __getattr__(self, operation: str) -> Any:
            def missing(**_: Any) -> None:
                raise AwsError(f"{source.service}:Read", MISSING[name], "")

            return missing

    late: Any = Late()
    with pytest.raises(LocationOvertaken):
        source.store(late, client, lambda _: None, time.monotonic).publish(update, update.new)
    held = source.store(client, client, lambda _: None, time.monotonic).read(update)
    assert held is not None
    assert held.text == update.old


def test_a_created_location_is_encrypted(source: CredentialSource, client: Any) -> None:
    location = source.location("password")
    assert source.history(client, "password") == ()
    assert source.last_write(client, location.name) == ""
    source.create(client, location.name, Secret("Abc-12345678"), None)
    (described,) = source.describe(client)
    assert (described.name, described.is_encrypted) == (location.name, True)
    with pytest.raises(AwsError):
        source.create(client, location.name, Secret("Xyz-87654321"), None)


def test_a_missing_location_has_keys_beside_it(source: CredentialSource, client: Any) -> None:
    password = source.location("password")
    kms: Any = Aws(Target("linkbox", b.NAMES)).client("kms")
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    assert source.keys_beside(client, "password") == set()
    source.create(client, f"{password.name}-2", Secret("Abc-12345678"), key_id)
    assert source.keys_beside(client, "password") == {key_id}
    assert source.tags(client, f"{password.name}-2") == {}


def test_what_policies_name(source: CredentialSource) -> None:
    arn = source.arn(source.location("password").name, "aws-cn", "cn-north-1", "123456789012")
    assert arn.startswith(f"arn:aws-cn:{source.service}:cn-north-1:123456789012:")
    assert source.via_service("cn-north-1").startswith(f"{source.service}.cn-north-1.")
    assert arn in source.encryption_context(arn).values()
    actions = source.actions
    named = (*actions.read, actions.describe, actions.history, actions.write)
    assert all(action.startswith(f"{source.service}:") for action in named)


def test_settings_that_name_nothing_select_no_source() -> None:
    with pytest.raises(TargetError):
        source_of(Target("linkbox", {}))
