"""Faults in the app: its container, its environment, its health."""

from __future__ import annotations

from opskit.sandbox import topology
from opskit.sandbox.faults.interface import FaultContext
from opskit.sandbox.postgres import new_password
from tests.accuracy.interface import Action, fault

CONTAINER = topology.CONTAINER


def shell(script: str) -> Action:
    """Run a script on the instance."""

    def action(h: FaultContext) -> None:
        h.shell(script)

    return action


def setting(name: str, value: str) -> Action:
    """Write a line of the `.env` file, and create the container again."""

    def action(h: FaultContext) -> None:
        h.shell(f"sed -i '/^{name}=/d' {h.project}/.env; echo '{name}={value}' >> {h.project}/.env")
        h.recreate_app()

    return action


def shimmed(module: str, text: str, **settings: str) -> Action:
    """Release the app with a change of its code, which runs when a module is imported.

    Args:
        text: Python that finds the module as `module`.
        settings: more lines of the `.env` file; an empty one takes a line out.
    """

    def action(h: FaultContext) -> None:
        code = _HOOK.format(module=module, text=text)
        h.shell(
            f"mkdir -p {h.project}/release; cat > {h.project}/release/sitecustomize.py <<'EOF'\n{code}\nEOF"
        )
        for name, value in {"PYTHONPATH": f"{h.project}/release", **settings}.items():
            line = f"; echo '{name}={value}' >> {h.project}/.env" if value else ""
            h.shell(f"sed -i '/^{name}=/d' {h.project}/.env{line}")
        h.recreate_app()

    return action


_HOOK = """
import builtins, sys
_import = builtins.__import__
_done = []
def _hooked(name, *rest, **options):
    imported = _import(name, *rest, **options)
    if name == {module!r} and not _done:
        _done.append(name)
        _change(sys.modules[name])
    return imported
def _change(module):
    import os
{text}
builtins.__import__ = _hooked
"""
_CONNECT = """
    connect = module.connect
    def changed(*arguments, **options):
{text}
        return connect(*arguments, **options)
    module.connect = changed
"""
_WITHOUT_TLS = _CONNECT.format(text="        options['sslmode'] = 'disable'")
_SYSTEM_STORE = _CONNECT.format(
    text="        options.update(sslmode='verify-full', sslrootcert='system')"
)
_OTHER_VARIABLE = _CONNECT.format(text="        os.environ['PGHOST'] = '127.0.0.1'")


def wired_by_url(h: FaultContext) -> None:
    """Set a password with a character that a URL reserves, in an app that builds a URL of it."""
    password = "a/b#c:9Xy-" + new_password()[:12]
    h.set_password(topology.DATABASE_USER, password)
    h.put("password", password)
    shimmed(
        "psycopg",
        _CONNECT.format(
            text="        arguments = (os.environ['DATABASE_URL'].replace('%2F', '/').replace('%23', '#')"
            ".replace('%3A', ':'),)"
        ),
    )(h)


def old_bundle(h: FaultContext) -> None:
    """Leave a CA bundle of another CA in the image."""
    import trustme

    pem = trustme.CA(organization_name="Old RDS").cert_pem.bytes().decode()
    h.shell(f"cat > {h.project}/old-bundle.pem <<'EOF'\n{pem}EOF")
    setting("PGSSLROOTCERT", f"{h.project}/old-bundle.pem")(h)


def endpoint_moved(h: FaultContext) -> None:
    """Correct the endpoint's parameter and forget the app."""
    h.put("endpoint", f"linkbox-old.{topology.HOST_SUFFIX}")
    h.restart_app()
    # The entry point has read the parameter when the app has started.
    process = f"/proc/$(docker inspect --format '{{{{.State.Pid}}}}' {CONTAINER})/environ"
    h.shell(f'timeout 10 sh -c "until grep -q PGHOST {process}; do sleep 0.1; done"')
    h.put("endpoint", topology.DATABASE_HOST)


def killed(h: FaultContext) -> None:
    """Kill the app's process."""
    h.shell(f"kill -9 $(docker inspect --format '{{{{.State.Pid}}}}' {CONTAINER})")


CASES = (
    fault("container-removed", "APP001", shell(f"docker rm -f {CONTAINER}")),
    fault("container-killed", "APP001", killed),
    fault("app-in-another-region", "APP004", setting("AWS_REGION", "eu-west-1"), heals=False),
    fault("app-with-another-prefix", "APP004", setting("PARAMETER_PREFIX", "/linkbox-staging"),
          heals=False),
    fault("app-on-another-port", "APP004", setting("PORT", "3001"), heals=False),
    fault("app-trusts-old-bundle", "TLS003", old_bundle, heals=False),
    fault("app-without-bundle", "TLS003", setting("PGSSLROOTCERT", "/srv/linkbox/missing.pem"),
          heals=False),
    fault("app-client-without-tls", "TLS001", shimmed("psycopg", _WITHOUT_TLS, PGSSLMODE="",
          PGSSLROOTCERT=""), heals=False),
    fault("app-verifies-by-system-store", "TLS003", shimmed("psycopg", _SYSTEM_STORE,
          PGSSLMODE="require", PGSSLROOTCERT=""), heals=False),
    fault("app-takes-default-host", "APP004", shimmed("psycopg", _OTHER_VARIABLE), heals=False),
    fault("app-builds-broken-url", "APP004", wired_by_url, heals=False),
    fault("app-keeps-old-endpoint", "APP004", endpoint_moved),
)  # fmt: skip
