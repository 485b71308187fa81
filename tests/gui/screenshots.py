# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw every window into docs/images: ``python tests/gui/screenshots.py [NAME…]``.

Each picture is drawn by a process of its own without a display, so that language and scale are
those a session would have. The windows are the real ones; what they show is the tests' story.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "docs/images"
LONG = "Eine sehr lange Brieftasche mit einem Namen, der in kein Fenster passt, und weiter " * 3
VARIANTS: dict[str, dict[str, str]] = {
    "light": {},
    "dark": {"SHOT_DARK": "1"},
    "200": {"QT_SCALE_FACTOR": "2"},
    "de": {"SHOT_LOCALE": "de_DE"},
    "long": {"SHOT_LONG": "1"},
    "rtl": {"SHOT_RTL": "1"},
}
WINDOWS = (
    "access",
    "unlock",
    "choose",
    "move",
    "status",
    "found",
    "password",
    "plan",
    "work",
    "result",
)

if TYPE_CHECKING:
    from PyQt6.QtWidgets import QApplication, QWidget


def main() -> None:
    """Draw the pictures asked for, or all."""
    if os.environ.get("SHOT_WINDOW"):
        draw(os.environ["SHOT_WINDOW"], Path(os.environ["SHOT_OUT"]))
        return
    wanted = sys.argv[1:] or [f"{window}-{name}" for window in WINDOWS for name in VARIANTS]
    IMAGES.mkdir(parents=True, exist_ok=True)
    for each in wanted:
        window, _, variant = each.rpartition("-")
        out = IMAGES / f"{each}.png"
        env = {
            "PATH": os.environ["PATH"],
            "HOME": tempfile.gettempdir(),
            "QT_QPA_PLATFORM": "offscreen",
            "LC_ALL": "C.UTF-8",
            "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}",
            "TZ": "UTC",
            "SHOT_WINDOW": window,
            "SHOT_OUT": str(out),
        }
        subprocess.run(
            [sys.executable, __file__], env=env | VARIANTS[variant], check=True, timeout=60
        )
        # Small files, and no dither: windows have few colours.
        subprocess.run(["mogrify", "-strip", "+dither", "-colors", "96", str(out)], check=True)


def draw(window: str, out: Path) -> None:
    """Draw one window as the environment says."""
    from PyQt6.QtCore import QLocale, Qt  # noqa: PLC0415  in the child only

    from kwallet_bridge.gui.app import make_application  # noqa: PLC0415

    QLocale.setDefault(QLocale(os.environ.get("SHOT_LOCALE", "en_GB")))
    application = make_application()
    if not os.environ.get("SHOT_PLATFORM"):
        application.setStyle("Fusion")
    if os.environ.get("SHOT_DARK"):
        darken(application)
    if os.environ.get("SHOT_RTL"):
        application.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
    with tempfile.TemporaryDirectory() as folder:
        shown = make_window(window, Path(folder), long=bool(os.environ.get("SHOT_LONG")))
        # The pointer and the caret are none of the window's looks.
        application.setCursorFlashTime(0)
        application.processEvents()
        if os.environ.get("SHOT_PLATFORM"):
            settle()
        shown.grab().save(str(out), "PNG")
        shown.close()


def settle() -> None:
    """Give a platform's style the time its animations take."""
    from PyQt6.QtTest import QTest  # noqa: PLC0415

    QTest.qWait(1500)  # type: ignore[call-arg, arg-type]  # it is static


def darken(application: QApplication) -> None:
    """Give the application the colours of a dark platform."""
    from PyQt6.QtGui import QColor, QPalette  # noqa: PLC0415

    palette = QPalette(QColor(49, 54, 59), QColor(42, 46, 50))
    palette.setColor(QPalette.ColorRole.Base, QColor(27, 30, 32))
    palette.setColor(QPalette.ColorRole.AlternateBase, QColor(35, 38, 41))
    palette.setColor(QPalette.ColorRole.Highlight, QColor(61, 174, 233))
    application.setPalette(palette)


