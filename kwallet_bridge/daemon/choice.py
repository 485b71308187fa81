# SPDX-License-Identifier: GPL-3.0-or-later
"""Which store serves: what was decided, and else what nobody has to decide.

Never by timing: a provider that comes later than we look must not find that a file was made in its
stead. So a file is chosen only where somebody decided for one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from kwallet_bridge.errors import UsageError
from kwallet_bridge.statefile import MadeBy, StoreKind

if TYPE_CHECKING:
    from kwallet_bridge.statefile import Decision, State

AUTO: Final = "auto"
SECRET_SERVICE: Final = "secret-service"  # noqa: S105  a word on the command line
FILE: Final = "file"
OO7_FILE: Final = "oo7-file"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What decides where no decision is kept."""

    sandboxed: bool = False
    """We live in a Flatpak or Snap: nothing but a file can serve."""
    password_given: bool = False
    """An administrator gave us the password of a file."""
    provider_there: bool = False
    """A provider is on the bus, or can be started."""
    provider_served: bool = False
    """A provider served before, as the state file or the migrator's journal knows."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The store that serves. ``problem`` says why none does; ``kind`` is None then.

    ``made_by`` is who decided, None where nobody did and nobody had to; ``decision`` is what is
    kept of it already.
    """

    kind: StoreKind | None
    made_by: MadeBy | None = None
    path: str = field(default="", repr=False)
    for_oo7: bool = False
    decision: Decision | None = None
    problem: str = ""

    @property
    def waits_for(self) -> str:
        """The kind of provider that served last; "" if that is not known."""
        if self.kind is not StoreKind.PROVIDER or self.decision is None:
            return ""
        return self.decision.provider

    @property
    def served_before(self) -> bool:
        """Whether this very store is known to have served."""
        kept = self.decision
        return kept is not None and bool(kept.served_at) and self.agrees

    @property
    def agrees(self) -> bool:
        """Whether the store is the one that a decision is kept for."""
        return self.decision is not None and is_for(self.decision, self.kind, self.path)


def is_for(decision: Decision, kind: StoreKind | None, path: str) -> bool:
    """Tell whether a decision is for this store; one for a file without a path fits any."""
    return decision.kind is kind and decision.path in {"", path}


def named_store(spec: str) -> Choice | None:
    """Return the store that the command line names; None for ``auto``.

    Raises:
        UsageError: There is no such kind of store.
    """
    kind, colon, path = spec.partition(":")
    by = MadeBy.COMMAND_LINE
    if spec == AUTO:
        return None
    if spec == SECRET_SERVICE:
        return Choice(StoreKind.PROVIDER, by)
    if kind == FILE and (path or not colon):
        return Choice(StoreKind.FILE, by, path)
    if kind == OO7_FILE and path:
        return Choice(StoreKind.FILE, by, path, for_oo7=True)
    raise UsageError("--store takes auto, secret-service, file, file:PATH or oo7-file:PATH")


def choose_store(state: State, around: Surroundings) -> Choice:
    """Return the store that ``auto`` means."""
    kept = state.decision
    if around.sandboxed:
        return Choice(StoreKind.FILE, MadeBy.ADMINISTRATOR, decision=kept)
    if kept is not None:
        for_oo7 = bool(kept.extra.get("for_oo7"))
        return Choice(kept.kind, kept.made_by, kept.path, for_oo7=for_oo7, decision=kept)
    if around.password_given and not (around.provider_there or around.provider_served):
        return Choice(StoreKind.FILE, MadeBy.ADMINISTRATOR)
    return Choice(StoreKind.PROVIDER)
