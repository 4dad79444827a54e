"""A fix is shown only as far as it is proven on the state that it leads to."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from opskit.checks.catalogue import check_of
from opskit.checks.catalogue import default_checks as default_checks
from opskit.checks.fix import Change, Danger, Fix
from opskit.checks.fix_effects import EFFECTS, CallRejected, apply
from opskit.checks.fix_verification import verify_fix
from opskit.checks.interface import Finding, Status, failed
from opskit.checks.run import run_check
from opskit.checks.shell_rendering import Caller
from opskit.checks.state_changes import describe_changes, summary
from opskit.commands import AwsCall, InstanceCommand, OpskitCommand
from opskit.config import Target
from opskit.engine.interface import LoginFailure
from opskit.facts.certificate import Certificate
from opskit.facts.database import Database, select, weigh
from opskit.facts.identity import Identity
from opskit.facts.interface import known_value
from opskit.facts.login import LoginAttemptResult
from opskit.facts.private_zones import PrivateZone, PrivateZones
from opskit.facts.rds import DbClusters, DbInstances
from opskit.facts.region import Region
from opskit.facts.snapshot import Snapshot
from opskit.facts.vpc import VpcDns
from opskit.probe.response import Resolution
from opskit.workload.ec2_instance import Ec2InstanceWorkload
from opskit.workload.interface import NetworkInterface
from tests import builders as b

CALLER = Caller("us-east-1", "", "--prefix /linkbox")
GONE = b.probe(connections=(b.connection("timeout"),), attempts=(), health=None)
CLOSED = b.snapshot(
    b.groups(()),
    GONE,
    LoginAttemptResult(False, LoginFailure.NO_ANSWER, "no", 1.0, "", "here", "linkbox"),
)
RULE = [
    {
        "IpProtocol": "tcp",
        "FromPort": 5432,
        "ToPort": 5432,
        "UserIdGroupPairs": [{"GroupId": "sg-web"}],
    }
]


def ingress(verb: str = "Authorize", group: str = "sg-db", rule: Any = RULE) -> AwsCall:
    asked = {"GroupId": group, "IpPermissions": rule}
    return AwsCall("ec2", f"{verb}SecurityGroupIngress", asked)


def attachable(*group_ids: str) -> Ec2InstanceWorkload:
    """The app with one known interface."""
    healthy = b.healthy(Ec2InstanceWorkload)
    own = NetworkInterface("eni-1", 0, "10.0.2.45", (), "subnet-app", group_ids)
    return replace(healthy, instance=replace(healthy.instance, interfaces=(own,)))


def proven(fix: Fix, snapshot: Snapshot = CLOSED, code: str = "NET001") -> Finding:
    return verify_fix(check_of(code), failed("it is so", fix=fix), snapshot, CALLER)


def test_the_right_rule_is_shown_with_what_it_changes_and_its_danger() -> None:
    found = proven(Fix((ingress(),), undo=(ingress("Revoke"),)))
    assert found.fix is not None
    assert [c.text for c in found.fix.changes] == [
        "database-sg (sg-db) ingress rule: none -> tcp 5432 web-sg (sg-web)"
    ]
    assert summary(found.fix.changes) == "adds one rule, removes none"
    assert found.fix.dangers == (Danger.WIDENS_ACCESS,)
    assert found.fix.undo


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (ingress(group="sg-web"), "it does not end this"),
        (
            ingress(rule=[{**RULE[0], "FromPort": 3306, "ToPort": 3306}]),
            "this fails: NET003, database-sg (sg-db) admits the app on tcp 3306 only, not on 5432",
        ),
        (
            ingress(rule=[{**RULE[0], "UserIdGroupPairs": [{"GroupId": "sg-alb"}]}]),
            "this fails: NET002, database-sg (sg-db) admits 5432 from alb-public-sg (sg-alb) only, "
            "not from web-sg (sg-web)",
        ),
    ],
)
def test_a_change_that_leaves_the_finding_is_not_shown(call: AwsCall, why: str) -> None:
    found = proven(Fix((call,), does="let the app in"))
    assert found.fix is None
    assert found.advice == (
        f"No command is offered (let the app in): evaluated on the state that it leads to, {why}."
    )


def test_a_change_that_aws_would_refuse_is_not_shown() -> None:
    found = proven(Fix((ingress(), ingress())))
    assert found.fix is None
    assert found.advice == (
        "No command is offered: AWS would not accept it: database-sg (sg-db) has that rule already."
    )


def test_a_change_that_breaks_what_works_is_not_shown() -> None:
    """The wide rule is all that admits the app."""
    wide = b.snapshot(b.groups((b.rule(5432, cidrs=("0.0.0.0/0",)),)), b.probe(connections=()))
    check = check_of("HYG002")
    finding = run_check(check, wide)
    assert finding.status is Status.WARN
    assert finding.fix is not None
    found = verify_fix(check, finding, wide, CALLER)
    assert found.fix is None
    assert found.advice.startswith("No command is offered (")
    assert "): evaluated on the state that it leads to, this fails: NET001, " in found.advice


def test_an_undo_that_does_not_lead_back_is_left_out() -> None:
    wrong = ingress("Revoke", rule=[{**RULE[0], "UserIdGroupPairs": [{"GroupId": "sg-alb"}]}])
    found = proven(Fix((ingress(),), undo=(wrong,)))
    assert found.fix is not None
    assert found.fix.undo == ()
    assert found.fix.no_undo == "evaluated, it would not restore the state before"
    refused = proven(Fix((ingress(),), undo=(ingress("Revoke"), ingress("Revoke"))))
    assert refused.fix is not None
    assert (refused.fix.undo, refused.fix.no_undo) == ((), found.fix.no_undo)


def test_what_a_fix_says_itself_stays() -> None:
    own = Fix(
        (ingress(),),
        no_undo="it is meant to stay",
        caution="Look first.",
        dangers=(Danger.IRREVERSIBLE,),
    )
    found = proven(own).fix
    assert found is not None
    assert (found.undo, found.no_undo, found.caution) == ((), "it is meant to stay", "Look first.")
    assert found.dangers == (Danger.WIDENS_ACCESS, Danger.IRREVERSIBLE)
    nothing = verify_fix(check_of("NET001"), failed("it is so"), CLOSED, CALLER)
    assert nothing == failed("it is so")


def test_a_value_that_a_terminal_does_not_show_gives_no_command() -> None:
    found = proven(Fix((InstanceCommand("i-1", (("docker", "restart", "a\x1b[2Jb"),)),)))
    assert found.fix is None
    assert found.advice == (
        "No command is offered: a value in it has a control character or another invisible one."
    )
    undo = proven(Fix((ingress(),), undo=(InstanceCommand("i-1", (("a\x1b[2Jb",),)),)))
    assert (undo.fix, undo.advice) == (None, found.advice)


@pytest.mark.parametrize(
    ("fix", "restarts"),
    [
        (Fix((InstanceCommand("i-1", (("docker", "compose", "up", "--force-recreate"),)),)), True),
        (
            Fix((InstanceCommand("i-1", (("docker", "start", "a"), ("docker", "restart", "a"))),)),
            True,
        ),
        (Fix((InstanceCommand("i-1", (("docker", "start", "a"),)),)), False),
        (Fix((InstanceCommand("i-1", (("docker", "start", "a"),)),), restarts=("a",)), True),
    ],
)
def test_a_fix_that_restarts_the_app_is_dangerous(fix: Fix, restarts: bool) -> None:
    found = proven(fix)
    assert found.fix is not None
    assert found.fix.dangers == ((Danger.RESTARTS_APP,) if restarts else ())
    assert found.fix.changes == ()


def test_restarts_are_named_as_such() -> None:
    found = proven(Fix((ingress(), InstanceCommand("i-1", (("docker", "restart", "a"),)))))
    assert found.fix is not None
    assert found.fix.dangers == (Danger.RESTARTS_APP, Danger.WIDENS_ACCESS)


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("HYG001", {"is_public": True}),
        ("HYG004", {"backup_days": 1}),
        ("RDS002", {"status": "storage-full"}),
        ("TLS002", {"certificate_valid_till": b.NOW + timedelta(days=5)}),
    ],
)
def test_pending_changes_that_are_applied_too_are_a_danger(
    code: str, changes: dict[str, Any]
) -> None:
    """`ApplyImmediately` does not choose: an upgrade that waits for the night begins as well."""
    for pending in ((), ("EngineVersion",)):
        changed = b.database(**changes, pending=pending)
        snapshot = b.snapshot(changed, unknown=(Certificate,))
        check = check_of(code)
        fix = verify_fix(check, run_check(check, snapshot), snapshot, CALLER).fix
        assert fix is not None
        is_told = (
            "pending changes are applied at once too, which no undo takes back: EngineVersion"
            in fix.caution
        )
        assert is_told is bool(pending)
        assert pending == () or Danger.INTERRUPTS_DATABASE in fix.dangers
        assert bool(fix.undo) is (code in ("HYG001", "HYG004"))


class TestDoubt:
    """Nothing that changes a database is printed while only the suspect value points to it."""

    DOUBTFUL = replace(b.database(), doubt="only /linkbox/db-endpoint points to linkbox-db")
    SNAPSHOT = Snapshot({**CLOSED.facts, type(DOUBTFUL): b.known(DOUBTFUL)})

    @pytest.mark.parametrize(
        "command",
        [
            ingress(),
            AwsCall("rds", "RebootDBInstance", {"DBInstanceIdentifier": "linkbox-db"}),
            AwsCall("ec2", "CreateNetworkAclEntry", {"NetworkAclId": "acl-db"}),
            AwsCall("ec2", "AssociateRouteTable", {"SubnetId": "subnet-db-b"}),
            AwsCall("ec2", "DeleteRoute", {"RouteTableId": "rtb-db"}),
            AwsCall("route53", "DeleteHostedZone", {"Id": "Z1"}),
            AwsCall(
                "ssm", "PutParameter", {"Name": b.NAMES["endpoint"], "Value": f"{b.HOST}:5432"}
            ),
            AwsCall("ssm", "PutParameter", {"Name": b.NAMES["username"], "Value": "linkbox"}),
            OpskitCommand(("rotate-password", "repair")),
        ],
    )
    def test_no_command(self, command: Any) -> None:
        zone = PrivateZone("Z1", "rds.amazonaws.com", 1, is_empty=True)
        routes = b.tables(b.table("db", ("10.0.0.0/16", "local"), subnets=("subnet-db-a",)))
        zones = PrivateZones("vpc-1", "us-east-1", (zone,))
        more = {type(fact): b.known(fact) for fact in (routes, zones)}
        found = proven(Fix((command,)), Snapshot({**self.SNAPSHOT.facts, **more}))
        assert found.fix is None
        assert "--db-instance linkbox-db confirms it" in found.advice

    @pytest.mark.parametrize(
        ("code", "replaced", "call"),
        [
            (
                "NET002",
                (b.groups((b.rule(5432, "sg-alb"),)), attachable("sg-web")),
                AwsCall(
                    "ec2",
                    "ModifyNetworkInterfaceAttribute",
                    {"NetworkInterfaceId": "eni-1", "Groups": ["sg-web", "sg-alb"]},
                ),
            ),
            (
                "NET005",
                (b.groups((b.rule(5432, "sg-web"),), egress=()),),
                AwsCall(
                    "ec2",
                    "AuthorizeSecurityGroupEgress",
                    {
                        "GroupId": "sg-web",
                        "IpPermissions": [{**RULE[0], "UserIdGroupPairs": [{"GroupId": "sg-db"}]}],
                    },
                ),
            ),
        ],
    )
    def test_no_change_of_the_app_lets_it_into_another_teams_database(
        self, code: str, replaced: Any, call: AwsCall
    ) -> None:
        """Attached to the app, a group that the other database admits opens that database."""
        doubtful = b.snapshot(GONE, self.DOUBTFUL, *replaced, unknown=(LoginAttemptResult,))
        found = proven(Fix((call,)), doubtful, code)
        assert found.fix is None
        assert "--db-instance linkbox-db confirms it" in found.advice
        certain = b.snapshot(GONE, *replaced, unknown=(LoginAttemptResult,))
        assert proven(Fix((call,)), certain, code).fix is not None

    def test_what_points_to_the_other_database_is_shown(self) -> None:
        """The app's own paths change with its database."""
        right = b.db_instance(identifier="right-db", host=f"right-{b.HOST}")
        endpoint = b.parameter("endpoint", value=f"wrong-{b.HOST}")
        wrong = b.db_instance(
            host=f"wrong-{b.HOST}",
            database_name="orders",
            master_username="o",
            searchable_text="orders",
        )
        listed = DbInstances((wrong, right))
        parameters = b.parameters(endpoint=endpoint)
        target = b.healthy(Target)
        region, identity = b.healthy(Region), b.known(b.healthy(Identity))
        none = b.known(DbClusters(()))
        chosen = select(target, region, identity, b.known(listed), none, b.known(parameters))
        assert chosen.doubt
        doubtful = b.snapshot(
            GONE,
            chosen,
            listed,
            parameters,
            weigh(target, listed, parameters),
            unknown=(LoginAttemptResult,),
        )
        check = check_of("PAR010")
        found = verify_fix(check, run_check(check, doubtful), doubtful, CALLER)
        assert found.fix is not None, found
        change = found.fix.changes[0].text
        assert change == f"/linkbox/db-endpoint: wrong-{b.HOST} -> right-{b.HOST}"

    def test_what_changes_another_resource_is_shown(self) -> None:
        key = AwsCall("kms", "EnableKey", {"KeyId": "k"})
        assert "confirms it" not in proven(Fix((key,)), self.SNAPSHOT).advice

    def test_a_login_that_succeeds_confirms_it(self) -> None:
        login = LoginAttemptResult(True, None, "", 1.0, "", "here", "linkbox")
        snapshot = Snapshot({**self.SNAPSHOT.facts, LoginAttemptResult: b.known(login)})
        assert proven(Fix((ingress(),)), snapshot).fix is not None


