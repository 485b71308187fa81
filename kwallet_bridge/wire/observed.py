# SPDX-License-Identifier: GPL-3.0-or-later
"""One call as ``kwallet-bridge monitor`` shows it: who, what, how it ended; never a value."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kwallet_bridge.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MONITOR_INTERFACE: Final = "org.kwallet_bridge.Monitor1"
MONITOR_PATH: Final = "/org/kwallet_bridge/Monitor"
CALLED: Final = "Called"
CALLED_SIGNATURE: Final = "dsusssda{ss}"
REFUSALS: Final = "Refusals"
REFUSALS_SIGNATURE: Final = "a(dsuss)"
"""Time, claimed appid, pid, executable, wallet."""
OK: Final = "ok"
REFUSED: Final = "refused"
"""An open that answered -1, or that was denied after ``openAsync`` had been answered."""
NAME_ARGUMENTS: Final = frozenset(
    {"wallet", "folder", "key", "old_name", "new_name", "application"}
)
"""Arguments that are names: shown only to who asks for names. Others are never shown."""


@dataclass(frozen=True, slots=True)
class ObservedCall:
    """A call that was answered. ``names`` is empty unless asked for."""

    time: float
    appid: str
    pid: int
    executable: str
    member: str
    outcome: str
    seconds: float
    names: Mapping[str, str]

    def to_body(self) -> list[object]:
        """Give the body of the signal."""
        return [
            self.time,
            self.appid,
            self.pid,
            self.executable,
            self.member,
            self.outcome,
            self.seconds,
            dict(self.names),
        ]

    @classmethod
    def from_body(cls, body: Sequence[Any]) -> ObservedCall:
        """Read the body of the signal."""
        return cls(*body)

    def to_json(self) -> dict[str, object]:
        """Give the fields for a JSON line."""
        return asdict(self)

    def format(self) -> str:
        """Give one line for a person: the program is what the kernel says, the appid a claim."""
        clock = time.strftime("%H:%M:%S", time.localtime(self.time))
        program = Path(self.executable).name or "?"
        claim = f' as "{printable(self.appid)}"' if self.appid else ""
        names = "".join(f" {key}={printable(value)}" for key, value in self.names.items())
        milliseconds = f"{self.seconds * 1000:.1f} ms"
        who = f"{printable(program)} ({self.pid or '?'}){claim}"
        return f"{clock}  {who}  {self.member}{names}  {self.outcome}  {milliseconds}"

    def __repr__(self) -> str:
        return f"ObservedCall({self.member})"
