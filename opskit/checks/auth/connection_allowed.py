"""The database admits this address, user and database name.

Means: no pg_hba entry matches although TLS is used; on RDS that happens to odd roles and databases only.
Found by: the server's first answer over TLS, before any password is sent.
Looks alike: a client without TLS (TLS001): its message ends in `no encryption`.
Fix: the right user or database name in the parameters.
Not the fix: forced TLS switched off.
"""

from __future__ import annotations

from opskit.checks.fix import Advice
from opskit.checks.interface import Finding, failed, not_reached, observed, passed
from opskit.checks.seen import Seen, is_true, one_of
from opskit.checks.symptoms import login_place
from opskit.engine.interface import NO_PROOF, LoginFailure
from opskit.facts.database_engine import DatabaseEngine
from opskit.facts.interface import Fact, Known
from opskit.facts.probe import InstanceProbe
from opskit.facts.stored_credential import StoredCredential
from opskit.symptom import NO_HANDSHAKE, OPERATOR, SymptomKind, place, symptom

passes_on = one_of(
    Seen(InstanceProbe, "greeting.with_tls.allows_authentication", is_true),
    Seen(InstanceProbe, "greeting.without_tls.allows_authentication", is_true),
)
symptoms = (SymptomKind.LOGIN_REFUSED,)


def check(
    probe: InstanceProbe, database_engine: DatabaseEngine, parameters: Fact[StoredCredential]
) -> Finding:
    """Judge the server's answer over TLS; without TLS where the server has none."""
    greeting = probe.greeting
    answer = greeting.with_tls if greeting.offers_tls is not False else greeting.without_tls
    if answer is None:
        return not_reached(
            "the server gave no answer over TLS",
            NO_HANDSHAKE,
            f"a TLS handshake on {probe.workload_noun}",
        )
    if answer.allows_authentication is not None and not _is_of_app(parameters):
        return not_reached(
            "the server was asked for another user or database than the parameters', which were not read",
            (SymptomKind.CREDENTIAL_UNREADABLE,) if isinstance(parameters, Known) else (),
            "the parameters with user and database",
            place=place(parameters=["username", "database"], roles=[OPERATOR]),
        )
    if answer.allows_authentication:
        how = "no proof" if answer.method == NO_PROOF else f"a password ({answer.method})"
        return passed(f"the server asks for {how}")
    if answer.allows_authentication is None:
        return not_reached(
            f"the server did not get as far as the client: {answer.message or answer.code}",
            (SymptomKind.NOT_READY, SymptomKind.NO_SLOT),
            "an answer to a login",
        )
    return failed(
        f"the server turns the app away before any password: {answer.message}",
        observed(f"its first answer, before any password, seen from {probe.workload_noun}"),
        fix=Advice(database_engine.engine.advice.not_admitted()),
        symptom=symptom(
            SymptomKind.LOGIN_REFUSED,
            login_place(LoginFailure.NOT_ADMITTED, None),
            (SymptomKind.WRONG_ADDRESS,),
            is_fault=True,
        ),
    )


def _is_of_app(parameters: Fact[StoredCredential]) -> bool:
    """Whether user and database of the parameters were known when the server was asked."""
    return isinstance(parameters, Known) and all(
        parameters.value.value(purpose) for purpose in ("username", "database")
    )
