"""The probe in Python: asks all questions at once and prints one line per answer.

The last part of the program that is sent, so it keeps to Python 3.6 and the standard library. It reads and
changes nothing.
"""

import json
import os

from opskit.probe.program.containers import probe_containers
from opskit.probe.program.credential_reads import probe_aws
from opskit.probe.program.exchanges import probe_exchanges
from opskit.probe.program.health import probe_health
from opskit.probe.program.jobs import isolated, run_all
from opskit.probe.program.listening_container import emit_serving
from opskit.probe.program.logins import probe_container_logins, probe_parameter_login
from opskit.probe.program.machine import probe_machine
from opskit.probe.program.network import probe_name, probe_tcp
from opskit.probe.program.probe import Probe

LIMIT_S = 12


def containers_then_logins(probe):
    """The containers first: their settings determine how their apps log in."""
    described = probe_containers(probe)
    serving = isolated(probe, "serving", emit_serving, described)
    serving.start()
    probe_container_logins(probe)
    serving.join()


def main(text):
    """Ask everything at once."""
    request = json.loads(text)
    probe = Probe(request)
    probe.emit("opskit-probe", 1, "python")
    jobs = [isolated(probe, "machine", probe_machine), isolated(probe, "aws", probe_aws)]
    jobs += [isolated(probe, "name " + n, probe_name, n) for n in request["hostnames"]]
    jobs += [
        isolated(probe, "tcp %s:%s" % (h, p), probe_tcp, h, p) for h, p in request["tcp_targets"]
    ]
    jobs += [
        isolated(probe, "exchanges", probe_exchanges, request["exchanges"]),
        isolated(probe, "containers", containers_then_logins),
        isolated(probe, "login parameters", probe_parameter_login),
    ]
    if request["health_url"]:
        jobs.append(isolated(probe, "health", probe_health, request["health_url"]))
    if not run_all(jobs, LIMIT_S):
        probe.emit(
            "unavailable", "everything", "the probe's own limit of %d s was reached" % LIMIT_S
        )
    probe.print_all()


def run(text):
    """Ask everything, and end this process without waiting for threads that hang."""
    main(text)
    os._exit(0)
