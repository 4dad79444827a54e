"""What a sandbox saves at its start, each part for itself: files, and the emulated account."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import boto3
import pytest

from opskit.sandbox.saved_files import SavedFiles


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    location = tmp_path / "tree"
    (location / "inner/empty").mkdir(parents=True)
    (location / "inner/kept").write_text("kept")
    (location / "secret").write_text("secret")
    (location / "secret").chmod(0o600)
    (location / "link").symlink_to("secret")
    (location / "outside").write_text("before")
    return location


def content(location: Path) -> dict[str, tuple[int, str]]:
    """Path -> mode, and content or target."""
    rows = {}
    for path in location.rglob("*"):
        mode = path.lstat().st_mode
        text = str(path.readlink()) if stat.S_ISLNK(mode) else ""
        rows[str(path.relative_to(location))] = mode, path.read_text() if path.is_file() else text
    return rows


def test_files_are_as_they_were(tree: Path, tmp_path: Path) -> None:
    saved = SavedFiles(tree, tmp_path / "copy", without=["outside"])
    before = content(tree)
    (tree / "inner/kept").write_text("kepT")
    (tree / "secret").chmod(0o400)
    (tree / "link").unlink()
    (tree / "link").symlink_to("inner")
    (tree / "inner/empty").rmdir()
    (tree / "inner/empty").write_text("a file in its place")
    (tree / "new/more").mkdir(parents=True)
    (tree / "new/more/file").write_text("new")
    (tree / "outside").write_text("after")

    saved.restore()

    after = content(tree)
    assert after.pop("outside")[1] == "after"
    before.pop("outside")
    assert after == before


def test_a_removed_directory_comes_back(tree: Path, tmp_path: Path) -> None:
    saved, before = SavedFiles(tree, tmp_path / "copy"), content(tree)
    for path in sorted(tree.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()

    saved.restore()

    assert content(tree) == before


def test_a_change_of_the_same_length_and_time_is_seen(tree: Path, tmp_path: Path) -> None:
    saved = SavedFiles(tree, tmp_path / "copy")
    for _ in range(2):
        times = (tree / "secret").stat()
        (tree / "secret").write_text("SECRET")
        os.utime(tree / "secret", ns=(times.st_atime_ns, times.st_mtime_ns))

        saved.restore()

        assert (tree / "secret").read_text() == "secret"


def test_only_what_changed_is_written_and_in_place(tree: Path, tmp_path: Path) -> None:
    saved = SavedFiles(tree, tmp_path / "copy")
    before = {path: path.lstat() for path in tree.rglob("*")}
    with (tree / "secret").open("a") as held:
        held.write("more")
        held.flush()
        saved.restore()
        assert os.fstat(held.fileno()).st_ino == (tree / "secret").stat().st_ino
    assert (tree / "inner/kept").stat().st_ctime_ns == before[tree / "inner/kept"].st_ctime_ns
    assert (tree / "secret").read_text() == "secret"


@pytest.mark.usefixtures("aws_in_memory")
def test_the_account_is_as_it_was() -> None:
    from opskit.sandbox.aws.saved_backends import SavedBackends

    ssm, ec2, kms, secrets = (
        boto3.client(name, region_name="us-east-1")
        for name in ("ssm", "ec2", "kms", "secretsmanager")
    )
    ssm.put_parameter(Name="/a", Type="SecureString", Value="before")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    group = ec2.create_security_group(GroupName="g", Description="g", VpcId=vpc)["GroupId"]
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    signer = kms.create_key(KeyUsage="SIGN_VERIFY", KeySpec="RSA_2048")["KeyMetadata"]["KeyId"]
    sealed = kms.encrypt(KeyId=key, Plaintext=b"text")["CiphertextBlob"]
    saved = SavedBackends()
    for value in ("first", "second"):
        ssm.put_parameter(Name="/a", Value=value, Overwrite=True)
        ssm.put_parameter(Name="/b", Type="String", Value=value)
        ec2.delete_security_group(GroupId=group)
        kms.disable_key(KeyId=key)
        # A service that nobody had called.
        secrets.create_secret(Name="s", SecretString=value)

        saved.restore()

        read = ssm.get_parameter(Name="/a", WithDecryption=True)["Parameter"]
        assert (read["Value"], read["Version"]) == ("before", 1)
        assert [p["Name"] for p in ssm.describe_parameters()["Parameters"]] == ["/a"]
        groups = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]
        assert [g["VpcId"] for g in groups] == [vpc]
        assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"text"
        assert kms.get_public_key(KeyId=signer)["PublicKey"]
        assert secrets.list_secrets()["SecretList"] == []


@pytest.mark.usefixtures("aws_in_memory")
def test_what_cannot_be_saved_is_refused() -> None:
    from moto.sts.models import sts_backends

    from opskit.sandbox.aws.saved_backends import SavedBackends

    sts_backends["123456789012"]["aws"].generator = (i for i in range(3))
    with pytest.raises(TypeError, match="generator"):
        SavedBackends()
