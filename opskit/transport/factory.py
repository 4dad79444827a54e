"""Creates the transports and tunnels that `--via` names; `auto` tries the location's in order."""

from __future__ import annotations

import pkgutil

from opskit.config import Target
from opskit.errors import NotExecuted, UsageError
from opskit.transport import CHOICES, TRANSPORTS, TUNNELS
from opskit.transport.debug_log import log, logged
from opskit.transport.interface import ProblemCallback, Transport, TransportContext, Tunnel


def create_transport(context: TransportContext) -> Transport:
    """Create the transport for commands.

    Raises:
        UsageError: there is no such transport.
    """
    names = _names(context.target, context.location.transports)
    transports: list[Transport] = [
        logged(pkgutil.resolve_name(TRANSPORTS[name])(context)) for name in names
    ]
    if len(transports) == 1:
        return transports[0]
    from opskit.transport.fallback import FallbackTransport

    return FallbackTransport(transports)


def create_tunnel(
    context: TransportContext, host: str, port: int, on_problem: ProblemCallback
) -> Tunnel:
    """Open a tunnel to the database's port.

    A transport that carries commands only is replaced by the location's first for tunnels.

    Args:
        host, port: the database as the instance or task resolves and reaches it.
        on_problem: called with a sentence about a failed connection.

    Raises:
        NotExecuted: the transport is refused; under `auto` all are, and every refusal is named.
        UsageError: there is no such transport.
    """
    target, tunnels = context.target, context.location.tunnels
    if named_transport(target) == "none":
        raise NotExecuted(
            f"no transport to {target.workload_kind.definite} was to be used (--via none)",
            missing="a transport (--via)",
        )
    from opskit.transport.fallback import merge_refusals

    refusals: list[NotExecuted] = []
    for name in _names(target, tunnels):
        log.debug("%s: opens a tunnel to %s:%d", name, host, port)
        function = TUNNELS.get(name, TUNNELS[tunnels[0]])
        try:
            tunnel: Tunnel = pkgutil.resolve_name(function)(context, host, port, on_problem)
        except NotExecuted as error:
            log.debug("%s: refused: %s", name, error.sentence)
            refusals.append(error)
        else:
            return tunnel
    raise merge_refusals(refusals)


def named_transport(target: Target) -> str:
    """The value of `--via`.

    Raises:
        UsageError: there is no such transport.
    """
    if target.via not in CHOICES:
        raise UsageError(f"--via '{target.via}' is not one of {', '.join(CHOICES)}")
    return target.via


def _names(target: Target, automatic: tuple[str, ...]) -> tuple[str, ...]:
    """The transports to try, in order."""
    if named_transport(target) != "auto":
        return (target.via,)
    has_ssh = bool(target.ssh_host or target.ssh_bastion)
    return tuple(name for name in automatic if name != "ssh" or has_ssh)
