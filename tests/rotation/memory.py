"""A Parameter Store in memory that a test makes stale or fail."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from opskit.errors import AwsError

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class ParameterStoreInMemory:
    """Parameters by name; `fails` maps a call to the error codes that it answers with, one after the other.

    A reply that is lost (`Timeout`) is lost after the write.
    """

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self.now = NOW
        self.date: str | None = ""
        self.fails: dict[str, list[str]] = {}
        self.calls: list[str] = []
        self.page = 2

    def _answer(self, call: str, then: Callable[[], Any] = lambda: None) -> Any:
        self.calls.append(call)
        code = self.fails[call].pop(0) if self.fails.get(call) else ""
        if code and code != "Timeout":
            raise AwsError(f"ssm:{call}", code, "no")
        answer = then()
        if code:
            raise AwsError(f"ssm:{call}", code, "no reply")
        return answer

    def put_parameter(self, **asked: Any) -> None:
        def put() -> None:
            if asked["Name"] in self.rows:
                raise AwsError("ssm:PutParameter", "ParameterAlreadyExists", "it exists")
            self.rows[asked["Name"]] = {**asked, "LastModifiedDate": self.now}

        self._answer("PutParameter", put)

    def get_parameter(self, **asked: Any) -> Mapping[str, Any]:
        def get() -> Mapping[str, Any]:
            if asked["Name"] not in self.rows:
                raise AwsError("ssm:GetParameter", "ParameterNotFound", "it does not exist")
            row = self.rows[asked["Name"]]
            is_readable = row.get("Type") != "SecureString" or asked.get("WithDecryption") is True
            return {"Parameter": row if is_readable else {**row, "Value": "AQICAHh"}}

        return dict(self._answer("GetParameter", get))

    def delete_parameter(self, **asked: Any) -> None:
        def delete() -> None:
            if self.rows.pop(asked["Name"], None) is None:
                raise AwsError("ssm:DeleteParameter", "ParameterNotFound", "it does not exist")

        self._answer("DeleteParameter", delete)

    def get_parameters_by_path(self, **asked: Any) -> Mapping[str, Any]:
        assert (asked["WithDecryption"], asked["Recursive"]) == (False, True)
        below = [row for name, row in self.rows.items() if name.startswith(asked["Path"] + "/")]
        start = int(asked.get("NextToken", 0))
        more = {"NextToken": str(start + self.page)} if start + self.page < len(below) else {}
        date = format_datetime(self.now, usegmt=True) if self.date == "" else self.date
        headers = {} if date is None else {"date": date}
        self._answer("GetParametersByPath")
        return {
            "Parameters": below[start : start + self.page],
            "ResponseMetadata": {"HTTPHeaders": headers},
            **more,
        }
