# SPDX-License-Identifier: GPL-3.0-or-later
"""The status window: who answers, which wallets there are, who uses them, who was refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from PyQt6.QtCore import QDateTime, QLocale, Qt, QTimer
from PyQt6.QtWidgets import (
    QDialogButtonBox,
    QFormLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from kwallet_bridge.gui.child import OWN_PROGRAM, Child
from kwallet_bridge.gui.icons import decorate
from kwallet_bridge.gui.labels import ElidedLabel, plain_tooltip, shown
from kwallet_bridge.gui.wizard import MigrationAssistant

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PyQt6.QtGui import QCloseEvent, QKeyEvent

_SETTLE_MILLISECONDS: Final = 500
_RETRY_MILLISECONDS: Final = 5000
_CHANGING: Final = ("open", "close", "createFolder", "deleteWallet", "disconnectApplication")
"""Calls that may change what is shown; our own questions are not among them."""
_SIZE_IN_LETTERS: Final = (92, 30)
_NAME_IN_LETTERS: Final = 20


class StatusWindow(QWidget):
    """Shows ``kwallet-bridge status``, and again whenever ``monitor`` tells of a change."""

    def __init__(self, *, program: Sequence[str] = OWN_PROGRAM) -> None:
        """Lay out, and start looking."""
        super().__init__()
        self._program = program
        self._reader: Child | None = None
        self._assistant: MigrationAssistant | None = None
        self.setWindowTitle(self.tr("Wallets"))
        self._lay_out()
        metrics = self.fontMetrics()
        letters, lines = _SIZE_IN_LETTERS
        self.resize(metrics.averageCharWidth() * letters, metrics.lineSpacing() * lines)
        self._settle = _make_timer(self, _SETTLE_MILLISECONDS, self.refresh)
        self._retry = _make_timer(self, _RETRY_MILLISECONDS, self._watch)
        self._watcher: Child | None = None
        self._watch()
        self.refresh()

    def _lay_out(self) -> None:
        waiting = self.tr("Looking…")
        self.service = ElidedLabel(waiting, name=self.tr("Wallet service:"))
        self.provider = ElidedLabel(waiting, name=self.tr("Password store:"))
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow(self.tr("Wallet service:"), self.service)
        form.addRow(self.tr("Password store:"), self.provider)
        self.wallets = _make_tree([self.tr("Wallet"), self.tr("State")])
        self.refusals = _make_tree([self.tr("Time"), self.tr("Program"), self.tr("Wallet")])
        self.refusals.setRootIsDecorated(False)
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        for text, tree in (
            (self.tr("&Wallets and the applications that use them:"), self.wallets),
            (self.tr("&Refused lately:"), self.refusals),
        ):
            label = QLabel(text)
            label.setBuddy(tree)
            tree.setAccessibleName(text.replace("&", ""))
            layout.addWidget(label)
            layout.addWidget(tree, 2 if tree is self.wallets else 1)
        layout.addWidget(self._make_buttons())

    def _make_buttons(self) -> QDialogButtonBox:
        box = QDialogButtonBox()
        self.move_wallets = QPushButton(self.tr("&Move Wallets…"))
        decorate(self.move_wallets, "document-import")
        explanation = self.tr("Move what is in KDE's wallet files to your password store")
        self.move_wallets.setToolTip(explanation)
        self.move_wallets.setAccessibleDescription(explanation)
        self.move_wallets.clicked.connect(self._open_assistant)
        box.addButton(self.move_wallets, QDialogButtonBox.ButtonRole.ActionRole)
        close = box.addButton(QDialogButtonBox.StandardButton.Close)
        if close is not None:
            close.setText(self.tr("&Close"))
        box.rejected.connect(self.close)
        return box

    def refresh(self) -> None:
        """Ask once more, unless an answer is under way."""
        if self._reader is not None and self._reader.is_running:
            self._settle.start()
            return
        self._reader = Child(["status", "--json"], program=self._program, parent=self)
        self._reader.printed.connect(self.show_status)
        self._reader.ended.connect(self._on_read)
        self._reader.start()

    def _on_read(self, code: int) -> None:
        if code:
            self.service.set_full_text(self.tr("The session bus cannot be reached"))

    def show_status(self, status: dict[str, Any]) -> None:
        """Show one answer of ``kwallet-bridge status --json``."""
        if status.get("type") != "status":
            return
        nobody = self.tr("Nobody answers")
        owner = str(status.get("owner") or nobody)
        if status.get("owner") and not status.get("enabled"):
            owner = self.tr("%1, switched off").replace("%1", owner)
        self.service.set_full_text(owner)
        self.provider.set_full_text(str(status.get("provider") or nobody))
        self._show_wallets(status.get("wallets", []))
        self._show_refusals(status.get("refusals", []))

    def _show_wallets(self, wallets: list[dict[str, Any]]) -> None:
        self.wallets.clear()
        for wallet in wallets:
            state = self.tr("open") if wallet.get("is_open") else self.tr("closed")
            item = _make_row([str(wallet.get("name", "")), state])
            users = [str(user) or self.tr("(gives no name)") for user in wallet.get("users", [])]
            item.addChildren([_make_row([user, self.tr("connected")]) for user in users])
            self.wallets.addTopLevelItem(item)
            item.setExpanded(True)
        if not wallets:
            self.wallets.addTopLevelItem(_make_note(self.tr("There is no wallet yet")))

    def _show_refusals(self, refusals: list[dict[str, Any]]) -> None:
        self.refusals.clear()
        for refusal in reversed(refusals):
            when = QDateTime.fromSecsSinceEpoch(int(refusal.get("time", 0)))
            clock = QLocale().toString(when.time(), QLocale.FormatType.ShortFormat)
            program = str(refusal.get("executable", "")) or self.tr("unknown")
            text = self.tr("“%1”, process %2 of %3")
            text = text.replace("%2", str(refusal.get("pid", 0))).replace("%3", program)
            text = text.replace("%1", str(refusal.get("appid", "")))
            wallet = str(refusal.get("wallet", ""))
            row = _make_row([clock, text, wallet])
            row.setText(2, self._shorten(wallet))
            self.refusals.addTopLevelItem(row)
        if not refusals:
            self.refusals.addTopLevelItem(_make_note(self.tr("Nobody")))

    def _shorten(self, name: str) -> str:
        """Leave the room to the program."""
        metrics = self.fontMetrics()
        width = metrics.averageCharWidth() * _NAME_IN_LETTERS
        return metrics.elidedText(shown(name), Qt.TextElideMode.ElideMiddle, width)

    def _watch(self) -> None:
        self._watcher = Child(["monitor", "--json"], program=self._program, parent=self)
        # What happened before it began to watch was told to nobody: look once more.
        self._watcher.told.connect(lambda _: self._settle.start())
        self._watcher.printed.connect(self._on_call)
        self._watcher.ended.connect(self._on_watch_ended)
        self._watcher.start()

    def _on_call(self, call: dict[str, Any]) -> None:
        if str(call.get("member", "")).startswith(_CHANGING):
            self._settle.start()

    def _on_watch_ended(self, code: int) -> None:
        del code
        self._settle.start()
        self._retry.start()

    def _open_assistant(self) -> None:
        self._assistant = MigrationAssistant(program=self._program)
        self._assistant.setAttribute(Qt.WidgetAttribute.WA_QuitOnClose)
        self._assistant.finished.connect(lambda _: self.refresh())
        self._assistant.show()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Close on Escape."""
        if event is not None and event.key() == Qt.Key.Key_Escape:
            self.close()
        else:
            super().keyPressEvent(event)

    def closeEvent(self, event: QCloseEvent | None) -> None:
        """End the children along with the window."""
        self._settle.stop()
        self._retry.stop()
        for child in self.findChildren(Child):
            child.stop()
        super().closeEvent(event)


