"""Verifies, before a rotation is closed, that its password logs in from the instance and at every reader."""

from __future__ import annotations

from opskit.engine.interface import LoginFailure
from opskit.rotation.protocol.interface import DatabaseCredential
from opskit.rotation.protocol.services import RotationServices


def verify_logins(
    services: RotationServices, credential: DatabaseCredential, password: str
) -> tuple[str, list[str]]:
    """Log in with the parameters' values from the instance, and with the credential at every reader.

    A login that could not be made is no problem: the observation has logged in at the writer.

    Args:
        password: the credential's password as a noun phrase, for the problem.

    Returns:
        The problem (empty if there is none), and a note on every login.
    """
    works, why = services.ask_instance()
    if works is False:
        return f"from the instance: {why}", []
    notes = [f"login {services.connector.description}"]
    for host, connector in services.readers.items():
        result = connector.try_login(credential.user, credential.password)
        if result.failure is LoginFailure.PASSWORD:
            return f"{host} does not have {password} yet", []
        notes.append(f"{'login at' if result.succeeded else 'not judged:'} {host}")
    notes.append("login from the instance" if works else f"not from the instance: {why}")
    return "", notes
