"""Rotations of a role and of alternating users, and the measured login outage."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from opskit.sandbox import topology
from tests.conftest import LIMIT_S, Operator
from tests.pace import scaled
from tests.rotation.scene import Scene
from tests.rotation.test_crashes import held

FIRST = "First-password-of-the-app-1"
ADMIN = "/administrators/linkbox"
PAIR = "/linkbox/db-credentials"
AS_PAIR = ("--parameter-username", PAIR, "--parameter-password", PAIR)
SQL = """
import sys, psycopg
host, user, password, text = sys.stdin.read().split("\\n", 3)
with psycopg.connect(host=host, port=sys.argv[1], user=user, password=password, dbname="linkbox",
                     sslmode="require", autocommit=True) as connection:
    cursor = connection.execute(text)
    print(cursor.fetchall() if cursor.description else "")
"""
CLIENT = """
import json, sys, threading, time, boto3, psycopg
from concurrent.futures import ThreadPoolExecutor
from botocore.config import Config
url, host, port, names = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4].split(",")
config = Config(max_pool_connections=8)
ssm = boto3.client("ssm", region_name="us-east-1", endpoint_url=url, config=config)
tries, failures, over = [0], [], threading.Event()

def once():
    started = time.monotonic()
    texts = [ssm.get_parameter(Name=n, WithDecryption=True)["Parameter"]["Value"] for n in names]
    pair = json.loads(texts[0]) if len(texts) == 1 else dict(zip(("username", "password"), texts))
    try:
        psycopg.connect(host=host, port=port, user=pair["username"], password=pair["password"],
                        dbname="linkbox", sslmode="require", connect_timeout=5).close()
    except psycopg.Error as error:
        failures.append((started, time.monotonic(), str(error).strip().split("FATAL: ")[-1]))
    tries[0] += 1

threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
with ThreadPoolExecutor(4) as pool:
    print("ready", flush=True)
    while not over.is_set():
        pool.submit(once)
        time.sleep(0.02)
print(json.dumps({"tries": tries[0], "failures": sorted(failures)}))
"""
"""An app that opens a new connection every 20 ms, and reads Parameter Store each time."""


@dataclass
class Watched:
    """The app's observations."""

    tries: int
    failures: list[tuple[float, float, str]]

    @property
    def seconds(self) -> float:
        """Lower bound of the outage: from the end of the first failed login to the start of the last."""
        if not self.failures:
            return 0.0
        return max(0.0, self.failures[-1][0] - min(ended for _, ended, _ in self.failures))


