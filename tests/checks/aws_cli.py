"""Runs AWS CLI command lines in one process and prints what each would send; no request is made.

Run by the Python in which a version of the AWS CLI is installed: version 1 in the virtual environment,
version 2 in Debian's.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from typing import Any


class Answer:
    """An HTTP reply with nothing in it."""

    status_code = 200


def main() -> None:
    """Read a JSON list of argument lists; write a JSON list of [operation, parameters, exit status]."""
    from awscli.clidriver import create_clidriver

    os.environ.update(AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="x", AWS_PAGER="")
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    seen: dict[str, Any] = {}

    def keep(params: Any, model: Any, **_: Any) -> None:
        seen["sent"] = [model.name, params]

    def answer(**_: Any) -> Any:
        return Answer(), {"ResponseMetadata": {"HTTPStatusCode": 200}}

    found = []
    for arguments in json.load(sys.stdin):
        seen.clear()
        # Commands with customised options leave traces in a driver.
        driver = create_clidriver()
        driver.session.register("before-parameter-build", keep)
        driver.session.register("before-call", answer)
        output = io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            status = driver.main(arguments)
        if "sent" in seen:
            found.append([*seen["sent"], status])
        else:
            found.append(["", {}, f"{status}: {output.getvalue()[-400:]}"])
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
