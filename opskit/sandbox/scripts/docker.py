"""A stand-in for the `docker` command over real processes: what LinkBox's people type, and no more."""

import fcntl
import functools
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import uuid
from datetime import UTC, datetime

import bridge_network

STATE = os.environ["LINKBOX_CONTAINERS"]
ENTRYPOINT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "linkbox_entrypoint.py")
STOP_WITHIN_S = 3
NEVER = "0001-01-01T00:00:00Z"
OPTIONS = (
    *("--name", "--env-file", "--env", "-e", "--restart", "--network", "--net"),
    *("-p", "--publish"),
)
"""Options of `docker run` that take a value."""


def main(arguments):
    """Run one docker command and give its exit status."""
    if not arguments:
        return fail("docker: a command is needed")
    command, rest = arguments[0], arguments[1:]
    known = {
        "run": run,
        "ps": ps,
        "inspect": inspect,
        "restart": restart,
        "start": start,
        "stop": stop,
        "rm": remove,
        "logs": logs,
        "exec": execute,
        "compose": compose,
        # No command: the engine does it when it starts.
        "boot": boot,
        "version": lambda _, __: print("Docker version 27.3.1 (stand-in)") or 0,
    }
    if command not in known:
        return fail("docker: '%s' is not a docker command." % command)
    with open(STATE + ".lock", "w") as lock:
        if command != "exec":
            fcntl.flock(lock, fcntl.LOCK_EX)
        containers = load()
        try:
            status = known[command](containers, rest)
        except bridge_network.NotImitated as error:
            return fail(str(error), 125)
        if command != "exec":
            save(containers)
    return status


def load():
    try:
        with open(STATE) as f:
            return json.load(f)
    except FileNotFoundError:
        return {}


def save(containers):
    with open(STATE + ".new", "w") as f:
        json.dump(containers, f)
    os.replace(STATE + ".new", STATE)


def fail(message, status=1):
    print(message, file=sys.stderr)
    return status


def no_such(name):
    return fail("Error response from daemon: No such container: %s" % name)


def is_alive(container):
    """Whether its process runs; one that ended and was not collected yet does not."""
    try:
        with open("/proc/%d/stat" % container["Pid"]) as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (OSError, TypeError):
        return False


def described(container):
    alive = is_alive(container)
    return {
        "Id": container["Id"],
        "Name": "/" + container["Name"],
        "Created": container["Created"],
        "RestartCount": 0,
        "State": {
            "Status": "running" if alive else "exited",
            "Running": alive,
            "Pid": container["Pid"] if alive else 0,
            "StartedAt": container["StartedAt"],
            "FinishedAt": NEVER if alive else container.get("FinishedAt", NEVER),
            "ExitCode": 0 if alive else container.get("ExitCode", 137),
        },
        "Config": {
            "Image": container["Image"],
            "Env": container["Env"],
            "Labels": container["Labels"],
        },
        "HostConfig": {
            "NetworkMode": container["Network"],
            "RestartPolicy": {"Name": container["Restart"], "MaximumRetryCount": 0},
        },
        "NetworkSettings": network_settings(container) if alive else {"Ports": {}},
    }


def network_settings(container):
    """The ports that are published, and the address in a network of its own."""
    pairs = [pair.split(":") for pair in container["Ports"]]
    ports = {i + "/tcp": [{"HostIp": "0.0.0.0", "HostPort": o}] for o, i in pairs}  # noqa: S104
    return {
        "Ports": ports,
        "Networks": {container["Network"]: {"IPAddress": container["Address"]}},
    }


def find(containers, wanted):
    for container in containers.values():
        if wanted == container["Name"] or (len(wanted) > 3 and container["Id"].startswith(wanted)):
            return container
    return None


def ps(containers, rest):
    flags = "".join(argument[1:] for argument in rest if re.match("^-[a-z]+$", argument))
    shown = [container for container in containers.values() if "a" in flags or is_alive(container)]
    if "q" in flags:
        for container in shown:
            print(container["Id"][:12])
        return 0
    form = next((argument for argument in rest if "{{" in argument), "")
    if not form:
        print("%-14s%-24s%-12s%s" % ("CONTAINER ID", "IMAGE", "STATUS", "NAMES"))
    for container in shown:
        status = "Up" if is_alive(container) else "Exited"
        fields = {
            "ID": container["Id"][:12],
            "Names": container["Name"],
            "Image": container["Image"],
            "Status": status,
        }
        if form:
            print(re.sub(r"\{\{ *\.(\w+) *\}\}", lambda m: fields.get(m.group(1), ""), form))
        else:
            print(
                "%-14s%-24s%-12s%s" % (fields["ID"], container["Image"], status, container["Name"])
            )
    return 0


