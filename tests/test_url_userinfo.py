"""No password leaves in pieces: the texts of clients that misread a URL, here and in the probe."""

from __future__ import annotations

import contextlib
import io
import json
import re
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opskit import redaction
from opskit.escaping import to_json
from opskit.probe.program.connection_settings import settings_of
from opskit.probe.program.probe import Probe
from opskit.probe.request import _for_python
from opskit.secret import Secret
from opskit.url_userinfo import cut_user_info
from tests.probe.test_probe import request

HOST = "linkbox-db.c1.us-east-1.rds.amazonaws.com"
GOLDEN = Path(__file__).parent / "golden"
SEPARATORS = "@:/?#[]%&,;=\\"
CUT = [
    f"failed to resolve host 'ffee-2026@{HOST}': Name or service not known",
    f'could not translate host name "s3cr3t@{HOST}" to address',
    'could not translate host name "s3cr3t@db.ex" to address: Name or service not known',
    "getaddrinfo ENOTFOUND s3cr3t@db.ex",
    "getaddrinfo EAI_AGAIN s3cr3t@db.ex",
    "dial tcp: lookup s3cr3t@db.ex on 127.0.0.11:53: no such host",
    "java.net.UnknownHostException: app:s3cr3t@db.ex",
    "Incorrect port value : s3cr3t@db.ex",
    "No suitable driver found for jdbc:postgresql://app:s3cr3t/x@db.ex/shop?sslmode=require",
    'parse "postgres://app:s3cr3t#x@db.ex:5432/shop": invalid port',
    "Could not parse SQLAlchemy URL from string 'postgres://app:s3cr3t]x@db.ex/shop'",
    "bad URI (is not URI?): postgresql://app:s3cr3t[x@db.ex/shop",
    "invalid percent-encoded token: \"s3cr3t%zz@db.ex\"",
    '{"error":"cannot connect to \\"postgres://app:s3cr3t\\\\x@db.ex/shop\\""}',
    "http://user:s3cr3t/x@proxy.example:3128 refused",
    "https://s3cr3t@git.example/x",
    "mysql+pymysql://app:s3cr3t@x@db.ex:3306/shop",
    "redis://:s3cr3t@cache.example:6379/0",
    "clickhouse://app:s3cr3t/x@db.ex:9000/shop",
]  # fmt: skip
KEPT = [
    "ask ops@example.com or oncall@example.com",
    "the SSH server at 10.0.0.1 took none of 2 keys for ec2-user",
    "ssh ec2-user@10.0.0.1, ssh://ec2-user@10.0.0.1",
    "arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_Admin/jane@example.com",
    "assumed-role/AWSReservedSSO_Admin/jane@example.com",
    "Access denied for user 'app'@'10.0.2.45' (using password: YES)",
    "shop/web:3@sha256:0123456789abcdef",
    "http://127.0.0.1:3000/users/@me",
    "https://medium.example/@someone/a",
    "postgresql://app@db.ex:5432/shop",
    "node_modules/pg@8.23.1",
    "app@1.service @ 10.0.0.1",
    "docker://shop/web@sha256:0123456789abcdef",
    "git+https://git.example/shop/web@main",
    "mailto:ops@example.com",
]


def probe_with(*passwords: str) -> Probe:
    probe = Probe(_for_python(request(hostnames=(HOST,))))
    probe.values = {"username": "app", "password": "", "database": "shop", "endpoint": HOST}
    for password in passwords:
        probe.secret(password)
    return probe


@pytest.mark.parametrize("text", CUT)
def test_user_info_is_cut(text: str) -> None:
    """Of a password that nobody here holds."""
    for output in (redaction.redact(text), probe_with().clean(text)):
        assert "s3cr3t" not in output
        assert "ffee" not in output
    cut = probe_with().user_info.cut(text)
    assert cut_user_info(text).replace(redaction.PLACEHOLDER, "<secret>") == cut


@pytest.mark.parametrize("text", KEPT)
def test_addresses_and_names_stay(text: str) -> None:
    assert redaction.redact(text) == text
    assert probe_with().clean(text) == text


def parts(secret: str) -> list[str]:
    """The pieces that a reader of URLs could report."""
    return [p for p in re.split(f"[{re.escape(SEPARATORS)}]", secret) if len(p) >= 4]


def texts_about(secret: str, user: str = "app") -> list[str]:
    """What clients say of `postgresql://app:SECRET@host:5432/shop`, cut at every separator."""
    found = [f"cannot read postgresql://{user}:{secret}@{HOST}:5432/shop", f"password={secret}"]
    for index, character in enumerate(secret):
        if character in SEPARATORS:
            before, after = secret[:index], secret[index + 1 :]
            found += [
                f'could not translate host name "{after}@{HOST}" to address',
                f"getaddrinfo ENOTFOUND {after}",
                f"getaddrinfo ENOTFOUND {before}",
                f"java.net.UnknownHostException: {after}.",
                f'invalid integer value "{before}" for connection option "port"',
                f"invalid literal for int() with base 10: '{after}'",
                f'invalid percent-encoded token: "{after}"',
                f"database {after} does not exist",
                f"password authentication failed for user {quote(before, safe='')}",
                json.dumps({"error": f"no such host\n{after}"}),
            ]
    return found


PLANTED = [f"xk7-Plum2026{c}horse{c}Qz9{c}wombat-77" for c in SEPARATORS] + [
    "co@ffee-2026",
    "Tr0ub4dor&3/correct-horse",
    "correct@horse",
    "ab:cd@efgh/ij",
    "p%40ss%2Fword-9 x",
    "wom\tbat@qu!ck\n",
    "büro@größe99",
]


