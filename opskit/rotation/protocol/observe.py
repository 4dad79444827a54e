"""Which password the database accepts: by logging in with all that are written down."""

from __future__ import annotations

from opskit.engine.interface import LoginFailure
from opskit.rotation.protocol.interface import Login, Opening
from opskit.rotation.protocol.services import World
from opskit.rotation.protocol.state_machine import Accepts, Which
from opskit.rotation.steps.parameter import Seen

OURS = ((Accepts.NEW, "the new password"), (Accepts.OLD, "the old password"))


class Candidates:
    """The passwords that may log in.

    Attributes:
        works: the login that the database accepted last; None: none of them.
        tried: where those are kept that it refused.
        why: what a login said that could not be judged.
    """

    def __init__(self, world: World, opening: Opening) -> None:
        self._world, self._opening = world, opening
        self.works: Login | None = None
        self.tried: list[str] = []
        self.why = ""

    def try_ours(self) -> Accepts | None:
        """Which of the rotation's two passwords logs in, the new one first; None: neither."""
        self.tried, self.why = [], ""
        for accepts, where in OURS:
            login = self._opening.new if accepts is Accepts.NEW else self._opening.old
            found = self._try(accepts, f"{where} of this rotation", login)
            if found is not None:
                return found
        return None

    def try_others(self, seen: Seen) -> Accepts:
        """What else logs in: what the parameters hold, then all that is known."""
        if seen.which is Which.OTHER:
            held = self._opening.login_in(seen.values)
            found = self._try(Accepts.HELD, "what the parameter holds", held) if held else None
            if found is not None:
                return found
        for where, login in self._world.others():
            found = self._try(Accepts.OTHER, where, login)
            if found is not None:
                return found
        self.works = None
        return Accepts.NONE

    def _try(self, accepts: Accepts, where: str, login: Login) -> Accepts | None:
        """One candidate; None when the database says that its password is wrong."""
        done = self._world.door.try_login(login.user, login.password)
        if done.succeeded:
            self.works = login
            return accepts
        if done.failure is LoginFailure.PASSWORD:
            self.tried.append(where)
            return None
        self.why = done.message
        return Accepts.UNJUDGED
