"""A client of this machine logs in through the instance, and the server proves who it is.

Means: libpq, with its own verification of name and certificate, gets in from here or does not. The
instance's own login verifies nothing, so that this is the one that shows an outdated bundle.
Found by: a login with libpq from this machine, directly or through a session with the instance;
`--ca-file` (or PGSSLROOTCERT) names the bundle, and it is verify-full then. Only `diagnose auth` does it.
Looks alike: the app's own bundle, which may be another one (TLS003).
Fix: the present bundle of RDS, which has all of its authorities.
Not the fix: sslmode=require, which verifies nothing.
"""

from __future__ import annotations

from opskit.checks.fix import Advice, Fix, LocalCommand, OpskitCommand
from opskit.checks.interface import (
    Finding,
    failed,
    observed,
    passed,
    undecided,
    warned,
)
from opskit.engine.interface import LoginFailure
from opskit.facts.dns import Host
from opskit.facts.interface import Fact, Known
from opskit.facts.login import ClientLogin, Login

is_extra = True
BUNDLE = "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem"


def check(client: ClientLogin, host: Host, login: Fact[Login]) -> Finding:
    """Judge the login, and what the instance's own said of the same."""
    done, by = client.login, client.verified_by
    tried = observed(f"a login from {done.tried_from}: {done.message or 'accepted'}")
    if done.succeeded:
        how = f"{host.name} verified by {by}" if by else "nothing verified (--ca-file FILE does)"
        return passed(f"libpq logs in from {done.tried_from}: {how}", tried)
    if done.failure is LoginFailure.CERTIFICATE:
        fix = Fix(
            (
                LocalCommand(("curl", "-fsSLO", BUNDLE)),
                OpskitCommand(("diagnose", "auth"), ("--ca-file", "global-bundle.pem")),
            ),
            "fetches the present bundle, which has every authority of RDS, and verifies by it",
            undo=(LocalCommand(("rm", "global-bundle.pem")),),
            caution="sslmode=require is not the fix: it verifies nothing.",
        )
        return failed(
            f"libpq does not accept the certificate of {host.name} by {by}", tried, fix=fix
        )
    if isinstance(login, Known) and login.value.succeeded:
        return warned(
            f"{done.user} logs in from {login.value.tried_from}, but not from {done.tried_from}: "
            f"{done.message}",
            tried,
            observed(f"a login from {login.value.tried_from}"),
            fix=Advice(
                f"The app is not concerned: its way, from {login.value.tried_from}, works. Look at what lies "
                f"between {done.tried_from} and the database. A tunnel opens a path for clients here.",
                (OpskitCommand(("tunnel",)),),
            ),
        )
    return undecided(
        f"the login from {done.tried_from} did not get as far as the certificate: {done.message}",
        "a login that reaches the database",
    )