@pytest.mark.parametrize("secret", PLANTED)
def test_no_piece_of_a_held_secret_leaves(secret: str) -> None:
    Secret(secret)
    probe = probe_with(secret)
    for text in texts_about(secret):
        for output in (redaction.redact(text), probe.clean(text)):
            assert [p for p in parts(secret) if p in output] == [], text


@given(st.text("abXY19-._@:/?#[]%&", min_size=8, max_size=24))
def test_no_piece_of_any_secret_leaves(secret: str) -> None:
    redaction._forms, redaction._passwords, redaction._names = (), (), frozenset()
    Secret(secret)
    for text in texts_about(secret, "u"):
        output = redaction.redact(text)
        left = [p for p in parts(secret) if p not in HOST and p in output]
        assert left == [], (text, output)


def test_names_that_are_a_piece_of_the_password_stay() -> None:
    """The app's name and the year are a common password; reports could not be read without them."""
    Secret("linkbox", is_public=True)
    Secret("linkbox@2026")
    text = "/linkbox/db-password, linkbox-db, 2026-01-02: parameter password of linkbox"
    assert redaction.redact(text) == text
    failed = "could not translate host name '2026@linkbox-db.x' to address, linkbox@2026"
    assert "2026" not in redaction.redact(failed)


def test_own_words_stay() -> None:
    Secret("rotate/security:group@server#5432")
    text = "opskit rotate-password --prefix /l: security group of the server on 5432"
    assert redaction.redact(text) == text
    Secret("wombat-9/2026")
    document = json.dumps({"group": 5432, "server": 2026, "said": "at 2026"})
    assert json.loads(redaction.redact(document))["said"] == f"at {redaction.PLACEHOLDER}"


def test_the_pieces_of_documents_stay() -> None:
    Secret('{"username": "linkbox-app", "password": "q"}')
    Secret("db.example:5432:shop:linkbox-app:Pa55word", is_document=True)
    assert (
        redaction.redact('linkbox-app at db.example, {"username"')
        == 'linkbox-app at db.example, {"username"'
    )


@pytest.mark.parametrize("path", sorted(GOLDEN.iterdir()), ids=lambda p: p.name)
def test_ordinary_reports_stay(path: Path) -> None:
    Secret("linkbox", is_public=True)
    for password in ("Linkbox#2026", "app:server@main", "Xk7/Plum&horse=9", "prod@database/5432"):
        Secret(password)
    text = path.read_text(encoding="utf-8")
    assert redaction.redact(text) == text
    assert cut_user_info(text) == text


def test_the_shortest_secret() -> None:
    """RDS takes passwords of eight characters."""
    Secret("eight-ch")
    Secret("seven-c")
    assert redaction.redact("eight-ch seven-c") == f"{redaction.PLACEHOLDER} seven-c"


@pytest.mark.parametrize(
    "form",
    [
        "Wom bat/9\033\n",
        "Wom bat/9\033",
        "Wom\n      bat/9\033",
        "Wom%20bat%2F9%1B",
        "Wom%20bat%2f9%1b",
        "Wom+bat%2F9%1B",
        "Wom%20bat/9%1B",
        r"Wom bat/9\x1b\n",
        r"Wom bat/9\u001b\n",
    ],
)
def test_other_forms(form: str) -> None:
    """Trimmed, wrapped, encoded by each client's habit, and made visible."""
    Secret("Wom bat/9\033\n", is_document=True)
    assert (
        redaction.redact(f"it is {form}.").replace(r"\n", "") == f"it is {redaction.PLACEHOLDER}."
    )


def test_json_beyond_ascii() -> None:
    Secret("größe-9\033x", is_document=True)
    assert redaction.redact(to_json("größe-9\033x")) == f'"{redaction.PLACEHOLDER}"'


def test_a_document_and_a_password() -> None:
    """A value that was first held as a document counts in pieces once it is a password."""
    Secret("wom-77/bat-88", is_document=True)
    Secret("wom-77/bat-88")
    assert "bat-88" not in redaction.redact("no host 'bat-88'")


def test_a_blank_one_is_no_secret() -> None:
    Secret("password\n")
    Secret("app       ")
    assert redaction.redact("the app's password\n") == "the app's password\n"


def test_the_probe_holds_what_stands_in_urls_that_cannot_be_parsed() -> None:
    probe = probe_with()
    variables = [
        "DATABASE_URL=postgres://app:wom/bat-77@db.ex/shop?application_name=a@b",
        "JDBC_URL=jdbc:postgresql://app:Qu%21ck-9@db.ex/shop",
        "READ_URL=mysql://app:cr?oss-55@db.ex/shop",
        "HOME=/root",
    ]
    settings_of(probe, {"Config": {"Env": variables}, "State": {"Pid": 0}})
    texts = "host 'bat-77' is not known", "no 'Qu!ck-9'", "no 'Qu%21ck-9'", "no host 'oss-55'"
    for text in texts:
        output = probe.clean(text)
        assert [p for p in ("bat-77", "ck-9", "oss-55") if p in output] == []
    assert probe.clean("shop at db.ex, application a") == "shop at db.ex, application a"


def test_the_probe_knows_names_and_trimmed_values() -> None:
    probe = probe_with("shop@wombat", "Quick-99\n")
    assert probe.clean("database shop has no wombat") == "database shop has no <secret>"
    assert probe.clean("Quick-99") == "<secret>"


def test_the_probe_keeps_its_own_fields() -> None:
    probe = probe_with("running@shop:require/app")
    row = ["container", "app", "running", "2026-01-01T00:00:00Z", "require", "shop", "QUJD,REVG="]
    assert [probe.clean(field) for field in row] == row
    probe.emit("health", "http://127.0.0.1/", 500, 1.0, "no host 'wombat'\x85end\u2028end")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        probe.print_all()
    assert len(printed.getvalue().splitlines()) == 2
