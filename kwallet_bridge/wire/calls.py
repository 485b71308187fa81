# SPDX-License-Identifier: GPL-3.0-or-later
"""The interface on one page: every call and signal of ``org.kde.KWallet``, overloads included.

Introspection is made from these rows, so their order is KDE's: dbus-python keeps the last
overload of a name, and python keyring depends on which one that is.
Arguments are written ``name:type`` with the names of KDE's XML; they reach the service by keyword,
in Python's spelling (:data:`PYTHON_NAMES`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from kwallet_bridge.wallet.contents import Contents
from kwallet_bridge.wallet.service import WalletService

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

INTERFACE = "org.kde.KWallet"
NO_REPLY = "org.freedesktop.DBus.Method.NoReply"
DEPRECATED = "org.freedesktop.DBus.Deprecated"
QT_MAP = "org.qtproject.QtDBus.QtTypeName.Out0"

PYTHON_NAMES = {"wId": "window_id", "appid": "appid"}


class _Error:
    """Marks calls whose failure in the store must never look like an answer."""

    def __repr__(self) -> str:
        return "ERROR"


ERROR: Final = _Error()
"""Answer a D-Bus error. Chromium makes a new master key when a read or test answers "absent"."""


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument: its name in KDE's XML ("" for none), its D-Bus type, its name in Python."""

    name: str
    type: str

    @property
    def keyword(self) -> str:
        """Name the argument as the service does."""
        snake = re.sub(r"([A-Z])", lambda match: "_" + match[1].lower(), self.name)
        return PYTHON_NAMES.get(self.name, snake)


def _arguments(text: str) -> tuple[Argument, ...]:
    pairs = (word.partition(":") for word in text.split())
    return tuple(Argument(name, kind) for name, _, kind in pairs)


@dataclass(frozen=True, slots=True)
class Call:
    """One method: what it takes and gives, who does it, and what its failures look like.

    ``refused`` answers a bad handle, a denied application, a wallet system switched off; ``failed``
    answers every other WalletError and every StoreError. A NoReply call answers nothing even then.
    """

    member: str
    takes: str
    result: str
    handler: Callable[..., Awaitable[object]]
    refused: object = ERROR
    failed: object = ERROR
    annotations: dict[str, str] = field(default_factory=dict)

    @property
    def arguments(self) -> tuple[Argument, ...]:
        """The arguments in order."""
        return _arguments(self.takes)

    @property
    def signature(self) -> str:
        """The signature of a body this row answers."""
        return "".join(argument.type for argument in self.arguments)


@dataclass(frozen=True, slots=True)
class DeclaredSignal:
    """One signal and its arguments."""

    member: str
    carries: str
    annotations: dict[str, str] = field(default_factory=dict)

    @property
    def arguments(self) -> tuple[Argument, ...]:
        """The arguments in order."""
        return _arguments(self.carries)

    @property
    def signature(self) -> str:
        """The signature of its body."""
        return "".join(argument.type for argument in self.arguments)


SIGNALS = (
    DeclaredSignal("walletListDirty", ""),
    DeclaredSignal("walletCreated", "wallet:s"),
    DeclaredSignal("walletOpened", "wallet:s"),
    DeclaredSignal("walletAsyncOpened", "tId:i handle:i"),
    DeclaredSignal("walletDeleted", "wallet:s"),
    DeclaredSignal("walletClosed", "wallet:s"),
    DeclaredSignal("walletClosed", "handle:i", {DEPRECATED: "true"}),
    DeclaredSignal("walletClosedId", "handle:i"),
    DeclaredSignal("allWalletsClosed", ""),
    DeclaredSignal("folderListUpdated", "wallet:s"),
    DeclaredSignal("folderUpdated", ":s :s"),
    DeclaredSignal("applicationDisconnected", "wallet:s application:s"),
)

_W = WalletService
_C = Contents
_OLD = {DEPRECATED: "true"}
_MAP = {QT_MAP: "QVariantMap"}
_ENTRY = "handle:i folder:s key:s appid:s"
_FOLDER = "handle:i folder:s appid:s"
_LIST = "a{sv}"

