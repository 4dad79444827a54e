"""The process of one sandbox: the first one of its own namespaces, or an ordinary one.

Started by `lifecycle`. It prints one line of JSON when everything is up, serves a control socket, and ends
on command or when the process at the other end of its pipe is gone.
"""

from __future__ import annotations

import gc
import http.client
import json
import os
import secrets
import shlex
import shutil
import signal
import socket
import socketserver
import struct
import subprocess
import sys
import threading
import time
import traceback
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from opskit.sandbox import fixture, initial_state, instance, loopback, processes, topology
from opskit.sandbox.faults import ALL
from opskit.sandbox.faults.interface import EVENTS, DatabaseEvents, FaultContext
from opskit.sandbox.network import allowed_hosts, dnsmasq, namespaces, packet_filter
from opskit.sandbox.postgres import Postgres, new_password
from opskit.sandbox.session_manager.gateway import Sessions
from opskit.sandbox.ssh.activation import Activation
from opskit.sandbox.ssh.keys import Keys
from opskit.sandbox.topology import CompletedCommand

if TYPE_CHECKING:
    from opskit.sandbox.aws.credentials import Credentials

UP_WITHIN_S = 240
"""So long the app may take to become healthy, on a machine that is busy with other work."""
HEALTH_TIMEOUT_S = 15
SHELL_LIMIT_S = 30
HEALTH_EVERY_S = 0.7
NOBODY = 65534
DIAL_LIMIT_S = 10
SHELL_LIMIT_S = 30
SSH_PORT = 22
OPERATOR_API = f"http://{topology.OPERATOR_GATEWAY}:{topology.API_PORT}"


