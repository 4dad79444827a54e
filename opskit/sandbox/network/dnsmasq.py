"""The VPC's resolver as a real one: dnsmasq, with a configuration that is written from the account's names.

Source: dnsmasq(8).
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from opskit.sandbox.network.dns_server import TTL_S, Answer
from opskit.sandbox.network.namespaces import SYSTEM_PATH, end

PACKAGE = "dnsmasq-base"
OWN, REAL = "own", "dnsmasq"
Names = Mapping[str, Answer]
"""Name -> the answer about it alone, without what its CNAME leads to; a name can begin with `*.`."""


def program() -> str | None:
    """The program's path; None where it is not installed, or where the own resolver is asked for."""
    if os.environ.get("OPSKIT_SANDBOX_RESOLVER") == OWN:
        return None
    return shutil.which(REAL, path=f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}")


class Dnsmasq:
    """One dnsmasq process.

    Args:
        binary: the program.
        directory: for its configuration and its log.
        names: returns the names to serve; None where the resolver has to be silent.
    """

    def __init__(
        self,
        binary: str,
        address: tuple[str, int],
        directory: Path,
        names: Callable[[], Names | None],
    ) -> None:
        self._binary, self._address, self._names = binary, address, names
        self._file = directory / "dnsmasq.conf"
        self._log = directory / "dnsmasq.log"
        self._lock = threading.Lock()
        self._loaded: str | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def refresh(self) -> None:
        """Serve the present names; nothing if they are the same as before."""
        with self._lock:
            names = self._names()
            if names is None:
                # A stopped process leaves queries without an answer, as AWS's resolver does.
                if self._process is not None:
                    self._process.send_signal(signal.SIGSTOP)
                return
            text = configuration(self._address, names)
            if self._process is not None and text == self._loaded:
                self._process.send_signal(signal.SIGCONT)
                return
            self._restart(text)

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            end(self._process)
            self._process = None

    def _restart(self, text: str) -> None:
        self.stop()
        self._file.write_text(text, encoding="utf-8")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._binary, "--keep-in-foreground", f"--conf-file={self._file}"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._loaded = text


def configuration(address: tuple[str, int], names: Names) -> str:
    """The configuration that serves these names, and no others, without a cache."""
    host, port = address
    lines = [
        f"listen-address={host}",
        f"port={port}",
        "bind-interfaces",
        "no-resolv",
        "no-hosts",
        "no-poll",
        "cache-size=0",
        f"local-ttl={TTL_S}",
        "pid-file=",
        "user=",
        "group=",
        # Every other name does not exist.
        "address=/#/",
    ]
    for name, (rcode, records) in sorted(names.items()):
        addresses = [data for _, kind, data in records if kind == "A"]
        if rcode != "NOERROR":
            continue
        if name.startswith("*."):
            lines += [f"address=/{name}/{data}" for data in addresses]
        elif not records:
            lines.append(f"txt-record={name},")
        lines += [f"cname={owner},{data}" for owner, kind, data in records if kind == "CNAME"]
        if not name.startswith("*."):
            lines += [f"host-record={o},{data}" for o, kind, data in records if kind == "A"]
    return "\n".join(dict.fromkeys(lines)) + "\n"
