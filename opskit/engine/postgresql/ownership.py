"""Whether two alternating roles can use each other's objects: both have to act as one role.

Source: PostgreSQL documentation, ALTER ROLE (`set role`), REASSIGN OWNED, ALTER DEFAULT PRIVILEGES.
"""

from __future__ import annotations

from dataclasses import dataclass

from opskit.engine.postgresql.quoting import literal, quoted

CLONE = "_clone"


@dataclass(frozen=True, slots=True)
class Ownership:
    """A role's objects, and the role in whose name it creates new ones.

    Attributes:
        acts_as: the role that it is set to (`alter role ... set role`); empty for none.
        owns: number of objects that it owns, in this database and shared ones.
        has_default_privileges: whether it has default privileges for objects that it will create.
    """

    acts_as: str = ""
    owns: int = 0
    has_default_privileges: bool = False


def second_role(user: str) -> str:
    """The role that alternates with a role: `NAME_clone`, and of that one `NAME`."""
    return user.removesuffix(CLONE) if user.endswith(CLONE) else user + CLONE


def ownership_warnings(user: str, own: Ownership, other: str, others: Ownership) -> tuple[str, ...]:
    """Objects of one role that the other may not be able to use, with the statements that share them.

    Args:
        user, own: the role in use, and its objects.
        other, others: the second role, which exists, and its objects.
    """
    if user == others.acts_as or other == own.acts_as:
        return ()
    if own.acts_as and own.acts_as == others.acts_as:
        return ()
    first, second = (other, user) if user.endswith(CLONE) else (user, other)
    statement = (
        f"as an administrator: alter role {quoted(second)} set role = {literal(first)}; "
        f"what {second} owns already: reassign owned by {quoted(second)} to {quoted(first)}"
    )
    if others.owns:
        return (
            f"{other} owns {others.owns} object(s), which {user} may not be able to use. {statement}",
        )
    if own.owns or own.has_default_privileges:
        what = f"{own.owns} object(s)" if own.owns else "default privileges"
        return (
            f"{user} has {what} of its own: what the app creates while it is {other}'s turn belongs to "
            f"{other}, without the default privileges of {user}. {statement}",
        )
    return ()
