# SPDX-License-Identifier: GPL-3.0-or-later
"""The migration assistant: which wallets, the passwords, the plan, the work, the result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from PyQt6.QtCore import QDateTime, QLocale, Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QLabel,
    QProgressBar,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWizard,
    QWizardPage,
)

from kwallet_bridge.gui.child import OWN_PROGRAM, Child
from kwallet_bridge.gui.icons import decorate, program_icon
from kwallet_bridge.gui.labels import ElidedLabel, plain_tooltip, shown
from kwallet_bridge.gui.plan_page import PlanPage
from kwallet_bridge.gui.steps import StepList, count_outcomes
from kwallet_bridge.gui.words import say_error

if TYPE_CHECKING:
    from collections.abc import Sequence

_ICON_SIZE: Final = 48
_FILE: Final = Qt.ItemDataRole.UserRole
_SIZE_IN_LETTERS: Final = (110, 34)


class MigrationAssistant(QWizard):
    """Leads through one migration; every step is a run of ``kwallet-bridge migrate``."""

    def __init__(self, *, program: Sequence[str] = OWN_PROGRAM) -> None:
        """Lay the pages out; the search begins when the first page is shown."""
        super().__init__()
        self.program = program
        self.setWindowTitle(self.tr("Move Wallets to Your Password Store"))
        self.setWizardStyle(QWizard.WizardStyle.ModernStyle)
        self.setOption(QWizard.WizardOption.NoBackButtonOnLastPage)
        self.setOption(QWizard.WizardOption.NoCancelButtonOnLastPage)
        self.setPixmap(
            QWizard.WizardPixmap.LogoPixmap, program_icon().pixmap(_ICON_SIZE, _ICON_SIZE)
        )
        self._dress_buttons()
        self.found = FoundPage(self)
        self.plan = PlanPage(self)
        self.work = WorkPage(self)
        self.ending = ResultPage(self)
        for page in (self.found, self.plan, self.work, self.ending):
            self.addPage(page)
        metrics = self.fontMetrics()
        letters, lines = _SIZE_IN_LETTERS
        self.resize(metrics.averageCharWidth() * letters, metrics.lineSpacing() * lines)

    def _dress_buttons(self) -> None:
        """Give the buttons the words and icons of Plasma's assistants.

        All of them: Qt's own words are English where its translations are not installed.
        """
        which = QWizard.WizardButton
        self.setButtonText(which.BackButton, self.tr("&Back"))
        self.setButtonText(which.NextButton, self.tr("&Next"))
        self.setButtonText(which.CommitButton, self.tr("&Move"))
        self.setButtonText(which.FinishButton, self.tr("&Finish"))
        self.setButtonText(which.CancelButton, self.tr("Cancel"))
        back, following = "go-previous", "go-next"
        if self.layoutDirection() is Qt.LayoutDirection.RightToLeft:
            back, following = following, back
        decorate(self.button(which.BackButton), back)
        decorate(self.button(which.NextButton), following)
        decorate(self.button(which.CommitButton), "dialog-ok-apply")
        decorate(self.button(which.FinishButton), "dialog-ok-apply")
        decorate(self.button(which.CancelButton), "dialog-cancel")

    def start_child(self, *arguments: str) -> Child:
        """Make a child of ours; the caller connects its signals and starts it."""
        return Child(arguments, program=self.program, parent=self)

    def done(self, result: int) -> None:
        """Close; what still runs ends. A run cut off goes on where it was when started again."""
        for child in self.findChildren(Child):
            child.stop()
        self.plan.forget_passwords()
        super().done(result)


class FoundPage(QWizardPage):
    """Which wallet files there are, and which shall be moved."""

    def __init__(self, assistant: MigrationAssistant) -> None:
        """Lay out."""
        super().__init__(assistant)
        self._assistant = assistant
        self.setTitle(self.tr("Your wallets"))
        self.setSubTitle(
            self.tr("What is in them can move to your password store. The files stay as they are.")
        )
        self.wallets = QTreeWidget()
        self.wallets.setHeaderHidden(True)
        self.wallets.setRootIsDecorated(False)
        self.wallets.setAccessibleName(self.tr("Wallets found"))
        self.wallets.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.wallets.itemChanged.connect(lambda *_: self.completeChanged.emit())
        label = QLabel(self.tr("&Wallets to move:"))
        label.setBuddy(self.wallets)
        self.status = QLabel(self.tr("Looking for wallets…"))
        self.status.setTextFormat(Qt.TextFormat.PlainText)
        self.status.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.addWidget(label)
        layout.addWidget(self.wallets)
        layout.addWidget(self.status)

    def initializePage(self) -> None:
        """Look for wallets."""
        self.wallets.clear()
        self.status.setText(self.tr("Looking for wallets…"))
        child = self._assistant.start_child("migrate", "--list", "--json")
        child.printed.connect(self._on_printed)
        child.ended.connect(self._on_ended)
        child.start()

    def _on_printed(self, line: dict[str, Any]) -> None:
        if line.get("type") == "error":
            self.status.setText(say_error(line))
        if line.get("type") != "wallet":
            return
        text = shown(str(line.get("wallet", "")))
        moved = line.get("moved")
        if isinstance(moved, int):
            when = QLocale().toString(
                QDateTime.fromSecsSinceEpoch(moved).date(), QLocale.FormatType.ShortFormat
            )
            text = self.tr("%1 (moved on %2)").replace("%2", when).replace("%1", text)
        item = QTreeWidgetItem([text])
        item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
        item.setCheckState(0, Qt.CheckState.Checked if moved is None else Qt.CheckState.Unchecked)
        item.setData(0, _FILE, str(line.get("file", "")))
        item.setToolTip(0, plain_tooltip(str(line.get("file", ""))))
        self.wallets.addTopLevelItem(item)

    def _on_ended(self, code: int) -> None:
        if self.wallets.topLevelItemCount():
            self.wallets.setCurrentItem(self.wallets.topLevelItem(0))
            self.wallets.setFocus()
            self.status.setText(self.tr("Next you see what would happen; nothing is written yet."))
        elif code == 0:
            self.status.setText(self.tr("There are no wallet files, so there is nothing to move."))
        elif self.status.text() == self.tr("Looking for wallets…"):
            self.status.setText(self.tr("The search failed."))
        self.completeChanged.emit()

    def chosen_files(self) -> list[str]:
        """Give the files of the wallets that are ticked."""
        rows = range(self.wallets.topLevelItemCount())
        items = [self.wallets.topLevelItem(row) for row in rows]
        return [
            str(item.data(0, _FILE))
            for item in items
            if item is not None and item.checkState(0) == Qt.CheckState.Checked
        ]

    def isComplete(self) -> bool:
        """Go on once something is chosen."""
        return bool(self.chosen_files())


class WorkPage(QWizardPage):
    """The work itself; goes on by itself when it is over."""

    worked = pyqtSignal(int)

    def __init__(self, assistant: MigrationAssistant) -> None:
        """Lay out."""
        super().__init__(assistant)
        self._assistant = assistant
        self._is_over = False
        self.last: dict[str, Any] = {}
        self.setTitle(self.tr("Moving"))
        self.setSubTitle(
            self.tr(
                "Each entry is written, then read back and compared. If this is interrupted, "
                "start the assistant again: it goes on where it was."
            )
        )
        self.stage = ElidedLabel("", name="")
        self.bar = QProgressBar()
        self.bar.setAccessibleName(self.tr("Progress"))
        layout = QVBoxLayout(self)
        layout.addStretch(1)
        layout.addWidget(self.stage)
        layout.addWidget(self.bar)
        layout.addStretch(2)

    def initializePage(self) -> None:
        """Start the work."""
        self._is_over, self.last = False, {}
        self.stage.set_full_text(self.tr("Preparing…"))
        self.bar.setRange(0, 0)
        child = self._assistant.plan.make_child(dry_run=False)
        child.told.connect(self._on_told)
        child.printed.connect(self._on_printed)
        child.ended.connect(self._on_ended)
        child.start()

    def _on_told(self, event: dict[str, Any]) -> None:
        if event.get("type") != "progress":
            return
        texts = {
            "write": self.tr("Writing the wallet “%1”"),
            "verify": self.tr("Checking the wallet “%1”"),
        }
        text = texts.get(str(event.get("stage")), "%1")
        self.stage.set_full_text(text.replace("%1", str(event.get("wallet", ""))))
        self.bar.setRange(0, max(1, int(event.get("total", 1))))
        self.bar.setValue(int(event.get("done", 0)))

    def _on_printed(self, line: dict[str, Any]) -> None:
        self.last = line

    def _on_ended(self, code: int) -> None:
        self._is_over = True
        self.bar.setRange(0, 1)
        self.bar.setValue(1)
        self._assistant.plan.forget_passwords()
        self.completeChanged.emit()
        self.worked.emit(code)
        self._assistant.next()

    def isComplete(self) -> bool:
        """Go on once the work is over."""
        return self._is_over


class ResultPage(QWizardPage):
    """What came of it, and the way back."""

    def __init__(self, assistant: MigrationAssistant) -> None:
        """Lay out."""
        super().__init__(assistant)
        self._assistant = assistant
        self._run = ""
        self.setTitle(self.tr("Result"))
        self.setSubTitle(self.tr("Your wallet files were not changed."))
        self.summary = QLabel()
        self.summary.setTextFormat(Qt.TextFormat.PlainText)
        self.summary.setWordWrap(True)
        self.steps = StepList(name=self.tr("What became of each entry"))
        self.undo = QPushButton(self.tr("&Take Back…"))
        explanation = self.tr("Remove again what was written, and put back what was replaced")
        self.undo.setToolTip(explanation)
        self.undo.setAccessibleDescription(explanation)
        self.undo.clicked.connect(self._ask_undo)
        layout = QVBoxLayout(self)
        layout.addWidget(self.summary)
        layout.addWidget(self.steps)
        layout.addWidget(self.undo, 0, Qt.AlignmentFlag.AlignRight)

    def initializePage(self) -> None:
        """Show what the work printed last."""
        result = self._assistant.work.last
        self._run = str(result.get("run") or "")
        self.undo.setText(self.tr("&Take Back…"))
        self.undo.setEnabled(bool(self._run))
        self.summary.setText(self._summarize(result))
        self.steps.show_result(result, word="outcome")

    def _summarize(self, result: dict[str, Any]) -> str:
        if result.get("type") != "result":
            return say_error(result) or self.tr("The work ended before its result.")
        counts = count_outcomes(result, "outcome")
        moved = counts["created"] + counts["replaced"]
        bad = sum(counts[word] for word in ("failed", "pending", "unsupported", "skipped"))
        parts = [self.tr("%n entries were moved and checked.", "", moved)]
        if counts["same"]:
            parts.append(self.tr("%n entries were there already.", "", counts["same"]))
        if bad or result.get("refused"):
            parts.append(self.tr("Not everything was moved; the list tells why."))
        return " ".join(parts)

    def _ask_undo(self) -> None:
        # A second press is the confirmation: no box in a box.
        if self.undo.text() == self.tr("&Take Back…"):
            self.undo.setText(self.tr("&Take Back Now"))
            return
        self.undo.setEnabled(False)
        self.summary.setText(self.tr("Taking back…"))
        # A run's name is a date and a number.
        child = self._assistant.start_child("migrate", "--json", "--undo", self._run)
        child.printed.connect(self._on_undone)
        child.ended.connect(self._on_undo_ended)
        child.start()

    def _on_undone(self, line: dict[str, Any]) -> None:
        if line.get("type") == "undo":
            rows = line.get("rows", [])
            self.steps.show_steps(rows, word="outcome")
            if any(row.get("outcome") == "not-reached" for row in rows):
                self.summary.setText(
                    self.tr("Not everything was taken back: another password store has it.")
                )
                return
            self.summary.setText(
                self.tr("Everything was taken back that was not changed meanwhile.")
            )
        elif line.get("type") == "error":
            self.summary.setText(say_error(line))

    def _on_undo_ended(self, code: int) -> None:
        if code and self.summary.text() == self.tr("Taking back…"):
            self.summary.setText(self.tr("Taking back failed; nothing further was changed."))
        self.undo.setText(self.tr("&Take Back…"))