CALLS = (
    Call("isEnabled", "", "b", _W.is_enabled),
    Call("open", "wallet:s wId:x appid:s", "i", _W.open, -1, -1),
    Call("openPath", "path:s wId:x appid:s", "i", _W.open_path, -1, -1),
    Call("openAsync", "wallet:s wId:x appid:s handleSession:b", "i", _W.open_async, -1, -1),
    Call("openPathAsync", "path:s wId:x appid:s handleSession:b", "i", _W.open_path_async, -1, -1),
    Call("close", "wallet:s force:b", "i", _W.close_wallet, -1, -1),
    Call("close", "handle:i force:b appid:s", "i", _W.close_handle, -1, -1),
    Call("sync", "handle:i appid:s", "", _C.sync, None, None, {NO_REPLY: "true"}),
    Call("deleteWallet", "wallet:s", "i", _W.delete_wallet, -1, -1),
    Call("isOpen", "wallet:s", "b", _W.is_open_wallet, refused=False),
    Call("isOpen", "handle:i", "b", _W.is_open_handle, refused=False),
    Call("users", "wallet:s", "as", _W.list_users, []),
    Call("changePassword", "wallet:s wId:x appid:s", "", _W.change_password, None, None),
    Call("wallets", "", "as", _W.list_wallets, []),
    Call("folderList", "handle:i appid:s", "as", _C.list_folders, []),
    Call("hasFolder", _FOLDER, "b", _C.has_folder, refused=False),
    Call("createFolder", _FOLDER, "b", _C.create_folder, refused=False, failed=False),
    Call("removeFolder", _FOLDER, "b", _C.remove_folder, refused=False, failed=False),
    Call("entryList", _FOLDER, "as", _C.list_entries, []),
    Call("readEntry", _ENTRY, "ay", _C.read_entry, b""),
    Call("readMap", _ENTRY, "ay", _C.read_map, b""),
    Call("readPassword", _ENTRY, "s", _C.read_password, ""),
    Call("readEntryList", _ENTRY, _LIST, _C.read_entry_list, {}, annotations=_MAP | _OLD),
    Call("entriesList", _FOLDER, _LIST, _C.all_entries, {}, annotations=_MAP),
    Call("readMapList", _ENTRY, _LIST, _C.read_map_list, {}, annotations=_MAP | _OLD),
    Call("mapList", _FOLDER, _LIST, _C.all_maps, {}, annotations=_MAP),
    Call("readPasswordList", _ENTRY, _LIST, _C.read_password_list, {}, annotations=_MAP | _OLD),
    Call("passwordList", _FOLDER, _LIST, _C.all_passwords, {}, annotations=_MAP),
    Call(
        "renameEntry",
        "handle:i folder:s oldName:s newName:s appid:s",
        "i",
        _C.rename_entry,
        -1,
        -1,
    ),
    Call(
        "writeEntry",
        "handle:i folder:s key:s value:ay entryType:i appid:s",
        "i",
        _C.write_entry,
        -1,
        -1,
    ),
    Call("writeEntry", "handle:i folder:s key:s value:ay appid:s", "i", _C.write_entry, -1, -1),
    Call("writeMap", "handle:i folder:s key:s value:ay appid:s", "i", _C.write_map, -1, -1),
    Call(
        "writePassword", "handle:i folder:s key:s value:s appid:s", "i", _C.write_password, -1, -1
    ),
    Call("hasEntry", _ENTRY, "b", _C.has_entry, refused=False),
    Call("entryType", _ENTRY, "i", _C.entry_type, 0),
    Call("removeEntry", _ENTRY, "i", _C.remove_entry, -1, -1),
    Call(
        "disconnectApplication",
        "wallet:s application:s",
        "b",
        _W.disconnect_application,
        refused=False,
    ),
    Call("reconfigure", "", "", _W.reconfigure, None, None),
    Call("folderDoesNotExist", "wallet:s folder:s", "b", _W.folder_does_not_exist),
    Call("keyDoesNotExist", "wallet:s folder:s key:s", "b", _W.key_does_not_exist),
    Call("closeAllWallets", "", "", _W.close_all_wallets, None, None),
    Call("networkWallet", "", "s", _W.network_wallet),
    Call("localWallet", "", "s", _W.local_wallet),
    Call(
        "pamOpen",
        "wallet:s passwordHash:ay sessionTimeout:i",
        "",
        _W.pam_open,
        None,
        None,
        {NO_REPLY: "true"},
    ),
)