@pytest.mark.parametrize("key", sorted(EFFECTS), ids=lambda key: ":".join(key))
def test_no_effect_changes_the_snapshot_it_is_given(key: tuple[str, str]) -> None:
    """Whatever a call lacks or names, the answer is a new snapshot or a refusal."""
    snapshot = b.snapshot()
    before = dict(snapshot.facts)
    with contextlib.suppress(CallRejected, KeyError, StopIteration):
        apply(snapshot, [AwsCall(*key, {"Name": "nothing", "RoleName": "nobody"})])
    assert snapshot.facts == before


def test_what_was_seen_before_is_forgotten() -> None:
    after = apply(CLOSED, [ingress()])
    probe = known_value(after.get(type(GONE)))
    assert probe.result.connections == ()
    assert after.value(LoginAttemptResult) is None
    assert probe.result.resolutions, "a rule changes no name"


def test_changes_are_counted_by_kind() -> None:
    rows = [
        Change("a", "", "x", "entry"), Change("b", "", "x", "entry"), Change("c", "x", "", "rule"),
        Change("d", "x", "y", "policy"),
    ]  # fmt: skip
    assert summary(rows) == "adds 2 entries, changes one policy, removes one rule"
    assert summary(rows[:2]) == "adds 2 entries, removes none"
    assert describe_changes(CLOSED, CLOSED) == ()


