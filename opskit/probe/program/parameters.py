"""The instance's AWS identity, and its own reads of the parameters.

A part of the probe's program, so it keeps to Python 3.6 and the standard library.
"""

import json
import re
import threading
import urllib.error

from opskit.probe.program.aws_calls import aws_call, role_credentials
from opskit.probe.program.jobs import run_all


def probe_aws(probe):
    """The AWS identity of the instance, and its reads of the parameters."""
    try:
        credentials = role_credentials()
        credentials["Token"]
    except Exception as error:
        code = getattr(error, "code", "")
        probe.emit(
            "caller",
            "",
            "no credentials from the instance metadata (%s)" % (code or type(error).__name__),
        )
        for name in probe.request["parameters"].values():
            probe.emit("read", name, "", "NoCredentials", "there are no credentials of a role")
        probe.reads_done.set()
        return
    jobs = [threading.Thread(target=probe_caller, args=(probe, credentials), daemon=True)]
    for purpose, name in sorted(probe.request["parameters"].items()):
        jobs.append(
            threading.Thread(
                target=probe_parameter, args=(probe, purpose, name, credentials), daemon=True
            )
        )
    run_all(jobs, 7)
    probe.reads_done.set()


def probe_caller(probe, credentials):
    """The identity behind the credentials."""
    headers = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
    body = b"Action=GetCallerIdentity&Version=2011-06-15"
    try:
        reply = aws_call("sts", probe.request["region"], credentials, headers, body)
        probe.emit("caller", re.search("<Arn>(.*?)</Arn>", reply).group(1), "")
    except Exception as error:
        probe.emit("caller", "", "sts:GetCallerIdentity failed (%s)" % type(error).__name__)


def probe_parameter(probe, purpose, name, credentials):
    """Read one parameter with decryption, and report only its fingerprint."""
    headers = {
        "content-type": "application/x-amz-json-1.1",
        "x-amz-target": "AmazonSSM.GetParameter",
    }
    body = json.dumps({"Name": name, "WithDecryption": True}).encode()
    try:
        value = json.loads(aws_call("ssm", probe.request["region"], credentials, headers, body))[
            "Parameter"
        ]["Value"]
        if list(probe.request["parameters"].values()).count(name) > 1:
            value = json.loads(value)[purpose]
    except urllib.error.HTTPError as error:
        try:
            answer = json.loads(error.read().decode("utf-8"))
        except ValueError:
            answer = {}
        code = str(answer.get("__type", error.code)).split("#")[-1]
        probe.emit(
            "read", name, "", code, str(answer.get("message", answer.get("Message", "")))[:400]
        )
    except (KeyError, ValueError):
        probe.emit("read", name, "", "Malformed", "it holds no JSON with the key %s" % purpose)
    except Exception as error:
        probe.emit(
            "read", name, "", "Unreachable", "ssm did not answer (%s)" % type(error).__name__
        )
    else:
        if purpose != "password":
            probe.values[purpose] = value
            digest = probe.fingerprint(value)
            probe.emit("read", name, digest, "", "")
        else:
            probe.values[purpose] = value
            probe.emit("read", name, probe.secret(value), "", "")
