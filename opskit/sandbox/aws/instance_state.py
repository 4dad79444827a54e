"""Starting, stopping, rebooting and terminating instances: the app's machine follows.

Source: Amazon EC2 User Guide, instance state changes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from opskit.sandbox import topology

CHANGES_STATE_S = 0.3
CODES = {
    "pending": 0,
    "running": 16,
    "shutting-down": 32,
    "terminated": 48,
    "stopping": 64,
    "stopped": 80,
}


class Machine:
    """The machine of the app instance.

    Args:
        shut_down: ends everything that runs on it.
        boot: starts what its system starts by itself.
        changed: called when the state is another one.
    """

    def __init__(
        self, shut_down: Callable[[], None], boot: Callable[[], None], changed: Callable[[], None]
    ) -> None:
        self._shut_down, self._boot, self._changed = shut_down, boot, changed
        self._lock = threading.Lock()
        self._pending: list[threading.Thread] = []

    def change(self, instance: Any, meanwhile: str, then: str) -> None:
        """Show a state at once, and another one when the machine has followed."""
        set_state(instance, meanwhile)
        thread = threading.Thread(
            target=self._follow, args=(instance, meanwhile, then), daemon=True
        )
        self._pending = [*(t for t in self._pending if t.is_alive()), thread]
        thread.start()

    def reboot(self, instance: Any) -> None:
        """Shut down and boot; the state stays `running`."""
        self.change(instance, "running", "running")

    def settle(self) -> None:
        """Wait until every accepted change has been made."""
        for thread in self._pending:
            thread.join()

    def _follow(self, instance: Any, meanwhile: str, then: str) -> None:
        with self._lock:
            self._changed()
            time.sleep(CHANGES_STATE_S)
            if meanwhile != "pending":
                self._shut_down()
            set_state(instance, then)
            if then == "running":
                self._boot()
            self._changed()


def set_state(instance: Any, name: str) -> None:
    """Give an instance a state, with its code."""
    instance._state.name, instance._state.code = name, CODES[name]


def is_ours(instance: Any) -> bool:
    """Whether an emulated instance is the one with a machine."""
    return bool(instance.private_ip == topology.INSTANCE_ADDRESS)


def install(machine: Machine) -> None:
    """Let the machine follow moto's calls."""
    from moto.ec2.exceptions import EC2ClientError
    from moto.ec2.models import EC2Backend

    plain_start, plain_stop = EC2Backend.start_instances, EC2Backend.stop_instances
    plain_reboot, plain_terminate = EC2Backend.reboot_instances, EC2Backend.terminate_instances

    def start_instances(self: Any, instance_ids: list[str]) -> Any:
        present = {i.id: i.state for i in self.get_multi_instances_by_id(instance_ids)}
        for name, state in present.items():
            if state not in ("stopped", "running"):
                text = f"The instance '{name}' is not in a state from which it can be started."
                raise EC2ClientError("IncorrectInstanceState", text)
        rows = plain_start(self, instance_ids)
        for instance, _ in rows:
            if is_ours(instance) and present[instance.id] == "stopped":
                machine.change(instance, "pending", "running")
        return rows

    def stop_instances(self: Any, instance_ids: list[str]) -> Any:
        rows = plain_stop(self, instance_ids)
        for instance, previous in rows:
            if is_ours(instance) and previous.name == "running":
                machine.change(instance, "stopping", "stopped")
        return rows

    def reboot_instances(self: Any, instance_ids: list[str]) -> Any:
        rows = plain_reboot(self, instance_ids)
        for instance in rows:
            if is_ours(instance):
                machine.reboot(instance)
        return rows

    def terminate_instances(self: Any, instance_ids: list[str]) -> Any:
        rows = plain_terminate(self, instance_ids)
        for instance, previous in rows:
            if is_ours(instance) and previous.name != "terminated":
                machine.change(instance, "shutting-down", "terminated")
        return rows

    EC2Backend.start_instances, EC2Backend.stop_instances = start_instances, stop_instances
    EC2Backend.reboot_instances = reboot_instances
    EC2Backend.terminate_instances = terminate_instances
