"""Which URLs are asked for the app's health, wherever they come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from opskit.config import load
from opskit.errors import UsageError

FLAWED = [
    "file:///etc/shadow",
    "ftp://127.0.0.1/health",
    "-o/etc/cron.d/x",
    "--config=/tmp/x",
    "127.0.0.1:3000/health",
    "http://",
    "http://127.0.0.1/a b",
    "http://127.0.0.1/\x1b[2J",
    "http://[::1",
    "http://127.0.0.1:port/",
    "http://169.254.169.254/latest/meta-data/",
]


@pytest.mark.parametrize("url", FLAWED)
@pytest.mark.parametrize("source", ["flag", "variable", "file"])
def test_only_http_is_taken(url: str, source: str, tmp_path: Path) -> None:
    flags = {"prefix": "/linkbox"} | ({"health_url": url} if source == "flag" else {})
    environment = {"OPSKIT_HEALTH_URL": url} if source == "variable" else {}
    if source == "file":
        text = url.replace("\x1b", "\\u001b")
        (tmp_path / "opskit.toml").write_text(
            f'version = 1\n[targets.a]\nprefix = "/a"\nhealth_url = "{text}"\n'
        )
    with pytest.raises(UsageError, match="health_url") as caught:
        load(flags, environment, tmp_path)
    assert url not in caught.value.sentence


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:3000/health", "https://app.example/ready?x=1", "HTTP://localhost/"]
)
def test_http_and_https_are(url: str, tmp_path: Path) -> None:
    assert load({"prefix": "/l", "health_url": url}, {}, tmp_path).health_url == url
