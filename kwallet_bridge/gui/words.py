# SPDX-License-Identifier: GPL-3.0-or-later
"""Words of the report schema, as a person reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PyQt6.QtCore import QCoreApplication

from kwallet_bridge.gui.labels import shown

if TYPE_CHECKING:
    from collections.abc import Mapping


def say_outcome(word: str) -> str:
    """Say a plan's action or a row's outcome."""
    translate = QCoreApplication.translate
    return {
        "create": translate("Words", "will be created"),
        "same": translate("Words", "is there already"),
        "conflict": translate("Words", "another value is there"),
        "replace": translate("Words", "will be replaced"),
        "skip": translate("Words", "stays as it is"),
        "unsupported": translate("Words", "cannot be moved"),
        "created": translate("Words", "created"),
        "replaced": translate("Words", "replaced"),
        "skipped": translate("Words", "left out"),
        "failed": translate("Words", "failed"),
        "pending": translate("Words", "not reached"),
        "removed": translate("Words", "removed again"),
        "restored": translate("Words", "put back"),
        "changed-since": translate("Words", "changed since, stays"),
        "absent": translate("Words", "was gone already"),
        "not-reached": translate("Words", "not reached"),
    }.get(word, word)


def say_reason(word: str) -> str:
    """Say why, "" where there is nothing to say."""
    translate = QCoreApplication.translate
    return {
        "unknown-type": translate("Words", "KWallet knows no such type of entry"),
        "name-nul-or-surrogate": translate("Words", "no password store can hold this name"),
        "value-cannot-be-kept": translate("Words", "no password store can hold this value"),
        "another-source-has-this-name": translate(
            "Words", "another file has an entry of this name"
        ),
        "twice-in-this-source": translate("Words", "this file has an entry of this name before"),
        "unreadable-in-source": translate("Words", "the file has it so that it cannot be read"),
        "lost-by-unencrypted-keyring": translate(
            "Words", "a keyring without a password would lose this value"
        ),
        "another-value": translate("Words", "the password store has another value"),
        "kept-beside": translate("Words", "kept beside it, under another name"),
        "unfinished-write": translate("Words", "an interrupted write is done again"),
        "name-altered-by-provider": translate("Words", "the password store would change this name"),
        "placeholder-refused-by-provider": translate(
            "Words", "the password store would change this value"
        ),
        "map-refused-by-provider": translate("Words", "no password store can hold this value"),
        "null-becomes-empty": translate("Words", "the password store changed it"),
        "refused-by-provider": translate("Words", "the password store refused it"),
        "altered-by-provider": translate("Words", "the password store changed it"),
        "changed-by-another-program": translate("Words", "another program changed it meanwhile"),
        "cannot-be-kept": translate("Words", "what would be replaced cannot be kept"),
        "missing-after-write": translate("Words", "not found when read again"),
        "differs-after-write": translate("Words", "different when read again"),
    }.get(word, word)


def say_error(result: Mapping[str, Any]) -> str:
    """Say what kept the whole work from being done."""
    translate = QCoreApplication.translate
    text = {
        "StoreUnavailableError": translate(
            "Words", "There is no password store that could take them."
        ),
        "StoreLockedError": translate("Words", "The password store stayed locked."),
        "PromptDismissedError": translate("Words", "You cancelled."),
        "DecryptionError": translate("Words", "No password opened it, or the file is damaged."),
        "JournalError": translate(
            "Words", "Another migration is at work, or its journal is unreadable."
        ),
        "StoreTimeoutError": translate("Words", "The password store does not answer."),
    }.get(str(result.get("error", "")))
    return text or shown(str(result.get("message", "")))


def say_place(row: Mapping[str, Any]) -> str:
    """Name an entry, a folder, or another program's item."""
    if row.get("kind") == "item":
        return shown(str(row.get("label", "")))
    folder, key = shown(str(row.get("folder", ""))), shown(str(row.get("key", "")))
    if row.get("kind") != "folder":
        return f"{folder} / {key}"
    return QCoreApplication.translate("Words", "%1 (an empty folder)").replace("%1", folder)
