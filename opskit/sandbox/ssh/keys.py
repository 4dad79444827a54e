"""The sandbox's SSH keys: of its servers, of its operator, and those pushed by EC2 Instance Connect."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from opskit.sandbox import topology

VALID_S = 60.0
"""A pushed key is valid for this time."""
SERVERS = ("app", "bastion")

Answer = tuple[int, Mapping[str, Any]]


class Keys:
    """The key files below one directory, which the servers read too.

    Args:
        directory: readable by this user only.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()

    def make(self) -> None:
        """Create the servers' host keys, and the operator's key pair with its entry on both servers."""
        self._directory.mkdir(mode=0o700)
        for name in SERVERS:
            _make_pair(self._directory / f"host-{name}", f"root@{name}")
        _make_pair(self._directory / "id_ed25519", "oncall")
        public = (self._directory / "id_ed25519.pub").read_text(encoding="utf-8")
        (self._directory / "authorized_keys").write_text(public, encoding="utf-8")
        # For the operator: the bastion's address.
        bastion = f"{topology.SSH_USER}@{topology.BASTION_ADDRESS}:{topology.BASTION_PORT}"
        (self._directory / "bastion").write_text(f"{bastion}\n", encoding="utf-8")
        (self._directory / "pushed.json").write_text("[]", encoding="utf-8")

    def host_key_file(self, name: str) -> Path:
        """The file of a server's private key; its public half lies beside it."""
        return self._directory / f"host-{name}"

    def push(self, body: Mapping[str, Any]) -> Answer:
        """Answer SendSSHPublicKey."""
        path = self._directory / "pushed.json"
        until = time.time() + VALID_S
        with self._lock:
            rows = [r for r in json.loads(path.read_text()) if r["until"] > time.time()]
            fields = str(body["SSHPublicKey"]).split()
            rows.append({"user": body["InstanceOSUser"], "key": fields[1], "until": until})
            # The servers read it at any moment.
            new = path.with_name("pushed.new")
            new.write_text(json.dumps(rows), encoding="utf-8")
            new.replace(path)
        return 200, {"RequestId": "ssh", "Success": True}

    def takes(self, user: str, key: str, *, is_instance: bool) -> bool:
        """Whether a server accepts a public key (base64) for a user now.

        Args:
            is_instance: whether it is the instance, which accepts pushed keys too.
        """
        lines = (self._directory / "authorized_keys").read_text(encoding="utf-8").splitlines()
        if any(key == field for line in lines for field in line.split()[1:2]):
            return user == topology.SSH_USER
        rows = json.loads((self._directory / "pushed.json").read_text()) if is_instance else []
        return any(r["user"] == user and r["key"] == key and r["until"] > time.time() for r in rows)

    def console(self) -> str:
        """The instance's console output of its first boot, as cloud-init prints it."""
        fields = (self._directory / "host-app.pub").read_text(encoding="utf-8").split()
        digest = hashlib.sha256(base64.b64decode(fields[1])).digest()
        shown = base64.b64encode(digest).decode().rstrip("=")
        mark = "<14>Nov 21 10:00:05 ec2: "
        lines = [
            "[    0.000000] Linux version 6.1.0-cloud",
            "-----BEGIN SSH HOST KEY FINGERPRINTS-----",
            f"256 SHA256:{shown} root@ip-10-0-2-45 (ED25519)",
            "-----END SSH HOST KEY FINGERPRINTS-----",
        ]
        return "\n".join([lines[0], *(mark + line for line in lines[1:]), "login: "]) + "\n"


def _make_pair(path: Path, comment: str) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.OpenSSH,
            serialization.NoEncryption(),
        )
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    path.with_name(f"{path.name}.pub").write_text(f"{public.decode()} {comment}\n")