@dataclass
class Place:
    """A sandbox of its own, in which the app uses a role of its own."""

    scene: Scene

    def on_instance(self, program: str, *arguments: str) -> subprocess.Popen[str]:
        """Run a Python program in the instance's network."""
        running = self.scene.operator.running
        return subprocess.Popen(
            running.command(["python", "-c", program, *arguments], host="app"),
            env=running.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @property
    def database(self) -> tuple[str, str]:
        """Host and port, as the instance reaches them."""
        rows = json.loads(self.aws("rds", "describe-db-instances", "--output", "json"))
        found = next(r for r in rows["DBInstances"] if r["DBName"] == topology.DATABASE_NAME)
        return found["Endpoint"]["Address"], str(found["Endpoint"]["Port"])

    def sql(self, text: str, password: str, user: str = "linkbox") -> str:
        """Run SQL, as the master user unless another one is named."""
        host, port = self.database
        process = self.on_instance(SQL, port)
        out, error = process.communicate(f"{host}\n{user}\n{password}\n{text}", timeout=LIMIT_S)
        assert process.returncode == 0, error
        return out.strip()

    def aws(self, *words: str) -> str:
        """Run an `aws` command."""
        done = self.scene.operator.run("aws", *words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def value(self, name: str) -> str:
        """Return a parameter's value."""
        words = ("--with-decryption", "--query", "Parameter.Value", "--output", "text")
        return self.aws("ssm", "get-parameter", "--name", name, *words).strip()

    def put(self, name: str, value: str, kind: str) -> None:
        """Write a parameter."""
        self.aws(
            "ssm", "put-parameter", "--name", name, "--type", kind, "--overwrite", "--value", value
        )

    def shell(self, script: str) -> str:
        """Run a script on the instance."""
        done = self.scene.operator.run(
            "opskit", "run", "--prefix", "/linkbox", "--", "sh", "-c", script
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @contextmanager
    def watch(self, *names: str) -> Iterator[Watched]:
        """Run the 20 ms app meanwhile."""
        running = self.scene.operator.running
        url = (
            running.api_url
            if running.dns_server
            else f"http://{topology.RESOLVER_ADDRESS}:{topology.API_PORT}"
        )
        with self.on_instance(CLIENT, url, *self.database, ",".join(names)) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            saw = Watched(0, [])
            try:
                yield saw
            finally:
                out, error = process.communicate("", timeout=LIMIT_S)
                assert process.returncode == 0, error
                found = json.loads(out)
                saw.tries, saw.failures = found["tries"], found["failures"]


def give_own_role(operator: Operator) -> Place:
    """Reset the sandbox, and let the app use a role of its own."""
    operator.reset()
    found = Place(Scene(operator))
    master = found.value("/linkbox/db-password")
    found.put(ADMIN, json.dumps({"username": "linkbox", "password": master}), "SecureString")
    found.sql(f"create role linkbox_app login password '{FIRST}'", master)
    found.put("/linkbox/db-username", "linkbox_app", "String")
    found.put("/linkbox/db-password", FIRST, "SecureString")
    found.shell("docker restart linkbox-backend")
    operator.wait_until_healthy()
    return found


pytestmark = pytest.mark.xdist_group("strategies")


@pytest.fixture(scope="module")
def shared(shared_sandbox: Operator) -> Iterator[Place]:
    yield give_own_role(shared_sandbox)
    shared_sandbox.reset()


@pytest.fixture
def location(shared: Place) -> Iterator[Place]:
    """The app uses its own role, and no rotation is unfinished, before and after."""
    yield shared
    shared.scene.order("replace-injections")
    shared.scene.order("release", "drop")
    if shared.scene.is_open():
        shared.scene.rotate("--rollback")


@pytest.fixture
def fresh(shared: Place) -> Iterator[Place]:
    """A place for tests that leave the app with another user."""
    yield give_own_role(shared.scene.operator)
    give_own_role(shared.scene.operator)


def inside(location: Place) -> dict[str, object]:
    """Hold the journal read that a runner makes while it holds the lock in the database.

    It is the second read of its rotation, after the first observation's.
    """
    done = location.scene.operator.run(
        *("opskit", "rotate-password", "history", "--prefix", "/linkbox", "--output", "json")
    )
    newest = json.loads((done.stdout.splitlines() or ["{}"])[0])
    number = newest.get("number", 0) + 1
    path = f"/opskit/rotation/linkbox/db-password/{number}"
    kind = {"kind": "hold", "action": "GetParametersByPath", "name": path}
    return {**kind, "skip": 1, "times": 1, "after": True}


def end(output: str) -> dict[str, object]:
    """Return the last event of a run with `--output json`."""
    found: dict[str, object] = json.loads(output.splitlines()[-1])
    assert found["event"] == "end", output
    return found


def test_a_role_changes_its_own(location: Place) -> None:
    """The database's log, with every statement, including a failed one, holds only a verifier."""
    log = Path(location.scene.operator.running.directory) / "pg/postgres.log"
    secret = "A-role-Password-for-the-log-1"
    before = len(log.read_text())
    with location.watch("/linkbox/db-username", "/linkbox/db-password") as saw:
        run = location.scene.start(
            "--yes", "--output", "json", "--password-stdin", stdin=f"{secret}\n"
        )
        status = run.wait()
    assert status == 0, run.output
    outage = float(str(end(run.output)["window_s"]))
    print(
        f"role: {len(saw.failures)} of {saw.tries} logins failed within {saw.seconds:.3f} s; "
        f"reported {outage:.3f} s"
    )
    assert saw.tries > 50
    # A login that began before may fail a little after, and the other way round.
    assert saw.seconds <= outage + 0.1
    assert outage < scaled(2)
    assert location.scene.verdict() == []
    assert location.value("/linkbox/db-password") == secret
    message = log.read_text()[before:]
    assert 'alter role "linkbox_app" password' in message
    assert "SCRAM-SHA-256$" in message
    assert secret not in message


@pytest.mark.full
@pytest.mark.parametrize("paths", ["--resume", "--rollback"])
def test_killed_in_the_middle_of_the_transaction(location: Place, paths: str) -> None:
    """The lock is held, and the journal is being read."""
    location.scene.order("replace-injections", rows=(inside(location),))
    run = location.scene.start("--yes")
    assert location.scene.wait_held(run), run.output
    run.kill()
    location.scene.order("replace-injections")
    location.scene.order("release", "apply")
    status, output = location.scene.rotate(paths)
    assert status == 0, output
    assert location.scene.verdict() == []


@pytest.mark.full
def test_paused_in_the_middle_of_the_transaction(location: Place) -> None:
    """The server ends its session, and the next runner continues."""
    location.scene.order("replace-injections", rows=(inside(location),))
    run = location.scene.start("--yes")
    assert location.scene.wait_held(run), run.output
    run.signal(signal.SIGSTOP)
    location.scene.order("replace-injections")
    location.scene.order("release", "apply")
    status, output = location.scene.rotate("--rollback")
    assert status == 0, output
    run.go_on()
    assert run.wait() == 1, run.output
    assert location.scene.verdict() == []


@pytest.mark.full
def test_role_put_killed(location: Place) -> None:
    """Killed between database and parameter."""
    location.scene.order("replace-injections", rows=(held(1, "before"),))
    run = location.scene.start("--yes")
    assert location.scene.wait_held(run), run.output
    run.kill()
    location.scene.order("replace-injections")
    location.scene.order("release", "drop")
    assert location.scene.login()["error"], "this is the state in which new processes fail"
    status, output = location.scene.rotate("--resume")
    assert status == 0, output
    assert location.scene.verdict() == []


@pytest.mark.full
def test_two_parameters_have_a_window_that_is_reported(fresh: Place) -> None:
    status, output = fresh.scene.rotate("--strategy", "alternating")
    assert status == 3, output
    assert "--admin-parameter" in output, "somebody has to make the second role"
    options = ("--strategy", "alternating", "--admin-parameter", ADMIN, "--output", "json")
    with fresh.watch("/linkbox/db-username", "/linkbox/db-password") as saw:
        status, output = fresh.scene.rotate(*options)
    assert status == 0, output
    assert "create-combined-parameter" in output, "one parameter with both is offered"
    outage = float(str(end(output)["window_s"]))
    print(
        f"alternating, two parameters: {len(saw.failures)} of {saw.tries} failed; reported {outage:.3f} s"
    )
    assert 0 < outage < scaled(1)
    assert saw.seconds <= outage + 0.1
    assert fresh.value("/linkbox/db-username") == "linkbox_app_clone"
    assert fresh.scene.verdict() == []


@pytest.mark.full
@pytest.mark.parametrize("rotations", [1, 3])
def test_one_parameter_has_none(fresh: Place, rotations: int) -> None:
    """Two app instances are restarted one after the other, and no login ever fails; twice, so that
    both users have their turn, and once more back from the middle."""
    combine = (
        "opskit",
        "rotate-password",
        "create-combined-parameter",
        PAIR,
        "--prefix",
        "/linkbox",
        "--yes",
    )
    done = fresh.scene.operator.run(*combine)
    assert done.returncode == 0, done.stdout + done.stderr
    second = topology.APP_PORT + 1
    fresh.shell(
        f"cd {fresh.scene.operator.running.project} && echo CREDENTIALS_PARAMETER={PAIR} >>.env && "
        f"sed 's/^PORT=.*/PORT={second}/' .env >.env2 && "
        "sed -n '2,$p' compose.yaml | sed 's/linkbox-backend/linkbox-second/; s/env_file: .env/env_file: .env2/;"
        " s/container_name: linkbox-backend/container_name: linkbox-second/' >>compose.yaml && "
        "docker compose up -d --force-recreate"
    )
    fresh.scene.operator.wait_until_healthy()
    restart_targets = (
        "--restart", "container:linkbox-backend",
        "--restart", f"container:linkbox-second=http://127.0.0.1:{second}/health",
    )  # fmt: skip
    users = [json.loads(fresh.value(PAIR))["username"]]
    # The journal is new, and holds no password of the user whose turn it is.
    for options in (("--admin-parameter", ADMIN), (), ("killed",))[:rotations]:
        words: tuple[str, ...] = ("--strategy", "alternating", *AS_PAIR, *restart_targets)
        words += options if "killed" not in options else ()
        with fresh.watch(PAIR) as saw:
            if "killed" in options:
                fresh.scene.order("replace-injections", rows=(held(2, "before"),))
                run = fresh.scene.start("--yes", *words)
                assert fresh.scene.wait_held(run), run.output
                run.kill()
                fresh.scene.order("replace-injections")
                fresh.scene.order("release", "drop")
                words = ("--rollback", *AS_PAIR)
            status, output = fresh.scene.rotate(*words)
        assert status == 0, output
        assert saw.tries > 50
        assert saw.failures == [], f"{len(saw.failures)} of {saw.tries}"
        users.append(json.loads(fresh.value(PAIR))["username"])
        print(
            f"alternating, one parameter: 0 of {saw.tries} logins failed; {users[-2]} -> {users[-1]}"
        )
        fresh.scene.operator.wait_until_healthy()
        if users[-1].endswith("_clone"):
            pair = json.loads(fresh.value(PAIR))
            acts_as = fresh.sql("select current_user::text", pair["password"], pair["username"])
            assert acts_as == "[('linkbox_app',)]", "what the second makes belongs to the first"
    assert users[0] != users[1]
    assert rotations == 1 or users[0] == users[2] == users[3]
    found, status = fresh.scene.operator.diagnose(*AS_PAIR)
    assert status == 0, found["root_causes"]
