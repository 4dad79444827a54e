"""Credential sources: where AWS keeps a database credential that the app reads; one module each.

A source knows the names, calls, IAM actions and key of its service. Facts that follow from what was
read, and the order of a rotation's writes, belong elsewhere.
"""

from __future__ import annotations

import importlib
from typing import cast

from opskit.config import Target
from opskit.credential_source.interface import CredentialSource
from opskit.errors import TargetError

CREDENTIAL_SOURCES: dict[str, str] = {
    "ssm-parameters": "opskit.credential_source.ssm_parameters:SsmParameters",
}
"""Name -> dotted path of the class; a new source is a module and a line here."""


def load(name: str) -> type[CredentialSource]:
    """The class of a source, imported when it is first used."""
    module, _, attribute = CREDENTIAL_SOURCES[name].partition(":")
    return cast(type[CredentialSource], getattr(importlib.import_module(module), attribute))


def source_of(target: Target) -> CredentialSource:
    """The source that the target's settings select: with `--prefix`, Parameter Store.

    Raises:
        TargetError: the settings select none.
    """
    for name in CREDENTIAL_SOURCES:
        source = load(name).select(target)
        if source is not None:
            return source
    raise TargetError(f"nothing names the place where the credential of {target.name} is kept")
