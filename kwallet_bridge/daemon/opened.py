# SPDX-License-Identifier: GPL-3.0-or-later
"""The passwords that opened keyring files, each for as long as its file stays open.

A wallet file that is pending is moved by a process of its own, which has to open the keyring file
too; to ask a person for the same password twice would be a question too many.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kwallet_bridge.secret import Secret


class OpenedPasswords:
    """Keeps in memory what opened a keyring file, until the file is locked."""

    def __init__(self) -> None:
        """Know nothing."""
        self._kept: dict[str, Secret] = {}

    def keep(self, label: str, password: Secret) -> None:
        """Keep the password that just opened or made the file of this label."""
        self._kept[label] = password

    def forget(self, label: str) -> None:
        """Let go of the password of a file that was locked."""
        self._kept.pop(label, None)

    def find(self, label: str) -> Secret | None:
        """Return the password of a file that is open; None where none is known."""
        return self._kept.get(label)