def test_a_task_is_called_a_task_in_every_sentence() -> None:
    """And only by sentences of opskit's own: values that say "the instance" stay as they are."""
    target = replace(b.healthy(Target), ecs_task="prod/service:shop")
    probe = replace(b.probe(health=None), workload_noun=target.workload_kind.definite)
    gone = replace(probe, result=replace(GONE.result, health=None, containers=()))
    login = LoginAttemptResult(
        True, None, "", 8.0, "TLSv1.3", target.workload_kind.definite, "linkbox"
    )
    other = replace(probe.result, caller_arn="arn:aws:sts::123456789012:assumed-role/other/x")
    for replaced in (
        (target, b.task(), probe),
        (target, b.task(), gone, b.groups(())),
        (target, b.task(), gone),
        (target, b.task(), replace(probe, result=other)),
    ):
        snapshot = b.snapshot(*replaced, login)
        for check in default_checks():
            finding = run_check(check, snapshot)
            message = " ".join(
                [finding.summary, finding.advice, *(e.text for e in finding.evidence)]
            )
            assert "the instance" not in message, (check.code, message)


GONE_NAME = b.probe(resolutions=(Resolution(b.HOST, (), "the name does not exist"),))


def found_by_dns(*replaced: Any) -> Finding:
    snapshot, check = b.snapshot(GONE_NAME, *replaced), check_of("DNS001")
    return verify_fix(check, run_check(check, snapshot), snapshot, CALLER)


