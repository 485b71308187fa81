# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole error tree and the exit code of each class.

Exit codes are part of the command line's contract: ``docs/reference/errors.md`` is made from
this tree, and a test refuses two classes of different meaning with one code.
Messages never hold secrets; names of wallets, folders and entries appear only in errors shown to
the person who owns them, never in a log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence


class BridgeError(Exception):
    """Anything this program reports on purpose."""

    exit_code: ClassVar[int] = 1


class UsageError(BridgeError):
    """The command line, or a settings file, asks for something that makes no sense."""

    exit_code = 2


class PartialError(BridgeError):
    """The work was done in part: some entries were skipped, each with its reason."""

    exit_code = 3


# --- the request cannot be met, whoever noticed -------------------------------------------------


class WalletError(BridgeError):
    """The request cannot be met; on the bus it ends as the call's ``refused`` answer."""

    exit_code = 10


class WalletDisabledError(WalletError):
    """kwalletrc switches the wallet system off."""


class HandleError(WalletError):
    """The handle is unknown, closed, or not this application's."""


class HandleEndedError(WalletError):
    """The handle was good until the store went, locked or replaced its wallet: open it again."""


class AccessDeniedError(WalletError):
    """kwalletrc, or the person asked, denies this application the wallet."""


class WalletNotFoundError(WalletError):
    """No wallet has this name."""


class FolderNotFoundError(WalletError):
    """The wallet has no folder of this name."""


class EntryNotFoundError(WalletError):
    """The folder has no entry under this key."""


class EntryExistsError(WalletError):
    """The key is taken; nothing was changed."""


class InvalidNameError(WalletError):
    """The store cannot hold a wallet, folder or key of this name."""


# --- the store failed ---------------------------------------------------------------------------


class StoreError(BridgeError):
    """The store failed; what it held before is unchanged unless the message says otherwise."""

    exit_code = 20

    def __init__(self, message: str, *, dbus_name: str = "") -> None:
        """Keep the D-Bus error name of the cause; its text may quote private names."""
        super().__init__(message)
        self.dbus_name = dbus_name


class StoreUnavailableError(StoreError):
    """Nobody provides the store, or it went away in mid-call."""

    exit_code = 5


class StoreLockedError(StoreError):
    """The collection or item is locked."""

    exit_code = 4


class PromptDismissedError(StoreError):
    """A person said no: neither not-found nor failure."""

    exit_code = 4


class StoreTimeoutError(StoreError):
    """The store did not answer in time; whether it acted is unknown."""

    exit_code = 21


class StoreRefusedError(StoreError):
    """The store refused this item or operation."""

    exit_code = 22


class StoreConflictError(StoreError):
    """Another program changed the store in between; nothing was overwritten."""

    exit_code = 23


class StoreFullError(StoreError):
    """No room to write; what was there before is unchanged."""

    exit_code = 24


class StoreDamagedError(StoreError):
    """The store's file is damaged, or of a version we do not know."""

    exit_code = 25


class StateError(StoreError):
    """The file that keeps which store serves cannot be used; no store is chosen by guess."""

    exit_code = 27


class WalletUnclearError(StoreError):
    """Several collections could be the wallet that was asked for, and nothing says which."""

    exit_code = 29


class StoreIncompleteError(StoreDamagedError):
    """Not everything can be read; what was not found may be among the rest.

    ``found`` is what was found, in the store's own words; ``names`` are, for each thing that
    cannot be read and may be what was looked for, the names of its attributes; None if not even
    these can be told.
    """

    def __init__(
        self, message: str, found: Sequence[str], names: Sequence[frozenset[str] | None]
    ) -> None:
        """Keep what is known all the same."""
        super().__init__(message)
        self.found = found
        self._names = names

    def may_hold(self, attribute: str) -> bool:
        """Return whether something that cannot be read may have an attribute of this name."""
        return any(names is None or attribute in names for names in self._names)


class StoreMissingError(StoreError):
    """The store's file was there and is gone; nothing is made in its place."""

    exit_code = 45


class StoreOutdatedError(StoreError):
    """The store's file is older than the one last seen; what came since is not in it."""

    exit_code = 46


