"""botocore's descriptions of the services, parsed once for the daemon's clients and for moto."""

from __future__ import annotations

from typing import Any


def parse_once() -> None:
    """Keep every file that botocore has parsed: moto's sessions parse that of EC2 six times at a start.

    botocore extends a parsed description by its extras, always by the same ones.
    """
    from botocore.loaders import JSONFileLoader

    load, parsed = JSONFileLoader.load_file, dict[str, Any]()

    def load_file(self: JSONFileLoader, file_path: str) -> Any:
        if file_path not in parsed:
            parsed[file_path] = load(self, file_path)
        return parsed[file_path]

    JSONFileLoader.load_file = load_file
