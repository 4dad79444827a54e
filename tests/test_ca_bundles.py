"""The CA bundles that opskit carries, and which of them a host needs."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given
from hypothesis import strategies as st

from opskit import ca_bundles
from opskit.ca_bundles import AMAZON_ROOTS, RDS_BUNDLE, bundle_for, trust_for
from opskit.config import Target, load
from opskit.facts import probe
from opskit.facts.dns import DatabaseHost
from opskit.facts.given_facts import FingerprintKey
from opskit.facts.interface import Known, Unknown
from opskit.facts.region import Region
from opskit.workload.interface import Workload
from tests import builders as b

REGION = "eu-central-1"
ID = "c7abc123xyz0"
LABEL = st.from_regex(r"[a-z][a-z0-9-]{0,20}[a-z0-9]", fullmatch=True)
EVERY = st.sampled_from(sorted(ca_bundles.known_regions()))


@given(
    LABEL, st.sampled_from([ID, f"cluster-{ID}", f"cluster-ro-{ID}", f"cluster-custom-{ID}"]), EVERY
)
def test_instances_and_clusters_need_the_roots_of_rds(name: str, kind: str, region: str) -> None:
    host = f"{name}.{kind}.{region}.rds.amazonaws.com"
    assert bundle_for(host) == bundle_for(host.upper()) == RDS_BUNDLE
    found = trust_for(host)
    assert (found.names, found.ca_file) == ((host,), ca_bundles.path_of(RDS_BUNDLE))


@given(LABEL, st.sampled_from(["", ".endpoint"]), EVERY)
def test_proxies_need_amazons_public_roots(name: str, endpoint: str, region: str) -> None:
    host = f"{name}{endpoint}.proxy-{ID}.{region}.rds.amazonaws.com"
    assert bundle_for(host) == AMAZON_ROOTS
    assert ca_bundles.instance_ca_file(host) == "system"


@given(st.text(max_size=60) | LABEL)
def test_no_other_name_has_a_bundle(host: str) -> None:
    for text in (host, f"{host}.example", f"{host}.eu-central-1.elb.amazonaws.com"):
        assert bundle_for(text) == ""
        assert trust_for(text).ca_file is None
        assert trust_for(text).reason


@pytest.mark.parametrize(
    "host",
    [
        f"db.{ID}.{REGION}.rds.amazonaws.com.evil.example",
        f"db.{ID}.{REGION}.rds.amazonaws.com.",
        f"db.{ID}.{REGION}.rds.amazonaws.com\n",
        f".{ID}.{REGION}.rds.amazonaws.com",
        f"{REGION}.rds.amazonaws.com",
        f"db.{ID}.{REGION}.rdsXamazonaws.com",
        f"db.{ID}.xx-nowhere-9.rds.amazonaws.com",
        f"db.{ID}.us-gov-west-1.rds.amazonaws.com",
        f"db.proxy-{ID}.us-gov-west-1.rds.amazonaws.com",
        f"db.{ID}.rds.cn-north-1.amazonaws.com.cn",
        "127.0.0.1",
        "",
    ],
)
def test_a_name_that_only_looks_like_one_has_none(host: str) -> None:
    assert bundle_for(host) == ""
    assert trust_for(host).ca_file is None


@pytest.mark.parametrize(
    ("host", "where", "source"),
    [
        (f"db.{ID}.us-gov-west-1.rds.amazonaws.com", "us-gov-west-1", "pki.us-gov-west-1.rds"),
        (f"db.{ID}.rds.cn-north-1.amazonaws.com.cn", "cn-north-1", "amazonaws.com.cn/global"),
        (f"db.{ID}.xx-nowhere-9.rds.amazonaws.com", "xx-nowhere-9", "truststore.pki.rds."),
    ],
)
def test_another_partition_is_said(host: str, where: str, source: str) -> None:
    assert trust_for(host).reason == f"no CA bundle is carried for {where}"
    assert source in ca_bundles.source_for(host)


PROXY = f"p.proxy-{ID}.us-east-1.rds.amazonaws.com"
ENDPOINT = f"db.{ID}.{REGION}.rds.amazonaws.com"


class TestNamesOfOnesOwn:
    """In front of RDS: the certificate has RDS's name, and only AWS's API says which that is."""

    @pytest.mark.parametrize(
        "host", ["db.internal", "10.0.1.7", "x.elb.eu-central-1.amazonaws.com"]
    )
    def test_the_endpoint_is_verified(self, host: str) -> None:
        found = trust_for(host, endpoint=ENDPOINT)
        assert (found.names, found.basis) == ((ENDPOINT,), "the RDS CA bundle")

    def test_not_known_to_aws(self) -> None:
        assert trust_for("db.internal").words == "not verified: db.internal is no name of RDS"

    def test_a_named_bundle_may_have_signed_either(self) -> None:
        found = trust_for("db.internal", endpoint=ENDPOINT, ca_file="own.pem")
        assert (found.names, found.ca_file) == (("db.internal", ENDPOINT), "own.pem")
        assert trust_for("10.0.1.7", endpoint=ENDPOINT, ca_file="own.pem").names == (ENDPOINT,)
        assert trust_for(ENDPOINT, endpoint=ENDPOINT, ca_file="own.pem").names == (ENDPOINT,)

    def test_the_instance_is_told_the_same(self) -> None:
        app, groups = b.linkbox()[Workload], Unknown("not asked")
        assert isinstance(app, Known)
        for host, name, bundle in (
            ("db.internal", b.HOST, "/etc/rds/global-bundle.pem"),
            (PROXY, PROXY, "system"),
        ):
            asked = probe.request(
                Target("linkbox", b.NAMES), FingerprintKey("k"), Region("us-east-1"),
                b.known(DatabaseHost(host, 5432, "p")), b.known(b.database()), b.known(b.parameters()), groups,
                app.value, Unknown("x"),
            )  # fmt: skip
            assert (asked.tls_name, asked.ca_file) == (name, bundle)


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
@pytest.mark.parametrize("bundle", [RDS_BUNDLE, AMAZON_ROOTS])
class TestFiles:
    def test_they_hold_the_roots_of_the_table_and_no_other(self, bundle: str) -> None:
        pem = Path(ca_bundles.path_of(bundle)).read_bytes()
        found = x509.load_pem_x509_certificates(pem)
        table = {r.sha256: r for r in ca_bundles.roots() if r.bundle == bundle}
        assert len(found) == len(table)
        for certificate in found:
            root = table[certificate.fingerprint(SHA256()).hex()]
            assert root.name in certificate.subject.rfc4514_string()
            assert root.expires == certificate.not_valid_after_utc.date()
            certificate.verify_directly_issued_by(certificate)
            basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
            assert basic.value.ca

    def test_they_are_what_an_installation_gets(self, bundle: str) -> None:
        lines = Path("setup.cfg").read_text().split("[options.package_data]")[1].split("[")[0]
        assert "data/*" in lines.split()
        assert Path(ca_bundles.path_of(bundle)).parent == Path("opskit/data").resolve()


@pytest.mark.filterwarnings("default::pytest.PytestWarning")
def test_no_root_has_expired() -> None:
    """Half a year before the first one does it is a warning of pytest, and then a failure."""
    first = min(root.expires for root in ca_bundles.roots())
    assert first > datetime.now(UTC).date(), "run .ci/refresh-ca-bundles"
    if notice := ca_bundles.expiry_notice():
        warnings.warn(pytest.PytestWarning(notice), stacklevel=1)


def test_what_expires_is_named_half_a_year_before() -> None:
    first = min(ca_bundles.roots(), key=lambda root: root.expires)
    end = datetime.combine(first.expires, datetime.min.time(), UTC)
    assert ca_bundles.expiry_notice(end - timedelta(days=200)) == ""
    assert first.name in ca_bundles.expiry_notice(end - timedelta(days=180))


def test_a_proxy_in_a_new_region_has_amazons_roots() -> None:
    """They are the same everywhere; a root of RDS is for one Region."""
    assert bundle_for(f"db.proxy-{ID}.xx-nowhere-9.rds.amazonaws.com") == AMAZON_ROOTS


def test_the_regions_are_read_from_the_table() -> None:
    assert {
        "us-east-1",
        "eu-central-1",
        "ap-southeast-2",
        "me-central-1",
    } <= ca_bundles.known_regions()
    assert not any(r.startswith(("us-gov", "cn-")) for r in ca_bundles.known_regions())


@pytest.mark.parametrize(
    ("flags", "environment", "wanted", "origin"),
    [
        ({"ca_file": "f"}, {"OPSKIT_CA_FILE": "e", "PGSSLROOTCERT": "p"}, "f", "--ca-file"),
        ({}, {"OPSKIT_CA_FILE": "e", "PGSSLROOTCERT": "p"}, "e", "OPSKIT_CA_FILE"),
        ({}, {"PGSSLROOTCERT": "p"}, "p", "PGSSLROOTCERT"),
        ({}, {"PGSSLROOTCERT": ""}, None, None),
    ],
)
def test_where_another_bundle_is_named(
    flags: dict[str, str | None],
    environment: dict[str, str],
    wanted: str,
    origin: str,
    tmp_path: Path,
) -> None:
    target = load({"prefix": "/linkbox", **flags}, environment, tmp_path)
    assert (target.ca_file, target.origins.get("ca_file")) == (wanted, origin)
    is_said = origin == "--ca-file"
    assert ("--ca-file f" in target.flags) is is_said, "a printed command verifies by the same"