def inspect(containers, rest):
    form = ""
    arguments = list(rest)
    for flag in ("--format", "-f"):
        if flag in arguments:
            at = arguments.index(flag)
            form = arguments[at + 1]
            del arguments[at : at + 2]
    selected = []
    for argument in arguments:
        container = find(containers, argument)
        if container is None:
            print("[]")
            return fail("Error: No such object: %s" % argument)
        selected.append(described(container))
    if not form:
        print(json.dumps(selected, indent=4))
        return 0
    for container in selected:
        if "range .Config.Env" in form:
            print("\n".join(container["Config"]["Env"]) + "\n")
        else:
            print(
                re.sub(r"\{\{ *\.([\w.]+) *\}\}", lambda m: str(dig(container, m.group(1))), form)
            )
    return 0


def dig(value, path):
    for part in path.split("."):
        value = value[part]
    return str(value).lower() if isinstance(value, bool) else value


def run_process(container):
    environment = dict(pair.split("=", 1) for pair in container["Env"])
    environment["PATH"] = os.environ["PATH"]
    # Engines set it; without it libpq would look into the home of the user that is uid 0 outside.
    environment["HOME"] = os.path.dirname(STATE)
    for name in ("AWS_ENDPOINT_URL", "AWS_EC2_METADATA_SERVICE_ENDPOINT", "LINKBOX_CONTAINERS"):
        if name in os.environ:
            environment[name] = os.environ[name]
    argv, routed = [sys.executable, ENTRYPOINT, *container["Command"]], {}
    if bridge_network.is_routed(container):
        # The program starts when its network is connected, which needs the process.
        argv = ["sh", "-c", 'read -r _ && exec "$@" </dev/null', "sh", *argv]
        routed = {"stdin": subprocess.PIPE, "preexec_fn": bridge_network.leave}
    with open(container["Log"], "ab") as log:
        process = subprocess.Popen(
            argv,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
            close_fds=True,
            **{"stdin": subprocess.DEVNULL, **routed},
        )
    if routed:
        try:
            bridge_network.connect(container, process.pid)
            process.stdin.write(b"\n")
        finally:
            process.stdin.close()
    container["Pid"] = process.pid
    container["StoppedByHand"] = False
    container["StartedAt"] = now()
    return process


def now():
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def end_process(container):
    if bridge_network.is_routed(container):
        bridge_network.disconnect(container)
    if not is_alive(container):
        return
    os.kill(container["Pid"], signal.SIGTERM)
    limit = time.time() + STOP_WITHIN_S
    while is_alive(container) and time.time() < limit:
        time.sleep(0.02)
    if is_alive(container):
        os.kill(container["Pid"], signal.SIGKILL)
    container["ExitCode"], container["FinishedAt"] = 143, now()


def each(containers, names, action):
    status = 0
    for name in [n for n in names if not n.startswith("-")]:
        container = find(containers, name)
        if container is None:
            status = no_such(name)
        else:
            action(container)
            print(name)
    return status


def restart(containers, rest):
    def action(container):
        end_process(container)
        run_process(container)

    return each(containers, rest, action)


def start(containers, rest):
    return each(
        containers, rest, lambda container: None if is_alive(container) else run_process(container)
    )


def stop(containers, rest):
    def action(container):
        end_process(container)
        container["StoppedByHand"] = True

    return each(containers, rest, action)


def boot(containers, rest):
    """Start containers by their restart policy; `unless-stopped` leaves those that a person stopped."""
    for container in containers.values():
        policy = container["Restart"]
        if policy == "always" or (policy == "unless-stopped" and not container["StoppedByHand"]):
            run_process(container)
    return 0


def remove(containers, rest):
    def action(container):
        end_process(container)
        del containers[container["Name"]]

    return each(containers, rest, action)


def logs(containers, rest):
    names = [
        argument for argument in rest if not argument.startswith("-") and not argument.isdigit()
    ]
    container = find(containers, names[-1]) if names else None
    if container is None:
        return no_such(names[-1] if names else "")
    with open(container["Log"], errors="replace") as f:
        lines = f.read().splitlines()
    tail = next((int(w) for w in rest if w.isdigit()), len(lines))
    print("\n".join(lines[-tail:]))
    return 0


def execute(containers, rest):
    arguments = [argument for argument in rest if argument not in ("-i", "-t", "-it")]
    container = find(containers, arguments[0])
    if container is None:
        return no_such(arguments[0])
    if not is_alive(container):
        return fail("Error response from daemon: container %s is not running" % arguments[0])
    with open("/proc/%d/environ" % container["Pid"]) as f:
        environment = dict(pair.split("=", 1) for pair in f.read().split("\0") if "=" in pair)
    enter = None
    if bridge_network.is_routed(container):
        enter = functools.partial(bridge_network.enter, container["Pid"])
    return subprocess.call(arguments[1:], env=environment, preexec_fn=enter)


