"""Records the healthy app and every fault: `python -m tests.recorded`. With names of faults, only those,
in the words of the files that exist.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from opskit.sandbox import lifecycle
from opskit.sandbox.faults import FAULTS
from tests.conftest import Operator
from tests.recorded import HEALTHY, difference, path_of, renamed, renaming

PASSWORD = ("ssm", "get-parameter", "--name", "/linkbox/db-password", "--with-decryption")


def main(names: list[str]) -> None:
    """Record all from one sandbox, so that all files speak of the same resources."""
    with lifecycle.temporary(0) as running:
        operator = Operator(running)
        operator.wait_until_healthy()
        healthy, words = read(operator), dict[str, str]()
        if names:
            words = renaming(healthy, json.loads(path_of(HEALTHY).read_text()))
        else:
            write(HEALTHY, healthy)
        for name in sorted(names or FAULTS):
            record(operator, name, healthy, words)


def record(operator: Operator, name: str, healthy: dict[str, Any], words: dict[str, str]) -> None:
    """Inject a fault, write the facts that differ, and reset the sandbox."""
    lifecycle.send_command(operator.running, "inject", [name])
    time.sleep(FAULTS[name].shows_after_s)
    document = difference(healthy, read(operator))
    operator.reset()
    write(name, json.loads(renamed(json.dumps(document), words)))
    print(f"{name}: {', '.join(document['facts'])}", flush=True)


def read(operator: Operator) -> dict[str, Any]:
    """The snapshot of this moment, without the password in force."""
    process = operator.run(sys.executable, "-m", "tests.recorded.read", is_warm=False)
    assert process.returncode == 0, process.stderr
    query = ("--query", "Parameter.Value", "--output", "text")
    password = operator.run("aws", *PASSWORD, *query).stdout.strip()
    assert not password or password not in process.stdout
    # The home of the instance's user is a temporary directory of this machine.
    home = f"{operator.running.directory}/instance/var"
    document: dict[str, Any] = json.loads(process.stdout.replace(home, "/root"))
    return document


def write(name: str, document: dict[str, Any]) -> None:
    """Write a file, with one fact a line."""
    head = json.dumps({k: v for k, v in document.items() if k != "facts"})[1:-1]
    lines = ",\n".join(
        f"{json.dumps(kind)}: {json.dumps(fact)}" for kind, fact in document["facts"].items()
    )
    path_of(name).write_text(f'{{{head + ", " if head else ""}"facts": {{\n{lines}\n}}}}\n')


if __name__ == "__main__":
    main(sys.argv[1:])
