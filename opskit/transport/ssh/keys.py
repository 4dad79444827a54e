"""Client keys: an ephemeral one pushed by EC2 Instance Connect, a named file, or those of the SSH agent."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from opskit.aws_protocols import AwsClient
from opskit.errors import AwsError, NotExecuted
from opskit.transport.ssh.jump_hosts import SshHost


def send_public_key(connect: AwsClient, instance_id: str, user: str) -> Any:
    """Generate a key that exists in this process only, and push it to the instance for 60 seconds.

    Raises:
        NotExecuted: AWS rejected the request.

    Source: EC2 Instance Connect API Reference, SendSSHPublicKey.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from paramiko import Ed25519Key

    text = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    key = Ed25519Key(file_obj=io.StringIO(text.decode()))
    public = f"{key.get_name()} {key.get_base64()}"
    try:
        connect.send_ssh_public_key(
            InstanceId=instance_id, InstanceOSUser=user, SSHPublicKey=public
        )
    except AwsError as error:
        if error.is_denied:
            raise NotExecuted(
                f"you may not put a key on {instance_id} for {user} "
                "(ec2-instance-connect:SendSSHPublicKey)",
                missing=f"ec2-instance-connect:SendSSHPublicKey on {instance_id} "
                f"with ec2:osuser {user}",
            ) from None
        raise NotExecuted(
            f"EC2 Instance Connect did not take a key for {instance_id}: {error.code} "
            f"{error.message[:200]}".strip()
        ) from None
    return key


def identities(host: SshHost) -> Iterator[Any]:
    """The keys to try at a host, in order.

    Raises:
        NotExecuted: the named key cannot be used.
    """
    unusable: list[str] = []
    public: set[bytes] = set()
    for path in host.key_files:
        key = _load(path, unusable)
        if key is not None:
            yield key
        public |= _public_half(path)
    for agent_key in _agent_keys():
        if not host.is_only_key or agent_key.asbytes() in public:
            yield agent_key
    if unusable and host.is_only_key:
        raise NotExecuted(
            unusable[0],
            "ssh-add FILE   puts a key with a passphrase into the agent, which is asked",
        )


def _load(path: Path, unusable: list[str]) -> Any | None:
    """The key of a file; None where the file does not exist or cannot be used."""
    from paramiko import PasswordRequiredException, PKey

    if not path.is_file():
        unusable.append(f"there is no key {path}")
        return None
    try:
        return PKey.from_path(path)
    except (TypeError, PasswordRequiredException):
        # The first message is that of newer paramiko releases.
        unusable.append(f"the key {path} has a passphrase, which opskit does not ask for")
    except Exception as error:
        # paramiko's other errors have no common base class.
        unusable.append(f"the key {path} cannot be used: {type(error).__name__}")
    return None


def _public_half(path: Path) -> set[bytes]:
    """The public key beside a key file, used to recognise the SSH agent's copy."""
    import base64

    try:
        fields = path.with_name(f"{path.name}.pub").read_text(encoding="utf-8").split()
        return {base64.b64decode(fields[1])}
    except (OSError, ValueError, IndexError):
        return set()


def _agent_keys() -> Iterator[Any]:
    from paramiko import Agent, SSHException

    try:
        agent = Agent()
    except (SSHException, OSError):
        return
    with closing(agent):
        yield from agent.get_keys()
