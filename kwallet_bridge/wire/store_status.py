# SPDX-License-Identifier: GPL-3.0-or-later
"""Which store serves and why, as the running daemon tells ``status`` and ``doctor``.

Only the daemon knows: what is on the bus need not be what it serves from. No name of a wallet,
folder or entry is told.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from kwallet_bridge.bus import incoming
from kwallet_bridge.bus.port import Variant
from kwallet_bridge.wire.introspection import INTROSPECTABLE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping

    from kwallet_bridge.bus.incoming import IncomingCall

STORE_INTERFACE: Final = "org.kwallet_bridge.Store1"
STORE_PATH: Final = "/org/kwallet_bridge/Store"
STATUS: Final = "Status"
PROVIDER: Final = "provider"
FILE: Final = "file"
SERVING: Final = "serving"
WAITING: Final = "waiting"
"""Nobody provides the Secret Service now; opens wait, and are served when somebody does."""
UNUSABLE: Final = "unusable"
"""Every open fails until a person did something about it."""
INTROSPECTION: Final = f"""\
<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">
<node>
  <interface name="{STORE_INTERFACE}">
    <method name="{STATUS}"><arg name="status" type="a{{sv}}" direction="out"/></method>
  </interface>
</node>
"""


@dataclass(frozen=True, slots=True)
class StoreStatus:
    """Which store serves and why; a text that is not known is ""."""

    kind: str = ""
    """``provider`` or ``file``; "" where none can serve."""
    state: str = UNUSABLE
    program: str = ""
    """Which provider is there, or else is waited for."""
    path: str = ""
    """The keyring file's."""
    decided_by: str = ""
    """How it was decided; "" while nothing is decided and whoever comes first would serve."""
    decided_at: int = 0
    """Seconds since 1970."""
    problem: str = ""
    """What is wrong and what to do about it."""
    pending: int = 0
    """Wallet files of KDE's of which something is not in the store."""

    def describe(self) -> str:
        """Return one line for a person."""
        if self.kind == FILE:
            text = f"the keyring file {self.path}"
        elif self.kind == PROVIDER:
            text = f"the Secret Service provider {self.program}".rstrip()
        else:
            return f"no store serves: {self.problem}"
        if self.state == WAITING:
            text = f"waiting for {text}"
        if not self.decided_by:
            return f"{text}; nothing is decided yet"
        day = time.strftime("%Y-%m-%d", time.localtime(self.decided_at))
        how = "an administrator" if self.decided_by == "administrator" else f"the {self.decided_by}"
        return f"{text}; decided by {how}" + (f" on {day}" if self.decided_at else "")

    def describe_pending(self) -> str:
        """Return one line about what waits to be moved; "" if nothing does."""
        if not self.pending:
            return ""
        files = "wallet file was" if self.pending == 1 else "wallet files were"
        return f"{self.pending} {files} not moved yet: programs get an error for what is only there"

    def to_body(self) -> dict[str, Variant]:
        """Return the answer's ``a{sv}``."""
        return {
            name: Variant("x" if isinstance(value, int) else "s", value)
            for name, value in asdict(self).items()
        }

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> StoreStatus:
        """Read an answer; what a newer daemon adds, or tells in another form, is left out."""
        found: dict[str, Any] = {}
        for each in fields(cls):
            value = getattr(body.get(each.name), "value", None)
            if type(value) is type(each.default):
                found[each.name] = value
        return cls(**found)


class StoreObject:
    """The object that answers which store serves."""

    def __init__(
        self,
        describe: Callable[[], Awaitable[StoreStatus]],
        start: Callable[[Coroutine[object, object, None]], None],
    ) -> None:
        """Answer what ``describe`` gives, in a task that ``start`` begins."""
        self._describe = describe
        self._start = start

    def handle(self, call: IncomingCall) -> bool:
        """Answer a call to this object; False for any other object."""
        if call.path != STORE_PATH:
            return False
        if call.interface in {STORE_INTERFACE, ""} and (call.member, call.signature) == (
            STATUS,
            "",
        ):
            self._start(self._answer(call))
        elif call.interface in {INTROSPECTABLE, ""} and call.member == "Introspect":
            call.reply("s", [INTROSPECTION])
        else:
            call.fail(incoming.UNKNOWN_METHOD, "no such method")
        return True

    async def _answer(self, call: IncomingCall) -> None:
        call.reply("a{sv}", [(await self._describe()).to_body()])
