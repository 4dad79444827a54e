"""The emulated account's whole state, saved once and restored any number of times."""

from __future__ import annotations

import io
import pickle
import threading
import types
from typing import Any

Key = tuple[str, str, str]
"""Service, account and Region of one of moto's backends."""
UNCHANGEABLE = (types.FunctionType, type(threading.Lock()), type(threading.RLock()))
"""Parts of moto's backends that pickle refuses, and that have no state to save."""


class SavedBackends:
    """The state of all of moto's backends at this moment.

    Raises:
        TypeError: moto holds an object of a kind that cannot be saved.
    """

    def __init__(self) -> None:
        self._kept: list[Any] = []
        present = _backends()
        names = {id(backend): key for key, backend in present.items()}
        kept, numbers = self._kept, dict[int, int]()

        class Pickler(pickle.Pickler):
            def persistent_id(self, value: Any) -> object:
                """A reference in place of a backend, and of what cannot change."""
                if id(value) in names:
                    return names[id(value)]
                if not _is_unchangeable(value):
                    return None
                if id(value) not in numbers:
                    numbers[id(value)] = len(kept)
                    kept.append(value)
                return numbers[id(value)]

            def reducer_override(self, value: Any) -> Any:
                """Save moto's own dictionaries, whose constructors take other arguments than `dict`."""
                if not isinstance(value, dict) or not type(value).__module__.startswith("moto."):
                    return NotImplemented
                factory = getattr(value, "default_factory", None)
                return _new, (type(value), factory), vars(value), None, iter(value.items())

        file = io.BytesIO()
        # One document: an object of one backend may be referred to by another.
        Pickler(file, pickle.HIGHEST_PROTOCOL).dump({k: vars(b) for k, b in present.items()})
        self._state = file.getvalue()

    def restore(self) -> None:
        """Put every backend back; one that did not exist is as new."""
        from moto.core.model_instances import reset_model_data

        present, kept = _backends(), self._kept

        class Unpickler(pickle.Unpickler):
            def persistent_load(self, reference: Any) -> object:
                """The backend or the object of a reference."""
                return kept[reference] if isinstance(reference, int) else present[reference]

        # moto lists every model that is ever made, in case someone resets it: a list that only grows.
        reset_model_data()
        # The document was written by this process, and never left it.
        state: dict[Key, dict[str, Any]] = Unpickler(io.BytesIO(self._state)).load()
        for key, backend in present.items():
            if key in state:
                # The backend itself stays: moto refers to it from caches.
                backend.__dict__ = state[key]
            else:
                backend.reset()


def _new(kind: type[dict[Any, Any]], factory: Any) -> dict[Any, Any]:
    value = kind.__new__(kind)
    if factory is not None:
        value.default_factory = factory  # type: ignore[attr-defined]
    return value


def _backends() -> dict[Key, Any]:
    from moto.core.base_backend import BackendDict

    return {
        (service.service_name, account, region): backend
        for service in BackendDict._instances
        for account, region, backend in service.iter_backends()
    }


def _is_unchangeable(value: Any) -> bool:
    if isinstance(value, types.FunctionType):
        # Those of modules are saved by their names.
        return "<locals>" in value.__qualname__
    return isinstance(value, UNCHANGEABLE) or type(value).__module__.startswith("cryptography.")
