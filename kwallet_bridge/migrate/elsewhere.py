# SPDX-License-Identifier: GPL-3.0-or-later
"""Wallet files that oo7, or KDE's own migration, say they moved into the provider that serves.

Their word is no proof: oo7 sets its stamp although it left entries out, and KDE looks at no error
of a write. It opens no gate. But what is in the store as well may be removed there, as from then on
the file, which they will not move again, no longer counts for it. Blocking.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from kwallet_bridge.config import read_settings
from kwallet_bridge.kwl.header import digest_name, encode_names
from kwallet_bridge.migrate.coverage import SourceFile
from kwallet_bridge.migrate.journal import journal_path, open_journal
from kwallet_bridge.secretservice.names import SECRET_SERVICE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kwallet_bridge.migrate.pending import PendingWallet, ServedStore
    from kwallet_bridge.store.expected import Seen

OO7: Final = "oo7"
STAMP: Final = ".migrated"
_NO_CONTENT: Final = ""
"""In place of a digest, so that no file as a whole counts as moved."""


def is_said_to_be_moved(
    wallet: PendingWallet, store: ServedStore, environ: Mapping[str, str]
) -> bool:
    """Tell whether somebody says that the store holds what a wallet file holds.

    oo7's stamp counts while oo7 serves, for a file that was not saved since.
    """
    if store.destination != SECRET_SERVICE:
        return False
    if store.provider == OO7:
        stamp = wallet.path.with_name(wallet.path.name + STAMP)
        with suppress(OSError):
            if stamp.stat().st_mtime_ns >= wallet.modified_ns:
                return True
    return wallet.wallet in read_settings(environ).migrated_wallets


def note_seen(wallet: PendingWallet, store: ServedStore, seen: Seen) -> None:
    """Note that of what a file holds these places are in the store; on disk when this returns.

    Raises:
        JournalError: It cannot be noted, or a migration is at work.
    """
    expected = wallet.expectation
    names = {
        digest_name(folder): {digest_name(key) for key in keys if expected.may_hold(folder, key)}
        for folder, keys in seen.items()
        if expected.may_hold(folder)
    }
    source = str(wallet.path.absolute())
    file = SourceFile(source, wallet.wallet, _NO_CONTENT, encode_names(names))
    with open_journal(journal_path()) as journal:
        journal.note_covered(store.destination or "", None, [(file, ())])
