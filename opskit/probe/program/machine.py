"""Facts of the machine: its tools, its clock, its resolvers and other credentials of AWS.

A part of the probe's program, so it keeps to Python 3.6 and the standard library.
"""

import os
import shutil
import time


def probe_machine(probe):
    """Report this machine's tools and clock."""
    for tool in probe.request["tools"]:
        if shutil.which(tool):
            probe.emit("tool", tool)
    probe.emit("clock", int(time.time()))
    with open("/proc/sys/net/ipv4/ip_local_port_range") as f:
        probe.emit("ports", *f.read().split())
    with open("/etc/resolv.conf") as f:
        for line in f:
            if line.startswith("nameserver"):
                probe.emit("resolver", line.split()[1])
    for name in probe.request["credential_variables"]:
        if os.environ.get(name):
            probe.emit("other-credentials", "variable " + name)
    if os.path.exists(os.path.expanduser("~/.aws/credentials")):
        probe.emit("other-credentials", os.path.expanduser("~/.aws/credentials"))
