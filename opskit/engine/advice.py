"""Interface of an engine's advice: the sentences that name its own objects, files and statements."""

from __future__ import annotations

from typing import Protocol


class EngineAdvice(Protocol):
    """Advice for a failed login or a rotation, as sentences for findings and plans.

    A text holds names of users and databases, never a password. Names in statements are quoted.
    """

    iam_login: str
    """Predicate of a user that logs in with IAM tokens: `logs in with ...`."""
    iam_revocation: str
    """The step that lets such a user log in with a password again, as a clause."""

    password_expiry: str
    """The attribute of a role that ends its password, as the engine names it."""
    session_list: str
    """Where the clients of a role's sessions are listed, as a clause."""
    change_restriction: str
    """Predicate of a database that does not let every role change its own password."""

    def change_permission(self, user: str) -> str:
        """For a role that may not change its own password: the step that lets it."""

    def iam_auth(self, user: str) -> str:
        """For a user that has to log in with an IAM token."""

    def not_admitted(self) -> str:
        """For a server that rejects the client before it requests a password, although it uses TLS."""

    def slots(self) -> str:
        """For a server that has no connection slot free."""

    def role_refused(self, user: str) -> str:
        """For a role that has no permission to log in."""

    def database_denied(self, user: str, database: str) -> str:
        """For a role that has no permission to connect to the database."""

    def database_missing(self, user: str, database: str | None) -> str:
        """For a database that does not exist; None where its name is not known."""

    def set_password(self, user: str, password: str) -> str:
        """For an administrator: find out why a user cannot log in, and set its password.

        Args:
            password: description of the password to set, such as `a new one`.
        """
