"""The long description for the package index; everything else is declared in setup.cfg."""

import configparser
import re
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).parent
LINK = re.compile(r"\[([^][]+)\]\((?![a-z]+:|#)([^)\s]+)\)")
"""A link in Markdown to a file of the repository."""


def long_description(readme: str, url: str, version: str) -> str:
    """The README with links that work outside the repository.

    Args:
        readme: the text of README.md, with relative links
        url: the repository's address, `url` in setup.cfg; without one, links become plain text
        version: the version, whose tag the links name
    """
    if not url:
        return LINK.sub(r"\1", readme)
    return LINK.sub(rf"[\1]({url.rstrip('/')}/blob/v{version}/\2)", readme)


def main() -> None:
    """Build what the caller of this file asks for."""
    declared = configparser.ConfigParser()
    declared.read(ROOT / "setup.cfg", encoding="utf-8")
    package = (ROOT / "opskit" / "__init__.py").read_text(encoding="utf-8")
    version = re.search(r'^__version__ = "(.+)"$', package, re.MULTILINE)
    assert version, "opskit/__init__.py has no version"  # noqa: S101
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    url = declared["metadata"].get("url", "")
    setup(long_description=long_description(readme, url, version[1]))


if __name__ == "__main__":
    main()
