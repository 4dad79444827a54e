"""What a start that fails leaves unfinished."""

from __future__ import annotations

import pytest

from opskit.aws import CLOCK_CODE
from opskit.config import Target
from opskit.credential_source.ssm_store import EXISTS
from opskit.errors import AwsError, CannotProceed
from opskit.rotation.planning.plan import Plan, RotationOvertaken
from opskit.rotation.protocol.fence import Fence
from opskit.rotation.service import Service
from opskit.rotation.status import OpenWork
from tests.rotation.test_records import intent


class ParameterStore:
    """Ends each write with the next error, and holds another user's record."""

    region = "us-east-1"
    calls, calls_in_thread = 0, 0

    def __init__(self, *codes: str) -> None:
        self._codes = list(codes)

    def client(self, _: str) -> ParameterStore:
        return self

    def write_client(self, *_: object) -> ParameterStore:
        return self

    def put_parameter(self, **_: object) -> None:
        code = self._codes.pop(0)
        raise AwsError("ssm:PutParameter", code, "not authorized" if code == DENIED else "")

    def get_parameter(self, **_: object) -> dict[str, dict[str, object]]:
        return {"Parameter": {"Value": "another user's"}}


DENIED, LOST = "AccessDeniedException", "Timeout"


def start(*codes: str) -> Service:
    parameter_store = ParameterStore(*codes)
    return Service(
        Target("linkbox", {"password": "/l/p"}, "/l"), parameter_store, Fence(1200.0),
        stall_timeout_s=1, health_timeout_s=1, stops_on_unhealthy=False,
        on_event=lambda _: None, sleep=lambda _: None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("codes", "open_work", "message"),
    [
        ((DENIED,), OpenWork.NOTHING, "not authorized"),
        ((LOST, DENIED), OpenWork.ROTATION, "not authorized"),
        ((CLOCK_CODE,) * 5, OpenWork.NOTHING, "did not say"),
        ((LOST, *(CLOCK_CODE,) * 4), OpenWork.ROTATION, "did not say"),
    ],
)
def test_only_a_call_without_a_reply_may_have_opened_it(
    codes: tuple[str, ...], open_work: OpenWork, message: str
) -> None:
    service = start(*codes)
    with pytest.raises(CannotProceed, match=message):
        service.begin(Plan(intent=intent(), number=1))
    assert service.open_work is open_work


@pytest.mark.parametrize("codes", [(EXISTS,), (LOST, EXISTS)])
def test_another_users_record_is_not_ours(codes: tuple[str, ...]) -> None:
    service = start(*codes)
    with pytest.raises(RotationOvertaken):
        service.begin(Plan(intent=intent(), number=1))
    assert service.open_work is OpenWork.NOTHING