class Sandbox:
    """A running sandbox, and the actions that inject and revert faults in it."""

    def __init__(self, directory: Path, latency_s: float, limit_s: float = UP_WITHIN_S) -> None:
        self.directory = directory
        self.root = directory / "instance"
        self.root.mkdir(mode=0o700)
        # A checkout below /srv would be hidden on the instance, and its programs with it.
        own = sys.prefix.startswith("/srv/") or str(Path(__file__)).startswith("/srv/")
        usable = Path("/srv").is_dir() and not own and not topology.IS_LOOPBACK
        self.project = Path(topology.PROJECT_DIRECTORY) if usable else self.root / "srv/linkbox"
        self.latency_s = latency_s
        self.limit_s = limit_s
        self.address = "127.0.0.1" if topology.IS_LOOPBACK else topology.RESOLVER_ADDRESS
        self.api_url = f"http://{self.address}:{topology.API_PORT}"
        # Every local user can reach that port, so the path is a secret of the instance's processes.
        self.metadata_url = (
            f"http://127.0.0.1:{loopback.free_port()}/{secrets.token_urlsafe(32)}"
            if topology.IS_LOOPBACK
            else ""
        )
        self.dns_port = loopback.free_port() if topology.IS_LOOPBACK else 53
        self.hosts: dict[str, namespaces.NamespaceHost] = {}
        self.broken: list[str] = []
        self.ids: fixture.ResourceIds | None = None
        self.health = 0
        self.health_checks = 0
        self.look = threading.Event()
        """Set to ask for the next health check at once."""
        self.complaint = "it did not answer"
        self.resolver: dnsmasq.Dnsmasq | None = None
        """The VPC's resolver; None where it is the sandbox's own."""
        self._rules_lock = threading.Lock()
        self.changing = threading.Lock()
        """Held while a fault is injected or reverted: they change the same things."""
        self.password = new_password()
        self.keys = Keys(directory / "ssh")
        self.credentials: Credentials

    def start(self) -> None:
        """Start everything, concurrently where possible."""
        (self.root / "srv").mkdir()
        report_stage("its machines")
        if not topology.IS_LOOPBACK:
            self.hosts = namespaces.build(self.directory, self.root, self.project)
        self.postgres = Postgres(
            self.directory / "pg",
            list if topology.IS_LOOPBACK else self.hosts["db"].command,
            topology.DATABASE_ADDRESS
            if topology.IS_LOOPBACK
            else f"{topology.DATABASE_ADDRESS},{topology.DATA_ADDRESS}",
            topology.DATABASE_PORT,
            NOBODY if topology.IS_LOOPBACK and os.geteuid() == 0 else None,
        )
        preparing = Background(self._prepare_database)
        report_stage("the emulated AWS")
        self._serve_aws()
        self._serve_ssh()
        report_stage("PostgreSQL")
        preparing.result()
        report_stage("LinkBox's resources")
        self.ids = fixture.seed(self.client, self.password)
        saving = Background(lambda: self.postgres.save(self.directory / initial_state.SAVED / "pg"))
        self.network_changed()
        saving.result()
        report_stage("a healthy app")
        self.start_app()
        self.save()

    def start_app(self) -> None:
        """Create the app's container and wait until it is healthy."""
        self.fault_context().recreate_app()
        threading.Thread(target=self._watch_health, daemon=True).start()
        limit = time.monotonic() + self.limit_s
        while self.health != 200:
            if time.monotonic() > limit:
                raise RuntimeError(f"the app did not become healthy: {self.complaint}")
            time.sleep(0.02)

    def save(self) -> None:
        """Make this the state that `reset` restores."""
        hosts = [host.pid for host in self.hosts.values()]
        self._initial = initial_state.InitialState(
            self.directory,
            self.hosts,
            self.postgres,
            self.emulated_aws,
            self._control_plane,
            self._services,
            # The machines' own processes, and the SSH servers.
            lambda: {*hosts, *(a.pid for a in self._ssh_servers if a.pid is not None)},
        )

    def reset(self) -> None:
        """Restore the state at the end of the start, and wait until the app is healthy."""
        self._machine.settle()
        self._initial.restore()
        self._ssh_servers[0].start()
        if self.resolver is not None:
            self.resolver.refresh()
        self.broken = []
        if not self._wait_healthy(self.limit_s):
            raise RuntimeError(f"the app did not become healthy: {self.complaint}")

    def _wait_healthy(self, within_s: float) -> bool:
        """Look until the app is healthy; a look that was under way says nothing of the present state."""
        before, limit = self.health_checks, time.monotonic() + within_s
        while self.health != 200 or self.health_checks < before + 2:
            if time.monotonic() > limit:
                return False
            self.look.set()
            time.sleep(0.02)
        return True

    def _restart_app(self) -> bool:
        """Start the app again as a deployment does; whether it became healthy."""
        process = self.run_on_instance(f"docker restart {topology.CONTAINER}", HEALTH_TIMEOUT_S)
        return process.exit_status == 0 and self._wait_healthy(HEALTH_TIMEOUT_S)

    def client(self, service: str) -> Any:
        """A client of the sandbox's own, created once."""
        if service not in self._clients:
            self._clients[service] = self._session.client(
                service,
                region_name=topology.REGION,
                endpoint_url=f"http://127.0.0.1:{topology.API_PORT}",
                aws_access_key_id=self.credentials.internal.key_id,
                aws_secret_access_key=self.credentials.internal.secret,
            )
        return self._clients[service]

    def run_on_instance(self, script: str, limit_s: float) -> CompletedCommand:
        """Run a script on the instance, as its agent would."""
        process = self._start_on_instance(["sh", "-s"], with_input=True)
        try:
            stdout, stderr = process.communicate(script.encode(), timeout=limit_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            stdout, stderr = process.communicate()
            return CompletedCommand(-1, stdout, stderr, timed_out=True)
        return CompletedCommand(process.returncode, stdout, stderr)

    def _start_on_instance(
        self, argv: Sequence[str], with_input: bool = False
    ) -> subprocess.Popen[bytes]:
        command = list(argv) if topology.IS_LOOPBACK else self.hosts["app"].command(argv)
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE if with_input else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=instance.environment(self.root, self.api_url, self.metadata_url),
            # The instance's own PATH does not have it.
            executable=shutil.which(command[0]) if topology.IS_LOOPBACK else self._nsenter,
            start_new_session=True,
        )

    def _start_in_task(self, argv: Sequence[str], terminal: int) -> subprocess.Popen[bytes]:
        """Start a process in the app's container: on a terminal, without the container engine."""
        command = list(argv) if topology.IS_LOOPBACK else self.hosts["app"].command(argv)
        environment = instance.environment(self.root, self.api_url, "")
        return subprocess.Popen(
            command,
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            env={**environment, **instance.of_task(self.root, self.metadata_url)},
            executable=shutil.which(command[0]) if topology.IS_LOOPBACK else self._nsenter,
            start_new_session=True,
        )

    def _dial_from_instance(self, host: str, port: int) -> socket.socket:
        """Connect as a program of the instance would, in its network and with its DNS."""
        from opskit.sandbox.aws.dns_records import resolve

        address = host
        if topology.IS_LOOPBACK and port == SSH_PORT:
            port = topology.SSH_PORT
        if not topology.IS_LOOPBACK and host == "localhost":
            address = "127.0.0.1"
            namespaces.join_network(self.hosts["app"])
        elif not topology.IS_LOOPBACK:
            records = resolve(host, inside=True)[1]
            address = next((data for _, kind, data in records if kind == "A"), "")
            if not address:
                raise OSError(f"lookup {host}: no such host")
            namespaces.join_network(self.hosts["app"])
        connection = socket.create_connection((address, port), DIAL_LIMIT_S)
        connection.settimeout(None)
        return connection

    def network_changed(self) -> None:
        """Update the packet rules to the API's current state."""
        if self.ids is None or topology.IS_LOOPBACK:
            return
        # Of two changes at once, the rules that were read last are loaded last.
        with self._rules_lock:
            namespaces.load_rules(packet_filter.compile_rules(self.client))
        if self.resolver is not None:
            self.resolver.refresh()

    def fault_context(self) -> FaultContext:
        """The context of a fault's actions."""
        assert self.ids is not None
        return FaultContext(
            client=self.client,
            sql=self.postgres.execute,
            set_password=self.postgres.set_password,
            shell=self.shell,
            ids=self.ids,
            project=str(self.project),
            events=DatabaseEvents(
                enter=self._control_plane.enter_status,
                age_certificate=self._control_plane.age_certificate,
                renew_certificate=self.postgres.renew_certificate,
                crash=self.postgres.stop,
                recover=self.postgres.start,
            ),
        )

    def shell(self, script: str) -> CompletedCommand:
        """Run a person's script on the instance.

        Raises:
            RuntimeError: the instance is not running.
        """
        if not self.agent.is_running(self._emulated_instance().id):
            raise RuntimeError("the instance is not running")
        return self.run_on_instance(script, SHELL_LIMIT_S)

    def _shut_down(self) -> None:
        """End everything that runs on the instance, as its system does before it stops."""
        self._sessions.end_target(self._emulated_instance().id)
        self._ssh_servers[0].stop()
        if topology.IS_LOOPBACK:
            file = str(self.root / "var/containers.json")
            processes.kill(processes.with_variable("LINKBOX_CONTAINERS", file))
            return
        host = self.hosts["app"]
        # A container can have a network of its own.
        others = [None, *(h for h in self.hosts.values() if h is not host)]
        kept = {namespaces.network_of(other) for other in others}
        processes.kill(processes.outside_networks(kept) - {host.pid})
        namespaces.load_rules("flush ruleset", host)

    def _boot(self) -> None:
        """Start what the instance's system starts by itself."""
        self._ssh_servers[0].start()
        program = (sys.executable, str(instance.SCRIPTS / "boot.py"))
        self.run_on_instance(shlex.join(program), SHELL_LIMIT_S)

    def inject(self, name: str) -> None:
        """Inject a fault."""
        if topology.IS_LOOPBACK and ALL[name].needs_packets:
            raise ValueError(f"without namespaces {name} cannot be imitated")
        ALL[name].inject(self.fault_context())
        self.broken.append(name)
        self.network_changed()

    def revert(self, name: str) -> None:
        """Revert a fault."""
        ALL[name].revert(self.fault_context())
        self.broken = [b for b in self.broken if b != name]
        self.network_changed()

    def _prepare_database(self) -> None:
        self.postgres.prepare()
        ports = {"LISTEN": "127.0.0.1", "DATABASE_PORT": str(topology.DATABASE_PORT)}
        extra = ports if topology.IS_LOOPBACK else {}
        instance.prepare(self.root, self.project, ca_pem=self.postgres.bundle, extra=extra)
        (self.directory / "rds-bundle.pem").write_bytes(self.postgres.bundle)
        self.postgres.start()
        self.postgres.create(topology.DATABASE_USER, self.password, topology.DATABASE_NAME)

    def _serve_aws(self) -> None:
        from opskit.sandbox.aws import service_models

        service_models.parse_once()
        import boto3
        from moto.moto_server.werkzeug_app import MotoRequestHandler
        from werkzeug.serving import make_server

        from opskit.sandbox.aws import (
            ec2,
            ecs,
            elbv2,
            iam,
            instance_state,
            metadata,
            organization,
            rds,
            session_key,
            ssm,
            wsgi_app,
        )
        from opskit.sandbox.aws.credentials import Credentials
        from opskit.sandbox.aws.dns_records import names_inside, resolve
        from opskit.sandbox.aws.rds_control_plane import ControlPlane
        from opskit.sandbox.network import dns_server

        self.credentials = Credentials()
        self._nsenter = shutil.which("nsenter") or "/usr/bin/nsenter"
        self._session, self._clients = boto3.Session(), dict[str, Any]()
        self._control_plane = ControlPlane(self.postgres)
        rds.install(self._control_plane, self.postgres)
        iam.install()
        ec2.install(lambda at: self.keys.console() if at == topology.INSTANCE_ADDRESS else "")
        self._machine = instance_state.Machine(self._shut_down, self._boot, self.network_changed)
        instance_state.install(self._machine)
        organization.install()
        elbv2.install(lambda: self.health)
        self.agent = ssm.AgentConnection(
            self.run_on_instance, self._emulated_instance, lambda: instance.agent(self.root)
        )
        gateway_host = "127.0.0.1" if topology.IS_LOOPBACK else topology.OPERATOR_GATEWAY
        tasks = ecs.Tasks(self._emulated_instance, self.agent.is_online, self._restart_app)
        sessions = self._sessions = tasks.sessions = Sessions(
            self._start_on_instance,
            self._dial_from_instance,
            lambda t: tasks.is_online(t) if t.startswith("ecs:") else self.agent.is_online(t),
            f"ws://{gateway_host}:{topology.GATEWAY_PORT}",
            version=lambda: instance.agent(self.root)[0],
            open_key=lambda sealed, context: session_key.decrypt(
                self._emulated_instance(), sealed, context
            ),
            credentials=self.credentials,
        )
        sessions.start_in_task = self._start_in_task
        sessions.serve("127.0.0.1" if topology.IS_LOOPBACK else "0.0.0.0", topology.GATEWAY_PORT)
        self.emulated_aws = wsgi_app.EmulatedAws(
            self.credentials,
            self.agent,
            sessions,
            tasks,
            self.keys.push,
            self.network_changed,
            self.latency_s,
        )
        service = metadata.MetadataService(
            self._emulated_instance, urlsplit(self.metadata_url).path
        )
        injector = self.emulated_aws.fault_injector
        self._services = (injector, self.agent, sessions, tasks, service)
        location = self._metadata_place()
        # Without namespaces, the metadata service's port serves a task's credentials.
        more = [] if topology.IS_LOOPBACK else [(topology.TASK_ADDRESS, 80)]
        served: list[tuple[tuple[str, int], list[str], allowed_hosts.Application]] = [
            (self._api_place(), self._api_addresses(), self.emulated_aws),
            *((bound, [bound[0]], service) for bound in (location, *more)),
        ]
        for (address, port), names_of, wsgi in served:
            allowed = [allowed_hosts.authority(name, port) for name in names_of]
            server = make_server(
                address,
                port,
                allowed_hosts.OnlyHosts(wsgi, allowed),
                threaded=True,
                request_handler=quiet(MotoRequestHandler),
            )
            threading.Thread(target=server.serve_forever, daemon=True).start()
        binary = None if topology.IS_LOOPBACK else dnsmasq.program()
        if binary is not None:
            place = (self.address, self.dns_port)
            self.resolver = dnsmasq.Dnsmasq(binary, place, self.directory, names_inside)
        else:
            dns_server.serve(self.address, self.dns_port, lambda name: resolve(name, inside=True))
        if not topology.IS_LOOPBACK:
            dns_server.serve(
                topology.OPERATOR_GATEWAY, 53, lambda name: resolve(name, inside=False)
            )

    def _serve_ssh(self) -> None:
        """Serve SSH on the instance, and on a bastion that connects only to it."""
        here = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
        on_instance = instance.environment(self.root, self.api_url, self.metadata_url)
        python_path = {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}
        ssh = f"{topology.INSTANCE_ADDRESS}:{SSH_PORT}"
        self.keys.make()
        on_app = Activation(
            "app",
            ("127.0.0.1" if topology.IS_LOOPBACK else "0.0.0.0", topology.SSH_PORT),
            self.directory / "ssh",
            join=lambda: (
                None if topology.IS_LOOPBACK else namespaces.join_network(self.hosts["app"])
            ),
            command=lambda a: list(a) if topology.IS_LOOPBACK else self.hosts["app"].command(a),
            environment={**on_instance, **python_path},
            elsewhere={},
        )
        bastion = Activation(
            "bastion",
            (topology.BASTION_ADDRESS, topology.BASTION_PORT),
            self.directory / "ssh",
            join=lambda: None,
            command=list,
            environment=here,
            elsewhere={ssh: ("127.0.0.1", topology.SSH_PORT)} if topology.IS_LOOPBACK else {},
        )
        self._ssh_servers = (on_app, bastion)
        for server in self._ssh_servers:
            server.start()

    def _metadata_place(self) -> tuple[str, int]:
        if topology.IS_LOOPBACK:
            return "127.0.0.1", urlsplit(self.metadata_url).port or 0
        return topology.METADATA_ADDRESS, 80

    @staticmethod
    def _api_place() -> tuple[str, int]:
        return "127.0.0.1" if topology.IS_LOOPBACK else "0.0.0.0", topology.API_PORT

    @staticmethod
    def _api_addresses() -> list[str]:
        """The addresses under which the API is announced: to the sandbox, the instance, the operator."""
        if topology.IS_LOOPBACK:
            return ["127.0.0.1"]
        return ["127.0.0.1", topology.RESOLVER_ADDRESS, topology.OPERATOR_GATEWAY]

    def _emulated_instance(self) -> Any:
        from moto.ec2.models import ec2_backends

        backend = ec2_backends[topology.ACCOUNT][topology.REGION]
        for reservation in backend.reservations.values():
            for candidate in reservation.instances:
                if candidate.private_ip == topology.INSTANCE_ADDRESS:
                    return candidate
        return None

    def _watch_health(self) -> None:
        """Check the app's health as the load balancer does, and from its address."""
        if not topology.IS_LOOPBACK:
            namespaces.join_network(self.hosts["alb"])
        address = "127.0.0.1" if topology.IS_LOOPBACK else topology.INSTANCE_ADDRESS
        url = f"http://{address}:{topology.APP_PORT}/health"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        while True:
            self.health, self.complaint = _ask(opener, url)
            self.health_checks += 1
            is_usual = self.health == 200 or self.broken
            self.look.wait(HEALTH_EVERY_S if is_usual else 0.05)
            self.look.clear()


