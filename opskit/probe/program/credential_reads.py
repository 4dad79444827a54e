"""The instance's AWS identity, and its own reads of the credential.

A part of the probe's program, so it keeps to Python 3.6 and the standard library. The source of the
credential chooses the calls (`opskit.credential_source.interface.InstanceRead`); the request carries them.
"""

import json
import re
import threading
import urllib.error

from opskit.probe.program.aws_calls import aws_call, role_credentials
from opskit.probe.program.jobs import run_all


def probe_aws(probe):
    """The AWS identity of the instance, and its reads of the credential."""
    reads = probe.request["reads"]
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
        for read in reads:
            message = "there are no credentials of a role"
            probe.emit("read", read["reference"], "", "NoCredentials", message)
        probe.reads_done.set()
        return
    jobs = [threading.Thread(target=probe_caller, args=(probe, credentials), daemon=True)]
    for read in reads:
        jobs.append(
            threading.Thread(target=probe_location, args=(probe, read, credentials), daemon=True)
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


def probe_location(probe, read, credentials):
    """Read one location with decryption, and report only the fingerprint of its text."""
    call, name = read["call"], read["reference"]
    headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": read["amz_target"]}
    body = json.dumps(dict(call["parameters"], **{read["reference_parameter"]: name})).encode()
    try:
        text = json.loads(
            aws_call(call["service"], probe.request["region"], credentials, headers, body)
        )
        for member in read["reply_path"]:
            text = text[member]
        if not isinstance(text, str):
            raise ValueError
    except urllib.error.HTTPError as error:
        try:
            answer = json.loads(error.read().decode("utf-8"))
        except ValueError:
            answer = {}
        code = str(answer.get("__type", error.code)).split("#")[-1]
        probe.emit(
            "read", name, "", code, str(answer.get("message", answer.get("Message", "")))[:400]
        )
    except (KeyError, TypeError, ValueError):
        probe.emit("read", name, "", "Malformed", "the reply holds no text")
    except Exception as error:
        message = "%s did not answer (%s)" % (call["service"], type(error).__name__)
        probe.emit("read", name, "", "Unreachable", message)
    else:
        flaw = keep_pieces(probe, text, read["members"])
        digest = probe.fingerprint(text)
        probe.emit("read", name, digest, flaw and "Malformed", flaw)


def keep_pieces(probe, text, members):
    """Keep the pieces of a text for the login, and its password out of the answers.

    Returns:
        The reason why a piece is missing; empty where none is.
    """
    missing = []
    for purpose, member in sorted(members.items()):
        value = text if member is None else member_of(text, member)
        if not isinstance(value, str):
            missing.append(member)
        else:
            probe.values[purpose] = value
            if purpose == "password":
                probe.secret(value)
    if "password" in members and "password" not in probe.values:
        probe.secret(text)
    return "it holds no JSON with the key %s" % " and ".join(missing) if missing else ""


def member_of(text, member):
    """A member of a JSON object; None where the text is none."""
    try:
        return json.loads(text)[member]
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
