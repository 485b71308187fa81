# SPDX-License-Identifier: GPL-3.0-or-later
"""One row per provider; ``provider.py`` picks it, and nothing else asks for a provider's name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kwallet_bridge.store.port import Quirks

if TYPE_CHECKING:
    from collections.abc import Mapping

SPECIFICATION: Final = Quirks()

GNOME_KEYRING: Final = Quirks(
    keeps_content_type=False,
    hides_locked_schema=True,
    text_is_a_line=True,  # also where a password encrypts it: a person may take that away
)
KEEPASSXC: Final = Quirks(
    rewrites_text=True,
    items_lock_singly=True,
    hides_locked_items=True,
    default_alias=False,
    label_is_file_when_locked=True,
    starts_empty=True,
    looks_at_clients=True,
)
KSECRETD: Final = Quirks(
    locked_reads_empty=True,
    default_alias=False,
    schemaless_twins=True,
    rewrites_maps=True,
    leaves_refused_items=True,
)
OO7: Final = Quirks(
    items_lock_singly=True,
    hides_locked_items=True,
    replaces_exact_only=True,
    delete_takes_supersets=True,
    setters_forgotten=True,
    forgets_label_case=True,
    labels_are_paths=True,
    collections_come_late=True,
)
UNKNOWN: Final = Quirks(
    keeps_content_type=False,
    rewrites_text=True,
    items_lock_singly=True,
    locked_reads_empty=True,
    hides_locked_items=True,
    hides_locked_schema=True,
    default_alias=False,
    labels_are_paths=True,
    leaves_refused_items=True,
    text_is_a_line=True,
)
"""For a provider nobody told us of: believe nothing that can be asked."""

NAMES: Final[Mapping[str, str]] = {
    "gnome-keyring": "org.gnome.keyring",
    "keepassxc": "org.keepassxc.KeePassXC.MainWindow",
    "ksecretd": "org.kde.secretservicecompat",
    "kwalletd6": "org.kde.kwalletd6",
}
"""Bus names that a provider holds on the same connection: what it does, not what it is called."""

PROGRAMS: Final[Mapping[str, str]] = {
    # /proc/PID/comm holds 15 characters.
    "gnome-keyring-d": "gnome-keyring",
    "keepassxc": "keepassxc",
    "ksecretd": "ksecretd",
    "kwalletd5": "kwalletd6",
    "kwalletd6": "kwalletd6",
    "oo7-daemon": "oo7",
}

ROWS: Final[Mapping[str, Quirks]] = {
    "gnome-keyring": GNOME_KEYRING,
    "keepassxc": KEEPASSXC,
    "ksecretd": KSECRETD,
    "kwalletd6": KSECRETD,  # up to KDE Frameworks 6.13 they were one program
    "oo7": OO7,
    "": UNKNOWN,
}

SAVE_IN_BACKGROUND: Final = frozenset({"keepassxc"})
"""Providers that may end when they are written to while they save: see ``resting.py``."""

KEEP_WALLET_FILES: Final = frozenset({"ksecretd"})
"""Providers whose own collections are the wallet files of KDE's folder: none waits to be moved."""

SAVE_LATE: Final = frozenset({"ksecretd"})
"""Providers that lose what they were given when they end before they saved: see ``saving.py``."""

PROMPTERS: Final[Mapping[str, str]] = {"gnome-keyring": "org.gnome.keyring.SystemPrompter"}
"""Bus names of the programs that ask a person for a provider, which itself has no windows."""

COME_BY_THEMSELVES: Final = frozenset({"keepassxc"})
"""Providers that no activation file starts: who is started in their stead takes their name."""
