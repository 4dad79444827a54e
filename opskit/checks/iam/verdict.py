"""What the checks of the role's rights share: each speaks of its own reason and of no other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from opskit.checks.fix import Remedy
from opskit.checks.iam.bench import Bench
from opskit.checks.iam.standing import Stand, Standing
from opskit.checks.interface import Finding, failed, passed, skipped, undecided
from opskit.facts.instance_role import InstanceRole
from opskit.facts.interface import Fact, Known
from opskit.policy.nearest import Denial, Miss


@dataclass(frozen=True, slots=True)
class Broken:
    """A refusal for the check's own reason.

    Attributes:
        what: `read /a, /b` or `decrypt the password`.
        is_decrypt: whether it is about the key.
    """

    role: str
    what: str
    is_decrypt: bool
    miss: Miss
    stand: Stand

    @property
    def sentence(self) -> str:
        """The refusal with its reason."""
        why = f": {self.miss.words}" if self.miss.words else ""
        return f"{self.role} may not {self.what}{why}"


Mend = Callable[[Bench, Broken], Remedy | None]


def name_of(role: Fact[InstanceRole]) -> str:
    """The role's name, or what to call it when nobody may look."""
    return (isinstance(role, Known) and role.value.role_name) or "the instance's role"


def verdict(
    standing: Standing,
    role: Fact[InstanceRole],
    bench: Bench,
    *,
    reading: tuple[Denial, ...] = (),
    decrypting: tuple[Denial, ...] = (),
    mend: Mend,
) -> Finding:
    """Judge both stands under the reasons that the check speaks of.

    Args:
        reading, decrypting: the reasons for each of the two.
    """
    if isinstance(role, Known) and role.value.role_name is None:
        return undecided("the instance has no role", "an instance profile")
    name = name_of(role)
    asked: list[tuple[Stand | None, tuple[Denial, ...], str, bool]] = [
        (standing.read, reading, "read the parameters", False),
        (standing.decrypt, decrypting, "decrypt the password", True),
    ]
    relevant = [row for row in asked if row[1] and row[0] is not None]
    for stand, reasons, what, is_decrypt in relevant:
        if stand is not None and stand.miss is not None and stand.miss.denial in reasons:
            if stand.names and not is_decrypt:
                what = f"read {', '.join(stand.names)}"
            elif bench.key is not None and is_decrypt:
                what += f" with {bench.key.named_as} ({bench.key.key_id})"
            broken = Broken(name, what, is_decrypt, stand.miss, stand)
            return failed(broken.sentence, *stand.evidence, fix=mend(bench, broken))
    for stand, _, _, _ in relevant:
        if stand is not None and stand.is_allowed is None:
            return undecided(stand.why_unknown, *stand.missing)
    if any(stand is not None and stand.is_allowed is False for stand, _, _, _ in relevant):
        return skipped("the refusal is judged under another code")
    if not relevant:
        return skipped("AWS's own key needs no statement: ssm:GetParameter is enough")
    evidence = tuple(e for stand, _, _, _ in relevant if stand for e in stand.evidence)
    whats = " and ".join(f"may {what}" for _, _, what, _ in relevant)
    return passed(f"{name} {whats}", *evidence)
