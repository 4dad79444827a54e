"""The containers of this machine, as the container engine describes them.

A part of the probe's program, so it keeps to Python 3.6 and the standard library.
"""

import json
import os
import shutil
import subprocess

from opskit.probe.program.connection_settings import settings_of


def probe_containers(probe):
    """The containers of this machine, and the connection settings of each.

    Returns:
        All of them, as the engine describes them.
    """
    engine = shutil.which("docker") or shutil.which("podman")
    if engine is None:
        probe.emit("unavailable", "containers", "neither docker nor podman is on this machine")
        return []
    try:
        ids = output([engine, "ps", "-aq"]).split()
        described = json.loads(output([engine, "inspect"] + ids)) if ids else []
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        probe.emit(
            "unavailable",
            "containers",
            "%s failed (%s)" % (os.path.basename(engine), type(error).__name__),
        )
        return []
    probe.emit("asked", "containers")
    wanted = probe.request["container"]
    for raw in described:
        name = raw["Name"].lstrip("/")
        if wanted:
            probe.emit("present", name)
        if wanted and wanted != name:
            continue
        settings = settings_of(probe, raw)
        if not (wanted or settings):
            continue
        state, config = raw["State"], raw["Config"]
        emit_credentials(probe, name, config.get("Env") or ())
        labels = config.get("Labels") or {}
        probe.emit(
            "container",
            name,
            state.get("Status", ""),
            state.get("StartedAt", ""),
            raw.get("RestartCount", 0),
            (raw.get("HostConfig") or {}).get("NetworkMode", ""),
            labels.get("com.docker.compose.project.working_dir", ""),
            labels.get("com.docker.compose.service", ""),
            config.get("Image", ""),
            state.get("ExitCode", ""),
            state.get("FinishedAt", ""),
            ((raw.get("HostConfig") or {}).get("RestartPolicy") or {}).get("Name", ""),
            raw.get("Created", ""),
        )
        for setting in settings:
            emit_setting(probe, name, *setting)
        probe.containers.append((name, dict((s[1], s[2]) for s in settings)))
    return described


def emit_credentials(probe, name, environment):
    """Name the variables of a container that hold credentials of AWS; never their values."""
    for pair in environment:
        variable = pair.split("=", 1)[0]
        if variable in probe.request["credential_variables"]:
            probe.emit("other-credentials", "variable %s of %s" % (variable, name))


def emit_setting(probe, name, source, field, value, variable, path, defined, is_plain):
    """Emit one setting; a password as its fingerprint, here and in the file."""
    if field == "password":
        value, defined = probe.secret(value), defined and probe.secret(defined)
    form = "plain" if is_plain else ""
    probe.emit("setting", name, source, field, value, variable, path, defined, form)


def output(command):
    """A command's standard output; the wait is three seconds at most."""
    process = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=3, check=True
    )
    return process.stdout.decode("utf-8", "replace")
