"""LinkBox's entry point: fetches its settings from Parameter Store, then becomes the app.

What it fetches stands in the app's environment only, not in the container's configuration.
"""

import json
import os
import sys
import time
import urllib.parse

TRIES = 3
PROGRAMS = {
    "serve": "linkbox_app.py",
    "worker": "linkbox_worker.py",
    "migrate": "linkbox_worker.py",
    "report": "linkbox_worker.py",
}


def main():
    """Fetch, and run the app; without settings it still serves, and says why it is not healthy."""
    environment = dict(os.environ)
    error = ""
    for attempt in range(TRIES):
        try:
            # What the container's configuration sets itself has precedence, as with most frameworks.
            environment = {**fetch(environment["PARAMETER_PREFIX"]), **os.environ}
            environment.setdefault("DATABASE_URL", url(environment))
            error = ""
            break
        except Exception as problem:
            error = "settings: " + str(problem).split("\n", 1)[0][:300]
            print("linkbox: " + error, flush=True)
            time.sleep(0.1 * (attempt + 1))
    if error:
        environment["LINKBOX_ERROR"] = error
    program = PROGRAMS[sys.argv[1] if len(sys.argv) > 1 else "serve"]
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), program)
    os.execve(sys.executable, [sys.executable, path, *sys.argv[1:]], environment)


def fetch(prefix):
    """The database settings, under the credentials of the instance's role."""
    import aws_request

    names = {
        key: "%s/db-%s" % (prefix, key) for key in ("endpoint", "username", "password", "name")
    }
    both = os.environ.get("CREDENTIALS_PARAMETER")
    if both:
        names["username"] = names["password"] = both
    request = {"Names": sorted(set(names.values())), "WithDecryption": True}
    reply = aws_request.call("ssm", "AmazonSSM.GetParameters", request)
    if reply["InvalidParameters"]:
        raise LookupError("parameters do not exist: " + ", ".join(reply["InvalidParameters"]))
    values = {row["Name"]: row["Value"] for row in reply["Parameters"]}
    host, _, port = values[names["endpoint"]].partition(":")
    user, password = values[names["username"]], values[names["password"]]
    if both:
        pair = json.loads(values[both])
        user, password = pair["username"], pair["password"]
    database, port = values[names["name"]], port or os.environ.get("DATABASE_PORT", "5432")
    return {
        "PGHOST": host,
        "PGPORT": port,
        "PGUSER": user,
        "PGPASSWORD": password,
        "PGDATABASE": database,
    }


def url(settings):
    """The connection URL of libpq's variables."""
    user, password = (urllib.parse.quote(settings[n], safe="") for n in ("PGUSER", "PGPASSWORD"))
    place = "%s:%s/%s" % (settings["PGHOST"], settings["PGPORT"], settings["PGDATABASE"])
    return "postgresql://%s:%s@%s" % (user, password, place)


main()
