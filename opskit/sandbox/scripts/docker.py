"""A stand-in for the `docker` command over real processes: what LinkBox's people type, and no more."""

import fcntl
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

STATE = os.environ["LINKBOX_CONTAINERS"]
ENTRYPOINT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "linkbox_entrypoint.py")
STOP_WITHIN_S = 3
NEVER = "0001-01-01T00:00:00Z"
OPTIONS = ("--name", "--env-file", "--env", "-e", "--restart", "--network", "--net")
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
        "version": lambda _, __: print("Docker version 27.3.1 (stand-in)") or 0,
    }
    if command not in known:
        return fail("docker: '%s' is not a docker command." % command)
    with open(STATE + ".lock", "w") as lock:
        if command != "exec":
            fcntl.flock(lock, fcntl.LOCK_EX)
        containers = load()
        status = known[command](containers, rest)
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


def is_alive(one):
    """Whether its process runs; one that ended and was not collected yet does not."""
    try:
        with open("/proc/%d/stat" % one["Pid"]) as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (OSError, TypeError):
        return False


def described(one):
    alive = is_alive(one)
    return {
        "Id": one["Id"],
        "Name": "/" + one["Name"],
        "Created": one["Created"],
        "RestartCount": 0,
        "State": {
            "Status": "running" if alive else "exited",
            "Running": alive,
            "Pid": one["Pid"] if alive else 0,
            "StartedAt": one["StartedAt"],
            "FinishedAt": NEVER if alive else one.get("FinishedAt", NEVER),
            "ExitCode": 0 if alive else one.get("ExitCode", 137),
        },
        "Config": {"Image": one["Image"], "Env": one["Env"], "Labels": one["Labels"]},
        "HostConfig": {
            "NetworkMode": "host",
            "RestartPolicy": {"Name": one["Restart"], "MaximumRetryCount": 0},
        },
        "NetworkSettings": {"Ports": {}},
    }


def find(containers, word):
    for one in containers.values():
        if word == one["Name"] or (len(word) > 3 and one["Id"].startswith(word)):
            return one
    return None


def ps(containers, rest):
    flags = "".join(word[1:] for word in rest if re.match("^-[a-z]+$", word))
    shown = [one for one in containers.values() if "a" in flags or is_alive(one)]
    if "q" in flags:
        for one in shown:
            print(one["Id"][:12])
        return 0
    form = next((word for word in rest if "{{" in word), "")
    if not form:
        print("%-14s%-24s%-12s%s" % ("CONTAINER ID", "IMAGE", "STATUS", "NAMES"))
    for one in shown:
        status = "Up" if is_alive(one) else "Exited"
        fields = {
            "ID": one["Id"][:12],
            "Names": one["Name"],
            "Image": one["Image"],
            "Status": status,
        }
        if form:
            print(re.sub(r"\{\{ *\.(\w+) *\}\}", lambda m: fields.get(m.group(1), ""), form))
        else:
            print("%-14s%-24s%-12s%s" % (fields["ID"], one["Image"], status, one["Name"]))
    return 0


def inspect(containers, rest):
    form = ""
    words = list(rest)
    for flag in ("--format", "-f"):
        if flag in words:
            at = words.index(flag)
            form = words[at + 1]
            del words[at : at + 2]
    found = []
    for word in words:
        one = find(containers, word)
        if one is None:
            print("[]")
            return fail("Error: No such object: %s" % word)
        found.append(described(one))
    if not form:
        print(json.dumps(found, indent=4))
        return 0
    for one in found:
        if "range .Config.Env" in form:
            print("\n".join(one["Config"]["Env"]) + "\n")
        else:
            print(re.sub(r"\{\{ *\.([\w.]+) *\}\}", lambda m: str(dig(one, m.group(1))), form))
    return 0


def dig(value, path):
    for part in path.split("."):
        value = value[part]
    return str(value).lower() if isinstance(value, bool) else value


