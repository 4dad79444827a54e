"""LinkBox's AWS client: one signed call, with the credentials of its environment, its file or its role.

An SDK takes longer to import than the app takes to start. The signature is AWS's Signature Version 4.
"""

import configparser
import hashlib
import hmac
import json
import os
import urllib.error
import urllib.parse
import urllib.request
from datetime import UTC, datetime

METADATA = "http://169.254.169.254"
LIMIT_S = 3


class RequestFailed(Exception):
    """AWS refused the call; the text is the one of AWS's SDK for Python."""


def call(service, target, body):
    """The reply of an operation of a JSON service; `target` is the value of its header."""
    endpoint, region = os.environ["AWS_ENDPOINT_URL"], os.environ["AWS_REGION"]
    key, secret, token = credentials()
    data = json.dumps(body).encode()
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    headers = {
        "content-type": "application/x-amz-json-1.1",
        "host": urllib.parse.urlsplit(endpoint).netloc,
        "x-amz-date": stamp,
        "x-amz-target": target,
    }
    if token:
        headers["x-amz-security-token"] = token
    names = ";".join(sorted(headers))
    lines = "".join("%s:%s\n" % (name, headers[name]) for name in sorted(headers))
    request = "\n".join(["POST", "/", "", lines, names, hashlib.sha256(data).hexdigest()])
    scope = "%s/%s/%s/aws4_request" % (stamp[:8], region, service)
    digest = hashlib.sha256(request.encode()).hexdigest()
    signing_key = ("AWS4" + secret).encode()
    for part in scope.split("/"):
        signing_key = hmac.digest(signing_key, part.encode(), "sha256")
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, digest])
    signature = hmac.digest(signing_key, text.encode(), "sha256").hex()
    headers["authorization"] = (
        "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s"
        % (
            key,
            scope,
            names,
            signature,
        )
    )
    try:
        return json.loads(fetch(endpoint + "/", "POST", headers, data))
    except urllib.error.HTTPError as error:
        raise RequestFailed(described(error, target.rpartition(".")[2])) from None


def described(error, operation):
    """The SDK's sentence about an error of AWS."""
    try:
        document = json.loads(error.read())
    except ValueError:
        document = {}
    code = str(document.get("__type", error.code)).rpartition("#")[2]
    message = document.get("message") or document.get("Message") or ""
    return "An error occurred (%s) when calling the %s operation: %s" % (code, operation, message)


def credentials():
    """Access key, secret key and session token: the environment first, then the file, as in every SDK."""
    if "AWS_ACCESS_KEY_ID" in os.environ:
        token = os.environ.get("AWS_SESSION_TOKEN", "")
        return os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"], token
    profile = configparser.ConfigParser(interpolation=None)
    profile.read(os.path.expanduser("~/.aws/credentials"))
    if profile.has_section("default"):
        own = profile["default"]
        token = own.get("aws_session_token", "")
        return own["aws_access_key_id"], own["aws_secret_access_key"], token
    base = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", METADATA).rstrip("/") + "/latest/"
    path = base + "meta-data/iam/security-credentials/"
    try:
        life = {"x-aws-ec2-metadata-token-ttl-seconds": "21600"}
        token = fetch(base + "api/token", "PUT", life).decode()
        proof = {"x-aws-ec2-metadata-token": token}
        role = fetch(path, "GET", proof).decode()
        reply = json.loads(fetch(path + role, "GET", proof))
    except OSError:
        raise RequestFailed("Unable to locate credentials") from None
    return reply["AccessKeyId"], reply["SecretAccessKey"], reply["Token"]


def fetch(url, method, headers, data=None):
    """The body of a reply, without a proxy."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310
    with opener.open(request, timeout=LIMIT_S) as reply:
        return reply.read()
