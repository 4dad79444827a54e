"""LinkBox without its web server: the worker beside the app, the migration before a release, and the report
that opens as many connections as it can get.
"""

import sys
import time

EVERY_S = 1.0
TOO_MANY = 200
"""The size of the report's pool: more than the server has."""


def ask_database():
    """One question over a new connection; the driver's first words if that fails."""
    import psycopg

    try:
        # Settings come from the environment, as libpq reads it.
        with psycopg.connect(connect_timeout=2) as connection:
            connection.execute("select 1")
    except psycopg.Error as error:
        return str(error).strip().split("\n")[0][:300]
    return ""


def report():
    """Hold every connection that the server gives, and ask for more."""
    import psycopg

    pool = []
    while True:
        try:
            while len(pool) < TOO_MANY:
                pool.append(psycopg.connect(connect_timeout=2, application_name="linkbox-report"))
        except psycopg.Error:
            time.sleep(EVERY_S / 10)


def main(command):
    """Migrate once and end, or work until it is stopped."""
    if command == "report":
        report()
    while True:
        error = ask_database()
        if error or command == "migrate":
            print("linkbox: %s: %s" % (command, error or "done"), flush=True)
        if command == "migrate":
            return 1 if error else 0
        time.sleep(EVERY_S)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
