"""A client of this machine logs in through the instance, and the server proves who it is.

Means: libpq logs in from here with sslmode=verify-full, or fails. The instance's own login verifies
only where /etc/rds/global-bundle.pem exists.
Found by: a login with libpq from this machine, directly or through a session with the instance. It
verifies by the CA bundle that opskit includes, of RDS or, for an RDS Proxy, of Amazon's public roots;
`--ca-file` (OPSKIT_CA_FILE, PGSSLROOTCERT) names another one. Only `diagnose auth` does this.
Looks alike: the app's own bundle, which may be another one (TLS003); an expired certificate (TLS002);
a proxy or load balancer in front, which presents its own certificate.
Fix: the current RDS bundle, which has all of its certificate authorities.
Not the fix: sslmode=require, which verifies nothing.
"""

from __future__ import annotations

from opskit.ca_bundles import source_for
from opskit.checks.fix import Advice, Fix
from opskit.checks.interface import (
    Finding,
    failed,
    not_reached,
    observed,
    passed,
    undecided,
    warned,
)
from opskit.checks.seen import Seen, is_true, one_of
from opskit.checks.symptoms import connection_place, kinds_of, login_place
from opskit.commands import LocalCommand, OpskitCommand
from opskit.engine.interface import LoginFailure
from opskit.engine.tls_modes import TlsMode
from opskit.facts.database_engine import DatabaseEngine
from opskit.facts.dns import DatabaseHost
from opskit.facts.interface import Fact, Known
from opskit.facts.login import ClientLogin, LoginAttemptResult
from opskit.symptom import SymptomKind, symptom

symptoms = (SymptomKind.CERTIFICATE_REJECTED,)
is_opt_in = True
passes_on = one_of(Seen(ClientLogin, "login.succeeded", is_true))


def check(
    client: ClientLogin,
    host: DatabaseHost,
    database_engine: DatabaseEngine,
    login: Fact[LoginAttemptResult],
) -> Finding:
    """Judge the login, and compare it with the instance's own."""
    client_login, trust = client.login, client.trust
    engine = database_engine.engine
    tried = observed(
        f"a login from {client_login.tried_from}: {client_login.message or 'accepted'}"
    )
    if not trust.ca_file:
        result = "logs in" if client_login.succeeded else "does not log in"
        return undecided(
            f"{engine.client_name} {result} from {client_login.tried_from}, and {host.name} is {trust.words}",
            f"a CA bundle for it: --ca-file FILE, from {source_for(trust.names[-1])}",
        )
    if client_login.succeeded:
        return passed(
            f"{engine.client_name} logs in from {client_login.tried_from}: {host.name} {trust.words}",
            tried,
        )
    if client_login.failure is LoginFailure.CERTIFICATE:
        fix = Fix(
            (
                LocalCommand(("curl", "-fsSLO", source_for(trust.names[-1]))),
                OpskitCommand(("diagnose", "auth"), ("--ca-file", "global-bundle.pem")),
            ),
            "fetches the present bundle, which has every authority of RDS, and verifies by it",
            undo=(LocalCommand(("rm", "global-bundle.pem")),),
            caution=f"{engine.tls.setting(TlsMode.REQUIRED)} is not the fix: it verifies nothing. A file "
            "global-bundle.pem in the present directory is replaced.",
        )
        return failed(
            f"{engine.client_name} does not accept the certificate of {host.name} by {trust.basis}",
            tried,
            fix=fix,
            symptom=symptom(
                SymptomKind.CERTIFICATE_REJECTED, connection_place(host), is_fault=True
            ),
        )
    if isinstance(login, Known) and login.value.succeeded:
        return warned(
            f"{client_login.user} logs in from {login.value.tried_from}, but not from "
            f"{client_login.tried_from}: "
            f"{client_login.message}",
            tried,
            observed(f"a login from {login.value.tried_from}"),
            fix=Advice(
                f"The app is not concerned: its way, from {login.value.tried_from}, works. Look at what lies "
                f"between {client_login.tried_from} and the database. A tunnel opens a path for "
                "clients here.",
                (OpskitCommand(("tunnel",)),),
            ),
        )
    return not_reached(
        f"the login from {client_login.tried_from} did not get as far as the certificate: "
        f"{client_login.message}",
        kinds_of(client_login.failure),
        "a login that reaches the database",
        place=login_place(client_login.failure, host.name),
    )