class Background:
    """A function in a thread; its error is raised where the result is requested."""

    def __init__(self, function: Callable[[], None]) -> None:
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(function,), daemon=True)
        self._thread.start()

    def result(self) -> None:
        """Wait for the end, and raise the function's error."""
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self, function: Callable[[], None]) -> None:
        try:
            function()
        except BaseException as error:
            self._error = error


def quiet(handler: type) -> type:
    """A request handler that keeps connections open and logs nothing."""

    class Quiet(handler):  # type: ignore[misc]
        protocol_version = "HTTP/1.1"
        # Replies are small and many: with Nagle's algorithm each would wait for a delayed acknowledgement.
        disable_nagle_algorithm = True

        def log_request(self, *_: object) -> None:
            """Log nothing: requests hold parameter values."""

        def log(self, *_: object) -> None:
            """Log nothing."""

    return Quiet


def serve_control(sandbox: Sandbox, path: Path) -> None:
    """Accept commands, a line of JSON each, on a socket that only its owner can open."""

    class ControlHandler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            if user_of(self.connection) != os.geteuid():
                return
            try:
                answer = handle_command(sandbox, json.loads(self.rfile.readline()))
            except Exception as error:
                answer = {"error": f"{type(error).__name__}: {error}"[:500]}
            self.wfile.write(json.dumps(answer).encode() + b"\n")

    server = socketserver.ThreadingUnixStreamServer(str(path), ControlHandler)
    path.chmod(0o600)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def user_of(connection: socket.socket) -> int:
    """The user of the process at the other end of a Unix socket."""
    size = struct.calcsize("3i")
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    return int(struct.unpack("3i", credentials)[1])