def run_process(one):
    environment = dict(pair.split("=", 1) for pair in one["Env"])
    environment["PATH"] = os.environ["PATH"]
    # Engines set it; without it libpq would look into the home of whoever uid 0 is outside.
    environment["HOME"] = os.path.dirname(STATE)
    for name in ("AWS_ENDPOINT_URL", "AWS_EC2_METADATA_SERVICE_ENDPOINT", "LINKBOX_CONTAINERS"):
        if name in os.environ:
            environment[name] = os.environ[name]
    with open(one["Log"], "ab") as log:
        process = subprocess.Popen(
            [sys.executable, ENTRYPOINT] + one["Command"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            close_fds=True,
        )
    one["Pid"] = process.pid
    one["StartedAt"] = now()
    return process


def now():
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def end_process(one):
    if not is_alive(one):
        return
    os.kill(one["Pid"], signal.SIGTERM)
    limit = time.time() + STOP_WITHIN_S
    while is_alive(one) and time.time() < limit:
        time.sleep(0.02)
    if is_alive(one):
        os.kill(one["Pid"], signal.SIGKILL)
    one["ExitCode"], one["FinishedAt"] = 143, now()


def each(containers, names, action):
    status = 0
    for name in [n for n in names if not n.startswith("-")]:
        one = find(containers, name)
        if one is None:
            status = no_such(name)
        else:
            action(one)
            print(name)
    return status


def restart(containers, rest):
    def action(one):
        end_process(one)
        run_process(one)

    return each(containers, rest, action)


def start(containers, rest):
    return each(containers, rest, lambda one: None if is_alive(one) else run_process(one))


def stop(containers, rest):
    return each(containers, rest, end_process)


def remove(containers, rest):
    def action(one):
        end_process(one)
        del containers[one["Name"]]

    return each(containers, rest, action)


def logs(containers, rest):
    names = [word for word in rest if not word.startswith("-") and not word.isdigit()]
    one = find(containers, names[-1]) if names else None
    if one is None:
        return no_such(names[-1] if names else "")
    with open(one["Log"], errors="replace") as f:
        lines = f.read().splitlines()
    tail = next((int(w) for w in rest if w.isdigit()), len(lines))
    print("\n".join(lines[-tail:]))
    return 0


def execute(containers, rest):
    words = [word for word in rest if word not in ("-i", "-t", "-it")]
    one = find(containers, words[0])
    if one is None:
        return no_such(words[0])
    if not is_alive(one):
        return fail("Error response from daemon: container %s is not running" % words[0])
    with open("/proc/%d/environ" % one["Pid"]) as f:
        environment = dict(pair.split("=", 1) for pair in f.read().split("\0") if "=" in pair)
    return subprocess.call(words[1:], env=environment)


def compose(containers, rest):
    directory = os.getcwd()
    words = list(rest)
    for flag in ("--project-directory",):
        if flag in words:
            at = words.index(flag)
            directory = words[at + 1]
            del words[at : at + 2]
    if words[:1] != ["up"]:
        return fail("docker compose: only `up` is known here")
    services = read_services(directory)
    if services is None:
        return fail("no configuration file provided: not found", 14)
    wanted = [word for word in words[1:] if not word.startswith("-")] or list(services)
    for name in wanted:
        if name not in services:
            return fail("no such service: %s" % name)
        create(containers, directory, name, services[name], "--force-recreate" in words)
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
    if old is not None:
        end_process(old)
    one = new(name, settings.get("image", "scratch"), environment, settings.get("restart", "no"))
    one["Labels"] = {
        "com.docker.compose.project.working_dir": directory,
        "com.docker.compose.service": service,
    }
    run_process(one)
    containers[name] = one
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
    }


def run(containers, rest):
    """`docker run [-d] --name NAME [--env-file FILE] [-e NAME=VALUE] [--restart POLICY] IMAGE [WORD...]`."""
    given, environment, words = {}, [], list(rest)
    while words and words[0].startswith("-"):
        option = words.pop(0)
        value = words.pop(0) if option in OPTIONS else ""
        if option == "--env-file":
            environment += read_environment(value)
        elif option in ("-e", "--env"):
            environment.append(value)
        else:
            given[option] = value
    name = given.get("--name") or "unnamed-" + uuid.uuid4().hex[:6]
    if name in containers or not words:
        return fail(
            "docker: Error response from daemon: no image, or a conflict on the name %s." % name
        )
    one = new(name, words[0], environment, given.get("--restart", "no"))
    one["Command"] = words[1:]
    containers[name] = one
    process = run_process(one)
    if "-d" in given:
        print(one["Id"])
        return 0
    one["ExitCode"], one["FinishedAt"] = process.wait(), now()
    return one["ExitCode"]


def read_environment(path):
    with open(path) as f:
        lines = [line.strip() for line in f]
    return [line for line in lines if "=" in line and not line.startswith("#")]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