def compose(containers, rest):
    directory = os.getcwd()
    arguments = list(rest)
    for flag in ("--project-directory",):
        if flag in arguments:
            at = arguments.index(flag)
            directory = arguments[at + 1]
            del arguments[at : at + 2]
    if arguments[:1] != ["up"]:
        return fail("docker compose: only `up` is known here")
    services = read_services(directory)
    if services is None:
        return fail("no configuration file provided: not found", 14)
    wanted = [argument for argument in arguments[1:] if not argument.startswith("-")] or list(
        services
    )
    for name in wanted:
        if name not in services:
            return fail("no such service: %s" % name)
        create(containers, directory, name, services[name], "--force-recreate" in arguments)
    return 0


def read_services(directory):
    """Service -> settings of a compose file: two levels of `key: value`, which is all it has."""
    services, current = {}, None
    try:
        with open(os.path.join(directory, "compose.yaml")) as f:
            lines = f.read().splitlines()
    except FileNotFoundError:
        return None
    for line in lines:
        indent, text = len(line) - len(line.lstrip()), line.strip()
        if not text or text.startswith("#") or indent == 0:
            continue
        key, _, value = text.partition(":")
        if indent == 2:
            current = services.setdefault(key, {})
        else:
            current[key] = value.strip().strip('"')
    return services


def create(containers, directory, service, settings, force):
    name = settings.get("container_name", service)
    environment = read_environment(os.path.join(directory, settings.get("env_file", ".env")))
    old = containers.get(name)
    if old is not None and old["Env"] == environment and not force:
        if not is_alive(old):
            run_process(old)
        return
    container = new(
        name, settings.get("image", "scratch"), environment, settings.get("restart", "no")
    )
    ports = re.findall(r"\d+:\d+", settings.get("ports", ""))
    project = os.path.basename(directory.rstrip("/")) + "_default" if ports else "host"
    give_network(container, containers, settings.get("network_mode", project), ports)
    if old is not None:
        end_process(old)
    container["Labels"] = {
        "com.docker.compose.project.working_dir": directory,
        "com.docker.compose.service": service,
    }
    run_process(container)
    containers[name] = container
    print(" Container %s  Started" % name, file=sys.stderr)


def new(name, image, environment, restart):
    return {
        "Id": uuid.uuid4().hex + uuid.uuid4().hex,
        "Name": name,
        "Image": image,
        "Env": environment,
        "Command": [],
        "Restart": restart,
        "Created": now(),
        "Log": os.path.join(os.path.dirname(STATE), shlex.quote(name) + ".log"),
        "Labels": {},
        "Network": "host",
        "Ports": [],
        "Address": "",
    }


def give_network(container, containers, mode, ports):
    """Choose the network: the instance's own, unless another one is asked for or a port is published."""
    if mode == "host":
        return
    bridge_network.check(mode)
    container["Network"], container["Ports"] = mode, ports
    container["Address"] = bridge_network.free_address(containers.values())


def run(containers, rest):
    """Run an image: `[-d] --name NAME [--env-file FILE] [-e NAME=VALUE] [--restart POLICY] IMAGE [WORD...]`,
    with `[--network MODE] [-p PORT:PORT]`.
    """
    given, environment, ports, arguments = {}, [], [], list(rest)
    while arguments and arguments[0].startswith("-"):
        option = arguments.pop(0)
        value = arguments.pop(0) if option in OPTIONS else ""
        if option == "--env-file":
            environment += read_environment(value)
        elif option in ("-e", "--env"):
            environment.append(value)
        elif option in ("-p", "--publish"):
            ports.append(value)
        else:
            given[option] = value
    name = given.get("--name") or "unnamed-" + uuid.uuid4().hex[:6]
    if name in containers or not arguments:
        return fail(
            "docker: Error response from daemon: no image, or a conflict on the name %s." % name
        )
    container = new(name, arguments[0], environment, given.get("--restart", "no"))
    container["Command"] = arguments[1:]
    network = given.get("--network") or given.get("--net") or ("bridge" if ports else "host")
    give_network(container, containers, network, ports)
    containers[name] = container
    process = run_process(container)
    if "-d" in given:
        print(container["Id"])
        return 0
    container["ExitCode"], container["FinishedAt"] = process.wait(), now()
    return container["ExitCode"]


def read_environment(path):
    with open(path) as f:
        lines = [line.strip() for line in f]
    return [line for line in lines if "=" in line and not line.startswith("#")]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
