"""The role's credentials, and signed calls to AWS with them.

A part of the probe's program, so it keeps to Python 3.6 and the standard library.
Sources: EC2 User Guide, IMDSv2; ECS Developer Guide, task IAM role; Signature Version 4.
"""

import hashlib
import hmac
import json
import os
import time
import urllib.parse
import urllib.request

METADATA = (os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or "http://169.254.169.254").rstrip(
    "/"
) + "/latest/"


def metadata(path, token):
    """One answer of the instance metadata service."""
    request = urllib.request.Request(METADATA + path)
    if token:
        request.add_header("X-aws-ec2-metadata-token", token)
    return (
        urllib.request.build_opener(urllib.request.ProxyHandler({}))
        .open(request, timeout=1)
        .read()
        .decode()
    )


def container_variable(name):
    """A variable of the container: of this process, else of the container's first one."""
    if os.environ.get(name):
        return os.environ[name]
    try:
        with open("/proc/1/environ", "rb") as file:
            pairs = [
                pair.decode("utf-8", "replace").partition("=") for pair in file.read().split(b"\0")
            ]
    except OSError:
        return ""
    return next((value for key, _, value in pairs if key == name), "")


def container_credentials_url():
    """The URL of the task role's credentials on ECS; empty outside a task."""
    path = container_variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
    if path:
        return "http://169.254.170.2" + path
    return container_variable("AWS_CONTAINER_CREDENTIALS_FULL_URI")


def role_credentials():
    """The credentials of the instance's role, by IMDSv2; in an ECS task, of the task's role."""
    location = container_credentials_url()
    if location:
        request = urllib.request.Request(location)
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        return json.loads(direct.open(request, timeout=2).read().decode())
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(METADATA + "api/token", method="PUT")
    request.add_header("X-aws-ec2-metadata-token-ttl-seconds", "60")
    token = opener.open(request, timeout=1).read().decode()
    role = metadata("meta-data/iam/security-credentials/", token).split("\n")[0]
    return json.loads(metadata("meta-data/iam/security-credentials/" + role, token))


def aws_call(service, region, credentials, headers, body, path="/"):
    """One signed POST (Signature Version 4); the reply's text."""
    default = "https://%s.%s.amazonaws.com%s" % (
        service,
        region,
        ".cn" if region[:3] == "cn-" else "",
    )
    endpoint = os.environ.get("AWS_ENDPOINT_URL_" + service.upper()) or os.environ.get(
        "AWS_ENDPOINT_URL"
    )
    url = urllib.parse.urlsplit(endpoint or default)
    now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    signed = dict(headers, host=url.netloc)
    signed["x-amz-date"] = now
    signed["x-amz-security-token"] = credentials["Token"]
    names = sorted(signed)
    canonical = "POST\n%s\n\n%s\n\n%s\n%s" % (
        path,
        "\n".join("%s:%s" % (n, signed[n]) for n in names),
        ";".join(names),
        hashlib.sha256(body).hexdigest(),
    )
    scope = "%s/%s/%s/aws4_request" % (now[:8], region, service)
    text = "AWS4-HMAC-SHA256\n%s\n%s\n%s" % (
        now,
        scope,
        hashlib.sha256(canonical.encode()).hexdigest(),
    )
    key = ("AWS4" + credentials["SecretAccessKey"]).encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    signed["Authorization"] = (
        "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s"
        % (
            credentials["AccessKeyId"],
            scope,
            ";".join(names),
            signature,
        )
    )
    request = urllib.request.Request(url.geturl().rstrip("/") + path, body, signed)
    return urllib.request.urlopen(request, timeout=5).read().decode("utf-8")