class StorePasswordError(StoreError):
    """The password does not open the store's file."""

    exit_code = 6


class ReadBackError(StoreError):
    """What the store gives back is not what was written; the old state was put back."""

    exit_code = 8


class CodecError(StoreError):
    """An item in our collection that is not an entry, or an entry no item can hold."""

    exit_code = 26


class ElsewhereError(StoreError):
    """What was asked for exists, but not in the store that serves; the message says what to do."""

    exit_code = 28


# --- wallet files -------------------------------------------------------------------------------


class KwlError(BridgeError):
    """A wallet file cannot be read. Carries an offset, never bytes.

    ``kind`` is the class name used in reports and by ``inspect --json``.
    """

    exit_code = 7
    kind: ClassVar[str] = "corrupt"

    def __init__(self, message: str, *, offset: int | None = None) -> None:
        """Say what is wrong and where in the file, counted in bytes from its start."""
        super().__init__(message)
        self.offset = offset


class NotAWalletError(KwlError):
    """The file does not begin like a wallet."""

    exit_code = 30
    kind = "not-a-wallet"


class UnsupportedFormatError(KwlError):
    """A wallet of a version, cipher or hash that nobody ever wrote, or that we do not know."""

    exit_code = 31
    kind = "unsupported"


class MalformedError(KwlError):
    """The file's structure is broken."""

    exit_code = 32
    kind = "corrupt"


class SaltError(KwlError):
    """The salt file is missing, empty or unreadable; without it no password can help."""

    exit_code = 33
    kind = "salt"


class DecryptionError(KwlError):
    """Wrong password, wrong salt, or damage near the start: the format cannot tell."""

    exit_code = 6
    kind = "auth"


class DamagedError(KwlError):
    """The password is right and the file is damaged."""

    exit_code = 34
    kind = "damaged"


class GpgError(KwlError):
    """GnuPG could not decrypt the wallet."""

    exit_code = 35
    kind = "gpg"


class LimitError(KwlError):
    """The file, or what it unpacks to, is larger than the reader accepts."""

    exit_code = 36
    kind = "limit"


class FileUnreadableError(KwlError):
    """The wallet file is not there, not a regular file, or may not be read."""

    exit_code = 38
    kind = "io"


class CipherUnavailableError(BridgeError):
    """OpenSSL on this machine refuses a cipher; the message says what to do."""

    exit_code = 37


class PasswordNeededError(BridgeError):
    """A password is needed and there is no way to ask for it."""

    exit_code = 39


# --- migration ----------------------------------------------------------------------------------


class MigrationError(BridgeError):
    """A migration could not go on; what was written is in the journal."""

    exit_code = 40


class ConflictError(MigrationError):
    """The destination holds another value under the same name."""

    exit_code = 41


class VerificationError(MigrationError):
    """An entry read back differs from its source."""

    exit_code = 8


class JournalError(MigrationError):
    """The journal cannot be read or written."""

    exit_code = 42


# --- the bus ------------------------------------------------------------------------------------


class BusError(BridgeError):
    """The message bus failed us."""

    exit_code = 50


class BusLostError(BusError):
    """The connection to the bus ended."""

    exit_code = 51


class NameTakenError(BusError):
    """Another program owns a name we need, or took it from us."""

    exit_code = 52


class BusTimeoutError(BusError):
    """A call was not answered in time."""

    exit_code = 53


class BusReplyError(BusError):
    """A call was answered by a D-Bus error. Keeps its name; the text may be private."""

    exit_code = 54

    def __init__(self, name: str) -> None:
        """Keep the error's D-Bus name."""
        super().__init__(f"the call was answered by {name}")
        self.name = name


# --- settings and the session -------------------------------------------------------------------


class SettingsError(BridgeError):
    """kwalletrc cannot be written, or its administrator forbids it."""

    exit_code = 60


class SessionError(BridgeError):
    """Installing or removing the session component failed; what was changed was put back."""

    exit_code = 61


class FindingsError(BridgeError):
    """``doctor`` found something to do."""

    exit_code = 62


class WindowError(BridgeError):
    """No window can be shown."""

    exit_code = 63