def _make_timer(parent: QWidget, milliseconds: int, work: Callable[[], None]) -> QTimer:
    timer = QTimer(parent)
    timer.setSingleShot(True)
    timer.setInterval(milliseconds)
    timer.timeout.connect(work)
    return timer


def _make_tree(headings: list[str]) -> QTreeWidget:
    tree = QTreeWidget()
    tree.setColumnCount(len(headings))
    tree.setHeaderLabels(headings)
    tree.setTextElideMode(Qt.TextElideMode.ElideMiddle)
    tree.setUniformRowHeights(True)
    tree.setAllColumnsShowFocus(True)
    header = tree.header()
    if header is not None:
        header.setStretchLastSection(False)
        for column in range(len(headings)):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        wide = 1 if len(headings) == 3 else 0
        header.setSectionResizeMode(wide, QHeaderView.ResizeMode.Stretch)
    return tree


def _make_row(cells: list[str]) -> QTreeWidgetItem:
    item = QTreeWidgetItem([shown(cell) for cell in cells])
    for column, cell in enumerate(cells):
        item.setToolTip(column, plain_tooltip(cell))
    return item


def _make_note(text: str) -> QTreeWidgetItem:
    item = QTreeWidgetItem([text])
    item.setFirstColumnSpanned(True)
    item.setDisabled(True)
    return item
