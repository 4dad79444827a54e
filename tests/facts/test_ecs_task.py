"""Which task and container are meant, and one sentence for each way in which that is not clear."""

from __future__ import annotations

from typing import Any

import pytest

from opskit.config import load
from opskit.errors import AwsError, NotExecuted, OpskitError, TargetError, UsageError
from opskit.facts import ecs_task
from opskit.facts.interface import FactUnavailable, Unknown
from opskit.facts.region import Region
from opskit.transport.ecs_exec import EcsExec
from opskit.transport.session_manager.base64_framing import Demultiplexer
from opskit.transport.session_manager.commands import OutputCollector
from opskit.workload.ecs_task import EcsTask, EcsTaskWorkload, task_name
from tests.fake_aws import FakeClient

ID = "0123456789abcdef0123456789abcdef"


def raw(**changes: Any) -> dict[str, Any]:
    """A healthy task as DescribeTasks shows it."""
    details = {
        "networkInterfaceId": "eni-1",
        "subnetId": "subnet-1",
        "privateIPv4Address": "10.0.2.9",
    }
    container = {
        "name": "web", "runtimeId": f"{ID}-1", "lastStatus": "RUNNING",
        "managedAgents": [{"name": "ExecuteCommandAgent", "lastStatus": "RUNNING"}],
    }  # fmt: skip
    return {
        "taskArn": f"arn:aws:ecs:us-east-1:1:task/prod/{ID}",
        "clusterArn": "arn:aws:ecs:us-east-1:1:cluster/prod",
        "taskDefinitionArn": "arn:aws:ecs:us-east-1:1:task-definition/shop:3",
        "lastStatus": "RUNNING", "enableExecuteCommand": True, "group": "service:shop",
        "attachments": [{
            "type": "ElasticNetworkInterface",
            "details": [{"name": k, "value": v} for k, v in details.items()],
        }],
        "containers": [container],
        **changes,
    }  # fmt: skip


class Ecs(FakeClient):
    """A service that knows these tasks."""

    def __init__(self, *tasks: dict[str, Any], error: AwsError | None = None) -> None:
        self.tasks, self.error = tasks, error

    def list_tasks(self, **_: Any) -> Any:
        self.fail()
        return {"taskArns": [t["taskArn"] for t in self.tasks]}

    def describe_tasks(self, **_: Any) -> Any:
        self.fail()
        return {"tasks": list(self.tasks)[:1], "failures": []}

    def describe_task_definition(self, **_: Any) -> Any:
        return {"taskDefinition": {"taskRoleArn": "arn:aws:iam::1:role/path/shop"}}

    def execute_command(self, **_: Any) -> Any:
        self.fail()
        raise AssertionError("no session was to be started")

    def fail(self) -> None:
        if self.error is not None:
            raise self.error


class Sts(FakeClient):
    def get_caller_identity(self) -> Any:
        return {"Account": "123456789012"}


class Clients:
    """A factory for the one client that an error asks for the account."""

    def client(self, service: str) -> Any:
        assert service == "sts"
        return Sts()


def read(
    *tasks: dict[str, Any], name: str = f"prod/{ID}", error: AwsError | None = None
) -> EcsTask:
    return ecs_task.read(Ecs(*tasks, error=error), task_name(name), Region("eu-west-1"), Clients())


def two() -> list[dict[str, Any]]:
    return [{"name": "web", "runtimeId": "1"}, {"name": "proxy", "runtimeId": "2"}]


def test_a_task_that_ended_is_judged() -> None:
    stopped = read(raw(lastStatus="STOPPED", stoppedReason="OutOfMemory: killed"))
    state = EcsTaskWorkload(stopped, None, selection_reason="it was named").reported_state
    assert state is not None
    assert (state.is_running, state.command) == (False, None)
    assert state.source == "ecs:DescribeTasks says STOPPED: OutOfMemory: killed"
    assert "service shop starts another task" in state.advice
    running = EcsTaskWorkload(read(raw()), None, selection_reason="").reported_state
    assert running is not None
    assert running.is_running


def test_what_a_task_is() -> None:
    task = read(raw())
    assert task.location.target == f"ecs:prod_{ID}_{ID}-1"
    assert (task.location.service, task.family, task.interface_id) == ("shop", "shop", "eni-1")
    assert read(raw(), name="prod/service:shop").location.task_id == ID
    assert read(raw(containers=two()), name=f"prod/{ID}/proxy").location.container == "proxy"


@pytest.mark.parametrize("name", ["prod", "prod/", "/x", "a/b/c/d", "prod/service:", "arn:aws:x/y"])
def test_other_forms_are_usage_errors(name: str) -> None:
    with pytest.raises(UsageError, match="CLUSTER/TASK"):
        task_name(name)


