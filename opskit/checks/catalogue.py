"""The catalogue of all checks by their codes.

A code is never reused; a retired code keeps its line.
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
    "PAR003": "parameters.key_enabled",
    "PAR004": "parameters.endpoint_matches_instance",
    "PAR005": "parameters.port_matches",
    "PAR006": "parameters.values_well_formed",
    "PAR007": "parameters.endpoint_is_hostname",
    "PAR008": "parameters.key_not_pending_deletion",
    "PAR009": "parameters.no_unfinished_rotation",
    "PAR010": "parameters.database_confirmed",
    "IAM001": "iam.role_attached",
    "IAM002": "iam.may_read",
    "IAM003": "iam.may_decrypt",
    "IAM004": "iam.uses_instance_role",
    "IAM005": "iam.resource_matches_path",
    "IAM006": "iam.arn_has_single_slash",
    "IAM007": "iam.allows_called_action",
    "IAM008": "iam.arn_region_and_account_match",
    "IAM009": "iam.permissions_boundary_allows",
    "IAM010": "iam.no_explicit_deny",
    "IAM011": "iam.scp_allows",
    "IAM012": "iam.key_policy_allows",
    "IAM013": "iam.conditions_match",
    "IAM014": "iam.sources_agree",
    "RDS001": "database.available",
    "RDS002": "database.storage",
    "RDS003": "database.managed_secret",
    "RDS004": "database.settings_applied",
    "DNS001": "dns.resolves",
    "DNS002": "dns.private_address",
    "DNS003": "dns.resolvers_agree",
    "NET001": "network.ingress_has_rule",
    "NET002": "network.ingress_allows_app_group",
    "NET003": "network.ingress_allows_port",
    "NET004": "network.acls_allow",
    "NET005": "network.egress_allows",
    "NET006": "network.ingress_allows_app_address",
    "NET007": "network.acls_do_not_deny",
    "NET008": "network.ephemeral_ports_open",
    "NET009": "network.no_blackhole_route",
    "NET010": "network.routes_exist",
    "NET011": "network.route_table_associated",
    "NET012": "network.path_survives_failover",
    "NET013": "network.path_from_every_app_subnet",
    "NET014": "network.load_balancer_reaches_app",
    "NET015": "network.agent_reaches_apis",
    "TCP001": "tcp.port_reachable",
    "TCP002": "tcp.port_listening",
    "TCP003": "tcp.server_speaks_protocol",
    "TLS001": "tls.app_uses_tls",
    "TLS002": "tls.certificate_valid",
    "TLS003": "tls.name_matches",
    "AUT001": "auth.password_valid",
    "AUT002": "auth.role_and_database",
    "AUT003": "auth.connection_slots_available",
    "AUT004": "auth.connection_allowed",
    "AUT005": "auth.local_client_verifies_server",
    "APP001": "app.runs",
    "APP002": "app.password_current",
    "APP003": "app.healthy",
    "APP004": "app.settings_match",
    "HYG001": "hygiene.not_public",
    "HYG002": "hygiene.not_open_to_internet",
    "HYG003": "hygiene.multi_az",
    "HYG004": "hygiene.backups",
    "HYG005": "hygiene.encrypted",
    "HYG006": "hygiene.password_is_secure",
    "HYG007": "hygiene.tls_verified",
    "OPR001": "operator.can_read_account",
    "OPR002": "operator.can_read_parameters",
    "OPR003": "operator.can_send_command",
    "OPR004": "operator.can_read_policies",
    "OPR005": "operator.can_start_session",
    "OPR006": "operator.can_rotate_password",
    "OPR007": "operator.can_execute_command",
    "OPR008": "operator.agent_connected",
    "OPR009": "operator.can_open_ssh_session",
}
"""Code -> module under `checks`, in causal order."""

RETIRED: dict[str, str] = {}
"""Code -> a sentence that names its replacement."""

HEADINGS = ("Means:", "Found by:", "Looks alike:", "Fix:", "Not the fix:")
"""The headings of every check's page."""


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
        passes_on=module.passes_on,
        leads_to=getattr(module, "leads_to", ()),
        symptoms=getattr(module, "symptoms", ()),
        is_essential=getattr(module, "is_essential", False),
        is_opt_in=getattr(module, "is_opt_in", False),
    )


def all_checks() -> tuple[Check, ...]:
    """Every check, in causal order."""
    return tuple(check_of(code) for code in CODES)


def default_checks() -> tuple[Check, ...]:
    """The checks of the app's whole path to its database.

    Left out are those of the operator's permissions, and those whose cost exceeds their value for the
    app's diagnosis.
    """
    return tuple(c for c in all_checks() if c.layer != "operator" and not c.is_opt_in)


def checks_of_layer(layer: str) -> tuple[Check, ...]:
    """The checks of one layer."""
    assert layer in LAYERS  # noqa: S101  names come from the command tree
    return tuple(check_of(code) for code, module in CODES.items() if module.split(".")[0] == layer)
