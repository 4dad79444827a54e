"""Connection settings in the environment of a container, and the file that defines them.

A part of the probe's program, so it keeps to Python 3.6 and the standard library. The names of variables
and URL schemes are the engine's (`opskit.engine.environment`); the request carries them.
"""

import os
import re
import urllib.parse

DEFINITION = re.compile(r"^\s*(export\s+)?")


def settings_of(probe, raw):
    """(source, field, value, variable, file, value there, is plain there) of a container.

    The process's values override the configuration; those only the process has were fetched at
    start.
    """
    configured = dict(pair.split("=", 1) for pair in raw["Config"].get("Env") or [] if "=" in pair)
    running = {}
    pid = raw["State"].get("Pid")
    if pid:
        try:
            with open("/proc/%d/environ" % pid, "rb") as f:
                text = f.read().decode("utf-8", "replace")
            running = dict(pair.split("=", 1) for pair in text.split("\0") if "=" in pair)
        except OSError:
            pass
    directory = (raw["Config"].get("Labels") or {}).get(
        "com.docker.compose.project.working_dir", ""
    )
    table, settings = probe.request["environment"], {}
    for source, environment in (("config", configured), ("process", running)):
        probe.hold_secrets(environment)
        for field, (value, variable) in connection_settings(table, environment).items():
            if source == "process" and configured.get(variable) == environment.get(variable):
                continue
            definition = defined_in(table, directory, variable, field)
            settings[field] = (source, field, value, variable) + definition
    return sorted(settings.values())


def connection_settings(table, environment):
    """Field -> (value, variable): those of database URLs, completed by single variables."""
    settings = {}
    if not table:
        return settings
    url_start = re.compile(r"^(%s)(\+[a-z0-9]+)?://" % "|".join(table["url_schemes"]), re.I)
    for variable in sorted(environment):
        if not url_start.match(environment[variable]):
            continue
        try:
            url = urllib.parse.urlsplit(environment[variable])
            query = urllib.parse.parse_qs(url.query)
            parts = {
                "host": url.hostname,
                "port": url.port and str(url.port),
                "user": url.username and urllib.parse.unquote(url.username),
                "password": url.password and urllib.parse.unquote(url.password),
                "database": url.path.lstrip("/"),
            }
            for field, name in table["url_parameters"].items():
                parts[field] = (query.get(name) or [""])[0]
        except ValueError:
            continue
        for field, value in parts.items():
            if value:
                settings.setdefault(field, (value, variable))
    for field, names in table["variables"].items():
        for name in names:
            if environment.get(name) and field not in settings:
                settings[field] = (environment[name], name)
    return settings


def defined_in(table, directory, variable, field):
    """The compose project's `.env` if it defines the variable, the field's value in it, and whether
    the line is no more than `VARIABLE=value`.
    """
    path = os.path.join(directory, ".env")
    try:
        with open(path) as f:
            lines = list(f) if directory else []
    except (OSError, UnicodeDecodeError):
        lines = []
    definitions = [
        line for line in lines if DEFINITION.sub("", line).split("=")[0].strip() == variable
    ]
    if not definitions or "=" not in definitions[-1]:
        return "", "", False
    text = definitions[-1].split("=", 1)[1].strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1]
    value = connection_settings(table, {variable: text}).get(field, ("",))[0]
    return path, value, definitions[-1].rstrip("\n") == "%s=%s" % (variable, value)