@pytest.mark.parametrize(
    ("tasks", "name", "words", "next_step"),
    [
        ((), f"prod/{ID}", r"there is no task .* \(account 123456789012, eu-west-1\)", "tasks there: none"),
        ((), "prod/service:shop", "runs no task", "describe-services"),
        ((raw(), raw()), "prod/service:shop", "2 tasks of service shop run", f"--ecs-task prod/{ID}"),
        ((raw(containers=two()),), f"prod/{ID}", "has 2 containers", f"prod/{ID}/proxy"),
        ((raw(),), f"prod/{ID}/nope", "no container nope", "web"),
    ],
)  # fmt: skip
def test_what_is_not_clear_is_one_sentence(
    tasks: tuple[dict[str, Any], ...], name: str, words: str, next_step: str
) -> None:
    with pytest.raises((TargetError, UsageError), match=words) as caught:
        read(*tasks, name=name)
    assert next_step in caught.value.next_step


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("ClusterNotFoundException", "no ECS cluster prod"),
        ("ServiceNotFoundException", "no service shop"),
        ("InvalidParameterException", "there is no task"),
    ],
)
def test_what_does_not_exist(code: str, words: str) -> None:
    with pytest.raises(UsageError, match=rf"{words}.*eu-west-1"):
        read(name="prod/service:shop", error=AwsError("ecs:ListTasks", code, ""))


def test_a_missing_right_is_no_missing_task() -> None:
    with pytest.raises(AwsError):
        read(error=AwsError("ecs:DescribeTasks", "AccessDeniedException", ""))


@pytest.mark.parametrize(
    ("changes", "words", "next_step"),
    [
        ({"enableExecuteCommand": False}, "started without ECS Exec", "--service shop --enable-execute-command --force-new-deployment"),
        ({"enableExecuteCommand": False, "group": "family:shop"}, "started without ECS Exec", "run-task"),
        ({"containers": [{"name": "web", "managedAgents": [{"name": "ExecuteCommandAgent", "lastStatus": "STOPPED"}]}]}, "not connected .*STOPPED", "--force-new-deployment"),
    ],
)  # fmt: skip
def test_no_session_is_asked_for_where_none_can_be(
    changes: dict[str, Any], words: str, next_step: str
) -> None:
    location = read(raw(**changes)).location
    with pytest.raises(NotExecuted, match=words) as caught:
        EcsExec(Ecs(), Ecs(), Ecs(), Ecs(), location).run("true", timeout_s=1)
    assert next_step in caught.value.next_step


@pytest.mark.parametrize(
    ("code", "message", "words"),
    [
        ("TargetNotConnectedException", "", "not connected"),
        ("InvalidParameterException", "… or the execute command agent isn’t running. Wait", "not connected"),
        ("AccessDeniedException", "", "ecs:ExecuteCommand"),
        ("ServerException", "oops", "ServerException oops"),
    ],
)  # fmt: skip
def test_what_ecs_says_is_one_sentence(code: str, message: str, words: str) -> None:
    ecs = Ecs(error=AwsError("ecs:ExecuteCommand", code, message))
    with pytest.raises(NotExecuted, match=words):
        EcsExec(ecs, Ecs(), Ecs(), Ecs(), read(raw()).location).run("true", timeout_s=1)


def test_the_role_is_the_tasks_own_or_its_definitions() -> None:
    assert ecs_task.read_role(Ecs(), read(raw())).role_arn == "arn:aws:iam::1:role/path/shop"
    own = raw(overrides={"taskRoleArn": "arn:aws:iam::1:role/other"})
    assert ecs_task.read_role(Ecs(), read(own)).role_arn == "arn:aws:iam::1:role/other"


def test_without_the_interfaces_groups_no_network_is_made_up() -> None:
    denied = Unknown("you may not call ec2:DescribeNetworkInterfaces")
    seen = ecs_task.select(read(raw()), denied)
    assert (seen.subnet_id, seen.interfaces, seen.group_ids) == ("", (), ())
    assert seen.location.target.startswith("ecs:prod_")
    with pytest.raises(FactUnavailable, match="no network interface of its own"):
        ecs_task.read_interface(Ecs(), read(raw(attachments=[])))


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"via": "ecs-exec"}, "none is named"),
        ({"ecs_task": "a/b", "via": "run-command"}, "leads to an EC2 instance"),
        ({"ecs_task": "a/b", "via": "plugin"}, "leads to an EC2 instance"),
        ({"ecs_task": "a/b", "instance": "i-1"}, "two places"),
        ({"ecs_task": "a"}, "CLUSTER/TASK"),
    ],
)
def test_contradictions_are_refused_before_anything_is_asked(
    flags: dict[str, str], words: str, tmp_path: Any
) -> None:
    with pytest.raises(OpskitError, match=words):
        load({"prefix": "/x", **flags}, {}, tmp_path)


@pytest.mark.parametrize(
    ("message", "words"),
    [(b"opskit-cannot-base64\r\n", "has no base64"), (b'exec: "sh": executable file not found\r\n', "has no shell")],
)  # fmt: skip
def test_a_container_without_a_shell_is_named(message: bytes, words: str) -> None:
    heard = OutputCollector(lambda *_: None)
    frames = Demultiplexer(heard)
    frames.take(message)
    with pytest.raises(NotExecuted, match=words):
        EcsExec(Ecs(), Ecs(), Ecs(), Ecs(), read(raw()).location)._result(heard, frames, "")
