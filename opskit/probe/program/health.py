"""The app's answer to its health URL.

A part of the probe's program, so it keeps to Python 3.6 and the standard library.
"""

import ipaddress
import os
import socket
import time
import urllib.error
import urllib.parse
import urllib.request

from opskit.probe.program.jobs import ms_since
from opskit.probe.program.network import Forbidden

HEALTH_S = 5


class OnlyHttp(urllib.request.HTTPRedirectHandler):
    """Follows redirects of HTTP only, and not to the instance metadata service."""

    def http_error_302(self, req, fp, code, msg, headers):
        refuse_other_urls(urllib.parse.urljoin(req.full_url, headers.get("location") or ""))
        return super().http_error_302(req, fp, code, msg, headers)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def refuse_other_urls(url):
    """Files and other schemes are no health URLs, and neither is a link-local address."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Forbidden("not asked: no URL of http or https")
    try:
        address = ipaddress.ip_address(socket.gethostbyname(parts.hostname))
    except OSError:
        return
    if address.is_link_local:
        raise Forbidden("not asked: %s is a link-local address" % address)


def health_opener():
    """Opens URLs of HTTP and HTTPS only, past every proxy."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        OnlyHttp(),
    ):
        opener.add_handler(handler)
    return opener


def probe_health(probe, url):
    """The app's health answer."""
    started = time.time()
    try:
        refuse_other_urls(url)
        reply = health_opener().open(url, timeout=HEALTH_S)
        status, body = reply.getcode(), reply.read(2000)
    except urllib.error.HTTPError as error:
        status, body = error.code, error.read(2000)
    except Forbidden as why:
        probe.emit("health", url, "", ms_since(started), why)
        return
    except Exception as error:
        reason = getattr(error, "reason", error)
        number = getattr(reason, "errno", None)
        probe.emit(
            "health",
            url,
            "",
            ms_since(started),
            os.strerror(number) if number else type(reason).__name__,
        )
        return
    probe.emit("health", url, status, ms_since(started), body.decode("utf-8", "replace"))
