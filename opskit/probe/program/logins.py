"""Logins with the values of the locations, and with each container's settings.

A part of the probe's program, so it keeps to Python 3.6 and the standard library. The engine's own source
comes before it and defines `login`.
"""

import os

from opskit.probe.program.network import Forbidden, address_of


def probe_parameter_login(probe):
    """Log in with the values that were read."""
    aim = probe.request["login"]
    if not aim:
        return
    probe.reads_done.wait(7)
    values = dict(probe.values)
    if not all(values.get(p) for p in ("username", "password", "database")):
        probe.emit(
            "unavailable",
            "login parameters",
            "user, password and database name could not be read there",
        )
        return
    emit_login(
        probe,
        "parameters",
        aim["host"],
        aim["port"],
        values["username"],
        values["password"],
        values["database"],
        probe.request["environment"]["verifying_tls_modes"][0],
        aim["ca_file"],
        aim["tls_name"],
    )


def probe_container_logins(probe):
    """Log in exactly as each container's app would."""
    if not probe.request["has_login"]:
        return
    environment = probe.request["environment"]
    for name, own in probe.containers:
        if all(own.get(f) for f in ("host", "user", "password", "database")):
            emit_login(
                probe,
                "container:" + name,
                own["host"],
                int(own.get("port") or environment["default_port"]),
                own["user"],
                own["password"],
                own["database"],
                own.get("tls_mode") or environment["default_tls_mode"],
                own.get("ca_file", ""),
            )


def emit_login(probe, who, host, port, user, password, database, mode, ca_file, tls_name=""):
    """Emit one login's result; without a bundle nothing is verified."""
    try:
        address = address_of(probe, host)
    except OSError:
        probe.emit("login", who, "no", "", "could not translate host name", 0, "", mode)
        return
    except Forbidden as why:
        probe.emit("unavailable", "login " + who, "not tried: %s" % why)
        return
    ca_file = ca_file if ca_file == "system" or os.path.exists(ca_file) else ""
    environment = probe.request["environment"]
    if mode in environment["verifying_tls_modes"] and not ca_file:
        mode = environment["encrypting_tls_mode"]
    name = tls_name or host
    limit_s = probe.request["connect_timeout_s"]
    result = login(name, address, port, user, password, database, mode, ca_file, limit_s)  # noqa: F821
    succeeded = "yes" if result["ok"] else "no"
    probe.emit(
        "login",
        who,
        succeeded,
        result["code"],
        result["message"],
        result["ms"],
        result["tls"],
        mode,
    )
