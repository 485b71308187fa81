# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of what is to happen, or has happened, to each entry."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from PyQt6.QtCore import QCoreApplication, Qt
from PyQt6.QtWidgets import QHeaderView, QTreeWidget, QTreeWidgetItem, QWidget

from kwallet_bridge.gui.labels import plain_tooltip, shown
from kwallet_bridge.gui.words import say_error, say_outcome, say_place, say_reason

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SHOWN_OPEN = 40
"""A wallet with more entries is shown closed: its counts say more than its first page."""

_SHORT_NAME = 32
"""Letters of a wallet's name beside its counts."""


class StepList(QTreeWidget):
    """Wallets, and below each its entries with what becomes of them, and why."""

    def __init__(self, *, name: str, parent: QWidget | None = None) -> None:
        """Begin empty; ``name`` is for screen readers."""
        super().__init__(parent)
        self.setAccessibleName(name)
        self.setColumnCount(3)
        self.setHeaderLabels([self.tr("Entry"), self.tr("What happens"), self.tr("Why")])
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setUniformRowHeights(True)
        self.setAlternatingRowColors(True)
        self.setAllColumnsShowFocus(True)
        header = self.header()
        if header is not None:
            header.setStretchLastSection(False)
            header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
            header.setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
            header.setSectionResizeMode(2, QHeaderView.ResizeMode.Stretch)

    def show_result(self, result: Mapping[str, Any], *, word: str) -> None:
        """Fill from a result line; ``word`` is the field that tells what happens."""
        self.clear()
        for wallet in result.get("wallets", ()):
            self._add_wallet(wallet, word)
        for refused in result.get("refused", ()):
            source = str(refused.get("source", ""))
            why = f"{self.tr('cannot be read')}. {say_error(refused)}"
            self._add_top(_last_part(source), why)

    def show_steps(self, rows: Sequence[Mapping[str, Any]], *, word: str) -> None:
        """Fill from steps alone."""
        self.clear()
        for row in rows:
            self.addTopLevelItem(_make_item(_cells(row, word)))

    def _add_wallet(self, wallet: Mapping[str, Any], word: str) -> None:
        rows = wallet.get("rows", ())
        counts = Counter(str(row.get(word, row.get("action", ""))) for row in rows)
        told = ", ".join(f"{say_outcome(which)}: {number}" for which, number in counts.items())
        if "error" in wallet:
            told = f"{told}. {say_error(wallet)}"
        item = self._add_top(shown(str(wallet.get("wallet", ""))), told)
        item.addChildren([_make_item(_cells(row, word)) for row in rows])
        item.setExpanded(len(rows) <= _SHOWN_OPEN)

    def _add_top(self, name: str, told: str) -> QTreeWidgetItem:
        short = name if len(name) <= _SHORT_NAME else f"{name[:_SHORT_NAME]}…"
        item = _make_item([f"{short} ({told})"])
        item.setToolTip(0, plain_tooltip(f"{name} ({told})"))
        font = item.font(0)
        font.setBold(True)
        item.setFont(0, font)
        self.addTopLevelItem(item)
        item.setFirstColumnSpanned(True)
        return item


def count_outcomes(result: Mapping[str, Any], word: str) -> Counter[str]:
    """Count a result's steps by action or outcome."""
    rows = [row for wallet in result.get("wallets", ()) for row in wallet.get("rows", ())]
    return Counter(str(row.get(word, "")) for row in rows)


def _cells(row: Mapping[str, Any], word: str) -> list[str]:
    happens = say_outcome(str(row.get(word, row.get("action", ""))))
    if row.get("verified"):
        happens = QCoreApplication.translate("StepList", "%1, checked").replace("%1", happens)
    return [say_place(row), happens, say_reason(str(row.get("reason", "")))]


def _make_item(cells: Sequence[str]) -> QTreeWidgetItem:
    item = QTreeWidgetItem(list(cells))
    for column, text in enumerate(cells):
        item.setToolTip(column, plain_tooltip(text) if text else "")
    return item


def _last_part(path: str) -> str:
    return shown(path.rpartition("/")[2])
