# SPDX-License-Identifier: GPL-3.0-or-later
"""The page that asks for passwords and shows what would happen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import (
    QComboBox,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWizardPage,
)

from kwallet_bridge.gui.labels import ElidedLabel, shown
from kwallet_bridge.gui.steps import StepList, count_outcomes
from kwallet_bridge.gui.words import say_error

if TYPE_CHECKING:
    from kwallet_bridge.gui.child import Child
    from kwallet_bridge.gui.wizard import MigrationAssistant

_WRITES: Final = ("create", "replace")


class PlanPage(QWizardPage):
    """Makes the plan in a child that writes nothing; the passwords typed serve the work too."""

    def __init__(self, assistant: MigrationAssistant) -> None:
        """Lay out."""
        super().__init__(assistant)
        self._assistant = assistant
        self._child: Child | None = None
        self._question: dict[str, Any] = {}
        self._passwords: dict[str, str] = {}
        self.plan: dict[str, Any] = {}
        self.setTitle(self.tr("The plan"))
        self.setSubTitle(self.tr("This is what would happen. Nothing has been written yet."))
        self.setCommitPage(True)
        self.status = QLabel()
        self.status.setTextFormat(Qt.TextFormat.PlainText)
        self.status.setWordWrap(True)
        self.steps = StepList(name=self.tr("What would happen to each entry"))
        layout = QVBoxLayout(self)
        layout.addWidget(self.status)
        layout.addWidget(self._make_question())
        layout.addWidget(self.steps)
        layout.addLayout(self._make_policy())

    def _make_question(self) -> QFrame:
        self.asking = QFrame()
        self.password = QLineEdit()
        self.password.setEchoMode(QLineEdit.EchoMode.Password)
        self.password.returnPressed.connect(self._give_password)
        self.unlock = QPushButton(self.tr("&Unlock"))
        self.unlock.setAutoDefault(False)
        self.unlock.clicked.connect(self._give_password)
        self.leave_out = QPushButton(self.tr("&Leave This Wallet Out"))
        self.leave_out.setAutoDefault(False)
        self.leave_out.clicked.connect(self._leave_out)
        self.wallet_name = ElidedLabel("", name=self.tr("Wallet:"))
        form = QFormLayout()
        form.addRow(self.tr("Wallet:"), self.wallet_name)
        line = QHBoxLayout()
        line.addWidget(self.password)
        line.addWidget(self.unlock)
        line.addWidget(self.leave_out)
        label = QLabel(self.tr("&Password:"))
        label.setBuddy(self.password)
        self.password.setAccessibleName(self.tr("Password of the wallet"))
        form.addRow(label, line)
        self.asking.setLayout(form)
        self.asking.hide()
        return self.asking

    def _make_policy(self) -> QHBoxLayout:
        self.policy = QComboBox()
        self.policy.addItem(self.tr("Keep the password store's value"), "skip")
        self.policy.addItem(self.tr("Take the wallet's value"), "replace")
        self.policy.addItem(self.tr("Keep both, under two names"), "keep-both")
        self.policy.setAccessibleName(self.tr("Where both have a value"))
        self.policy.activated.connect(lambda _: self._make_plan())
        label = QLabel(self.tr("&Where both have a value:"))
        label.setBuddy(self.policy)
        line = QHBoxLayout()
        line.addWidget(label)
        line.addWidget(self.policy)
        line.addStretch(1)
        return line

    def initializePage(self) -> None:
        """Begin to plan."""
        self._make_plan()

    def cleanupPage(self) -> None:
        """Go back: the plan made so far is of no use."""
        if self._child is not None:
            self._child.stop()

    def forget_passwords(self) -> None:
        """Let go of every password typed."""
        self._passwords.clear()
        self.password.clear()

    def make_child(self, *, dry_run: bool) -> Child:
        """Make a child that reads the chosen wallets, and knows the passwords typed so far."""
        words = ["migrate", "--json", "--answers", "-", "--choose"]
        words += ["--on-conflict", str(self.policy.currentData())]
        child = self._assistant.start_child(*words, *(["--dry-run"] if dry_run else []))
        child.told.connect(lambda event: self._on_told(child, event))
        return child

    def _make_plan(self) -> None:
        if self._child is not None:
            self._child.stop()
        self.plan, self._question = {}, {}
        self.steps.clear()
        self.asking.hide()
        self.status.setText(self.tr("Reading the wallets…"))
        self.completeChanged.emit()
        self._child = self.make_child(dry_run=True)
        self._child.printed.connect(self._on_printed)
        self._child.ended.connect(self._on_ended)
        self._child.start()

    def _on_told(self, child: Child, event: dict[str, Any]) -> None:
        match event.get("type"):
            case "need-choice":
                child.answer({"id": event["id"], "files": self._assistant.found.chosen_files()})
            case "need-password":
                known = self._passwords.get(str(event.get("file")))
                if known is not None and event.get("try") == 1:
                    child.answer({"id": event["id"], "password": known})
                elif child is self._child and child.is_running:
                    self._ask(event)
                else:
                    child.answer({"id": event["id"], "cancel": True})
            case "need-decision":
                child.answer({"id": event["id"], "decision": "skip", "always": True})

    def _ask(self, event: dict[str, Any]) -> None:
        self._question = event
        again = event.get("try") != 1
        self.status.setText(
            self.tr("That did not open it. Please try again.")
            if again
            else self.tr("This wallet has a password of its own.")
        )
        self.wallet_name.set_full_text(str(event.get("wallet", "")))
        self.password.clear()
        self.asking.show()
        self.password.setFocus()

    def _give_password(self) -> None:
        if not self._question or self._child is None:
            return
        self._passwords[str(self._question.get("file"))] = self.password.text()
        self._answer({"password": self.password.text()})

    def _leave_out(self) -> None:
        if self._question:
            self._answer({"cancel": True})

    def _answer(self, fields: dict[str, object]) -> None:
        if self._child is not None:
            self._child.answer({"id": self._question["id"]} | fields)
        self._question = {}
        self.password.clear()
        self.asking.hide()
        self.status.setText(self.tr("Reading the wallets…"))

    def _on_printed(self, line: dict[str, Any]) -> None:
        if line.get("type") == "error":
            self.status.setText(say_error(line))
        if line.get("type") != "result":
            return
        self.plan = line
        self.steps.show_result(line, word="action")
        self.status.setText(self._summarize(line))

    def _summarize(self, plan: dict[str, Any]) -> str:
        counts = count_outcomes(plan, "action")
        number = sum(counts[word] for word in _WRITES)
        if number:
            return self.tr("%n entries would be written.", "", number)
        if plan.get("wallets"):
            return self.tr("There is nothing to write: everything is there already.")
        return self.tr("No wallet could be read.")

    def _on_ended(self, code: int) -> None:
        self.asking.hide()
        if not self.plan and self.status.text() == self.tr("Reading the wallets…"):
            text = self.tr("No plan could be made (exit code %1).")
            self.status.setText(text.replace("%1", shown(str(code))))
        self.completeChanged.emit()

    def isComplete(self) -> bool:
        """Go on once there is a plan that writes something."""
        if self._child is None or self._child.is_running:
            return False
        counts = count_outcomes(self.plan, "action")
        return any(counts[word] for word in _WRITES)
