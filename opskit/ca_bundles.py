"""CA bundles that verify a database's certificate, and the bundle that a host name needs.

RDS signs the certificates of instances and clusters with its own roots, one set for each Region. The
certificates of RDS Proxies come from ACM, below Amazon's public roots. Both sets are included as files in
`opskit/data`; `.ci/refresh-ca-bundles` fetches them again. The roots of the partitions aws-us-gov and aws-cn,
and of Regions newer than the included bundle, are not included: then no bundle is known, and `--ca-file` has
to name one.

Sources: RDS user guide, "Using SSL/TLS to encrypt a connection" and "Using TLS/SSL with RDS Proxy".
"""

from __future__ import annotations

import atexit
import functools
import importlib.resources
import re
import tomllib
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from opskit.endpoint import is_address
from opskit.engine.interface import ServerTrust

RDS_BUNDLE, AMAZON_ROOTS = "rds-global-bundle.pem", "amazon-roots.pem"
TABLE = "ca-bundles.toml"
LABELS = {RDS_BUNDLE: "the RDS CA bundle", AMAZON_ROOTS: "Amazon's public root CAs"}
HOST = re.compile(
    r"(?P<names>[a-z0-9-]+(?:\.[a-z0-9-]+)+)\.(?P<region>[a-z]{2}(?:-[a-z]+)+-\d+)\.rds\.amazonaws\.com"
)
"""`NAME.ID.REGION.rds.amazonaws.com`, with `cluster-ID` and the like, or `proxy-ID`, in place of ID."""
CHINA = re.compile(r".+\.rds\.(?P<region>cn-[a-z]+-\d+)\.amazonaws\.com\.cn")
ROOT_OF_REGION = re.compile(r"Amazon RDS (?P<region>[a-z]{2}(?:-[a-z]+)+-\d+) Root CA")
SOURCES = {
    "cn-": "https://rds-truststore.s3.cn-north-1.amazonaws.com.cn/global/global-bundle.pem",
    "us-gov-": "https://truststore.pki.us-gov-west-1.rds.amazonaws.com/global/global-bundle.pem",
    "": "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem",
}
"""Region prefix -> the URL of its partition's bundle."""
ON_INSTANCE = "/etc/rds/global-bundle.pem"
"""The usual path of the RDS bundle in an image; used only if the file exists."""
WARN_BEFORE = timedelta(days=183)


@dataclass(frozen=True, slots=True)
class Root:
    """An included root certificate, as the table describes it.

    Attributes:
        sha256: the fingerprint of its DER form, in hexadecimal digits.
    """

    bundle: str
    name: str
    sha256: str
    expires: date


@functools.cache
def roots() -> tuple[Root, ...]:
    """Every included root."""
    table = tomllib.loads(_file(TABLE).read_text(encoding="utf-8"))
    return tuple(
        Root(bundle, row["name"], row["sha256"], row["expires"])
        for bundle in (RDS_BUNDLE, AMAZON_ROOTS)
        for row in table[bundle.removesuffix(".pem")]["roots"]
    )


@functools.cache
def known_regions() -> frozenset[str]:
    """The Regions whose RDS roots are included."""
    matches = (ROOT_OF_REGION.match(root.name) for root in roots() if root.bundle == RDS_BUNDLE)
    return frozenset(match["region"] for match in matches if match)


def region_of(host: str) -> str:
    """The Region in an RDS host name; empty for any other name."""
    match = HOST.fullmatch(host.lower()) or CHINA.fullmatch(host.lower())
    return match["region"] if match else ""


def is_proxy(host: str) -> bool:
    """Whether a name is the endpoint of an RDS Proxy."""
    match = HOST.fullmatch(host.lower())
    return match is not None and match["names"].rsplit(".", 1)[-1].startswith("proxy-")


def bundle_for(host: str) -> str:
    """The file of the included bundle that verifies a host; empty where none is known."""
    match = HOST.fullmatch(host.lower())
    if match is None or match["region"].startswith("us-gov-"):
        return ""
    if is_proxy(host):
        return AMAZON_ROOTS
    return RDS_BUNDLE if match["region"] in known_regions() else ""


def instance_ca_file(host: str) -> str:
    """The CA setting by which the probe verifies a host: a file, or `system` for the instance's own roots."""
    return "system" if is_proxy(host) else ON_INSTANCE


def source_for(host: str) -> str:
    """The URL of AWS's RDS bundle for a host's partition."""
    region = region_of(host)
    return next(url for start, url in SOURCES.items() if region.startswith(start))


@functools.cache
def path_of(bundle: str) -> str:
    """An included bundle as a file that a client library can read."""
    stack = ExitStack()
    atexit.register(stack.close)
    return str(stack.enter_context(importlib.resources.as_file(_file(bundle))))


def trust_for(host: str, *, endpoint: str | None = None, ca_file: str | None = None) -> ServerTrust:
    """Choose how to verify the server at a host.

    A custom name in front of RDS (a CNAME, an NLB, an address) is in no certificate of RDS. The certificate
    is then verified by the endpoint that AWS's API names for the database. The CNAME chain is not used: an
    attacker who controls DNS could point it at another database, which has a valid certificate.

    Args:
        endpoint: the database's endpoint from AWS's API, if it is known.
        ca_file: the bundle that the user named; it replaces the included ones, and the host's own name is
            accepted besides the endpoint.
    """
    host, endpoint = host.lower(), (endpoint or "").lower()
    if ca_file:
        names = [n for n in (host, endpoint) if n and not is_address(n)]
        return ServerTrust(tuple(dict.fromkeys(names)) or (host,), ca_file, ca_file)
    name = host if region_of(host) else endpoint
    if not name:
        return ServerTrust((host,), None, reason=f"{host} is no name of RDS")
    bundle = bundle_for(name)
    if bundle:
        return ServerTrust((name,), path_of(bundle), LABELS[bundle])
    where = region_of(name) or name
    return ServerTrust((name,), None, reason=f"no CA bundle is carried for {where}")


def expiry_notice(now: datetime | None = None) -> str:
    """A sentence that names the roots that expire within half a year; empty where none does."""
    last = ((now or datetime.now(UTC)) + WARN_BEFORE).date()
    result = [f"{root.name} ({root.expires})" for root in roots() if root.expires <= last]
    return f"refresh the CA bundles, roots expire: {', '.join(result)}" if result else ""


def _file(name: str) -> importlib.resources.abc.Traversable:
    return importlib.resources.files("opskit") / "data" / name
