"""Faults in parameters, in the database, in DNS and on the instance."""

from __future__ import annotations

from collections.abc import Callable

from opskit.sandbox import topology
from opskit.sandbox.faults.interface import PREFIX, Fault, FaultAction, FaultContext
from opskit.sandbox.postgres import new_password


def _parameter_gone(h: FaultContext) -> None:
    h.client("ssm").delete_parameter(Name=PREFIX + "name")
    h.restart_app()


def _putting(name: str, value: Callable[[FaultContext], str]) -> FaultAction:
    def action(h: FaultContext) -> None:
        h.put(name, value(h))
        h.restart_app()

    return action


def _state(operation: str, key_state: str) -> FaultAction:
    def action(h: FaultContext) -> None:
        import time

        rds, name = h.client("rds"), topology.DATABASE_IDENTIFIER
        present = rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]
        if present["DBInstanceStatus"] != key_state:
            getattr(rds, operation)(DBInstanceIdentifier=name)
        for _ in range(100):
            present = rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]
            if present["DBInstanceStatus"] == key_state:
                return
            time.sleep(0.1)

    return action


def _shadow(h: FaultContext) -> None:
    h.client("route53").create_hosted_zone(
        Name=topology.HOST_SUFFIX,
        VPC={"VPCRegion": topology.REGION, "VPCId": h.ids.vpc},
        CallerReference=new_password(),
        HostedZoneConfig={"PrivateZone": True, "Comment": "for the new reporting endpoint"},
    )


def _unshadow(h: FaultContext) -> None:
    route53 = h.client("route53")
    for zone in route53.list_hosted_zones()["HostedZones"]:
        route53.delete_hosted_zone(Id=zone["Id"])


def _public(is_public: bool) -> FaultAction:
    def action(h: FaultContext) -> None:
        h.client("rds").modify_db_instance(
            DBInstanceIdentifier=topology.DATABASE_IDENTIFIER,
            PubliclyAccessible=is_public,
            ApplyImmediately=True,
        )
        h.client("ec2").modify_vpc_attribute(
            VpcId=h.ids.vpc, EnableDnsHostnames={"Value": not is_public}
        )

    return action


def _mode(mode: str) -> FaultAction:
    def action(h: FaultContext) -> None:
        h.shell(f"sed -i 's/^PGSSLMODE=.*/PGSSLMODE={mode}/' {h.project}/.env")
        h.recreate_app()

    return action


def _docker(verb: str) -> FaultAction:
    def action(h: FaultContext) -> None:
        h.shell(f"docker {verb} {topology.CONTAINER}")

    return action


def _password_changed(h: FaultContext) -> None:
    h.set_password(topology.DATABASE_USER, new_password())
    h.restart_app()


def _password_back(h: FaultContext) -> None:
    h.set_password(topology.DATABASE_USER, h.password().strip())
    h.restart_app()


def _changed_with_prefer(h: FaultContext) -> None:
    _mode("prefer")(h)
    _password_changed(h)


def _back_from_prefer(h: FaultContext) -> None:
    h.set_password(topology.DATABASE_USER, h.password().strip())
    _mode("verify-full")(h)


def _rotated_without_restart(h: FaultContext) -> None:
    new = new_password()
    h.set_password(topology.DATABASE_USER, new)
    h.put("password", new)


def _other_team(h: FaultContext) -> None:
    """Create another team's database in the same subnets, and paste its endpoint into LinkBox's parameter."""
    ec2, rds = h.client("ec2"), h.client("rds")
    group = ec2.create_security_group(
        GroupName="orders-db-sg", Description="orders", VpcId=h.ids.vpc
    )["GroupId"]
    rds.create_db_instance(
        DBInstanceIdentifier="orders-db", DBName="orders", Engine="postgres", EngineVersion="17.4",
        DBInstanceClass="db.t3.micro", AllocatedStorage=20, MasterUsername="orders_admin",
        MasterUserPassword=new_password(), DBSubnetGroupName="linkbox-db-subnets",
        VpcSecurityGroupIds=[group], PubliclyAccessible=False,
    )  # fmt: skip
    h.put("endpoint", f"orders-db.{topology.HOST_SUFFIX}")
    h.restart_app()