def handle_command(sandbox: Sandbox, request: dict[str, Any]) -> dict[str, Any]:
    """Run one command of the control socket."""
    command = request["command"]
    if command == "inject":
        with sandbox.changing:
            for name in request["names"]:
                sandbox.inject(name)
    elif command == "revert":
        with sandbox.changing:
            # The last fault first: it may have been injected into what the one before had left.
            for name in request["names"] or list(reversed(sandbox.broken)):
                sandbox.revert(name)
    elif command == "reset":
        with sandbox.changing:
            sandbox.reset()
    elif command == "rights":
        sandbox.client("iam").put_user_policy(
            UserName="oncall", PolicyName="everything", PolicyDocument=request["names"][0]
        )
    elif command == "replace-injections":
        sandbox.emulated_aws.fault_injector.replace(request["rows"])
    elif command == "release":
        sandbox.emulated_aws.fault_injector.release(is_dropped="drop" in request["names"])
    elif command == "sql":
        sandbox.postgres.execute(request["names"][0])
    elif command == "set-password":
        sandbox.postgres.set_password(*request["names"])
    elif command in EVENTS:
        arguments = [
            datetime.fromisoformat(w) if command == "age-certificate" else w
            for w in request["names"]
        ]
        getattr(sandbox.fault_context().events, EVENTS[command])(*arguments)
    elif command == "shell":
        process = sandbox.shell(request["names"][0])
        return {
            "exit_status": process.exit_status,
            "stdout": process.stdout.decode("utf-8", "replace"),
            "stderr": process.stderr.decode("utf-8", "replace"),
        }
    elif command == "look":
        sandbox.look.set()
    elif command == "down":
        threading.Timer(0.05, lambda: os.kill(os.getpid(), signal.SIGTERM)).start()
    elif command not in ("status", "changes"):
        raise ValueError(f"there is no command {command!r}")
    changes = list(sandbox.emulated_aws.fault_injector.changes)
    if command == "changes":
        sandbox.emulated_aws.fault_injector.changes.clear()
    return {
        "changes": changes,
        "broken": sandbox.broken,
        "health": sandbox.health,
        "health_checks": sandbox.health_checks,
        "commands": sandbox.agent.running,
        "resolver": dnsmasq.REAL if sandbox.resolver is not None else dnsmasq.OWN,
        "held": len(sandbox.emulated_aws.fault_injector.paused),
    }


