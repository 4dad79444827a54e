"""Commands of the control socket that change a sandbox, and the environment that it gives to the operator."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from opskit.sandbox.daemon import handle_command
from opskit.sandbox.lifecycle import RunningSandbox


class SlowSandbox:
    """A sandbox that takes a moment for every change, and counts those that overlap."""

    def __init__(self) -> None:
        self.changing = threading.Lock()
        self.broken: list[str] = []
        self.order: list[str] = []
        self.health, self.health_checks, self.resolver = 200, 1, None
        self.agent = SimpleNamespace(running=0)
        self.emulated_aws = SimpleNamespace(fault_injector=SimpleNamespace(changes=[], paused=[]))
        self.overlaps, self._busy = 0, False

    def inject(self, name: str) -> None:
        self._change(f"inject {name}")
        self.broken.append(name)

    def revert(self, name: str) -> None:
        self._change(f"revert {name}")
        self.broken.remove(name)

    def reset(self) -> None:
        self._change("reset")
        self.broken.clear()

    def _change(self, what: str) -> None:
        self.overlaps += self._busy
        self._busy = True
        time.sleep(0.01)
        self.order.append(what)
        self._busy = False


def send(sandbox: Any, command: str, *names: str) -> dict[str, Any]:
    return handle_command(sandbox, {"command": command, "names": list(names)})


def test_changes_do_not_overlap() -> None:
    sandbox = SlowSandbox()
    threads = [
        threading.Thread(target=send, args=(sandbox, "inject", f"fault-{n}")) for n in range(5)
    ]
    threads += [threading.Thread(target=send, args=(sandbox, "revert"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sandbox.overlaps == 0
    assert len(sandbox.order) >= 5


def test_the_last_fault_is_reverted_first() -> None:
    sandbox = SlowSandbox()
    send(sandbox, "inject", "first", "second")
    assert send(sandbox, "revert")["broken"] == []
    assert sandbox.order[2:] == ["revert second", "revert first"]


def test_a_reset_reaches_the_sandbox() -> None:
    sandbox = SlowSandbox()
    send(sandbox, "inject", "first")
    assert send(sandbox, "reset")["broken"] == []
    assert sandbox.order == ["inject first", "reset"]


def test_a_command_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ValueError, match="restart"):
        send(SlowSandbox(), "restart")


def test_the_operator_has_no_setting_that_hides_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.com:3128")
    running = RunningSandbox("n", "/d", 1, 1, {}, {}, "/srv", "http://h", "", "AKIA", "s")
    assert not [name for name in running.environment() if name.lower().endswith("_proxy")]
