"""Every code that opskit can say: the one place where codes are given out.

A code is never used for anything else again; a retired one keeps its line.
"""

from __future__ import annotations

import importlib
import inspect
from functools import cache

from opskit.checks.interface import LAYERS, Check

CODES: dict[str, str] = {
    "IDN001": "identity.clock",
    "PAR001": "parameters.exist",
    "PAR002": "parameters.readable",
    "PAR003": "parameters.key_usable",
    "PAR004": "parameters.endpoint_current",
    "PAR005": "parameters.port_agrees",
    "PAR006": "parameters.values_clean",
    "PAR007": "parameters.name_not_address",
    "PAR008": "parameters.key_kept",
    "PAR009": "parameters.no_rotation_open",
    "PAR010": "parameters.database_confirmed",
    "IAM001": "iam.profile",
    "IAM002": "iam.may_read",
    "IAM003": "iam.may_decrypt",
    "IAM004": "iam.own_role",
    "IAM005": "iam.names_the_path",
    "IAM006": "iam.one_slash",
    "IAM007": "iam.action_called",
    "IAM008": "iam.region_and_account",
    "IAM009": "iam.boundary_allows",
    "IAM010": "iam.nothing_denies",
    "IAM011": "iam.organization_allows",
    "IAM012": "iam.key_policy_admits",
    "IAM013": "iam.conditions_fit",
    "IAM014": "iam.sources_agree",
    "RDS001": "database.available",
    "RDS002": "database.storage",
    "RDS003": "database.managed_secret",
    "RDS004": "database.settings_applied",
    "DNS001": "dns.resolves",
    "DNS002": "dns.private_address",
    "DNS003": "dns.views_agree",
    "NET001": "network.ingress_admits_somebody",
    "NET002": "network.ingress_admits_app",
    "NET003": "network.ingress_admits_port",
    "NET004": "network.acls_pass",
    "NET005": "network.egress_allows",
    "NET006": "network.ingress_admits_address",
    "NET007": "network.acls_do_not_deny",
    "NET008": "network.reply_ports_open",
    "NET009": "network.routes_alive",
    "NET010": "network.routes_exist",
    "NET011": "network.subnet_has_its_table",
    "NET012": "network.open_after_move",
    "NET013": "network.open_from_every_subnet",
    "NET014": "network.balancer_reaches_app",
    "TCP001": "tcp.answers",
    "TCP002": "tcp.not_refused",
    "TLS001": "tls.app_uses_tls",
    "TLS002": "tls.certificate_valid",
    "TLS003": "tls.name_matches",
    "AUT001": "auth.password_right",
    "AUT002": "auth.role_and_database",
    "AUT003": "auth.slots_free",
    "AUT004": "auth.address_admitted",
    "AUT005": "auth.client_verifies",
    "APP001": "app.runs",
    "APP002": "app.environment_current",
    "APP003": "app.healthy",
    "APP004": "app.settings_agree",
    "HYG001": "hygiene.not_public",
    "HYG002": "hygiene.not_open_to_all",
    "HYG003": "hygiene.two_zones",
    "HYG004": "hygiene.backups",
    "HYG005": "hygiene.encrypted",
    "HYG006": "hygiene.password_is_secure",
    "HYG007": "hygiene.tls_verified",
    "OPR001": "operator.reads_the_account",
    "OPR002": "operator.reads_the_parameters",
    "OPR003": "operator.asks_the_instance",
    "OPR004": "operator.reads_policies",
    "OPR005": "operator.starts_sessions",
    "OPR006": "operator.rotates_password",
    "OPR007": "operator.asks_the_task",
    "OPR008": "operator.agent_connected",
    "OPR009": "operator.opens_ssh",
}
"""Code -> module under `checks`, in causal order."""

RETIRED: dict[str, str] = {}
"""Code -> what replaced it, in a sentence."""

HEADINGS = ("Means:", "Found by:", "Looks alike:", "Fix:", "Not the fix:")
"""What every page has."""


@cache
def check_of(code: str) -> Check:
    """The check of a code."""
    module = importlib.import_module(f"opskit.checks.{CODES[code]}")
    page = inspect.cleandoc(module.__doc__ or "")
    return Check(
        code=code,
        layer=CODES[code].split(".")[0],
        title=page.split("\n", 1)[0].rstrip("."),
        page=page,
        judge=module.check,
        explains=getattr(module, "explains", ()),
        is_essential=getattr(module, "is_essential", False),
        is_extra=getattr(module, "is_extra", False),
    )


def all_checks() -> tuple[Check, ...]:
    """Every check, in causal order."""
    return tuple(check_of(code) for code in CODES)


def chain() -> tuple[Check, ...]:
    """The checks of the app's whole way to its database: all but those of the operator's rights, and
    those that cost more than they tell about the app.
    """
    return tuple(c for c in all_checks() if c.layer != "operator" and not c.is_extra)


def checks_of_layer(layer: str) -> tuple[Check, ...]:
    """The checks of one layer."""
    assert layer in LAYERS  # noqa: S101  names come from the command tree
    return tuple(check_of(code) for code, module in CODES.items() if module.split(".")[0] == layer)
