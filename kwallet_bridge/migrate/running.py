# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a running kwalletd through its own D-Bus interface."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kwallet_bridge.errors import (
    BusError,
    BusReplyError,
    StoreLockedError,
    StoreUnavailableError,
)
from kwallet_bridge.model import EntryType, Folder, FolderName, Key, Wallet, WalletEntry, WalletName
from kwallet_bridge.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kwallet_bridge.bus.port import Bus

GENERATIONS = ("kwalletd6", "kwalletd5", "kwalletd")
_INTERFACE = "org.kde.KWallet"
OWN_APPID = "kwallet-bridge"
_KDES_PROGRAMS = frozenset({"kwalletd", "kwalletd5", "kwalletd6"})
_SAVE_PATIENCE = 5.0


@dataclass(frozen=True, slots=True)
class RunningDaemon:
    """A kwalletd of KDE's that owns one of its names."""

    bus: Bus
    generation: str
    owner: str
    """The unique name of the process that was looked at: the well-known one may change hands."""

    async def list_wallets(self) -> list[WalletName]:
        """List its wallets."""
        return [WalletName(str(name)) for name in _list(await self._ask("wallets"))]

    async def is_open(self, wallet: WalletName) -> bool:
        """Tell whether a wallet is open, so that it may hold changes not yet in its file."""
        return bool(await self._ask("isOpen", "s", wallet))

    async def save(self, wallet: WalletName) -> bool:
        """Have an open wallet's changes written to its file; False if we are not let in.

        Our session is closed again without force: the wallet stays open for everybody else.
        """
        try:
            handle = await self._open(wallet, _SAVE_PATIENCE)
        except (BusError, StoreLockedError):
            return False
        try:
            await self._ask("sync", "is", handle, OWN_APPID)
        finally:
            await self._ask("close", "ibs", handle, False, OWN_APPID)
        return True

    async def read_wallet(self, wallet: WalletName) -> Wallet:
        """Read everything, letting the daemon ask the person if it must.

        Raises:
            StoreLockedError: The person or the daemon's settings refused.
            StoreUnavailableError: The daemon went away, or the wallet was closed meanwhile.
        """
        try:
            handle = await self._open(wallet, None)
            try:
                names = _list(await self._ask("folderList", "is", handle, OWN_APPID))
                folders = [await self._read_folder(handle, str(name)) for name in names]
                # To a handle that is closed it answers with nothing, and with no error.
                whole = await self._ask("isOpen", "i", handle)
            finally:
                await self._ask("close", "ibs", handle, False, OWN_APPID)
        except BusError as error:
            raise StoreUnavailableError("the running kwalletd stopped answering") from error
        if not whole:
            raise StoreUnavailableError("the running kwalletd closed the wallet while it was read")
        return Wallet(wallet, tuple(folders))

    async def _open(self, wallet: WalletName, patience: float | None) -> int:
        handle = await self._ask("open", "sxs", wallet, 0, OWN_APPID, timeout=patience)
        if not isinstance(handle, int) or handle < 0:
            raise StoreLockedError("the running kwalletd does not open the wallet")
        return handle

    async def _read_folder(self, handle: int, name: str) -> Folder:
        keys = _list(await self._ask("entryList", "iss", handle, name, OWN_APPID))
        values = await self._read_values(handle, name, [str(key) for key in keys])
        entries = []
        for key, value in values.items():
            kind = await self._ask("entryType", "isss", handle, name, key, OWN_APPID)
            code = kind if isinstance(kind, int) else EntryType.UNKNOWN
            entries.append(WalletEntry(Key(key), code, Secret(value)))
        return Folder(FolderName(name), tuple(entries))

    async def _read_values(self, handle: int, name: str, keys: Sequence[str]) -> dict[str, bytes]:
        """Read a folder's values: one by one, as every generation can and wildcards cannot harm."""
        values = {}
        for key in keys:
            value = await self._ask("readEntry", "isss", handle, name, key, OWN_APPID)
            values[key] = bytes(value) if isinstance(value, bytes | bytearray) else b""
        return values

    async def _ask(
        self,
        member: str,
        signature: str = "",
        *body: object,
        timeout: float | None = 25.0,  # noqa: ASYNC109
    ) -> object:
        path = f"/modules/{self.generation}"
        reply = await self.bus.call(
            self.owner, path, _INTERFACE, member, signature, body, timeout=timeout, auto_start=False
        )
        return reply[0] if reply else None


async def find_daemon(bus: Bus) -> RunningDaemon | None:
    """Find a kwalletd of KDE's that runs; our own daemon under its names is none."""
    return next(iter(await find_daemons(bus)), None)


async def find_daemons(bus: Bus) -> list[RunningDaemon]:
    """Find every kwalletd of KDE's that runs, each once, the newest generation first."""
    found: dict[str, RunningDaemon] = {}
    for generation in GENERATIONS:
        try:
            owner = str(await _ask_bus(bus, "GetNameOwner", f"org.kde.{generation}"))
            process = await _ask_bus(bus, "GetConnectionUnixProcessID", owner)
        except BusReplyError:
            continue
        if _program(process) in _KDES_PROGRAMS:
            found.setdefault(owner, RunningDaemon(bus, generation, owner))
    return list(found.values())


async def _ask_bus(bus: Bus, member: str, name: str) -> object:
    reply = await bus.call(
        "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", member, "s", [name]
    )
    return reply[0]


def _program(process: object) -> str:
    """Give a process's name; its executable cannot be read, as kwalletd forbids being debugged."""
    try:
        return Path(f"/proc/{process}/comm").read_text(encoding="utf-8").rstrip("\n")
    except (OSError, UnicodeDecodeError):
        return ""


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else []