def test_an_empty_zone_is_deleted_which_cannot_be_undone() -> None:
    zone = PrivateZone("Z1", "rds.amazonaws.com", 1, True)
    found = found_by_dns(PrivateZones("vpc-1", "us-east-1", (zone,)))
    assert found.fix is not None
    assert found.fix.commands == (AwsCall("route53", "DeleteHostedZone", {"Id": "Z1"}),)
    assert found.fix.dangers == (Danger.IRREVERSIBLE,)
    assert [c.text for c in found.fix.changes] == [
        "private zone rds.amazonaws.com (Z1) in vpc-1: answers -> none"
    ]
    assert found.fix.no_undo


def test_a_zone_of_several_networks_is_taken_away_and_can_come_back() -> None:
    zone = PrivateZone("Z1", "rds.amazonaws.com", 2, False)
    found = found_by_dns(PrivateZones("vpc-1", "us-east-1", (zone,)))
    assert found.fix is not None
    (undo,) = found.fix.undo
    assert isinstance(undo, AwsCall)
    assert undo.operation == "AssociateVPCWithHostedZone"


def test_the_vpcs_resolver_is_switched_on_and_off_again() -> None:
    found = found_by_dns(VpcDns(is_supported=False, gives_hostnames=True))
    assert found.fix is not None
    assert [c.text for c in found.fix.changes] == ["enableDnsSupport of the VPC: no -> yes"]
    assert found.fix.undo


@pytest.mark.parametrize(("count", "is_refused"), [(5, False), (6, True)])
def test_an_interface_carries_five_groups(count: int, is_refused: bool) -> None:
    groups = [f"sg-{n}" for n in range(count)]
    call = AwsCall(
        "rds",
        "ModifyDBInstance",
        {"DBInstanceIdentifier": "linkbox-db", "VpcSecurityGroupIds": groups},
    )
    if is_refused:
        with pytest.raises(CallRejected, match="one to 5"):
            apply(b.snapshot(), [call])
    else:
        database = known_value(apply(b.snapshot(), [call]).get(Database))
        assert database.instance.security_group_ids == (*groups,)