def report_stage(text: str) -> None:
    """Print what the start waits for now, for the process that started this one."""
    print(json.dumps({"stage": text}), flush=True)


def _ask(opener: urllib.request.OpenerDirector, url: str) -> tuple[int, str]:
    """The status of an answer, and the reason for a failure; 0 where there is no answer.

    An app that is stopped in the middle of its answer sends a part of one.
    """
    try:
        with opener.open(url, timeout=3) as reply:
            return reply.status, ""
    except urllib.error.HTTPError as error:
        try:
            return error.code, error.read().decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as cut:
            return error.code, str(cut)
    except (OSError, http.client.HTTPException) as error:
        return 0, str(error)


def main() -> None:
    """Start the sandbox, report it, and serve until the end."""
    # Files hold keys and passarguments, and the database's user may enter root's directory.
    os.umask(0o077)
    directory, latency_ms, mode = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    limit_s, kept = float(sys.argv[4]), sys.argv[5:]
    lifeline, note = (int(kept[0]), Path(kept[1])) if kept else (None, None)
    if mode == "loopback":
        topology.use_loopback(loopback.free_port)
        command = [sys.executable, "-m", "opskit.sandbox.loopback", str(directory)]
        # The watcher ends at the end of its standard input, which is the end of this process.
        watcher = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
        assert watcher.stdin is not None
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sandbox = Sandbox(directory, latency_ms / 1000, limit_s)
    try:
        sandbox.start()
        # A restore drops a whole account, which is full of cycles: the collector need not look at all of
        # moto then.
        gc.collect()
        gc.freeze()
        serve_control(sandbox, directory / "control")
    except BaseException as error:
        traceback.print_exc(file=sys.stderr)
        print(json.dumps({"error": f"{type(error).__name__}: {error}"[:500]}), flush=True)
        os._exit(1)
    pids = {name: host.pid for name, host in sandbox.hosts.items()}
    ids = {name: getattr(sandbox.ids, name) for name in fixture.ResourceIds.__slots__}
    answer = {
        "hosts": pids,
        "ids": ids,
        "project": str(sandbox.project),
        "api_url": sandbox.api_url if topology.IS_LOOPBACK else OPERATOR_API,
        "access_key": sandbox.credentials.operator.key_id,
        "secret_key": sandbox.credentials.operator.secret,
        "dns_server": f"127.0.0.1:{sandbox.dns_port}" if topology.IS_LOOPBACK else "",
    }
    print(json.dumps(answer), flush=True)
    if lifeline is None or note is None:
        threading.Event().wait()
    else:
        # Readable at its end only: the process that held the other end is gone.
        os.read(lifeline, 1)
        if not topology.IS_LOOPBACK:
            sandbox.postgres.stop()
            shutil.rmtree(directory, ignore_errors=True)
        note.unlink(missing_ok=True)
    os._exit(0)


if __name__ == "__main__":
    main()