def make_window(name: str, folder: Path, *, long: bool) -> QWidget:
    """Make a window and lead it to the state to be drawn."""
    from support import scripted_program as story  # noqa: PLC0415
    from support.windows import wait_until  # noqa: PLC0415

    from kwallet_bridge.gui.access import AccessDialog  # noqa: PLC0415
    from kwallet_bridge.gui.status import StatusWindow  # noqa: PLC0415
    from kwallet_bridge.gui.wizard import MigrationAssistant  # noqa: PLC0415
    from kwallet_bridge.question import Decision, Question  # noqa: PLC0415

    if name == "access":
        question = Question("kdewallet", "kmail", 4711, "/usr/bin/kmail", "")
        if long:
            path = "/opt/" + "a-rather-deep-folder/" * 12 + "program"
            question = Question(
                LONG, "\u202eevil <b>bold</b> " + LONG, 4711, path, "org.example.App"
            )
        dialog = AccessDialog(question, answers=io.StringIO())
        dialog.show()
        wait_until(dialog.buttons[Decision.ONCE].isEnabled)
        return dialog
    if name in {"unlock", "choose", "move"}:
        return make_password_window(name, long=long)
    stories = {"status": story.STATUS_STORY, "work": story.HALF_A_STORY}
    script = stories.get(name, story.WHOLE_STORY)
    if long:
        script = json.loads(json.dumps(script).replace('"kdewallet"', json.dumps(LONG)))
    program = story.ScriptedProgram(folder, script)
    if name == "status":
        status = StatusWindow(program=program.command)
        status.show()
        wait_until(lambda: status.refusals.topLevelItemCount() > 0)
        return status
    assistant = MigrationAssistant(program=program.command)
    assistant.show()
    lead_to(assistant, name)
    return assistant


def make_password_window(name: str, *, long: bool) -> QWidget:
    """Make a window that asks for a password, with something typed."""
    from kwallet_bridge.gui.password import PasswordWindow  # noqa: PLC0415
    from kwallet_bridge.question import (  # noqa: PLC0415
        UNKNOWN_SANDBOX,
        PasswordQuestion,
        Purpose,
        WaitingProgram,
    )

    kmail = WaitingProgram("kmail", "/usr/bin/kmail")
    akonadi = WaitingProgram("Akonadi", "/usr/bin/akonadi_imap_resource")
    chromium = WaitingProgram("Chromium", "/usr/lib/chromium/chromium")

    questions = {
        "unlock": PasswordQuestion(
            Purpose.UNLOCK, "kdewallet", (kmail, akonadi), again=True
        ),
        "choose": PasswordQuestion(Purpose.CREATE, "kdewallet", least=4),
        "move": PasswordQuestion(
            Purpose.MOVE, "kdewallet", (chromium,), may_start_without=True
        ),
    }  # fmt: skip
    question = questions[name]
    if long:
        evil = WaitingProgram("\u202eevil <b>bold</b> " + LONG, "/opt/" + "a-deep-folder/" * 20)
        waiting = (evil, kmail, WaitingProgram("", "", UNKNOWN_SANDBOX))
        question = replace(question, wallet=LONG, waiting=waiting, more=12)
    window = PasswordWindow(question, answers=io.StringIO())
    window.show()
    if name == "choose":
        window.field.setText("correct horse bat")
        window.again.setText("correct hors")
        window.again.textEdited.emit("")
    return window


def lead_to(assistant: Any, name: str) -> None:
    """Go on to the page of that name."""
    from support.windows import wait_until  # noqa: PLC0415

    wait_until(lambda: assistant.found.wallets.currentItem() is not None)
    if name == "found":
        return
    assistant.next()
    wait_until(assistant.plan.asking.isVisible)
    assistant.plan.password.setText("letters")
    if name == "password":
        return
    assistant.plan.unlock.click()
    wait_until(assistant.plan.isComplete)
    if name == "plan":
        return
    assistant.next()
    if name == "work":
        wait_until(lambda: assistant.work.bar.maximum() == 2)
        return
    wait_until(lambda: assistant.currentPage() is assistant.ending)


if __name__ == "__main__":
    main()
