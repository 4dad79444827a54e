"""TLS modes of database clients, engine-neutral, and the words in which an engine expresses them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class TlsMode(StrEnum):
    """The protection that a client demands of its connection, as MySQL's `ssl-mode` names it."""

    DISABLED = "disabled"
    """It begins without TLS, whatever the server offers."""
    PREFERRED = "preferred"
    """TLS if the server offers it; without it the connection is plain text."""
    REQUIRED = "required"
    """TLS, with any server and any certificate."""
    VERIFY_CA = "verify CA"
    """TLS, and a trusted CA has issued the certificate."""
    VERIFY_IDENTITY = "verify identity"
    """TLS, a trusted certificate, and the server's name in it."""

    @property
    def is_verified(self) -> bool:
        """Whether the client verifies the server's certificate."""
        return self in (TlsMode.VERIFY_CA, TlsMode.VERIFY_IDENTITY)


@dataclass(frozen=True, slots=True)
class TlsVocabulary:
    """An engine's words for TLS.

    Attributes:
        parameter: the parameter of RDS's parameter group that makes the server reject clients without TLS.
        parameter_on: the values of the parameter that do so.
        mode_option: the client option that sets the mode.
        mode_values: the option's value for each mode; one engine may have none for a mode.
        other_values: further values that clients accept, and their mode.
        ca_option: the client option that names the CA bundle.
        ca_variables: environment variables of the engine's own client that name it.
    """

    parameter: str
    parameter_on: frozenset[str]
    mode_option: str
    mode_values: Mapping[TlsMode, str]
    other_values: Mapping[str, TlsMode]
    ca_option: str
    ca_variables: tuple[str, ...]

    def mode_of(self, value: str) -> TlsMode | None:
        """The mode that a client's setting means; None where the value is not known."""
        modes = {text: mode for mode, text in self.mode_values.items()} | dict(self.other_values)
        return modes.get(value)

    def setting(self, mode: TlsMode) -> str:
        """The option with the value that sets a mode, such as `option=value`."""
        return f"{self.mode_option}={self.mode_values[mode]}"

    @property
    def ca_setting(self) -> str:
        """The option for the CA bundle with its environment variables, for a sentence."""
        variables = f" ({', '.join(self.ca_variables)})" if self.ca_variables else ""
        return f"{self.ca_option}{variables}"