def _no_other_team(h: FaultContext) -> None:
    ec2, rds = h.client("ec2"), h.client("rds")
    h.put("endpoint", topology.DATABASE_HOST)
    rds.delete_db_instance(DBInstanceIdentifier="orders-db", SkipFinalSnapshot=True)
    filters = [{"Name": "group-name", "Values": ["orders-db-sg"]}]
    for group in ec2.describe_security_groups(Filters=filters)["SecurityGroups"]:
        ec2.delete_security_group(GroupId=group["GroupId"])
    h.restart_app()


def _worker_not_restarted(h: FaultContext) -> None:
    h.shell(
        f"docker run -d --name {_WORKER} --env-file {h.project}/.env linkbox/backend:1.4.2 worker"
    )
    environment = f"/proc/$(docker inspect --format '{{{{.State.Pid}}}}' {_WORKER})/environ"
    h.shell(f'timeout 10 sh -c "until grep -q PGPASSWORD {environment}; do sleep 0.1; done"')
    _rotated_without_restart(h)
    h.restart_app()


def _worker_gone(h: FaultContext) -> None:
    h.shell(f"docker rm -f {_WORKER}")


_WORKER = "linkbox-worker"
_OLD_HOST = f"linkbox-db-old.{topology.HOST_SUFFIX}"


FAULTS = (
    Fault("parameter-missing", "someone deleted the parameter with the database's name", "PAR001",
          _parameter_gone, _putting("name", lambda _: topology.DATABASE_NAME)),
    Fault("parameter-drift", "the endpoint parameter still names the old database", "PAR004",
          _putting("endpoint", lambda _: _OLD_HOST), _putting("endpoint", lambda _: topology.DATABASE_HOST)),
    Fault("parameter-other-team", "another team's endpoint was pasted into the parameter", "PAR010",
          _other_team, _no_other_team, needs_packets=True),
    Fault("parameter-port", "the endpoint parameter was written with port 5433", "PAR005",
          _putting("endpoint", lambda _: f"{topology.DATABASE_HOST}:5433"),
          _putting("endpoint", lambda _: topology.DATABASE_HOST)),
    Fault("parameter-other-server", "the app's own address and port were written into the endpoint parameter",
          "TCP003", _putting("endpoint", lambda _: f"{topology.INSTANCE_ADDRESS}:{topology.APP_PORT}"),
          _putting("endpoint", lambda _: topology.DATABASE_HOST)),
    Fault("parameter-newline", "the password was stored with `echo`, newline included", "PAR006",
          _putting("password", lambda h: h.password().strip() + "\n"),
          _putting("password", lambda h: h.password().strip())),
    Fault("database-stopped", "someone stopped the database to save money", "RDS001",
          _state("stop_db_instance", "stopped"), _state("start_db_instance", "available")),
    Fault("dns-name-gone", "a new private hosted zone shadows the database's name", "DNS001",
          _shadow, _unshadow),
    Fault("dns-public-address", "the database was made public in a VPC without DNS hostnames", "DNS002",
          _public(True), _public(False)),
    Fault("tls-not-used", "someone set PGSSLMODE=disable in the app's .env", "TLS001",
          _mode("disable"), _mode("verify-full")),
    Fault("password-mismatch", "someone changed the password in the database by hand", "AUT001",
          _password_changed, _password_back),
    Fault("password-mismatch-prefer", "the same, with an app that uses sslmode=prefer", "AUT001",
          _changed_with_prefer, _back_from_prefer),
    Fault("container-stopped", "someone stopped the app's container", "APP001",
          _docker("stop"),
          _docker("start")),
    Fault("stale-environment", "the password was rotated, the app was not restarted", "APP002",
          _rotated_without_restart, FaultContext.restart_app),
    Fault("stale-worker", "the password was rotated, and only the app was restarted, not its worker",
          "APP002", _worker_not_restarted, _worker_gone),
)  # fmt: skip
